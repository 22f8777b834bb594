/**
 * The leak check that all tests share. It verifies the idle memory of checked pools.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Pools } from "@pooled/http1";
import { verifyPools } from "../../src/message/pools.ts";
import { inUse } from "./in_use.ts";
import { until } from "./waiting.ts";

/** Asserts that every object and slab acquired from `pools` was released. */
export function assertAtRest(pools: Pools): void {
  assertEquals(inUse(pools.stats()), []);
  verifyPools(pools);
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
