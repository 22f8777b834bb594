/**
 * `serveConnection` on sockets and stream pairs.
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { Pools, serveConnection } from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { hello } from "../support/handlers.ts";
import { portOf } from "../support/listeners.ts";
import { RawClient } from "../support/raw_client.ts";
import { GET, LAST_GET } from "../support/requests.ts";
import { askPipe, pipe } from "../support/streams.ts";
import { within } from "../support/waiting.ts";

const encoder = new TextEncoder();

Deno.test("serveConnection serves one socket and closes it", async () => {
  const pools = new Pools();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await RawClient.connect(portOf(listener.addr));
  const conn = await listener.accept();
  const seen: (Deno.Addr | null)[] = [];
  const served = serveConnection(conn, (req, res, info) => {
    seen.push(info.remoteAddr, info.localAddr);
    res.send(`${req.path};`);
  }, { pools });
  await client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n" + LAST_GET);
  assert((await client.rest()).endsWith("/;"), client.received);
  assertStringIncludes(client.received, "/a;");
  assertEquals(seen.slice(0, 2), [client.conn.localAddr, listener.addr]);
  client.conn.close();
  await within(served, "the end of the connection");
  assertThrows(() => conn.close(), Deno.errors.BadResource);
  assertAtRest(pools);
});

Deno.test("serveConnection accepts bytes already read and another address", async () => {
  const pools = new Pools();
  const [ours, theirs] = pipe();
  const remoteAddr: Deno.NetAddr = {
    transport: "tcp",
    hostname: "192.0.2.1",
    port: 7,
  };
  const received = encoder.encode(
    "POST /a HTTP/1.0\r\nContent-Length: 9\r\n\r\nsome",
  );
  const served = serveConnection(ours, async (req, res, info) => {
    res.json([info.remoteAddr, await req.text()]);
  }, { pools, remoteAddr, received });
  // The server has copied them.
  received.fill(0x58);
  const answer = await askPipe(theirs, " text");
  const [, body] = answer.split("\r\n\r\n");
  assertEquals(JSON.parse(body!), [remoteAddr, "some text"]);
  await within(served, "the end of the connection");
  assertAtRest(pools);
});

Deno.test("serveConnection: a signal ends it at once, even if aborted in advance", async () => {
  const pools = new Pools();
  const reason = new Error("enough");
  const aborter = new AbortController();
  const aborted = Promise.withResolvers<unknown>();
  const release = Promise.withResolvers<void>();
  const [ours, theirs] = pipe();
  const served = serveConnection(ours, async (req, res) => {
    req.signal.onabort = () => aborted.resolve(req.signal.reason);
    aborter.abort(reason);
    await release.promise;
    res.send("for nobody");
  }, { pools, signal: aborter.signal });
  const answer = askPipe(theirs, GET);
  assertEquals(await within(aborted.promise, "the signal"), reason);
  await assertRejects(() => answer);
  // The handler keeps its request until it returns.
  assertEquals(pools.stats().requests.inUse, 1);
  release.resolve();
  await within(served, "the end of the connection");
  assertAtRest(pools);

  const [late] = pipe();
  let called = false;
  await within(
    serveConnection(late, () => void (called = true), {
      pools,
      signal: AbortSignal.abort(reason),
      received: encoder.encode(GET),
    }),
    "the end of a connection that was never wanted",
  );
  assert(!called, "a handler was asked for a connection that nobody wants");
  assertAtRest(pools);
});

Deno.test("serveConnection throws on invalid arguments", () => {
  const pools = new Pools();
  for (const options of [{ maxHeaders: -1 }, { idleTimeout: 0 }]) {
    const [ours] = pipe();
    assertThrows(
      () => serveConnection(ours, hello, { pools, ...options }),
      RangeError,
    );
    assert(!ours.readable.locked && !ours.writable.locked);
  }
  const [locked] = pipe();
  locked.readable.getReader();
  assertThrows(() => serveConnection(locked, hello, { pools }), TypeError);
  assertAtRest(pools);
});
