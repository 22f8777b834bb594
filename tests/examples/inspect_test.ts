/**
 * The inspector handles clients that stay silent, send garbage or reset. The tests
 * shorten its timeouts.
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
