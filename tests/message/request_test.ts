/**
 * What a console and a JSON logger see of a request.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { parseOne } from "../support/parser_runs.ts";

Deno.test("a console shows a request and its headers, also released ones", () => {
  const { request } = parseOne(["GET /a HTTP/1.1", "Host: b"]);
  const { headers } = request;
  assertEquals(Deno.inspect(request), "HttpRequest GET /a");
  assertStringIncludes(Deno.inspect(headers), '[ "Host", "b" ]');
  request.release();
  assertEquals(Deno.inspect(request), "HttpRequest (released)");
  assertEquals(Deno.inspect(headers), "HttpHeaders (released)");
  assertEquals(JSON.stringify(request), '{"released":true}');
});

Deno.test("a logger that writes JSON sees the request and no memory", () => {
  const { request } = parseOne(["GET /a HTTP/1.1", "Host: b"]);
  assertEquals(
    JSON.stringify(request),
    '{"method":"GET","target":"/a","httpVersion":"1.1","headers":[["Host","b"]]}',
  );
  request.release();
});
