/**
 * Pooled requests: reuse, use after release, and isolation between requests.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type HttpRequest, Pools, RequestParser } from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf } from "../support/bytes.ts";
import { GET, get } from "../support/requests.ts";

const encoder = new TextEncoder();

Deno.test("warmed pools serve the first connections without creating objects", () => {
  const pools = new Pools();
  pools.warm(3);
  const parsers = [0, 1, 2].map(() => new RequestParser({ pools }));
  for (const parser of parsers) {
    parser.push(bytesOf(GET));
    parser.next()!.release();
  }
  assertEquals(pools.stats().requests.created, 3);
  assertEquals(pools.stats().slabs[0]!.created, 3);
  for (const parser of parsers) parser[Symbol.dispose]();
  assertEquals(pools.stats().requests.idle, 3);
  assertAtRest(pools);
});

Deno.test("ten thousand sequential requests use one object and one slab", () => {
  const pools = new Pools();
  using parser = new RequestParser({ pools });
  for (let i = 0; i < 10_000; i++) {
    parser.push(bytesOf(get("/", `X-Count: ${i}`)));
    using request = parser.next()!;
    assertEquals(request.headers.get("x-count"), `${i}`);
  }
  const { requests, slabs } = pools.stats();
  assertEquals(requests.created, 1);
  assertEquals(requests.highWater, 1);
  assertEquals(slabs.reduce((sum, tier) => sum + tier.created, 0), 1);
});

Deno.test("held requests keep their bytes while later requests are parsed", () => {
  const pools = new Pools();
  const parser = new RequestParser({ pools });
  const kept: HttpRequest[] = [];
  for (let i = 0; i < 500; i++) {
    parser.push(encoder.encode(`GET /${i} HTTP/1.1\r\nHost: h${i}\r\n\r\n`));
    kept.push(parser.next()!);
  }
  parser[Symbol.dispose]();
  assertEquals(pools.stats().requests.inUse, 500);
  kept.forEach((request, i) => {
    assertEquals(request.target, `/${i}`);
    assertEquals(request.headers.get("host"), `h${i}`);
    request.release();
  });
  assertEquals(pools.stats().requests.inUse, 0);
  assertAtRest(pools);
});

Deno.test("every property and method throws after release", async () => {
  const parser = new RequestParser({ pools: new Pools() });
  parser.push(encoder.encode(
    "POST /p?q HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
  ));
  const request = parser.next()!;
  const { headers } = request;
  request.release();
  assertEquals(request.released, true);
  const uses: (() => unknown)[] = [
    () => request.method,
    () => request.target,
    () => request.path,
    () => request.query,
    () => request.httpVersion,
    () => request.headers,
    () => request.contentLength,
    () => request.chunked,
    () => request.keepAlive,
    () => request.expectContinue,
    () => request.upgrade,
    () => request.body,
    () => request.bodyUsed,
    () => request.trailers,
    () => request.toRequest(),
    () => headers.size,
    () => headers.get("host"),
    () => headers.has("host"),
    () => headers.has("x-unknown"),
    () => headers.getAll("host"),
    () => headers.equals("host", "a"),
    () => [...headers],
  ];
  for (const use of uses) assertThrows(use, TypeError, "released");
  for (const read of ["bytes", "text", "json", "arrayBuffer"] as const) {
    const error = await request[read]().then(() => null, (error) => error);
    assert(error instanceof TypeError, read);
  }
});

Deno.test("a second release does nothing, even if the object is in use again", () => {
  const pools = new Pools();
  const mine = new RequestParser({ pools });
  const stranger = new RequestParser({ pools });
  mine.push(bytesOf(GET));
  const request = mine.next()!;
  request.release();
  request.release();
  assertEquals(pools.stats().requests.inUse, 0);
  // Objects on the shelf of an open connection are not given to another.
  stranger.push(bytesOf(get("/", "X-Stranger: yes")));
  using other = stranger.next()!;
  request.release();
  assertEquals(other.released, false);
  assertEquals(other.headers.get("x-stranger"), "yes");
  assertEquals(pools.stats().requests.inUse, 1);
  mine[Symbol.dispose]();
  stranger[Symbol.dispose]();
});

Deno.test("no data of a request leaks into the next one", async () => {
  const pools = new Pools();
  const parser = new RequestParser({ pools });
  const many = Array.from({ length: 60 }, (_, i) => `X-Secret-${i}: secret`);
  parser.push(encoder.encode(
    [
      "PROPFIND /secret?secret HTTP/1.1",
      "Host: secret",
      "Connection: upgrade, close",
      "Upgrade: secret",
      "Expect: 100-continue",
      "Transfer-Encoding: chunked",
      ...many,
      "",
      "6",
      "secret",
      "0",
      "X-Trailer: secret",
      "",
      "",
    ].join("\r\n"),
  ));
  const first = parser.next()!;
  assertEquals(first.method, "PROPFIND");
  assertEquals(first.query, "secret");
  assertEquals(await first.text(), "secret");
  assertEquals(first.trailers?.get("x-trailer"), "secret");
  assertEquals(first.headers.size, 65);
  const trailers = first.trailers!;
  first.release();
  assertThrows(() => trailers.get("x-trailer"), TypeError);

  parser.push(encoder.encode("GET / HTTP/1.0\r\n\r\n"));
  const second = parser.next()!;
  assert(second === first, "the object is used again");
  assertEquals(second.method, "GET");
  assertEquals(second.target, "/");
  assertEquals(second.path, "/");
  assertEquals(second.query, "");
  assertEquals(second.httpVersion, "1.0");
  assertEquals(second.headers.size, 0);
  assertEquals([...second.headers], []);
  assertEquals(second.headers.get("x-secret-0"), null);
  assertEquals(second.headers.get("host"), null);
  assertEquals(second.contentLength, null);
  assertEquals(second.chunked, false);
  assertEquals(second.keepAlive, false);
  assertEquals(second.expectContinue, false);
  assertEquals(second.upgrade, null);
  assertEquals(second.body, null);
  assertEquals(second.bodyUsed, false);
  assertEquals(second.trailers, null);
  assertEquals(await second.text(), "");
  second.release();
  parser[Symbol.dispose]();
  assertAtRest(pools);
});

Deno.test("more than 32 fields, up to maxHeaders, go into a larger table", () => {
  for (const [count, maxHeaders] of [[33, 100], [100, 100], [300, 300]]) {
    const pools = new Pools();
    const parser = new RequestParser({ pools, maxHeaders: maxHeaders! });
    const fields = Array.from({ length: count! - 1 }, (_, i) => `X-${i}: ${i}`);
    parser.push(bytesOf(get("/", ...fields)));
    const request = parser.next()!;
    assertEquals(request.headers.size, count);
    assertEquals(request.headers.get(`x-${count! - 2}`), `${count! - 2}`);
    request.release();
    parser[Symbol.dispose]();
    assertEquals(pools.stats().tables.inUse, 0);
  }
});
