/**
 * Responses without content: 204, 205, 304, and those to HEAD.
 */

import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import {
  type HttpResponseInit,
  type PreparedResponse,
  prepareResponse,
} from "@pooled/http1";
import { bytesOf } from "../support/bytes.ts";
import { exchange } from "../support/exchange.ts";
import { ask, keep } from "../support/requests.ts";
import { fieldOf } from "../support/response_reader.ts";
import { streamOf } from "../support/streams.ts";
import { test } from "../support/waiting.ts";

test("a 204 has neither body nor length, a 205 has a length of 0", async () => {
  const init: Record<string, HttpResponseInit> = {
    "/204": { status: 204 },
    "/204-length": { status: 204, headers: { "content-length": "0" } },
    "/204-coding": { status: 204, headers: { "transfer-encoding": "chunked" } },
    "/205": { status: 205 },
  };
  const prepared: Record<string, PreparedResponse> = {
    "/204-prepared": prepareResponse({ status: 204 }),
    "/204-prepared-length": prepareResponse({
      status: 204,
      headers: { "content-length": "0" },
    }),
    "/205-prepared": prepareResponse({ status: 205 }),
  };
  const paths = [...Object.keys(init), ...Object.keys(prepared)];
  for (const method of ["GET", "HEAD", "POST"]) {
    const { answers } = await exchange(
      (req, res) => {
        if (req.path === "/end") return res.send("end");
        const ready = prepared[req.path];
        if (ready !== undefined) return res.send(ready);
        res.send(null, init[req.path]);
      },
      paths.map((path) => keep(method, path)).join("") + ask("GET", "/end"),
    );
    assertEquals(
      answers.map(({ status, body }) => [status, body]),
      [
        ...paths.map((path) => [Number(path.slice(1, 4)), ""]),
        [200, "end"],
      ],
    );
    for (const [i, path] of paths.entries()) {
      assertEquals(
        fieldOf(answers[i]!, "content-length"),
        // For HEAD, the length of GET is known only for a prepared response.
        path.startsWith("/204") || (method === "HEAD" && path === "/205")
          ? null
          : "0",
        `${method} ${path}`,
      );
    }
  }
});

test("a 304 has only a length set by the program", async () => {
  const { answers } = await exchange(
    (req, res) => {
      switch (req.path) {
        case "/plain":
          return res.send(null, { status: 304, headers: { etag: '"1"' } });
        case "/length":
          return res.send(null, {
            status: 304,
            headers: { "content-length": "123" },
          });
        case "/prepared":
          return res.send(prepareResponse({ status: 304 }));
        case "/prepared-length":
          return res.send(prepareResponse({
            status: 304,
            headers: { "content-length": "123" },
          }));
        default:
          return res.send("end");
      }
    },
    ["/plain", "/length", "/prepared", "/prepared-length"]
      .map((path) => keep("GET", path)).join("") + ask("GET", "/end"),
  );
  assertEquals(
    answers.map((answer) => [answer.status, fieldOf(answer, "content-length")]),
    [[304, null], [304, "123"], [304, null], [304, "123"], [200, "3"]],
  );
  assertEquals(answers.at(-1)!.body, "end");
});

test("a body with a status without content throws", async () => {
  for (const status of [204, 205, 304]) {
    for (
      const body of [
        "a",
        "",
        new Uint8Array(1),
        new Uint8Array(0),
        streamOf([]),
      ]
    ) {
      const { answer, errors } = await exchange((_req, res) => {
        assertThrows(() => res.send(body, { status }), TypeError, "no body");
        if (body instanceof ReadableStream) assertEquals(body.locked, false);
        res.send("fine");
      });
      assertEquals([answer.status, answer.body], [200, "fine"]);
      assertEquals(errors, []);
    }
    assertThrows(
      () => prepareResponse({ status, body: "a" }),
      TypeError,
      "no body",
    );
  }
});

test("a response to HEAD can declare the length of GET", async () => {
  const { answers } = await exchange(
    (req, res) => {
      const headers = { "content-length": "1234" };
      if (req.path === "/null") return res.send(null, { headers });
      if (req.path === "/stream") return res.send(streamOf(["a"]), { headers });
      // The declared length contradicts the given body.
      assertThrows(
        () => res.send("abc", { headers }),
        TypeError,
        "Content-Length is 1234",
      );
      res.send("abc");
    },
    keep("HEAD", "/null") + keep("HEAD", "/stream") + ask("HEAD", "/text"),
  );
  assertEquals(
    answers.map((answer) => fieldOf(answer, "content-length")),
    ["1234", "1234", "3"],
  );
});

test("a stream sent in response to HEAD is cancelled without being read", async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  let pulls = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulls++;
      controller.enqueue(bytesOf("x"));
    },
    cancel: resolve,
  }, { highWaterMark: 0 });
  const { answer } = await exchange(
    (_req, res) => res.send(stream),
    ask("HEAD"),
  );
  assertInstanceOf(await promise, TypeError);
  assertEquals(pulls, 0);
  assertEquals(answer.status, 200);
});
