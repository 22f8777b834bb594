/**
 * Reading request bodies.
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { HttpError, Pools, RequestParser } from "@pooled/http1";
import { parseOne } from "../support/parser_runs.ts";

const encoder = new TextEncoder();

Deno.test("a body can be read once, as text, JSON, bytes or a buffer", async () => {
  const post = (body: string) =>
    parseOne(
      ["POST / HTTP/1.1", "Host: a", `Content-Length: ${body.length}`],
      body,
    );
  assertEquals(await post("hi").request.text(), "hi");
  assertEquals(await post('{"a":1}').request.json(), { a: 1 });
  await assertRejects(() => post("{").request.json(), SyntaxError);
  assertEquals((await post("abc").request.arrayBuffer()).byteLength, 3);
  const { request, parser } = post("abc");
  assertEquals(request.bodyUsed, false);
  const bytes = await request.bytes();
  assertEquals(bytes, encoder.encode("abc"));
  assertEquals(bytes.buffer.byteLength, 3);
  assertEquals(request.bodyUsed, true);
  await assertRejects(() => request.text(), TypeError, "already used");
  await assertRejects(() => request.body!.getReader().read(), TypeError);
  request.release();
  // The bytes belong to the caller and outlive the request.
  parser.push(encoder.encode("GET /xyz HTTP/1.1\r\nHost: a\r\n\r\n"));
  parser.next()!.release();
  assertEquals(bytes, encoder.encode("abc"));
  parser[Symbol.dispose]();
});

Deno.test("a body can be streamed or buffered, but not both", async () => {
  const lines = ["POST / HTTP/1.1", "Host: a", "Content-Length: 3"];
  const locked = parseOne(lines, "abc").request;
  const reader = locked.body!.getReader();
  await assertRejects(() => locked.bytes(), TypeError, "already used");
  assertEquals(new TextDecoder().decode((await reader.read()).value), "abc");
  assertEquals((await reader.read()).done, true);

  // Accessing `body` without reading it does not use the body.
  const looked = parseOne(lines, "abc").request;
  assert(looked.body !== null);
  assertEquals(looked.bodyUsed, false);
  assertEquals(await looked.text(), "abc");
});

Deno.test("reading a discarded body rejects with the reason", async () => {
  const { request, parser } = parseOne(
    ["POST / HTTP/1.1", "Host: a", "Content-Length: 3"],
    "abc",
  );
  assertEquals(parser.next(), null);
  const error = await assertRejects(() => request.bytes(), TypeError);
  assertStringIncludes(error.message, "next message was asked for");
  request.release();
  parser[Symbol.dispose]();
});

Deno.test("releasing a request rejects pending reads of its body", async () => {
  const { request, parser } = parseOne(
    ["POST / HTTP/1.1", "Host: a", "Content-Length: 3"],
    "a",
  );
  const text = request.text();
  request.release();
  await assertRejects(() => text, TypeError, "released");
  parser.push(encoder.encode("bcGET /next HTTP/1.1\r\nHost: a\r\n\r\n"));
  const next = parser.next()!;
  assertEquals(next.target, "/next");
  next.release();
  parser[Symbol.dispose]();
});

Deno.test("without a body, `body` is null and `text()` is empty", async () => {
  for (const length of [[], ["Content-Length: 0"]]) {
    const { request } = parseOne(["POST / HTTP/1.1", "Host: a", ...length]);
    assertEquals(request.body, null);
    assertEquals(await request.text(), "");
    assertEquals(await request.text(), "", "as often as wanted");
    assertEquals(request.bodyUsed, false);
    request.release();
  }
});

Deno.test("maxBodySize bounds the buffered bytes and the memory allocated for them", async () => {
  const pools = new Pools();
  const announced = parseOne(
    ["POST / HTTP/1.1", "Host: a", "Content-Length: 9000000000000000"],
    "",
    { pools },
  );
  const before = Deno.memoryUsage().external;
  const error = await assertRejects(() => announced.request.bytes(), HttpError);
  assertEquals([error.code, error.status], ["body-too-large", 413]);
  assert(Deno.memoryUsage().external - before < 1_000_000);
  announced.request.release();
  announced.parser[Symbol.dispose]();

  for (const [size, limit] of [[5, 5], [6, 5], [9000, 8999], [9000, 9000]]) {
    const body = "x".repeat(size!);
    for (
      const [framing, wire] of [
        [`Content-Length: ${size}`, body],
        [
          "Transfer-Encoding: chunked",
          `${size!.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
        ],
      ]
    ) {
      const { request, parser } = parseOne(
        ["POST / HTTP/1.1", "Host: a", framing!],
        wire + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n",
        { maxBodySize: limit! },
      );
      if (size! <= limit!) assertEquals(await request.text(), body);
      else {await assertRejects(
          () => request.text(),
          HttpError,
          "body-too-large",
        );}
      request.release();
      const next = parser.next()!;
      assertEquals(next.target, "/next");
      next.release();
      parser[Symbol.dispose]();
    }
  }
});

Deno.test("a body refused as too large cannot be read in another way", async () => {
  for (
    const [framing, wire] of [
      ["Content-Length: 4", "abcd"],
      ["Transfer-Encoding: chunked", "4\r\nabcd\r\n0\r\n\r\n"],
    ]
  ) {
    const { request } = parseOne(
      ["POST / HTTP/1.1", "Host: a", framing!],
      wire,
      { maxBodySize: 3 },
    );
    await assertRejects(() => request.text(), HttpError, "body-too-large");
    assertEquals(request.bodyUsed, true);
    await assertRejects(() => request.text(), TypeError, "already used");
    await assertRejects(
      () => request.body!.getReader().read(),
      HttpError,
      "body-too-large",
    );
    request.release();
  }
});

Deno.test("the reason why a body cannot be read is its own, not that of an earlier body", async () => {
  const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
  const parser = new RequestParser({ pools: new Pools() });
  parser.push(encoder.encode(post + post));
  parser.next()!.release();
  const request = parser.next()!;
  const body = request.body!;
  assertEquals(await request.text(), "x");
  await assertRejects(() => body.getReader().read(), TypeError, "already used");
  request.release();
  parser[Symbol.dispose]();
});
