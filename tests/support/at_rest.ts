/**
 * The leak check of all tests.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Pools } from "@pooled/http1";

/** Asserts that everything drawn from `pools` has come back. */
export function assertAtRest(pools: Pools): void {
  const { requests, tables, slabs } = pools.stats();
  assertEquals(requests.inUse, 0, "requests in use");
  assertEquals(tables.inUse, 0, "header tables in use");
  for (const { size, inUse } of slabs) {
    assertEquals(inUse, 0, `slabs of ${size} bytes in use`);
  }
}
