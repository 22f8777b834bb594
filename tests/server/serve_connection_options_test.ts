/**
 * Options of `serveConnection`: bytes already read, addresses, a signal.
 */

import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  type ConnectionInfo,
  type Handler,
  Pools,
  serveConnection,
} from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf } from "../support/bytes.ts";
import { echoTarget } from "../support/handlers.ts";
import { MemoryConn, serveMemory } from "../support/memory_conn.ts";
import { RawClient } from "../support/raw_client.ts";
import { get, last, post } from "../support/requests.ts";
import { bodiesOf } from "../support/response_reader.ts";
import { settle, test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

test("bytes that were already read belong to the first request", async () => {
  const wire = get("/1") + post("/2", "body") + last();
  for (const cut of [0, 1, 26, 27, 60, wire.length]) {
    const received = bytesOf(wire.slice(0, cut));
    const pools = new Pools();
    const conn = new MemoryConn(cut < wire.length ? [wire.slice(cut)] : []);
    const served = serveConnection(conn, async (req, res) => {
      const { target } = req;
      res.send(target + await req.text());
    }, { pools, received });
    // The server has copied them.
    received.fill(0x20);
    await served;
    assertEquals(bodiesOf(conn.wire), ["/1", "/2body", "/last"]);
    assertAtRest(pools);
  }
});

test("the handler gets both addresses of the connection", async () => {
  const infos: ConnectionInfo[] = [];
  const handler: Handler = (_req, res, info) => {
    infos.push(info);
    res.send();
  };
  await withServer(handler, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(get("/") + last());
    await client.rest();
    const { remoteAddr, localAddr, secure, closing } = infos[0]!;
    assertEquals(
      [remoteAddr, localAddr, secure, closing.aborted],
      [client.conn.localAddr, client.conn.remoteAddr, false, false],
    );
    assertStrictEquals(infos[0], infos[1]);
  });
  const remoteAddr: Deno.NetAddr = {
    transport: "tcp",
    hostname: "192.0.2.1",
    port: 1234,
  };
  await serveMemory(new MemoryConn([last()]), handler, { remoteAddr });
  await serveMemory(new MemoryConn([last()]), handler);
  const told = infos.slice(2).map((info) => [
    info.remoteAddr,
    info.localAddr,
    info.secure,
    info.closing.aborted,
  ]);
  assertEquals(told, [
    [remoteAddr, null, false, false],
    [null, null, false, false],
  ]);
});

test("the signal of serveConnection closes the connection at once", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const errors: unknown[] = [];
  const conn = new MemoryConn([get("/")], { ends: "when told" });
  const pools = new Pools();
  await serveConnection(conn, async (req, res) => {
    const { signal } = req;
    signal.addEventListener("abort", () => resolve(signal.reason));
    controller.abort(reason);
    await promise;
    res.send("too late");
  }, {
    pools,
    signal: controller.signal,
    onError: (error) => void errors.push(error),
  });
  assertStrictEquals(await promise, reason);
  // serveConnection does not wait for the handler, which releases its request on return.
  await settle();
  assertAtRest(pools);
  assertEquals([conn.wire, errors.length], ["", 0]);
});

test("with an already aborted signal the connection is closed without a read", async () => {
  for (const received of [undefined, bytesOf(get("/"))]) {
    const conn = new MemoryConn([get("/")], { ends: "when told" });
    await serveMemory(conn, echoTarget, {
      signal: AbortSignal.abort(),
      ...(received && { received }),
    });
    assertEquals([conn.reads, conn.wire], [0, ""]);
  }
});
