/**
 * Header lookup.
 */

import { assertEquals } from "@std/assert";
import { parseOne } from "../support/parser_runs.ts";

Deno.test("headers: case-insensitive lookup, repeated lines, wire order, raw names", () => {
  const { request, parser } = parseOne([
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

Deno.test("a known name matches in full, and only its letters match in either case", () => {
  for (
    const name of ["Conten\u0054-length", "Conten~-Length", "Hos", "Hostt"]
  ) {
    const { request, parser } = parseOne([
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
