/**
 * The examples that read the first bytes of a connection themselves (PROXY protocol,
 * sniffing, inspector) handle clients that stay silent, send garbage or reset. The tests
 * shorten their timeouts.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  assertSockets,
  Example,
  resetUnaccepted,
  sockets,
} from "../support/example.ts";
import { curl } from "../support/programs.ts";
import { assertEnds, RawClient, reset } from "../support/raw_client.ts";
import { test } from "../support/waiting.ts";

const decoder = new TextDecoder();

test("PROXY protocol: a late or invalid line closes the connection", async () => {
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

test("PROXY protocol: the server survives resets", async () => {
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

test("inspect: a client that sends nothing or an incomplete request times out", async () => {
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

test("inspect: the server survives resets", async () => {
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

test("inspect: control characters from a client do not reach the terminal", async () => {
  await using example = Example.start("inspect.ts", ["--port", "0"]);
  using client = await RawClient.connect(await example.port());
  const body = "a\x1b[2Jb\x07\rc\nd";
  await client.send(
    `POST / HTTP/1.1\r\nHost: a\r\nX-Csi: \x9b2J\r\nConnection: close\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  assertStringIncludes(await client.rest(), "HTTP/1.1 200 ");
  const [shown] = await example.line(/( {2}X-Csi.*\| d\n)/s);
  // deno-lint-ignore no-control-regex -- the test asserts their absence
  assertEquals(shown!.match(/[\0-\x09\x0b-\x1f\x7f-\x9f]/), null);
});

test("sniff: HTTP and a line protocol on one port", async () => {
  await using example = Example.start("sniff.ts", ["0"]);
  const port = await example.port();
  const before = sockets(example);
  assertEquals(
    await curl(`http://127.0.0.1:${port}/a`),
    "GET /a over HTTP\n",
  );
  {
    // Byte by byte, so that the protocol is not known from the first read.
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
    // Input that resembles HTTP goes to the HTTP server, which refuses it.
    using client = await RawClient.connect(port);
    await client.send("GET nonsense\n");
    assertStringIncludes(await client.rest(), "HTTP/1.1 400 ");
  }
  await assertSockets(example, before);
});

test("sniff: a TLS client gets an alert", async () => {
  await using example = Example.start("sniff.ts", ["0"]);
  const port = await example.port();
  const { success, stderr } = await new Deno.Command("curl", {
    args: ["-sS", "--max-time", "10", `https://127.0.0.1:${port}/`],
  }).output();
  assertEquals(success, false);
  assertStringIncludes(decoder.decode(stderr), "alert protocol version");
});

test("sniff: silent, flooding and non-reading clients are dropped", async () => {
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
