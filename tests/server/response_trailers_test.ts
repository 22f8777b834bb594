/**
 * Response trailers: when they are sent, and the handling of invalid trailers.
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import type { Handler, HttpResponseBody } from "@pooled/http1";
import { ALL_BYTES, bytesOf, patterned, textOf } from "../support/bytes.ts";
import { exchange, rawExchange } from "../support/exchange.ts";
import { answerTo } from "../support/raw_client.ts";
import { ask, keep } from "../support/requests.ts";
import { type Answer, answersIn, fieldOf } from "../support/response_reader.ts";
import { streamOf } from "../support/streams.ts";
import { test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

const TEXT_TYPE = "text/plain;charset=UTF-8";

const MANY = patterned(40_000);

test("trailers follow every kind of body", async () => {
  const bodies: [HttpResponseBody, string][] = [
    ["text", "text"],
    ["ü", "\xc3\xbc"],
    [ALL_BYTES, textOf(ALL_BYTES)],
    [MANY, textOf(MANY)],
    [null, ""],
    ["", ""],
  ];
  const handler: Handler = (req, res) => {
    const i = Number(req.path.slice(1));
    const body = i < bodies.length ? bodies[i]![0] : streamOf(["a", "b"]);
    res.send(body, {
      trailers: i % 2 === 0
        ? () => ({ "X-Sum": "1", "x-other": "a b" })
        : async () => {
          await new Promise((resolve) => setTimeout(resolve, 0));
          return [["X-Sum", "1"], ["x-other", "a b"]];
        },
    });
  };
  const requests = Array.from(
    { length: bodies.length + 2 },
    (_, i) => keep("GET", `/${i}`),
  );
  const { answers, errors } = await exchange(
    handler,
    requests.join("") + ask("GET", "/0"),
  );
  assertEquals(errors, []);
  assertEquals(answers.length, bodies.length + 3);
  for (const [i, answer] of answers.entries()) {
    assertEquals(answer.framing, "chunked");
    assertEquals(answer.trailers, [["x-sum", "1"], ["x-other", "a b"]]);
    const body = i < bodies.length
      ? bodies[i]![1]
      : i < bodies.length + 2
      ? "ab"
      : "text";
    assert(answer.body === body, `body ${i} came out differently`);
  }
  assertEquals(fieldOf(answers[0]!, "content-type"), TEXT_TYPE);
  assertEquals(fieldOf(answers[2]!, "content-type"), null);
});

test("the trailers callback runs at the end of the body", async () => {
  const seen: string[] = [];
  const { answer } = await exchange((_req, res) => {
    res.send(
      new ReadableStream({
        pull(controller) {
          seen.push("pull");
          if (seen.length < 3) return controller.enqueue(bytesOf("x"));
          controller.close();
        },
      }, { highWaterMark: 0 }),
      {
        trailers: () => {
          seen.push("trailers");
          return new Headers({ "x-count": String(seen.length) });
        },
      },
    );
  });
  assertEquals(seen, ["pull", "pull", "pull", "trailers"]);
  assertEquals(answer.trailers, [["x-count", "4"]]);
});

test("the trailers callback does not run if trailers cannot be sent", async () => {
  const handler: Handler = (req, res) => {
    const trailers = () => {
      throw new Error("asked for trailers");
    };
    if (req.path === "/text") return res.send("text", { trailers });
    if (req.path === "/stream") return res.send(streamOf(["ab"]), { trailers });
    res.send(null, { status: Number(req.path.slice(1)), trailers });
  };
  await withServer(handler, async ({ port, errors }) => {
    const cases: [string, string, string, Answer["framing"]][] = [
      ["GET /text HTTP/1.0\r\n\r\n", "GET", "text", "length"],
      ["GET /stream HTTP/1.0\r\n\r\n", "GET", "ab", "close"],
      [ask("HEAD", "/text"), "HEAD", "", "none"],
      [ask("HEAD", "/stream"), "HEAD", "", "none"],
      [ask("GET", "/204"), "GET", "", "none"],
      [ask("GET", "/205"), "GET", "", "length"],
      [ask("GET", "/304"), "GET", "", "none"],
    ];
    for (const [request, method, body, framing] of cases) {
      const [answer] = answersIn(await answerTo(port, request), {
        methods: [method],
      });
      assertEquals([answer!.body, answer!.framing], [body, framing], request);
    }
    assertEquals(errors, []);
  });
});

test("forbidden trailers truncate the response", async () => {
  const wrong: HeadersInit[] = [
    { "Content-Length": "1" },
    { "transfer-encoding": "chunked" },
    { host: "a" },
    { connection: "close" },
    { upgrade: "x" },
    { te: "trailers" },
    { trailer: "x" },
    { "Content-Type": "text/plain" },
    { "x y": "1" },
    { "": "1" },
    [["x", "a\r\nX-Injected: 1"]],
    [["x", "a\0"]],
    [["x", "世"]],
    [["x", "\u0141"]],
  ];
  for (const trailers of wrong) {
    for (const body of ["text", streamOf(["text"])]) {
      const { body: wire, errors } = await rawExchange(
        (_req, res) => res.send(body, { trailers: () => trailers }),
        keep("GET"),
      );
      const what = JSON.stringify(trailers);
      assertEquals(wire, "4\r\ntext\r\n", what);
      assertEquals(errors.length, 1, what);
      assertInstanceOf(errors[0], TypeError, what);
    }
  }
});

test("a failing trailers callback truncates the response", async () => {
  const failure = new Error("no trailers");
  for (
    const trailers of [
      () => Promise.reject(failure),
      () => {
        throw failure;
      },
    ]
  ) {
    const { body, errors } = await rawExchange(
      (_req, res) => res.send("text", { trailers }),
      keep("GET"),
    );
    assertEquals(body, "4\r\ntext\r\n");
    assertEquals(errors, [failure]);
  }
});
