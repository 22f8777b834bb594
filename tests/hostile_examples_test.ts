/**
 * The examples meet clients that half-close, reset, stall, send nonsense or nothing.
 * Where an example waits for minutes, the test starts it with a shorter constant.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import net from "node:net";
import { WebSocket } from "ws";
import { curl, documentedCommand, Example, sockets } from "./example.ts";
import { makeCertificate, RawClient, test, until } from "./serving.ts";

/** Waits until a process has as many sockets open as `before`. */
async function assertSockets(example: Example, before: number): Promise<void> {
  await until(
    () => sockets(example) === before,
    "all connections to be closed",
  );
}

/** Connects and resets: at once, or when `wait` has resolved. */
async function reset(
  port: number,
  text = "",
  wait?: (socket: net.Socket) => Promise<unknown>,
) {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  if (text !== "") {
    await new Promise<void>((done) => socket.write(text, () => done()));
  }
  await wait?.(socket);
  socket.resetAndDestroy();
  await new Promise((resolve) => socket.once("close", resolve));
}

/** Clients that reset before the process gets to accept them. */
async function resetUnaccepted(example: Example, port: number): Promise<void> {
  example.process.kill("SIGSTOP");
  for (let i = 0; i < 3; i++) await reset(port);
  example.process.kill("SIGCONT");
}

// ------------------------------------------------------------------ documentation

const folder = new URL("../examples/", import.meta.url);
for (const { name, isFile } of [...Deno.readDirSync(folder)]) {
  if (!isFile) continue;
  test(`example: ${name} starts by its documented command`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      await makeCertificate(directory);
      const args = documentedCommand(name).map((word) =>
        word.replace(/^\d{4}$/, "0")
          .replace(/^(?=(?:cert|key)\.pem$)|^\/tmp(?=\/)/, `${directory}/`)
      );
      await using example = Example.command(args);
      await example.line(
        /istening on|listens on|told: \d+ requests|\d+ passed/,
      );
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

// ------------------------------------------------------------------ CONNECT proxy

/** A tunnel through a proxy to an upstream that the test plays. */
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
const decoder = new TextDecoder();

/** All that a connection gives until its end, which leaves the connection open. */
async function readAll(conn: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(4096);
  let text = "";
  for (let count; (count = await conn.read(buffer)) !== null;) {
    text += decoder.decode(buffer.subarray(0, count));
  }
  return text;
}

/** Whether a connection ends, in order or not, when it is read to its end. */
async function assertEnds(conn: Deno.Conn): Promise<void> {
  try {
    await readAll(conn);
  } catch (error) {
    assert(error instanceof Deno.errors.ConnectionReset, String(error));
  }
}

test("CONNECT proxy: the reply comes after the client has ended its side", async () => {
  await using proxy = Example.start("connect_proxy.ts", ["0"]);
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

test("CONNECT proxy: a client may say all at once, and end its side", async () => {
  await using proxy = Example.start("connect_proxy.ts", ["0"]);
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

test("CONNECT proxy: the upstream may end its side first", async () => {
  await using proxy = Example.start("connect_proxy.ts", ["0"]);
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

test("CONNECT proxy: a client that takes nothing is cut", async () => {
  await using proxy = Example.start("connect_proxy.ts", ["0"], {
    constants: { IDLE_MS: 200 },
  });
  const port = await proxy.port();
  const before = sockets(proxy);
  using tunnel = await Tunnel.open(port);
  const flood = (async () => {
    for (;;) await tunnel.upstream.write(new Uint8Array(65536));
  })();
  await flood.catch(() => {});
  await assertSockets(proxy, before);
});

test("CONNECT proxy: a reset of either end ends the other, and nothing leaks", async () => {
  await using proxy = Example.start("connect_proxy.ts", ["0"]);
  const port = await proxy.port();
  const before = sockets(proxy);

  // The upstream resets.
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

  // The client resets.
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

test("CONNECT proxy: what cannot be reached is answered with 502", async () => {
  await using proxy = Example.start("connect_proxy.ts", ["0"]);
  const port = await proxy.port();
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  closed.close();
  for (
    const target of [
      "127.0.0.1:0",
      `127.0.0.1:${closed.addr.port}`,
      "no-such-host.invalid:80",
      "[::1]:0",
      "%00:80",
      "[::ffff:127.0.0.1]:0",
      `${"a".repeat(300)}:80`,
    ]
  ) {
    using client = await RawClient.connect(port);
    await client.send(`CONNECT ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
    assertStringIncludes(await client.rest(), "HTTP/1.1 502 ", target);
  }
  proxy.process.kill("SIGTERM");
  assertEquals((await proxy.end()).errors, "");
});

test("CONNECT proxy: an upstream that never accepts is answered with 504", async () => {
  await using proxy = Example.start("connect_proxy.ts", ["0"], {
    constants: { CONNECT_MS: 300 },
  });
  const port = await proxy.port();
  // A queue that is full: the system answers no further handshake.
  using listener = Deno.listen({
    hostname: "127.0.0.1",
    port: 0,
    tcpBacklog: 1,
  });
  const waiting: Deno.Conn[] = [];
  for (;;) {
    const conn = await Deno.connect({
      hostname: "127.0.0.1",
      port: listener.addr.port,
      signal: AbortSignal.timeout(300),
    }).catch(() => null);
    if (conn === null) break;
    waiting.push(conn);
  }
  using client = await RawClient.connect(port);
  await client.send(
    `CONNECT 127.0.0.1:${listener.addr.port} HTTP/1.1\r\nHost: a\r\n\r\n`,
  );
  assertStringIncludes(await client.rest(), "HTTP/1.1 504 ");
  for (const conn of waiting) conn[Symbol.dispose]();
});

test("CONNECT proxy: the time to connect does not bound the tunnel", async () => {
  await using proxy = Example.start("connect_proxy.ts", ["0"], {
    constants: { CONNECT_MS: 200 },
  });
  using tunnel = await Tunnel.open(await proxy.port());
  await new Promise((resolve) => setTimeout(resolve, 500));
  await tunnel.client.send("still here");
  await tunnel.client.conn.closeWrite();
  assertEquals(await readAll(tunnel.upstream), "still here");
});

test("CONNECT proxy: a tunnel in which nothing moves is cut", async () => {
  await using proxy = Example.start("connect_proxy.ts", ["0"], {
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
  // One side has ended, and the other never does.
  {
    using tunnel = await Tunnel.open(port);
    await tunnel.client.conn.closeWrite();
    await assertEnds(tunnel.upstream);
    await assertEnds(tunnel.client.conn);
  }
  await assertSockets(proxy, before);
});

test("CONNECT proxy: an upstream that takes nothing is cut", async () => {
  await using proxy = Example.start("connect_proxy.ts", ["0"], {
    constants: { IDLE_MS: 200 },
  });
  const port = await proxy.port();
  const before = sockets(proxy);
  using tunnel = await Tunnel.open(port);
  const flood = (async () => {
    for (;;) await tunnel.client.conn.write(new Uint8Array(65536));
  })();
  await flood.catch(() => {});
  await assertSockets(proxy, before);
});

// --------------------------------------------------------------------------- hello

test("hello: a name that is no URL text is the client's fault", async () => {
  await using example = Example.start("hello.ts", ["0"]);
  const url = `http://127.0.0.1:${await example.port()}`;
  assertStringIncludes(
    await curl("-i", `${url}/hello/%zz`),
    "HTTP/1.1 400 Bad Request",
  );
  assertEquals(await curl(`${url}/hello/%41`), "hello, A\n");
  example.process.kill("SIGTERM");
  assertEquals((await example.end()).errors, "");
});

// ---------------------------------------------------------------------------- Hono

test("Hono: a form that is none is the client's fault, and an upload is bounded", async () => {
  await using example = Example.start("hono.ts", ["0"]);
  const url = `http://127.0.0.1:${await example.port()}/upload`;
  const status = async (type: string, body: BodyInit) => {
    // A connection for each request: the server closes one whose body is too long.
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    const headers = { "content-type": type };
    const answer = await fetch(url, { method: "POST", headers, body, client });
    await answer.body?.cancel();
    return answer.status;
  };
  assertEquals(await status("multipart/form-data", "x"), 400);
  assertEquals(await status("multipart/form-data; boundary=b", "x"), 400);
  assertEquals(await status("text/plain", "x"), 400);
  const form = new FormData();
  form.append("file", new File(["x".repeat(2_000_000)], "a.txt"));
  const large = await fetch(url, { method: "POST", body: form });
  await large.body?.cancel();
  assertEquals(large.status, 413);
  // The same without a declared length.
  const text = await new Response(form).text();
  const stream = new Blob([text]).stream();
  const boundary = text.slice(2, text.indexOf("\r\n"));
  assertEquals(
    await status(`multipart/form-data; boundary=${boundary}`, stream),
    413,
  );
  example.process.kill("SIGTERM");
  assertEquals((await example.end()).errors, "");
});

// --------------------------------------------------------------------- Unix socket

/** Runs a test against the example on a Unix socket. */
async function withUnixSocket(
  run: (example: Example, path: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/hello.sock`;
    await using example = Example.start("unix.ts", [path]);
    await example.line(/Listening on (.*)\n/);
    await run(example, path);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

test("Unix socket: SIGINT ends the server in order", () =>
  withUnixSocket(async (example, path) => {
    await curl("--unix-socket", path, "http://localhost/a");
    example.process.kill("SIGINT");
    assertEquals(await example.end(), { code: 0, errors: "" });
    assertEquals(exists(path), false);
  }));

test("Unix socket: a second SIGINT does not wait for who is slow", () =>
  withUnixSocket(async (example, path) => {
    using conn = await Deno.connect({ transport: "unix", path });
    await conn.write(encoder.encode("GET / HTTP/1.1\r\nHos"));
    // Somebody behind the slow one is served: so that one was accepted.
    await curl("--unix-socket", path, "http://localhost/a");
    example.process.kill("SIGINT");
    await until(() => !exists(path), "the first SIGINT to close the socket");
    example.process.kill("SIGINT");
    const { code, errors } = await example.end();
    assertEquals([code, errors], [130, ""]);
    assertEquals(exists(path), false);
  }));

// ----------------------------------------------------------------------- WebSocket

/** A frame from a client (RFC 6455 §5.2), whose mask leaves the payload as it is. */
function frame(opcode: number, payload: string, length = payload.length) {
  const size = length < 126
    ? String.fromCharCode(0x80 | length)
    : "\xff" + String.fromCharCode(
      ...new Uint8Array(new BigUint64Array([BigInt(length)]).buffer).reverse(),
    );
  return String.fromCharCode(0x80 | opcode) + size + "\0\0\0\0" + payload;
}

const UPGRADE = "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n" +
  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

async function openWebSocket(port: number): Promise<RawClient> {
  const client = await RawClient.connect(port);
  await client.send(UPGRADE);
  await client.until("\r\n\r\n");
  const [head, ...frames] = client.received.split("\r\n\r\n");
  assertStringIncludes(head!, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  client.received = frames.join("\r\n\r\n");
  return client;
}

test("WebSocket: a ping is answered with its payload, a close with its code", async () => {
  await using example = Example.start("websocket.ts", ["0"]);
  const socket = new WebSocket(`ws://127.0.0.1:${await example.port()}/echo`);
  await new Promise((resolve) => socket.once("open", resolve));
  const pong = new Promise<Uint8Array>((resolve) =>
    socket.once("pong", resolve)
  );
  socket.ping("are you there");
  assertEquals(decoder.decode(await pong), "are you there");
  const closed = new Promise<number>((resolve) =>
    socket.once("close", resolve)
  );
  socket.close(4000, "enough");
  assertEquals(await closed, 4000);
  example.process.kill("SIGTERM");
  assertEquals((await example.end()).errors, "");
});

test("WebSocket: too long a message closes with 1009", async () => {
  await using example = Example.start("websocket.ts", ["0"]);
  const socket = new WebSocket(`ws://127.0.0.1:${await example.port()}/echo`);
  await new Promise((resolve) => socket.once("open", resolve));
  const closed = new Promise<number>((resolve) =>
    socket.once("close", resolve)
  );
  socket.send("x".repeat(1024 * 1024 + 1));
  assertEquals(await closed, 1009);
  example.process.kill("SIGTERM");
  assertEquals((await example.end()).errors, "");
});

test("WebSocket: a client that does not answer the close is dropped", async () => {
  await using example = Example.start("websocket.ts", ["0"], {
    constants: { CLOSE_MS: 200 },
  });
  const port = await example.port();
  const before = sockets(example);
  using client = await openWebSocket(port);
  await client.send(frame(1, "", 2 ** 40));
  assertEquals(
    (await client.until("\x03\xf1")).slice(0, 4),
    "\x88\x02\x03\xf1",
  );
  await assertEnds(client.conn);
  await assertSockets(example, before);
});

test("WebSocket: a client that answers no ping is dropped", async () => {
  await using example = Example.start("websocket.ts", ["0"], {
    constants: { PING_MS: 200 },
  });
  const port = await example.port();
  const before = sockets(example);
  using client = await openWebSocket(port);
  await client.until("\x89\0");
  await assertEnds(client.conn);
  await assertSockets(example, before);
});

test("WebSocket: a client that takes nothing is dropped", async () => {
  await using example = Example.start("websocket.ts", ["0"], {
    constants: { PING_MS: 200 },
  });
  const port = await example.port();
  const before = sockets(example);
  using client = await openWebSocket(port);
  const flood = (async () => {
    for (;;) await client.send(frame(1, "x".repeat(70_000)));
  })();
  await flood.catch(() => {});
  await assertSockets(example, before);
});

test("WebSocket: resets and nonsense leave nothing behind", async () => {
  await using example = Example.start("websocket.ts", ["0"]);
  const port = await example.port();
  const before = sockets(example);
  const answered = (socket: net.Socket) =>
    new Promise((resolve) => socket.once("data", resolve));
  await reset(port, UPGRADE, answered);
  await reset(port, UPGRADE + frame(1, "hello").repeat(1000), answered);
  for (const text of ["\xff\xff\xff\xff", "\x81\x01a", frame(1, "\xff")]) {
    using client = await openWebSocket(port);
    await client.send(text);
    await client.until("\x88\x02\x03");
  }
  {
    using client = await openWebSocket(port);
    await client.conn.closeWrite();
    await assertEnds(client.conn);
  }
  await assertSockets(example, before);
  example.process.kill("SIGTERM");
  assertEquals((await example.end()).errors, "");
});

// ------------------------------------------------------------------ PROXY protocol

test("PROXY protocol: a line that does not come in time ends the connection", async () => {
  await using example = Example.start("proxy_protocol.ts", ["0"], {
    constants: { LINE_MS: 200 },
  });
  const port = await example.port();
  const before = sockets(example);
  {
    using silent = await RawClient.connect(port);
    using trickling = await RawClient.connect(port);
    const trickle = (async () => {
      for (;;) {
        await trickling.send("P");
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    await Promise.all([
      assertEnds(silent.conn),
      assertEnds(trickling.conn),
      trickle.catch(() => {}),
    ]);
  }
  for (
    const text of ["GET / HTTP/1.1\r\n", "PROXY TCP4 a\r\n", "x".repeat(200)]
  ) {
    using client = await RawClient.connect(port);
    await client.send(text);
    await assertEnds(client.conn);
  }
  await assertSockets(example, before);
  example.process.kill("SIGTERM");
  assertEquals((await example.end()).errors, "");
});

test("PROXY protocol: a reset ends neither the loop nor the process", async () => {
  await using example = Example.start("proxy_protocol.ts", ["0"]);
  const port = await example.port();
  const before = sockets(example);
  await resetUnaccepted(example, port);
  await reset(port, "PROXY TC");
  await reset(port, "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nGET /");
  assertStringIncludes(
    await curl("--haproxy-protocol", `http://127.0.0.1:${port}/`),
    "you are 127.0.0.1",
  );
  await assertSockets(example, before);
  example.process.kill("SIGTERM");
  assertEquals((await example.end()).errors, "");
});

// ------------------------------------------------------------------------- inspect

test("inspect: a client that says nothing, or not all, is let go", async () => {
  await using example = Example.start("inspect.ts", ["--port", "0"], {
    constants: { REQUEST_MS: 200 },
  });
  const port = await example.port();
  const before = sockets(example);
  using silent = await RawClient.connect(port);
  using half = await RawClient.connect(port);
  await half.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx");
  await Promise.all([assertEnds(silent.conn), assertEnds(half.conn)]);
  await assertSockets(example, before);
  example.process.kill("SIGTERM");
  assertEquals((await example.end()).errors, "");
});

test("inspect: a reset ends neither the loop nor the process", async () => {
  await using example = Example.start("inspect.ts", ["--port", "0"]);
  const port = await example.port();
  const before = sockets(example);
  await resetUnaccepted(example, port);
  await reset(port, "GET / HT");
  const url = `http://127.0.0.1:${port}/`;
  assertStringIncludes(await curl(url), "GET /: ");
  await assertSockets(example, before);
  example.process.kill("SIGTERM");
  assertEquals((await example.end()).errors, "");
});

test("inspect: what a client sends does not steer the terminal", async () => {
  await using example = Example.start("inspect.ts", ["--port", "0"]);
  using client = await RawClient.connect(await example.port());
  const body = "a\x1b[2Jb\x07\rc\nd";
  await client.send(
    `POST / HTTP/1.1\r\nHost: a\r\nX-Csi: \x9b2J\r\nConnection: close\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  assertStringIncludes(await client.rest(), "HTTP/1.1 200 ");
  const [shown] = await example.line(/( {2}X-Csi.*\| d\n)/s);
  // deno-lint-ignore no-control-regex -- which is what must not be there
  assertEquals(shown!.match(/[\0-\x09\x0b-\x1f\x7f-\x9f]/), null);
});

// ---------------------------------------------------------------------- access log

test("access log: one line for each response, whatever is asked for", async () => {
  await using example = Example.start("access_log.ts", ["0"]);
  const port = await example.port();
  const target = '/"quoted"%0a{"status":200}\\';
  const requests = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`,
    "GET /fails HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\nx",
  ];
  using client = await RawClient.connect(port);
  await client.send(requests.join(""));
  const answers = await client.rest();
  const statuses = [200, 200, 404, 500, 413];
  assertEquals(
    [...answers.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) =>
      Number(status)
    ),
    statuses,
  );
  await example.line(/(.*"status":413.*)\n/);
  // A message that is refused never becomes a request, and its client gets no line.
  assertStringIncludes(
    await curl("-i", "-H", "Host: a b", `http://127.0.0.1:${port}/`),
    " 400 ",
  );
  await curl(`http://127.0.0.1:${port}/last`);
  await example.line(/(\/last)/);
  await example.line(/last.*\n/);
  const lines = example.text.split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  assertEquals(
    lines.map(({ method, target, status }) => [method, target, status]),
    [
      ["GET", "/", 200],
      ["HEAD", "/", 200],
      ["GET", target, 404],
      ["GET", "/fails", 500],
      ["POST", "/echo", 413],
      ["GET", "/last", 404],
    ],
  );
  for (const { time, remote, ms } of lines) {
    assert(!Number.isNaN(Date.parse(time)));
    assert(/^127\.0\.0\.1:\d+$/.test(remote), remote);
    assert(Number.isFinite(ms) && ms >= 0);
  }
  assertEquals(
    lines[0].remote,
    `127.0.0.1:${(client.conn.localAddr as Deno.NetAddr).port}`,
  );
});

// --------------------------------------------------------------------------- sniff

test("sniff: HTTP and lines on one port", async () => {
  await using example = Example.start("sniff.ts", ["0"]);
  const port = await example.port();
  const before = sockets(example);
  assertEquals(
    await curl(`http://127.0.0.1:${port}/a`),
    "GET /a over HTTP\n",
  );
  {
    // A byte at a time, so that it is not told at once which it is.
    using client = await RawClient.connect(port);
    for (
      const byte of "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    ) {
      await client.send(byte);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assertStringIncludes(await client.rest(), "OPTIONS * over HTTP\n");
  }
  {
    using client = await RawClient.connect(port);
    await client.send("GET");
    await new Promise((resolve) => setTimeout(resolve, 20));
    await client.send("TING started\nsecond ");
    await client.until("GETTING started\n");
    await client.send("line\nlast");
    await client.conn.closeWrite();
    assertEquals(await client.rest(), "GETTING started\nsecond line\nlast");
  }
  {
    // What looks like HTTP is HTTP's to refuse.
    using client = await RawClient.connect(port);
    await client.send("GET nonsense\n");
    assertStringIncludes(await client.rest(), "HTTP/1.1 400 ");
  }
  await assertSockets(example, before);
});

test("sniff: TLS is told that it is not spoken here", async () => {
  await using example = Example.start("sniff.ts", ["0"]);
  const port = await example.port();
  const { success, stderr } = await new Deno.Command("curl", {
    args: ["-sS", "--max-time", "10", `https://127.0.0.1:${port}/`],
  }).output();
  assertEquals(success, false);
  assertStringIncludes(decoder.decode(stderr), "alert protocol version");
});

test("sniff: who says nothing, says too much or takes nothing is let go", async () => {
  await using example = Example.start("sniff.ts", ["0"], {
    constants: { SNIFF_MS: 200, LINE_MS: 200 },
  });
  const port = await example.port();
  const before = sockets(example);
  for (
    const text of ["", "PO", "no end of line", "x".repeat(100_000), "l\n"]
  ) {
    using client = await RawClient.connect(port);
    await client.send(text);
    await assertEnds(client.conn);
  }
  {
    using client = await RawClient.connect(port);
    const flood = (async () => {
      for (;;) await client.send("a line\n".repeat(10_000));
    })();
    await flood.catch(() => {});
  }
  await resetUnaccepted(example, port);
  await reset(port, "GE");
  await reset(port, "a line\n");
  await assertSockets(example, before);
  assertStringIncludes(await curl(`http://127.0.0.1:${port}/`), "over HTTP");
  example.process.kill("SIGTERM");
  assertEquals((await example.end()).errors, "");
});
