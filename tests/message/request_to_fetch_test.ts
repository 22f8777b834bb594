/**
 * `toRequest()`: a Fetch request that outlives the pooled one.
 */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Pools } from "@pooled/http1";
import { parseOne } from "../support/parser_runs.ts";

Deno.test("toRequest: the URL of each form of target", () => {
  const url = (target: string, method = "GET", host = "Host: a.example:81") =>
    parseOne([`${method} ${target} HTTP/1.1`, host]).request.toRequest().url;
  assertEquals(url("/p?q=1"), "http://a.example:81/p?q=1");
  assertEquals(url("//p"), "http://a.example:81//p");
  assertEquals(url("http://b.example/p"), "http://b.example/p");
  assertEquals(url("*", "OPTIONS"), "http://a.example:81/");
  assertEquals(
    parseOne(["GET /p HTTP/1.0"]).request.toRequest().url,
    "http://localhost/p",
  );
});

Deno.test("toRequest throws a TypeError for requests outside Fetch, and leaves the body readable", async () => {
  for (
    const [method, target] of [
      ["CONNECT", "a:80"],
      ["TRACE", "/"],
      ["track", "/"],
      // Fetch would normalize these methods to upper case.
      ["get", "/"],
      ["Post", "/"],
      ["head", "/"],
      ["pUT", "/"],
      ["delete", "/"],
      ["options", "/"],
    ] as const
  ) {
    const { request } = parseOne([
      `${method} ${target} HTTP/1.1`,
      "Host: a:80",
    ]);
    assertThrows(() => request.toRequest(), TypeError);
    assertEquals(request.method, method);
  }
  const { request } = parseOne(
    ["GET / HTTP/1.1", "Host: a", "Content-Length: 2"],
    "hi",
  );
  assertThrows(() => request.toRequest(), TypeError);
  assertEquals(await request.text(), "hi");
  const { request: other } = parseOne(
    ["post / HTTP/1.1", "Host: a", "Content-Length: 2"],
    "hi",
  );
  assertThrows(() => other.toRequest(), TypeError);
  assertEquals(await other.text(), "hi");
  const { request: patch } = parseOne(["patch / HTTP/1.1", "Host: a"]);
  assertEquals(patch.toRequest().method, "patch");
});

Deno.test("toRequest: headers and body outlive the pooled request", async () => {
  const { request, parser } = parseOne(
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

Deno.test("toRequest: asking for the next request ends the body", async () => {
  const { request, parser } = parseOne(
    ["POST / HTTP/1.1", "Host: a", "Content-Length: 2"],
    "hiGET /next HTTP/1.1\r\nHost: a\r\n\r\n",
  );
  const fetched = request.toRequest();
  request.release();
  const next = parser.next()!;
  assertEquals(next.target, "/next");
  await assertRejects(() => fetched.text(), TypeError, "next message");
  next.release();
  parser[Symbol.dispose]();
});

Deno.test("toRequest of a request with a discarded body does not touch the next body", async () => {
  const pools = new Pools();
  const { request, parser } = parseOne(
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
