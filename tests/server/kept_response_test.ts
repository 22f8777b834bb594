/**
 * A response object that a program holds on to cannot answer a later request.
 */

import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import type { HttpRequest, HttpResponse, ServeOptions } from "@pooled/http1";
import { exchange } from "../support/exchange.ts";
import { RawClient } from "../support/raw_client.ts";
import { ask, keep } from "../support/requests.ts";
import { answersIn } from "../support/response_reader.ts";
import { streamOf } from "../support/streams.ts";
import { settle, test } from "../support/waiting.ts";
import { type Running, withServer } from "../support/with_server.ts";

/**
 * Handles a first request with `first`, which may keep its response object. While a
 * second request on the same connection is pending, tries to send with the kept object.
 * Returns the outcome of that send and the bytes on the wire.
 */
async function lateSend(
  first: (res: HttpResponse, req: HttpRequest) => void | Promise<void>,
  options: ServeOptions = {},
  inTurn = false,
): Promise<{ late: unknown; bodies: string[] }> {
  let kept!: HttpResponse;
  let late: unknown = null;
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const bodies: string[] = [];
  await withServer((req, res) => {
    if (req.path === "/first") {
      kept = res;
      return first(res, req);
    }
    begin();
    return released.then(() => {
      if (!res.sent) res.send("second");
    });
  }, async ({ port }: Running) => {
    using client = await RawClient.connect(port);
    await client.send(keep("GET", "/first"));
    if (inTurn) await client.until("first");
    await client.send(ask("GET", "/second"));
    await begun;
    try {
      kept.send("of the first");
    } catch (error) {
      late = error;
    }
    release();
    bodies.push(...answersIn(await client.rest()).map(({ body }) => body));
  }, options);
  return { late, bodies };
}

test("a response that an async handler kept can't answer a later request", async () => {
  const ways: ((res: HttpResponse) => Promise<void>)[] = [
    // deno-lint-ignore require-await -- tests an already resolved promise
    async (res) => res.send("first"),
    async (res) => {
      await settle();
      res.send("first");
    },
    async (res) => {
      res.send("first");
      await settle();
    },
    async (res) => {
      res.send(streamOf(["fi", "rst"]));
      await settle();
    },
    async (res) => {
      await settle();
      res.send(streamOf(["fi", "rst"]));
    },
  ];
  for (const way of ways) {
    const { late, bodies } = await lateSend(way);
    assertInstanceOf(late, TypeError);
    assertEquals(bodies, ["first", "second"]);
  }
});

test("a response that a failed handler or onError kept can't answer a later request", async () => {
  const options: ServeOptions = { onError: () => {} };
  const ways: ((res: HttpResponse) => void | Promise<void>)[] = [
    () => {},
    () => {
      throw new Error("mine");
    },
    () => Promise.reject(new Error("mine")),
  ];
  for (const way of ways) {
    const { late, bodies } = await lateSend(way, options);
    assertInstanceOf(late, TypeError);
    assertEquals(bodies, ["Internal Server Error", "second"]);
  }
});

test("a response that a sync handler kept can't answer a request of a later turn", async () => {
  const { late, bodies } = await lateSend((res) => res.send("first"), {}, true);
  assertInstanceOf(late, TypeError);
  assertEquals(bodies, ["first", "second"]);
});

test("a response whose stream a sync handler sent can't answer a later request", async () => {
  const { late, bodies } = await lateSend((res) =>
    res.send(streamOf(["fi", "rst"]))
  );
  assertInstanceOf(late, TypeError);
  assertEquals(bodies, ["first", "second"]);
});

test("a kept response sends nothing after its connection has closed", async () => {
  let kept!: HttpResponse;
  const { answer } = await exchange((_req, res) => {
    kept = res;
    res.send("first");
  });
  assertEquals(answer.body, "first");
  assertEquals(kept.sent, true);
  assertThrows(() => kept.send("late"), TypeError);
  assertThrows(() => kept.json("late"), TypeError);
  assertThrows(() => kept.upgrade(), TypeError);
});
