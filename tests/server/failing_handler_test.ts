/**
 * Handlers that throw or do not answer, and `onError`.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
} from "@std/assert";
import { stub } from "@std/testing/mock";
import type { Handler, HttpResponse, ServeOptions } from "@pooled/http1";
import { exchange } from "../support/exchange.ts";
import { keep, LAST_GET } from "../support/requests.ts";
import { streamOf } from "../support/streams.ts";
import { settle, test, until } from "../support/waiting.ts";

test("if the handler returns without a response, the server sends a 500", async () => {
  const handlers: Handler[] = [
    () => {},
    () => Promise.resolve(),
    () => settle(),
    // An interim response does not count as an answer.
    (_req, res) => res.send(null, { status: 103 }),
  ];
  for (const handler of handlers) {
    const { answers, errors } = await exchange(handler, keep("GET") + LAST_GET);
    assertEquals(
      answers.filter(({ status }) => status >= 200)
        .map(({ line, body }) => [line, body]),
      Array(2).fill([
        "HTTP/1.1 500 Internal Server Error",
        "Internal Server Error",
      ]),
    );
    assertEquals(errors.length, 2);
    for (const error of errors) {
      assertInstanceOf(error, TypeError);
      assertStringIncludes(error.message, "without a response");
    }
  }
});

test("if the handler throws or rejects, the server sends a 500", async () => {
  for (const failure of [new Error("mine"), "text", undefined, null]) {
    const handlers: Handler[] = [
      () => {
        throw failure;
      },
      () => Promise.reject(failure),
      async () => {
        await settle();
        throw failure;
      },
    ];
    for (const handler of handlers) {
      const { answers, wire, errors } = await exchange(
        handler,
        keep("GET") + LAST_GET,
      );
      assertEquals(answers.map(({ status }) => status), [500, 500]);
      // The response reveals nothing of the error.
      assert(!wire.includes("mine"));
      assertEquals(errors, [failure, failure]);
    }
  }
});

test("onError can answer in place of the 500", async () => {
  const handlers: Handler[] = [
    () => {
      throw new Error("mine");
    },
    () => Promise.reject(new Error("mine")),
    () => {},
  ];
  for (const handler of handlers) {
    const seen: boolean[] = [];
    const { answers } = await exchange(handler, keep("GET") + LAST_GET, {
      onError: (error, res) => {
        seen.push(res!.sent);
        res!.json({ error: (error as Error).message }, { status: 503 });
      },
    });
    assertEquals(seen, [false, false]);
    assertEquals(answers.map(({ status }) => status), [503, 503]);
    assertStringIncludes(answers[0]!.body, "error");
  }
});

test("if onError fails too, the server prints its error and sends a 500", async () => {
  const failure = new Error("of the reporter");
  const reporters: ServeOptions["onError"][] = [
    () => {
      throw failure;
    },
    () => Promise.reject(failure),
    async () => {
      await settle();
      throw failure;
    },
  ];
  for (const onError of reporters) {
    using print = stub(console, "error");
    const { answer } = await exchange(
      () => {
        throw new Error("of the handler");
      },
      LAST_GET,
      { onError: onError! },
    );
    assertEquals(answer.status, 500);
    await until(() => print.calls.length > 0, "the print of the error");
    assertEquals(print.calls.map(({ args }) => args), [[failure]]);
  }
});

test("a handler that fails after answering does not cause a second response", async () => {
  const failure = new Error("too late");
  const sends: [string, (res: HttpResponse) => void][] = [
    ["text", (res) => res.send("whole")],
    ["stream", (res) => res.send(streamOf(["wh", "ole"]))],
  ];
  for (const [what, send] of sends) {
    const handlers: Handler[] = [
      (_req, res) => {
        send(res);
        throw failure;
      },
      (_req, res) => {
        send(res);
        return Promise.reject(failure);
      },
      async (_req, res) => {
        send(res);
        await settle();
        throw failure;
      },
    ];
    for (const handler of handlers) {
      const told: unknown[] = [];
      const { answers } = await exchange(handler, keep("GET") + LAST_GET, {
        onError: (error, res) => void told.push([error, res]),
      });
      assertEquals(
        answers.map(({ status, body }) => [status, body]),
        [[200, "whole"], [200, "whole"]],
        what,
      );
      assertEquals(told, [[failure, null], [failure, null]], what);
    }
  }
});
