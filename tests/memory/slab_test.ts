/**
 * Slab tiers, padding and reference counts.
 */

import { assertEquals } from "@std/assert";
import { SLAB_PADDING, SLAB_SIZES } from "../../src/memory/sizes.ts";
import { SlabPool } from "../../src/memory/slab.ts";

Deno.test("slabs come in padded tiers and return to the pool with the last reference", () => {
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
