/**
 * The request object in a user's hands: header lookup, bodies, Fetch, and that the
 * fixed names have the fixed types.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { assertType, type IsExact } from "@std/testing/types";
import {
  HttpError,
  type HttpErrorCode,
  type HttpHeaders,
  type HttpRequest,
  type ParserOptions,
  Pools,
  type readRequests,
  RequestParser,
  RequestStream,
} from "@pooled/http1";
import * as refusals from "../src/wire/refusals.ts";
import { refusalCode } from "../src/errors.ts";

const encoder = new TextEncoder();

/** The one request of a wire, and the parser that made it. */
function parse(
  lines: string[],
  body = "",
  options: ParserOptions = {},
): { request: HttpRequest; parser: RequestParser } {
  const parser = new RequestParser({ pools: new Pools(), ...options });
  parser.push(encoder.encode(lines.join("\r\n") + "\r\n\r\n" + body));
  return { request: parser.next()!, parser };
}

Deno.test("the public names have the types that were promised", () => {
  assertType<IsExact<HttpRequest["method"], string>>(true);
  assertType<IsExact<HttpRequest["httpVersion"], "1.0" | "1.1">>(true);
  assertType<IsExact<HttpRequest["headers"], HttpHeaders>>(true);
  assertType<IsExact<HttpRequest["contentLength"], number | null>>(true);
  assertType<IsExact<HttpRequest["upgrade"], string | null>>(true);
  assertType<IsExact<HttpRequest["trailers"], HttpHeaders | null>>(true);
  assertType<IsExact<ReturnType<RequestParser["next"]>, HttpRequest | null>>(
    true,
  );
  assertType<IsExact<HttpError["code"], HttpErrorCode>>(true);
  assertType<
    IsExact<ReturnType<typeof readRequests>, ReadableStream<HttpRequest>>
  >(true);
  const transform: TransformStream<Uint8Array, HttpRequest> =
    new RequestStream();
  assertInstanceOf(transform.readable, ReadableStream);
});

Deno.test("every refusal number has a code of the same name", () => {
  const numbers = Object.entries(refusals);
  assert(numbers.length > 30);
  for (const [name, number] of numbers) {
    assertEquals(refusalCode(number), name.toLowerCase().replaceAll("_", "-"));
  }
  assertEquals(
    new Set(numbers.map(([, number]) => number)).size,
    numbers.length,
  );
});

Deno.test("an error says what was found, where, and what was expected", () => {
  const parser = new RequestParser();
  parser.push(
    encoder.encode("GET / HTTP/1.1\r\nHost: a\r\nX-A: b\x01c\r\n\r\n"),
  );
  const error = assertThrows(() => parser.next(), HttpError);
  assertEquals(error.name, "HttpError");
  assertEquals(error.code, "invalid-header-value");
  assertEquals(error.status, 400);
  assertEquals(error.offset, 31);
  assertEquals(
    error.message,
    'invalid-header-value: found "\\u0001c\\r\\n\\r\\n" at byte 31, expected ' +
      "visible characters, spaces and tabs in a field value (RFC 9110 §5.5)",
  );
  assertEquals(assertThrows(() => parser.next(), HttpError), error);
  parser[Symbol.dispose]();
});

Deno.test("offsets count from the first byte of the input", () => {
  const parser = new RequestParser({ pools: new Pools() });
  const good = encoder.encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  for (let i = 0; i < 1000; i++) {
    parser.push(good);
    parser.next()!.release();
  }
  parser.push(encoder.encode("GET\t/"));
  const error = assertThrows(() => parser.next(), HttpError);
  assertEquals(error.offset, 1000 * good.length + 3);
  parser[Symbol.dispose]();
});

Deno.test("headers: any case, repeated lines, wire order, raw names", () => {
  const { request, parser } = parse([
    "GET / HTTP/1.1",
    "hOsT: example.com",
    "X-Tag: one",
    "Accept: text/html",
    "x-tag:two",
    "ACCEPT:  */*  ",
    "Cookie: a=1",
    "cookie: b=2",
    "X-Empty:",
    "X-Latin: caf\u00e9".normalize(),
  ]);
  const { headers } = request;
  assertEquals(headers.size, 9);
  assertEquals(headers.get("host"), "example.com");
  assertEquals(headers.get("HOST"), "example.com");
  assertEquals(headers.get("x-TAG"), "one, two");
  assertEquals(headers.getAll("X-Tag"), ["one", "two"]);
  assertEquals(headers.get("accept"), "text/html, */*");
  assertEquals(headers.get("cookie"), "a=1; b=2");
  assertEquals(headers.get("x-empty"), "");
  assertEquals(headers.get("x-latin"), "caf\u00c3\u00a9");
  assertEquals(headers.get("x-ta"), null);
  assertEquals(headers.get("x-tags"), null);
  assertEquals(headers.get(""), null);
  assertEquals(headers.has("x-empty"), true);
  assertEquals(headers.has("x-none"), false);
  assertEquals(headers.getAll("x-none"), []);
  assertEquals(headers.equals("host", "example.com"), true);
  assertEquals(headers.equals("host", "Example.com"), false);
  assertEquals(headers.equals("host", "example.co"), false);
  assertEquals(headers.equals("x-tag", "one"), false);
  assertEquals([...headers].map(([name]) => name), [
    "hOsT",
    "X-Tag",
    "Accept",
    "x-tag",
    "ACCEPT",
    "Cookie",
    "cookie",
    "X-Empty",
    "X-Latin",
  ]);
  assertEquals(new Headers([...headers]).get("accept"), "text/html, */*");
  request.release();
  parser[Symbol.dispose]();
});

Deno.test("a known name is only known in full, and only by letters", () => {
  // Each byte here becomes a known name if 0x20 is set in it, or in all but one.
  for (
    const name of ["Conten\u0054-length", "Conten~-Length", "Hos", "Hostt"]
  ) {
    const { request, parser } = parse([
      "GET / HTTP/1.1",
      "Host: a",
      `${name}: 1`,
    ]);
    const known = name.toLowerCase() === "content-length";
    assertEquals(request.contentLength, known ? 1 : null, name);
    request.release();
    parser[Symbol.dispose]();
  }
});

Deno.test("bodies: text, JSON, bytes and buffer, once each", async () => {
  const post = (body: string) =>
    parse(
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
  // The bytes are the caller's, and outlive the request.
  parser.push(encoder.encode("GET /xyz HTTP/1.1\r\nHost: a\r\n\r\n"));
  parser.next()!.release();
  assertEquals(bytes, encoder.encode("abc"));
  parser[Symbol.dispose]();
});

Deno.test("a body is the stream's or the buffer's, not both", async () => {
  const lines = ["POST / HTTP/1.1", "Host: a", "Content-Length: 3"];
  const locked = parse(lines, "abc").request;
  const reader = locked.body!.getReader();
  await assertRejects(() => locked.bytes(), TypeError, "already used");
  assertEquals(new TextDecoder().decode((await reader.read()).value), "abc");
  assertEquals((await reader.read()).done, true);

  // A stream that was looked at and left alone does not use the body.
  const looked = parse(lines, "abc").request;
  assert(looked.body !== null);
  assertEquals(looked.bodyUsed, false);
  assertEquals(await looked.text(), "abc");
});

Deno.test("a body that was discarded cannot be read, and says why", async () => {
  const { request, parser } = parse(
    ["POST / HTTP/1.1", "Host: a", "Content-Length: 3"],
    "abc",
  );
  assertEquals(parser.next(), null);
  const error = await assertRejects(() => request.bytes(), TypeError);
  assertStringIncludes(error.message, "next request was asked for");
  request.release();
  parser[Symbol.dispose]();
});

Deno.test("a request that is released while its body is read fails the reader", async () => {
  const { request, parser } = parse(
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

Deno.test("a message without a body has none, and its text is empty", async () => {
  for (const length of [[], ["Content-Length: 0"]]) {
    const { request } = parse(["POST / HTTP/1.1", "Host: a", ...length]);
    assertEquals(request.body, null);
    assertEquals(await request.text(), "");
    assertEquals(await request.text(), "", "as often as wanted");
    assertEquals(request.bodyUsed, false);
    request.release();
  }
});

Deno.test("maxBodySize bounds what is gathered, and what is reserved for it", async () => {
  const pools = new Pools();
  const announced = parse(
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
      const { request, parser } = parse(
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

Deno.test("a body that was refused as too large cannot be had in another way", async () => {
  for (
    const [framing, wire] of [
      ["Content-Length: 4", "abcd"],
      ["Transfer-Encoding: chunked", "4\r\nabcd\r\n0\r\n\r\n"],
    ]
  ) {
    const { request } = parse(
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

Deno.test("why a body cannot be read is told of that body, not of one before", async () => {
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

Deno.test("toRequest: the URL of each form of target", () => {
  const url = (target: string, method = "GET", host = "Host: a.example:81") =>
    parse([`${method} ${target} HTTP/1.1`, host]).request.toRequest().url;
  assertEquals(url("/p?q=1"), "http://a.example:81/p?q=1");
  assertEquals(url("//p"), "http://a.example:81//p");
  assertEquals(url("http://b.example/p"), "http://b.example/p");
  assertEquals(url("*", "OPTIONS"), "http://a.example:81/");
  assertEquals(
    parse(["GET /p HTTP/1.0"]).request.toRequest().url,
    "http://localhost/p",
  );
});

Deno.test("toRequest: what Fetch cannot express is a TypeError, and changes nothing", async () => {
  for (
    const [method, target] of [
      ["CONNECT", "a:80"],
      ["TRACE", "/"],
      ["track", "/"],
      // Fetch has these, but would make another method of them.
      ["get", "/"],
      ["Post", "/"],
      ["head", "/"],
      ["pUT", "/"],
      ["delete", "/"],
      ["options", "/"],
    ] as const
  ) {
    const { request } = parse([`${method} ${target} HTTP/1.1`, "Host: a:80"]);
    assertThrows(() => request.toRequest(), TypeError);
    assertEquals(request.method, method);
  }
  const { request } = parse(
    ["GET / HTTP/1.1", "Host: a", "Content-Length: 2"],
    "hi",
  );
  assertThrows(() => request.toRequest(), TypeError);
  assertEquals(await request.text(), "hi");
  const { request: other } = parse(
    ["post / HTTP/1.1", "Host: a", "Content-Length: 2"],
    "hi",
  );
  assertThrows(() => other.toRequest(), TypeError);
  assertEquals(await other.text(), "hi");
  const { request: patch } = parse(["patch / HTTP/1.1", "Host: a"]);
  assertEquals(patch.toRequest().method, "patch");
});

Deno.test("toRequest: headers and body are the Fetch request's own", async () => {
  const { request, parser } = parse(
    ["PUT /x HTTP/1.1", "Host: a", "X-A: 1", "x-a: 2", "Content-Length: 2"],
    "hi",
  );
  const fetched = request.toRequest();
  assertThrows(() => request.toRequest(), TypeError, "already used");
  request.release();
  assertEquals(fetched.method, "PUT");
  assertEquals(fetched.headers.get("x-a"), "1, 2");
  assertEquals(await fetched.text(), "hi");
  parser[Symbol.dispose]();
});

Deno.test("toRequest: its body ends where the next request is asked for", async () => {
  const { request, parser } = parse(
    ["POST / HTTP/1.1", "Host: a", "Content-Length: 2"],
    "hiGET /next HTTP/1.1\r\nHost: a\r\n\r\n",
  );
  const fetched = request.toRequest();
  request.release();
  const next = parser.next()!;
  assertEquals(next.target, "/next");
  await assertRejects(() => fetched.text(), TypeError, "next request");
  next.release();
  parser[Symbol.dispose]();
});

Deno.test("toRequest of a request whose body is gone leaves the next body alone", async () => {
  const pools = new Pools();
  const { request, parser } = parse(
    ["POST / HTTP/1.1", "Host: a", "Content-Length: 2"],
    "hiPOST /next HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab",
    { pools },
  );
  const next = parser.next()!;
  await assertRejects(() => request.toRequest().text(), TypeError);
  const text = next.text();
  next.release();
  await assertRejects(() => text, TypeError, "released");
  request.release();
  parser[Symbol.dispose]();
  assertEquals(pools.stats().requests.inUse, 0);
});

Deno.test("bytes after the end, and after a refusal", () => {
  const parser = new RequestParser();
  parser.push(encoder.encode("BAD"));
  parser.end();
  assertThrows(() => parser.next(), HttpError);
  assertThrows(() => parser.push(encoder.encode("GET")), TypeError);
  assertThrows(() => new RequestParser().push("GET" as never), TypeError);
  const refused = new RequestParser();
  refused.push(encoder.encode("\n"));
  assertThrows(() => refused.next(), HttpError);
  refused.push(encoder.encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  assertThrows(() => refused.next(), HttpError);
});

Deno.test("a console shows a request and its headers, also released ones", () => {
  const { request } = parse(["GET /a HTTP/1.1", "Host: b"]);
  const { headers } = request;
  assertEquals(Deno.inspect(request), "HttpRequest GET /a");
  assertStringIncludes(Deno.inspect(headers), '[ "Host", "b" ]');
  request.release();
  assertEquals(Deno.inspect(request), "HttpRequest (released)");
  assertEquals(Deno.inspect(headers), "HttpHeaders (released)");
  assertEquals(JSON.stringify(request), '{"released":true}');
});

Deno.test("a logger that writes JSON sees the request and no memory", () => {
  const { request } = parse(["GET /a HTTP/1.1", "Host: b"]);
  assertEquals(
    JSON.stringify(request),
    '{"method":"GET","target":"/a","httpVersion":"1.1","headers":[["Host","b"]]}',
  );
  request.release();
});
