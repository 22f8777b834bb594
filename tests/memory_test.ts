/**
 * Pools and slabs: their counts, their bounds, and that nothing of one request is
 * left in the next.
 */

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { type HttpRequest, Pools, RequestParser } from "@pooled/http1";
import { Pool, Shelf } from "../src/memory/pool.ts";
import { SLAB_PADDING, SLAB_SIZES, SlabPool } from "../src/memory/slab.ts";

const encoder = new TextEncoder();

function head(...fields: string[]): Uint8Array {
  return encoder.encode(
    ["GET / HTTP/1.1", "Host: a", ...fields, "", ""].join("\r\n"),
  );
}

function slabsInUse(pools: Pools): number {
  return pools.stats().slabs.reduce((sum, tier) => sum + tier.inUse, 0);
}

Deno.test("a pool counts what it makes, gives again, and has out", () => {
  let made = 0;
  const pool = new Pool(() => ({ id: made++ }), 2);
  const a = pool.acquire();
  const b = pool.acquire();
  const c = pool.acquire();
  pool.release(a);
  pool.release(b);
  pool.release(c); // Over the bound: left to the collector.
  assertEquals(pool.acquire(), b);
  assertEquals(pool.stats(), {
    created: 3,
    inUse: 1,
    reused: 1,
    highWater: 3,
    idle: 1,
  });
});

Deno.test("a pool is warmed up to its bound and no further", () => {
  const pool = new Pool(() => ({}), 4);
  pool.warm(2);
  pool.warm(2);
  assertEquals(pool.stats().created, 2);
  pool.warm(100);
  assertEquals(pool.stats(), {
    created: 4,
    inUse: 0,
    reused: 0,
    highWater: 0,
    idle: 4,
  });
  pool.acquire();
  assertEquals(pool.stats().reused, 1);
});

Deno.test("what lies on a shelf is for its owner alone, until the shelf closes", () => {
  const pool = new Pool(() => ({}), 4);
  const mine = new Shelf<object>();
  const item = pool.acquire(mine);
  pool.release(item, mine);
  const stranger = pool.acquire(new Shelf());
  assertNotEquals(stranger === item, true);
  assert(pool.acquire(mine) === item);
  pool.release(item, mine);
  pool.closeShelf(mine);
  assert(pool.acquire() === item);
  pool.release(item, mine); // Too late for the shelf: dropped.
  assertEquals(pool.stats().inUse, 1);
  assertEquals(pool.stats().idle, 0);
});

Deno.test("slabs come in tiers, padded, and return with the last reference", () => {
  const slabs = new SlabPool();
  const small = slabs.acquire(0, 100);
  const middle = slabs.acquire(0, 2049);
  const large = slabs.acquire(2, 0);
  const oversize = slabs.acquire(0, 100_000);
  assertEquals(
    [small, middle, large, oversize].map((slab) => slab.capacity),
    [...SLAB_SIZES, 100_000],
  );
  assertEquals(small.buffer.byteLength, 2048 + SLAB_PADDING);
  small.refs++;
  slabs.release(small);
  assertEquals(slabs.stats()[0]!.inUse, 1);
  for (const slab of [small, middle, large, oversize]) slabs.release(slab);
  assertEquals(slabs.stats().map((tier) => tier.inUse), [0, 0, 0, 0]);
  assertEquals(slabs.stats().map((tier) => tier.idle), [1, 1, 1, 0]);
});

Deno.test("warmed pools serve the first connections without making anything", () => {
  const pools = new Pools();
  pools.warm(3);
  const parsers = [0, 1, 2].map(() => new RequestParser({ pools }));
  for (const parser of parsers) {
    parser.push(head());
    parser.next()!.release();
  }
  assertEquals(pools.stats().requests.created, 3);
  assertEquals(pools.stats().slabs[0]!.created, 3);
  for (const parser of parsers) parser[Symbol.dispose]();
  assertEquals(pools.stats().requests.idle, 3);
  assertEquals(slabsInUse(pools), 0);
});

Deno.test("ten thousand requests one after the other need one object and one slab", () => {
  const pools = new Pools();
  using parser = new RequestParser({ pools });
  for (let i = 0; i < 10_000; i++) {
    parser.push(head(`X-Count: ${i}`));
    using request = parser.next()!;
    assertEquals(request.headers.get("x-count"), `${i}`);
  }
  const { requests, slabs } = pools.stats();
  assertEquals(requests.created, 1);
  assertEquals(requests.highWater, 1);
  assertEquals(slabs.reduce((sum, tier) => sum + tier.created, 0), 1);
});

Deno.test("requests that are kept keep their bytes, whatever comes after them", () => {
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
  assertEquals(slabsInUse(pools), 0);
});

Deno.test("use after release throws, for every property and method", async () => {
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

Deno.test("a second release does nothing, also when the object is in use again", () => {
  const pools = new Pools();
  const mine = new RequestParser({ pools });
  const stranger = new RequestParser({ pools });
  mine.push(head());
  const request = mine.next()!;
  request.release();
  request.release();
  assertEquals(pools.stats().requests.inUse, 0);
  // Another connection never gets this one's object while this one is open.
  stranger.push(head("X-Stranger: yes"));
  using other = stranger.next()!;
  request.release();
  assertEquals(other.released, false);
  assertEquals(other.headers.get("x-stranger"), "yes");
  assertEquals(pools.stats().requests.inUse, 1);
  mine[Symbol.dispose]();
  stranger[Symbol.dispose]();
});

Deno.test("nothing of a request shows in the next one", async () => {
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
  const { requests, tables } = pools.stats();
  assertEquals([requests.inUse, tables.inUse, slabsInUse(pools)], [0, 0, 0]);
});

Deno.test("fields above 32 and up to maxHeaders are kept in a larger table", () => {
  for (const [count, maxHeaders] of [[33, 100], [100, 100], [300, 300]]) {
    const pools = new Pools();
    const parser = new RequestParser({ pools, maxHeaders: maxHeaders! });
    const fields = Array.from({ length: count! - 1 }, (_, i) => `X-${i}: ${i}`);
    parser.push(head(...fields));
    const request = parser.next()!;
    assertEquals(request.headers.size, count);
    assertEquals(request.headers.get(`x-${count! - 2}`), `${count! - 2}`);
    request.release();
    parser[Symbol.dispose]();
    assertEquals(pools.stats().tables.inUse, 0);
  }
});

Deno.test("limits that cannot be are refused when they are given", () => {
  assertThrows(() => new RequestParser({ maxHeaders: -1 }), RangeError);
  assertThrows(() => new RequestParser({ maxBodySize: 1.5 }), RangeError);
  assertThrows(() => new RequestParser({ maxHeaderBytes: 65_000 }), RangeError);
});

Deno.test("a head that comes a byte at a time costs linear work", () => {
  // Counted and not timed: each byte may be looked at a bounded number of times.
  const parser = new RequestParser({
    maxHeaderBytes: 32_000,
    pools: new Pools(),
  });
  const value = "v".repeat(30_000);
  const bytes = head(`X-Long: ${value}`);
  let looks = 0;
  const get = DataView.prototype.getInt32;
  DataView.prototype.getInt32 = function (offset, littleEndian) {
    looks++;
    return get.call(this, offset, littleEndian);
  };
  try {
    for (const byte of bytes) {
      parser.push(Uint8Array.of(byte));
      const request = parser.next();
      if (request === null) continue;
      assertEquals(request.headers.get("x-long"), value);
      request.release();
    }
  } finally {
    DataView.prototype.getInt32 = get;
  }
  assert(looks > bytes.length / 8, `${looks} looks: not counted at all?`);
  assert(looks < 2 * bytes.length, `${looks} looks at ${bytes.length} bytes`);
  parser[Symbol.dispose]();
});

Deno.test("a window that is pushed without end, and never asked, stays linear too", () => {
  const pools = new Pools();
  const parser = new RequestParser({ pools });
  const one = head();
  for (let i = 0; i < 20_000; i++) parser.push(one);
  let count = 0;
  for (let request; (request = parser.next()) !== null; request.release()) {
    count++;
  }
  assertEquals(count, 20_000);
  parser[Symbol.dispose]();
  assertEquals(slabsInUse(pools), 0);
});
