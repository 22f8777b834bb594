/**
 * `server.serve`: connections that a program accepted itself, on a running server; and
 * what `serve` and `shutdown` take besides.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { Pools, serve } from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf } from "../support/bytes.ts";
import { MemoryConn } from "../support/memory_conn.ts";
import { RawClient } from "../support/raw_client.ts";
import { get, last } from "../support/requests.ts";
import { answersIn } from "../support/response_reader.ts";
import { test, until, within } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

test("a connection that is given is served, counted and told of", async () => {
  const told: unknown[] = [];
  await withServer((req, res, info) => {
    told.push(info.remoteAddr);
    res.send(req.path);
  }, async ({ server }) => {
    const wire = last("/given");
    const conn = new MemoryConn([wire.slice(9)], { ends: "after the server" });
    const remoteAddr: Deno.Addr = {
      transport: "tcp",
      hostname: "192.0.2.1",
      port: 5,
    };
    const received = bytesOf(wire.slice(0, 9));
    await server.serve(conn, { remoteAddr, received });
    assertEquals(answersIn(conn.wire)[0]!.body, "/given");
    assertEquals(told, [remoteAddr]);
    const { accepted, requests, bytesReceived } = server.stats();
    assertEquals([accepted, requests, bytesReceived], [1, 1, wire.length]);
  });
});

test("a pair of streams that is given is served", async () => {
  await withServer((req, res) => res.send(req.path), async ({ server }) => {
    const down = new TransformStream<Uint8Array, Uint8Array>();
    const served = server.serve({
      readable: new Blob([last("/pair")]).stream(),
      writable: down.writable,
    });
    const answer = await new Response(down.readable).text();
    assertEquals(answersIn(answer)[0]!.body, "/pair");
    await served;
  });
});

test("a shutdown answers a given connection, and waits for it", async () => {
  const gate = Promise.withResolvers<void>();
  const pools = new Pools();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const server = serve(listener, async (_req, res) => {
    await gate.promise;
    res.send("late");
  }, { pools });
  const conn = new MemoryConn([get("/")], { ends: "after the server" });
  const served = server.serve(conn);
  await until(() => server.stats().requests === 1, "the request");
  const ended = server.shutdown();
  gate.resolve();
  await within(Promise.all([ended, served]), "the end");
  const [answer] = answersIn(conn.wire);
  assertEquals(answer!.body, "late");
  assert(/^connection: close\r$/im.test(conn.wire));
  assertAtRest(pools);
});

test("a server that has shut down closes what it is given", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const server = serve(listener, (_req, res) => res.send("never"));
  await server.shutdown();
  const conn = new MemoryConn([get("/")], { ends: "when told" });
  await server.serve(conn);
  assert(conn.closed);
  assertEquals(conn.wire, "");
});

test("what cannot be served is refused to the caller", async () => {
  await withServer((_req, res) => res.send("x"), async ({ server }) => {
    const { readable, writable } = new TransformStream<Uint8Array>();
    readable.getReader();
    assertThrows(() => server.serve({ readable, writable }), TypeError);
    const conn = new MemoryConn([]);
    assertThrows(
      () => server.serve(conn, { received: "text" as never }),
      TypeError,
    );
    conn.close();
    assertEquals(server.stats().connections, 0);
    await Promise.resolve();
  });
});

test("shutdown takes a time of its own, and a later call another", async () => {
  for (const [first, second] of [[50, undefined], [60_000, 50]] as const) {
    const hanging = Promise.withResolvers<void>();
    await withServer(() => hanging.promise, async ({ port, server }) => {
      using client = await RawClient.connect(port);
      await client.send(get("/"));
      await until(() => server.stats().requests === 1, "the request");
      const ended = server.shutdown({ timeout: first });
      if (second !== undefined) server.shutdown({ timeout: second });
      await within(ended, "the end");
      assertEquals(server.stats().dropped, 1);
      hanging.resolve();
      await until(() => server.stats().pools.requests.inUse === 0, "the end");
    }, { shutdownTimeout: Infinity });
  }
  await withServer((_req, res) => res.send("x"), async ({ server }) => {
    for (const timeout of [-1, NaN]) {
      assertThrows(() => server.shutdown({ timeout }), RangeError);
    }
    await server.shutdown();
  });
});

test("the handler can be an option", async () => {
  const server = serve({
    hostname: "127.0.0.1",
    port: 0,
    tcpBacklog: 16,
    onListen: () => {},
    handler: (req, res) => res.send(req.path),
  });
  const { port } = server.addr;
  using client = await RawClient.connect(port);
  await client.send(last("/option"));
  assertEquals(answersIn(await client.rest())[0]!.body, "/option");
  await server.shutdown();
  assertThrows(() => serve({ port: 0 } as never), TypeError);
});

test("a handler that returns a Response is told how to serve it", async () => {
  for (
    const handler of [
      () => new Response("x"),
      () => Promise.resolve(new Response("x")),
    ]
  ) {
    await withServer(handler as never, async ({ port, errors }) => {
      using client = await RawClient.connect(port);
      await client.send(last());
      assertEquals(answersIn(await client.rest())[0]!.status, 500);
      assert(String(errors[0]).includes("fetchHandler"));
    });
  }
});
