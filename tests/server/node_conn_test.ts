/**
 * `nodeConn` in Deno, on the sockets of `node:net` and on streams that misbehave. The
 * tests in `tests/runtimes` run it in Node.js and Bun.
 */

import { Buffer } from "node:buffer";
import { createServer, type Socket } from "node:net";
import { Duplex } from "node:stream";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { type Handler, nodeConn, Pools, serveConnection } from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { RawClient } from "../support/raw_client.ts";
import { sanitized, within } from "../support/waiting.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/** A server of `node:net` whose first connection is handed to `run`. */
async function withSocket(
  handler: Handler,
  run: (
    client: RawClient,
    served: Promise<void>,
    socket: Socket,
  ) => Promise<void>,
): Promise<void> {
  const pools = new Pools();
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer({ allowHalfOpen: true }, accepted.resolve);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  using client = await RawClient.connect(
    (server.address() as { port: number }).port,
  );
  const socket = await within(accepted.promise, "the socket");
  const served = serveConnection(nodeConn(socket), handler, { pools });
  await run(client, served, socket);
  client[Symbol.dispose]();
  await within(served, "the end of the connection");
  await within(
    new Promise<void>((done) => server.close(() => done())),
    "the end of the server",
  );
  assertAtRest(pools);
}

sanitized("nodeConn: a client that half-closes gets its response", async () => {
  await withSocket(async (req, res, { remoteAddr }) => {
    await new Promise((aborted) =>
      req.signal.addEventListener("abort", aborted)
    );
    res.json(remoteAddr);
  }, async (client) => {
    await client.send(GET);
    await client.conn.closeWrite();
    const { port } = client.conn.localAddr as Deno.NetAddr;
    assertStringIncludes(
      await client.rest(),
      `{"transport":"tcp","hostname":"127.0.0.1","port":${port}}`,
    );
  });
});

sanitized("nodeConn: large bodies in both directions", async () => {
  const size = 1_000_000;
  await withSocket(async (req, res) => {
    res.send(await req.bytes());
  }, async (client) => {
    const text = "x".repeat(size);
    const sent = client.send(
      `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n${text}`,
    );
    assert((await client.rest()).endsWith(`\r\n\r\n${text}`));
    await sent;
  });
});

sanitized("nodeConn: a socket that the program destroys", async () => {
  await withSocket(() => {}, async (client, served, socket) => {
    await client.send("GET / HT");
    socket.destroy();
    await within(served, "the end of the connection");
  });
});

/** A stream that takes nothing: its writes are never called back. */
function stalling(): Duplex {
  return new Duplex({ read() {}, write() {} });
}

sanitized(
  "nodeConn: a write without an answer ends with its socket",
  async () => {
    const socket = stalling();
    const conn = nodeConn(socket);
    const written = conn.write(new Uint8Array(100_000));
    const ended = conn.closeWrite();
    const read = conn.read(new Uint8Array(1));
    conn.close();
    for (const promise of [written, ended, read]) {
      await assertRejects(() => within<unknown>(promise, "the end"), TypeError);
    }
    for (
      const late of [
        () => conn.write(new Uint8Array(1)),
        () => conn.read(new Uint8Array(1)),
        () => nodeConn(socket).read(new Uint8Array(1)),
      ]
    ) await assertRejects(() => within<unknown>(late(), "the end"), TypeError);
  },
);

sanitized("nodeConn: bytes that nobody reads pause the stream", async () => {
  let asked = 0;
  const socket = new Duplex({
    highWaterMark: 1,
    read() {
      asked++;
      setTimeout(() => this.push(Buffer.from("abc")), 0);
    },
  });
  const conn = nodeConn(socket);
  const into = new Uint8Array(2);
  assertEquals(await within(conn.read(into), "bytes"), 2);
  for (let i = 0; i < 10; i++) await new Promise((r) => setTimeout(r, 0));
  assert(asked < 5, `${asked} reads`);
  assertEquals(await within(conn.read(into), "bytes"), 1);
  assertEquals(into[0], 99);
  conn.close();
  for (let i = 0; i < 3; i++) await new Promise((r) => setTimeout(r, 0));
});

sanitized("nodeConn: text instead of bytes is reported", async () => {
  const errors: unknown[] = [];
  const socket = stalling();
  socket.setEncoding("utf8");
  const served = serveConnection(nodeConn(socket), () => {}, {
    onError: (error) => void errors.push(error),
  });
  socket.push("GET / HTTP/1.1\r\n");
  await within(served, "the end of the connection");
  assertEquals(errors.map(String), [
    "TypeError: a chunk of the input is no Uint8Array",
  ]);
  assert(socket.destroyed);
});

sanitized("nodeConn: an empty chunk is no end and no misuse", async () => {
  const socket = new Duplex({ objectMode: true, read() {}, write() {} });
  const conn = nodeConn(socket);
  const into = new Uint8Array(4);
  const first = conn.read(into);
  socket.push(new Uint8Array(0));
  socket.push(Buffer.from("abc"));
  assertEquals(await within(first, "bytes"), 3);
  socket.push(new Uint8Array(0));
  socket.push(null);
  assertEquals(await within(conn.read(into), "the end"), null);
  conn.close();
});
