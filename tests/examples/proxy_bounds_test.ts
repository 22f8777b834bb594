/**
 * What both proxies hold at a time is bounded: connections to servers, requests at one
 * server, and the time of those that wait.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { serve } from "../../mod.ts";
import {
  assertSockets,
  Example,
  type ExampleOptions,
  sockets,
} from "../support/example.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { bytesOf } from "../support/bytes.ts";
import { head, listen } from "../support/upstream.ts";
import { test, until } from "../support/waiting.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const EMPTY = bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

function reverse(upstream: Deno.TcpListener, options?: ExampleOptions) {
  const args = ["0", `127.0.0.1:${upstream.addr.port}`];
  return Example.start("reverse_proxy.ts", args, options);
}

test("proxy bounds: a request to upgrade has its turn like any other", async () => {
  using listener = listen();
  await using proxy = reverse(listener, {
    constants: { MAX_REQUESTS: 1, MAX_WAITING: 0 },
  });
  const port = await proxy.port();
  const upgrade =
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
  using client = await RawClient.connect(port);
  await client.send(upgrade);
  const { conn } = await head(listener);
  using _ = conn;
  assertStringIncludes(await answerTo(port, GET), "HTTP/1.1 503 ");
  using second = await RawClient.connect(port);
  await second.send(upgrade);
  assertStringIncludes(await second.until("\r\n\r\n"), "HTTP/1.1 503 ");
  await conn.write(bytesOf(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
  ));
  await client.until("\r\n\r\n");
  // The tunnel is no request any more.
  const answer = answerTo(port, GET);
  const other = await head(listener);
  await other.conn.write(EMPTY);
  assertStringIncludes(await answer, "HTTP/1.1 200 ");
  other.conn.close();
});

test("proxy bounds: a request that waits too long for its turn gets a 503", async () => {
  using listener = listen();
  await using proxy = reverse(listener, {
    constants: { MAX_REQUESTS: 1, WAIT_MS: 200 },
  });
  const port = await proxy.port();
  const first = answerTo(port, GET);
  const { conn } = await head(listener);
  using _ = conn;
  assertStringIncludes(await answerTo(port, GET), "HTTP/1.1 503 ");
  await conn.write(EMPTY);
  assertStringIncludes(await first, "HTTP/1.1 200 ");
});

test("proxy bounds: a server that others replace keeps no connection of a late answer", async () => {
  const gate = Promise.withResolvers<void>();
  const origin = () =>
    serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      async (req, res) => {
        if (req.path === "/late") await gate.promise;
        res.send("answer");
      },
    );
  await using one = origin();
  await using two = origin();
  await using proxy = Example.start("forward_proxy.ts", ["0", "127.0.0.1"], {
    constants: { MAX_SERVERS: 1 },
  });
  const port = await proxy.port();
  const before = sockets(proxy);
  const ask = ({ addr }: typeof one, path: string) =>
    answerTo(
      port,
      `GET http://127.0.0.1:${addr.port}${path} HTTP/1.1\r\nHost: a\r\n` +
        "Connection: close\r\n\r\n",
    );
  const late = ask(one, "/late");
  await until(() => one.stats().connections === 1, "the request");
  assertStringIncludes(await ask(two, "/"), "answer");
  gate.resolve();
  assertStringIncludes(await late, "answer");
  await until(() => one.stats().connections === 0, "its end");
  assertEquals(two.stats().connections, 1);
  await assertSockets(proxy, before + 1);
});

test("proxy bounds: no upgrade goes on whose tunnel carries requests unseen", async () => {
  for (const protocols of ["h2c", "websocket, H2C", "TLS/1.0", "HTTP/2.0"]) {
    using listener = listen();
    await using proxy = reverse(listener);
    using client = await RawClient.connect(await proxy.port());
    await client.send(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n" +
        `Upgrade: ${protocols}\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
    );
    const { conn, text } = await head(listener);
    using _ = conn;
    assert(!/upgrade|http2/i.test(text), text);
    await conn.write(EMPTY);
    assertStringIncludes(await client.until("\r\n\r\n"), "HTTP/1.1 200 ");
  }
});

test("proxy bounds: an upgrade that cannot be passed on closes its connection", async () => {
  using listener = listen();
  await using proxy = reverse(listener);
  const port = await proxy.port();
  const before = sockets(proxy);
  using client = await RawClient.connect(port);
  await client.send(
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: x\r\n\r\n",
  );
  const { conn } = await head(listener);
  using _ = conn;
  // A 101 has no Content-Length, although the client takes one of 0.
  await conn.write(bytesOf(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n" +
      "Content-Length: 0\r\n\r\n",
  ));
  assertStringIncludes(await client.until("\r\n\r\n"), "HTTP/1.1 502 ");
  client.conn.close();
  await assertSockets(proxy, before);
});
