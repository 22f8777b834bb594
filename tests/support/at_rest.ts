/**
 * The leak check of all tests. Where the pools are checked, it verifies their idle
 * memory as well.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Pools } from "@pooled/http1";
import { verifyPools } from "../../src/message/pools.ts";

/** Asserts that everything drawn from `pools` has come back. */
export function assertAtRest(pools: Pools): void {
  const { requests, tables, slabs } = pools.stats();
  assertEquals(requests.inUse, 0, "requests in use");
  assertEquals(tables.inUse, 0, "header tables in use");
  for (const { size, inUse } of slabs) {
    assertEquals(inUse, 0, `slabs of ${size} bytes in use`);
  }
  verifyPools(pools);
}
