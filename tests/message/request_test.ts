/**
 * Requests in console output and in JSON.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { parseOne } from "../support/parser_runs.ts";

Deno.test("Deno.inspect shows a request and its headers, also after release", () => {
  const { request } = parseOne(["GET /a HTTP/1.1", "Host: b"]);
  const { headers } = request;
  assertEquals(Deno.inspect(request), "HttpRequest GET /a");
  assertStringIncludes(Deno.inspect(headers), '[ "Host", "b" ]');
  request.release();
  assertEquals(Deno.inspect(request), "HttpRequest (released)");
  assertEquals(Deno.inspect(headers), "HttpHeaders (released)");
  assertEquals(JSON.stringify(request), '{"released":true}');
});

Deno.test("JSON.stringify gives the request and no internal buffers", () => {
  const { request } = parseOne(["GET /a HTTP/1.1", "Host: b"]);
  assertEquals(
    JSON.stringify(request),
    '{"method":"GET","target":"/a","httpVersion":"1.1","headers":[["Host","b"]]}',
  );
  request.release();
});
