/**
 * Pipelined requests: order of responses, and number of reads and writes
 * (RFC 9112 §9.3.2).
 */

import { assert, assertEquals } from "@std/assert";
import {
  type Handler,
  Pools,
  prepareResponse,
  serveConnection,
} from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { echoTarget, echoText, mixed } from "../support/handlers.ts";
import { MemoryConn, serveMemory } from "../support/memory_conn.ts";
import { answerTo } from "../support/raw_client.ts";
import { get, last, post } from "../support/requests.ts";
import { answersIn, bodiesOf } from "../support/response_reader.ts";
import { settle, test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

test("pipelined requests are answered in order, whatever the timing of their handlers", async () => {
  const targets = Array.from({ length: 60 }, (_, i) => `/${i}`);
  await withServer(mixed, async ({ port, errors }) => {
    const wire = targets.map((target) => get(target)).join("");
    const answers = answersIn(await answerTo(port, wire + last("/0")));
    assertEquals(answers.map(({ body }) => body), [...targets, "/0"]);
    assertEquals(errors, []);
  });
});

test("the responses do not depend on how the input is split", async () => {
  const targets = Array.from({ length: 10 }, (_, i) => `/${i}`);
  const wire = targets.map((target) => get(target)).join("");
  for (const size of [1, 3, 26, 27, 28, 100]) {
    const pieces = wire.match(new RegExp(`[^]{1,${size}}`, "g"))!;
    const out = await serveMemory(new MemoryConn(pieces), mixed);
    assertEquals(bodiesOf(out), targets);
  }
});

test("requests of one read that are answered synchronously share one write", async () => {
  const prepared = prepareResponse({ body: "prepared" });
  const handlers: [string, Handler][] = [
    ["text", (_req, res) => res.send("text")],
    ["UTF-8", (_req, res) => res.send("\u00fc")],
    ["bytes", (_req, res) => res.send(new Uint8Array(100))],
    ["JSON", (_req, res) => res.json([1])],
    ["prepared", (_req, res) => res.send(prepared)],
    ["nothing", (_req, res) => res.send()],
    // deno-lint-ignore require-await -- tests an already resolved promise
    ["async", async (_req, res) => res.send("text")],
  ];
  for (const [what, handler] of handlers) {
    const conn = new MemoryConn([get("/").repeat(16), get("/").repeat(16)]);
    const wire = await serveMemory(conn, handler);
    assertEquals(answersIn(wire).length, 32, what);
    assertEquals(conn.writes.length, 2, what);
    // Two pieces and the end of input.
    assertEquals(conn.reads, 3, what);
  }
});

test("one request takes one read and one write", async () => {
  for (
    const handler of [
      echoTarget,
      echoText,
      (_req, res) => res.json({ a: 1 }),
    ] as Handler[]
  ) {
    const conn = new MemoryConn([get("/a"), post("/b", "body"), get("/c")]);
    await serveMemory(conn, handler);
    assertEquals([conn.writes.length, conn.reads], [3, 4]);
  }
});

test("requests wait while the client reads no answers", async () => {
  const pools = new Pools();
  const conn = new MemoryConn([get("/").repeat(2000)]);
  conn.hold();
  let handled = 0;
  const served = serveConnection(conn, (_req, res) => {
    handled++;
    res.send("x".repeat(1000));
  }, { pools });
  await settle();
  const before = handled;
  // At most twice the capacity of the output buffer.
  assert(before > 0 && before <= 130, `${before} requests were handled`);
  await settle();
  assertEquals(handled, before);
  conn.letGo();
  await served;
  assertEquals(answersIn(conn.wire).length, 2000);
  assertAtRest(pools);
});

test("a refusal after valid requests loses none of their answers", async () => {
  const targets = Array.from({ length: 8 }, (_, i) => `/${i}`);
  const wire = targets.map((target) => get(target)).join("");
  for (const bad of ["GET /bad\r\n\r\n", get("/", "a b: c")]) {
    await withServer(mixed, async ({ port, server, errors }) => {
      const answers = answersIn(await answerTo(port, wire + bad + last()));
      assertEquals(
        answers.map(({ status }) => status),
        [...targets.map(() => 200), 400],
      );
      assertEquals(answers.slice(0, -1).map(({ body }) => body), targets);
      assertEquals(server.stats().requests, targets.length);
      assertEquals(errors, []);
    });
  }
});
