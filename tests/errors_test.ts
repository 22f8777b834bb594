/**
 * `HttpError`: codes, messages and offsets of refusals.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { HttpError, Pools, RequestParser } from "@pooled/http1";
import { refusalCode } from "../src/errors.ts";
import * as refusals from "../src/wire/refusals.ts";

const encoder = new TextEncoder();

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

Deno.test("an error message gives the bytes found, their offset and what was expected", () => {
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

Deno.test("bytes pushed after the end or after a refusal", () => {
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
