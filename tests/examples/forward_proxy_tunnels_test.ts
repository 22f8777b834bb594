/**
 * The tunnels of the forward proxy example: they handle peers that half-close, reset, stall or cannot be
 * reached. The tests shorten its timeouts.
 */

import net from "node:net";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { writeAll } from "../../examples/shared/first_bytes.ts";
import {
  assertSockets,
  Example,
  type ExampleOptions,
  sockets,
} from "../support/example.ts";
import {
  answerTo,
  assertEnds,
  RawClient,
  readAll,
  reset,
} from "../support/raw_client.ts";
import {
  fillBacklog,
  refusingPort,
  resident,
  zeros,
} from "../support/upstream.ts";
import { test } from "../support/waiting.ts";

/** The proxy, which may reach all ports of two hosts. */
function start(options?: ExampleOptions): Example {
  const args = ["0", "127.0.0.1", "[::1]"];
  return Example.start("forward_proxy.ts", args, options);
}

/** A tunnel through the proxy; the test acts as the upstream. */
class Tunnel implements Disposable {
  constructor(
    readonly client: RawClient,
    readonly upstream: Deno.TcpConn,
    readonly listener: Deno.TcpListener,
  ) {}

  static async open(proxy: number): Promise<Tunnel> {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const client = await RawClient.connect(proxy);
    const target = `127.0.0.1:${port}`;
    await client.send(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
    const upstream = await listener.accept();
    await client.until("\r\n\r\n");
    client.received = "";
    return new Tunnel(client, upstream, listener);
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
    this.upstream[Symbol.dispose]();
    this.listener[Symbol.dispose]();
  }
}

const encoder = new TextEncoder();

test("forward proxy, CONNECT: the reply arrives after the client's half-close", async () => {
  await using proxy = start();
  const port = await proxy.port();
  const before = sockets(proxy);
  {
    using tunnel = await Tunnel.open(port);
    await tunnel.client.send("question");
    await tunnel.client.conn.closeWrite();
    assertEquals(await readAll(tunnel.upstream), "question");
    await tunnel.upstream.write(encoder.encode("answer"));
    await tunnel.upstream.closeWrite();
    assertEquals(await tunnel.client.rest(), "answer");
    await assertSockets(proxy, before);
  }
});

test("forward proxy, CONNECT: a client may send everything at once and half-close", async () => {
  await using proxy = start();
  const port = await proxy.port();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const target = `127.0.0.1:${listener.addr.port}`;
  using client = await RawClient.connect(port);
  await client.send(
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\nquestion`,
  );
  await client.conn.closeWrite();
  using upstream = await listener.accept();
  assertEquals(await readAll(upstream), "question");
  await upstream.write(encoder.encode("answer"));
  await upstream.closeWrite();
  assertStringIncludes(await client.rest(), "\r\n\r\nanswer");
});

test("forward proxy, CONNECT: the upstream may half-close first", async () => {
  await using proxy = start();
  const port = await proxy.port();
  const before = sockets(proxy);
  using tunnel = await Tunnel.open(port);
  await tunnel.upstream.write(encoder.encode("banner"));
  await tunnel.upstream.closeWrite();
  assertEquals(await tunnel.client.rest(), "banner");
  await tunnel.client.send("later");
  await tunnel.client.conn.closeWrite();
  assertEquals(await readAll(tunnel.upstream), "later");
  await assertSockets(proxy, before);
});

for (const side of ["a client", "an upstream"]) {
  test(`forward proxy, CONNECT: ${side} that stops reading is dropped`, async () => {
    await using proxy = start({
      constants: { IDLE_MS: 200 },
    });
    const port = await proxy.port();
    const before = sockets(proxy);
    using tunnel = await Tunnel.open(port);
    const from = side === "a client" ? tunnel.upstream : tunnel.client.conn;
    const flood = (async () => {
      for (;;) await from.write(new Uint8Array(65536));
    })();
    await flood.catch(() => {});
    await assertSockets(proxy, before);
  });
}

test("forward proxy, CONNECT: a reset on one side closes the other, and nothing leaks", async () => {
  await using proxy = start();
  const port = await proxy.port();
  const before = sockets(proxy);

  // Reset by the upstream.
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.resetAndDestroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const target = `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  using client = await RawClient.connect(port);
  await client.send(`CONNECT ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await client.until("\r\n\r\n");
  await client.send("x");
  await assertEnds(client.conn);
  await new Promise((resolve) => server.close(resolve));

  // Reset by the client.
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const upstream = Promise.withResolvers<Deno.TcpConn>();
  const to = `127.0.0.1:${listener.addr.port}`;
  await reset(
    port,
    `CONNECT ${to} HTTP/1.1\r\nHost: a\r\n\r\n`,
    async () => upstream.resolve(await listener.accept()),
  );
  using conn = await upstream.promise;
  await assertEnds(conn);
  await assertSockets(proxy, before);
  proxy.process.kill("SIGTERM");
  assertEquals((await proxy.end()).errors, "");
});

test("forward proxy, CONNECT: an unreachable upstream is a 502, a target that is no host a 400", async () => {
  await using proxy = start();
  const port = await proxy.port();
  using closed = await refusingPort();
  for (
    const [target, status] of [
      ["127.0.0.1:0", 502],
      [`127.0.0.1:${closed.port}`, 502],
      ["no-such-host.invalid:80", 502],
      ["[::1]:0", 502],
      [`${"a".repeat(300)}:80`, 502],
      ["%00:80", 400],
      ["256.0.0.1:80", 400],
      ["127.0.0.1:65536", 400],
      ["127.0.0.1", 400],
      ["user@127.0.0.1:80", 400],
    ] as const
  ) {
    using client = await RawClient.connect(port);
    await client.send(`CONNECT ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
    assertStringIncludes(await client.rest(), `HTTP/1.1 ${status} `, target);
  }
  proxy.process.kill("SIGTERM");
  assertEquals((await proxy.end()).errors, "");
});

test("forward proxy, CONNECT: with a body it is refused", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using proxy = start();
  const port = await proxy.port();
  const target = `127.0.0.1:${listener.addr.port}`;
  for (
    const body of [
      "Content-Length: 2\r\n\r\nhi",
      "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
      "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ]
  ) {
    const line = `CONNECT ${target} HTTP/1.1\r\nHost: a\r\n`;
    assertStringIncludes(await answerTo(port, line + body), "HTTP/1.1 400 ");
  }
});

test("forward proxy, CONNECT: an upstream that never accepts is answered with 504", async () => {
  await using proxy = start({
    constants: { CONNECT_MS: 300 },
  });
  const port = await proxy.port();
  using listener = Deno.listen({
    hostname: "127.0.0.1",
    port: 0,
    tcpBacklog: 1,
  });
  using _ = await fillBacklog(listener);
  using client = await RawClient.connect(port);
  await client.send(
    `CONNECT 127.0.0.1:${listener.addr.port} HTTP/1.1\r\nHost: a\r\n\r\n`,
  );
  assertStringIncludes(await client.rest(), "HTTP/1.1 504 ");
});

test("forward proxy, CONNECT: a client that resets takes its attempt to connect along", async () => {
  using listener = Deno.listen({
    hostname: "127.0.0.1",
    port: 0,
    tcpBacklog: 1,
  });
  using _ = await fillBacklog(listener);
  await using proxy = start({ constants: { CONNECT_MS: 60_000 } });
  const port = await proxy.port();
  const before = sockets(proxy);
  const target = `127.0.0.1:${listener.addr.port}`;
  await reset(
    port,
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`,
    () => assertSockets(proxy, before + 2),
  );
  await assertSockets(proxy, before);
});

test("forward proxy, CONNECT: the connect timeout does not apply to the tunnel", async () => {
  await using proxy = start({
    constants: { CONNECT_MS: 1000 },
  });
  using tunnel = await Tunnel.open(await proxy.port());
  await new Promise((resolve) => setTimeout(resolve, 1300));
  await tunnel.client.send("still here");
  await tunnel.client.conn.closeWrite();
  assertEquals(await readAll(tunnel.upstream), "still here");
});

test("forward proxy, CONNECT: an idle tunnel is closed", async () => {
  await using proxy = start({
    constants: { IDLE_MS: 200 },
  });
  const port = await proxy.port();
  const before = sockets(proxy);
  {
    using tunnel = await Tunnel.open(port);
    await Promise.all([
      assertEnds(tunnel.client.conn),
      assertEnds(tunnel.upstream),
    ]);
  }
  // One side half-closes, the other never does.
  {
    using tunnel = await Tunnel.open(port);
    await tunnel.client.conn.closeWrite();
    await assertEnds(tunnel.upstream);
    await assertEnds(tunnel.client.conn);
  }
  await assertSockets(proxy, before);
});

test("forward proxy, CONNECT: 1 GB each way at once passes through flat memory", async () => {
  await using proxy = start();
  using tunnel = await Tunnel.open(await proxy.port());
  const before = resident(proxy).now;
  const { client: { conn }, upstream } = tunnel;
  const send = async (to: Deno.Conn) => {
    for await (const chunk of zeros(1e9)) await writeAll(to, chunk);
    await to.closeWrite();
  };
  const receive = async (from: Deno.Conn) => {
    const buffer = new Uint8Array(65536);
    let sum = 0;
    for (let count; (count = await from.read(buffer)) !== null;) sum += count;
    return sum;
  };
  const moved = await Promise.all([
    ...[send(conn), send(upstream)],
    ...[receive(conn), receive(upstream)],
  ]);
  assertEquals(moved.slice(2), [1e9, 1e9]);
  const grown = resident(proxy).most - before;
  assert(grown < 150e6, `grown by ${grown / 1e6} MB`);
});
