/**
 * Deno's own WebSocket on an upgraded connection: messages, the end from both sides, and
 * clients that leave, stall or send no handshake. No socket stays behind.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { WebSocket } from "ws";
import { patterned } from "../support/bytes.ts";
import { assertSockets, Example, sockets } from "../support/example.ts";
import { answerTo, RawClient, reset } from "../support/raw_client.ts";
import { get } from "../support/requests.ts";
import { test, within } from "../support/waiting.ts";

const HANDSHAKE = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
/** A text frame of `a`, and a close frame, both with a zero mask. */
const TEXT = "\x81\x81\0\0\0\0a";
const CLOSE = "\x88\x82\0\0\0\0\x03\xe8";

function next<T>(socket: WebSocket, event: string): Promise<T> {
  return within(
    new Promise((resolve) => socket.once(event, (value: T) => resolve(value))),
    event,
  );
}

/** Runs a test against the example, which ends with the sockets it began with. */
async function withExample(run: (port: number) => Promise<void>) {
  await using example = Example.start("deno_websocket.ts", ["0"]);
  const port = await example.port();
  const before = sockets(example);
  await run(port);
  await assertSockets(example, before);
  example.process.kill("SIGTERM");
  assertEquals((await example.end()).errors, "");
}

test("Deno's WebSocket: messages go both ways, and the client closes", async () => {
  await withExample(async (port) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/echo`);
    await next(socket, "open");
    socket.send("grüße");
    assertEquals(String(await next<Uint8Array>(socket, "message")), "grüße");
    const bytes = patterned(1_000_000);
    socket.send(bytes);
    const echoed = await next<Uint8Array>(socket, "message");
    assertEquals(new Uint8Array(echoed), bytes);
    const closed = next<number>(socket, "close");
    socket.close(4000, "enough");
    assertEquals(await closed, 4000);
  });
});

test("Deno's WebSocket: a frame that follows the handshake at once arrives", async () => {
  await withExample(async (port) => {
    using client = await RawClient.connect(port);
    await client.send(get("/echo", ...HANDSHAKE) + TEXT);
    await client.until("\x81\x01a");
    assertMatch(client.received, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
    assertEquals(client.received.match(/HTTP\/1\.1/g)?.length, 1);
    assertMatch(
      client.received,
      /sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/i,
    );
  });
});

test("Deno's WebSocket: a client that stays after the close is let go", async () => {
  await withExample(async (port) => {
    using client = await RawClient.connect(port);
    await client.send(get("/echo", ...HANDSHAKE) + CLOSE);
    await client.until("\x88\x02\x03\xe8");
    await within(client.rest(), "the end");
  });
});

test("Deno's WebSocket: clients that leave or send nonsense leave no socket", async () => {
  await withExample(async (port) => {
    const handshake = get("/echo", ...HANDSHAKE);
    await reset(port, handshake);
    await reset(port, handshake + TEXT.repeat(1000));
    for (const text of ["", TEXT, "\xff\xff\xff\xff", "\x81\x01a"]) {
      using client = await RawClient.connect(port);
      await client.send(handshake + text);
      await client.until("\r\n\r\n");
      await client.conn.closeWrite();
      await within(client.rest(), "the end");
    }
  });
});

test("Deno's WebSocket: a client that stops reading is dropped", async () => {
  await using example = Example.start("deno_websocket.ts", ["0"], {
    constants: { STALL_MS: 200 },
  });
  const port = await example.port();
  const before = sockets(example);
  using client = await RawClient.connect(port);
  await client.send(get("/echo", ...HANDSHAKE));
  await client.until("\r\n\r\n");
  const frame = "\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0" + "x".repeat(65_536);
  const flood = (async () => {
    for (;;) await client.send(frame);
  })();
  await within(flood.catch(() => {}), "the end");
  await assertSockets(example, before);
});

test("Deno's WebSocket: what is no handshake gets a 400", async () => {
  await withExample(async (port) => {
    const requests = [
      get("/echo", "Connection: close"),
      get("/echo", "Connection: Upgrade, close", "Upgrade: other"),
      get("/echo", ...HANDSHAKE.slice(0, 3), "X-Last: yes")
        .replace("Upgrade\r\n", "Upgrade, close\r\n"),
    ];
    for (const request of requests) {
      const answer = await answerTo(port, request);
      assertMatch(answer, /^HTTP\/1\.1 400 .*\r\n\r\nInvalid Header/s);
    }
  });
});

test("Deno's WebSocket: a handshake that Fetch can't express gets a 400, and no report", async () => {
  await withExample(async (port) => {
    const handshake = get("/echo", ...HANDSHAKE, "X-Last: yes");
    const requests = [
      handshake.replace("X-Last: yes", "Content-Length: 1") + "x",
      handshake.replace("X-Last: yes", "Transfer-Encoding: chunked"),
      handshake.replace("GET", "TRACE"),
      handshake.replace("GET", "get"),
      handshake.replace("GET", "POST")
        .replace("X-Last: yes", "Content-Length: 1"),
      handshake.replace(/Host: .*/, "Host: xn--a"),
    ];
    for (const request of requests) {
      using client = await RawClient.connect(port);
      await client.send(request);
      await client.until("\r\n\r\n");
      assertMatch(client.received, /^HTTP\/1\.1 400 /, request);
    }
  });
});
