/**
 * The leak check of all tests.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Pools } from "@pooled/http1";
import { until } from "./waiting.ts";

/** Asserts that everything drawn from `pools` has come back. */
export function assertAtRest(pools: Pools): void {
  const { requests, tables, slabs } = pools.stats();
  assertEquals(requests.inUse, 0, "requests in use");
  assertEquals(tables.inUse, 0, "header tables in use");
  for (const { size, inUse } of slabs) {
    assertEquals(inUse, 0, `slabs of ${size} bytes in use`);
  }
}

/** Waits until a write that was under way at the end has returned its memory. */
export async function untilAtRest(
  pools: Pools,
  assertRest: (pools: Pools) => void = assertAtRest,
): Promise<void> {
  let failure: unknown = null;
  const atRest = () => {
    try {
      assertRest(pools);
      return true;
    } catch (error) {
      failure = error;
      return false;
    }
  };
  await until(atRest, "the pools").catch(() => {
    throw failure;
  });
}
