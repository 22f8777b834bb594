/**
 * Checked pools: a late write, a second release and a second owner throw.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type HttpRequest, Pools, RequestParser } from "@pooled/http1";
import {
  CheckedPool,
  CheckedSlabPool,
  type Guard,
  POISON,
  PoolFault,
  watchFaults,
} from "../../src/memory/poison.ts";
import {
  QUARANTINED,
  SLAB_PADDING,
  SLAB_SIZES,
} from "../../src/memory/sizes.ts";
import { poolsOf, verifyPools } from "../../src/message/pools.ts";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf } from "../support/bytes.ts";
import { get } from "../support/requests.ts";

// The faults of this file are wanted, so they do not fail it in poison mode.
let told: PoolFault[] = [];
watchFaults((fault) => void told.push(fault));

/** Asserts that a checked pool throws this fault, and tells of it. */
function assertFault(act: () => unknown, message: string): PoolFault {
  told = [];
  const fault = assertThrows(act, PoolFault, message);
  assertEquals(told, [fault]);
  return fault;
}

Deno.test("a write to a released slab throws at its next acquire", () => {
  const slabs = new CheckedSlabPool();
  const size = SLAB_SIZES[0] + SLAB_PADDING;
  for (const at of [0, 5, size - 1]) {
    const slab = slabs.acquire(0, 1);
    slabs.release(slab);
    slab.bytes[at] = 1;
    const fault = assertFault(
      () => slabs.acquire(0, 1),
      `${size} bytes, was written to at byte ${at} after its release`,
    );
    assert(fault.cause instanceof Error);
    assert(fault.cause.stack!.includes("poison_test.ts"), fault.cause.stack);
  }
});

Deno.test("a view that outlives its slab sees the pattern, and its writes are found", () => {
  const slabs = new CheckedSlabPool();
  const slab = slabs.acquire(0, 1);
  const stale = slab.bytes;
  slabs.release(slab);
  assert(slabs.acquire(0, 1) === slab);
  slab.bytes.fill(1);
  assert(stale.every((byte) => byte === POISON));
  slabs.verify();
  stale[7] = 2;
  assertFault(() => slabs.verify(), "at byte 7");
  const turn = () => {
    slabs.release(slab);
    slabs.acquire(0, 1);
  };
  for (let i = 1; i < QUARANTINED; i++) turn();
  assertFault(turn, "at byte 7");
});

Deno.test("fresh memory of a checked slab holds the pattern, oversize too", () => {
  const slabs = new CheckedSlabPool();
  for (const bytes of [1, 70_001]) {
    const slab = slabs.acquire(0, bytes);
    assert(slab.bytes.every((byte) => byte === POISON));
    slabs.release(slab);
  }
});

Deno.test("a slab that is released twice, or referred to too late, throws", () => {
  const slabs = new CheckedSlabPool();
  const slab = slabs.acquire(0, 1);
  slab.refs++;
  slabs.release(slab);
  slabs.release(slab);
  assertFault(() => slabs.release(slab), "was released twice");
  slab.refs++;
  assertFault(() => slabs.acquire(0, 1), "was referred to after its release");
  const lost = slabs.acquire(0, 1);
  slabs.drop(lost);
  assertFault(() => slabs.drop(lost), "was released twice");
});

Deno.test("a slab that comes back without its memory throws", () => {
  const slabs = new CheckedSlabPool();
  const slab = slabs.acquire(0, 1);
  slab.buffer.transfer();
  assertFault(() => slabs.release(slab), "was released without its memory");
});

Deno.test("an object that is given to two owners throws", () => {
  const guard: Guard<object> = {
    name: () => "the object",
    fill() {},
    fault: () => null,
  };
  const only = {};
  const pool = new CheckedPool(() => only, 2, guard);
  pool.acquire();
  assertFault(() => pool.acquire(), "the object was given to two owners");
  pool.release(only);
  assertFault(() => pool.release(only), "the object was released twice");
});

Deno.test("a checked set of pools serves a parser, with its counts unchanged", () => {
  const wire = bytesOf(
    get("/", ...Array.from({ length: 40 }, (_, i) => `X-${i}: ${i}`)),
  );
  const [plain, checked] = [false, true].map((poison) => {
    const pools = new Pools({ poison });
    pools.warm(2);
    using parser = new RequestParser({ pools });
    for (let i = 0; i < 100; i++) {
      parser.push(wire);
      using request = parser.next()!;
      assertEquals(request.headers.get("x-39"), "39");
    }
    parser[Symbol.dispose]();
    assertAtRest(pools);
    return pools.stats();
  });
  assertEquals(checked, plain);
});

Deno.test("a checked set throws where a parser's user writes too late", () => {
  const pools = new Pools({ poison: true });
  const run = (use: (request: HttpRequest) => void) => {
    using parser = new RequestParser({ pools });
    parser.push(bytesOf(get("/")));
    using request = parser.next()!;
    use(request);
  };
  const { slabs, tables } = poolsOf(pools);
  const slab = slabs.acquire(0, 1);
  slabs.release(slab);
  run(() => {});
  assertAtRest(pools);
  slab.bytes[100] = 0;
  assertFault(() => verifyPools(pools), "at byte 100");
  assertFault(() => run(() => {}), "at byte 100");

  const table = tables.acquire();
  table.clear();
  tables.release(table);
  table.cells[2] = 1;
  assertFault(() => tables.acquire(), "a field table was written to");
});

Deno.test("an unchecked set is verified by nobody", () => {
  const pools = new Pools({ poison: false });
  const { slabs } = poolsOf(pools);
  const slab = slabs.acquire(0, 1);
  slabs.release(slab);
  slab.bytes[100] = 0;
  verifyPools(pools);
  assert(slabs.acquire(0, 1) === slab);
});
