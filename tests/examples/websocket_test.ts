/**
 * The WebSocket example handles clients that stall, reset or violate the protocol. The
 * tests shorten its timeouts.
 */

import type net from "node:net";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { WebSocket } from "ws";
import { assertSockets, Example, sockets } from "../support/example.ts";
import { assertEnds, RawClient, reset } from "../support/raw_client.ts";
import { test } from "../support/waiting.ts";

const decoder = new TextDecoder();

/** A client frame (RFC 6455 §5.2) with a zero mask, which leaves the payload unchanged. */
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

test("WebSocket: pong echoes the payload of ping, and close echoes its code", async () => {
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

test("WebSocket: a message over the limit closes with 1009", async () => {
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

test("WebSocket: a client that stops reading is dropped", async () => {
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

test("WebSocket: resets and invalid frames leak nothing", async () => {
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
