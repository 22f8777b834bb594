/**
 * Object pools: counts, bounds and shelves.
 */

import { assert, assertEquals } from "@std/assert";
import { Pool, Shelf } from "../../src/memory/pool.ts";

Deno.test("a pool counts objects created, reused and in use", () => {
  let made = 0;
  const pool = new Pool(() => ({ id: made++ }), 2);
  const a = pool.acquire();
  const b = pool.acquire();
  const c = pool.acquire();
  pool.release(a);
  pool.release(b);
  pool.release(c); // Over the bound: left to the garbage collector.
  assertEquals(pool.acquire(), b);
  assertEquals(pool.stats(), {
    created: 3,
    inUse: 1,
    reused: 1,
    highWater: 3,
    idle: 1,
  });
});

Deno.test("warming stops at the bound of the pool", () => {
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

Deno.test("objects on a shelf are reserved for its owner until the shelf closes", () => {
  const pool = new Pool(() => ({}), 4);
  const mine = new Shelf<object>();
  const item = pool.acquire(mine);
  pool.release(item, mine);
  const stranger = pool.acquire(new Shelf());
  assert(stranger !== item);
  assert(pool.acquire(mine) === item);
  pool.release(item, mine);
  pool.closeShelf(mine);
  assert(pool.acquire() === item);
  pool.release(item, mine); // The shelf has closed: dropped.
  assertEquals(pool.stats().inUse, 1);
  assertEquals(pool.stats().idle, 0);
});
