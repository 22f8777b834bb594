/**
 * Measures what one operation allocates on the heap: bytes and objects.
 *
 * Bytes: collect garbage, run many operations, and divide the growth of the heap; the
 * young generation is large enough that no collection happens in between. Objects: V8's
 * sampling heap profiler, at an interval that makes every allocation a sample, minus
 * what the profiler sees of itself. Both are the minimum of several tries. Two controls
 * have to measure as one object and as none before any result counts.
 *
 * Cases with streams and connections make thousands of operations a call, which
 * amortizes what a stream or a connection allocates once. KeepAlive10Requests makes ten,
 * so it includes the allocations of its connection.
 *
 * `measureAllocations` runs this file in a separate process with a quiet heap; it prints
 * one JSON object.
 *
 * @module
 */

import { Session } from "node:inspector/promises";
import { call, warm, type Work } from "./work.ts";

/** Heap allocations of one operation. */
export interface Allocated {
  bytesPerOp: number;
  allocsPerOp: number;
}

const FLAGS = "--v8-flags=--expose-gc,--min-semi-space-size=512," +
  "--max-semi-space-size=512";

/** Work with a name. */
export interface Measurable extends Work {
  benchmark: string;
  /** Operations that one call makes. */
  ops: number;
  /** Bytes of the body that one operation moves. */
  bytes?: number;
}

/**
 * Measures what the exported `cases` of a module gives; returns the results by name.
 *
 * @param module The URL of the module; by default, the module of all benchmarks.
 */
export async function measureAllocations(
  module: string = new URL("cases.ts", import.meta.url).href,
): Promise<Record<string, Allocated>> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", FLAGS, import.meta.url, module],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("the allocations could not be measured");
  return JSON.parse(new TextDecoder().decode(stdout));
}

declare const gc: () => void;

const TRIES = 3;
/** With promises, queues that grow now and then add some bytes, so try more often. */
const TRIES_WITH_PROMISES = 8;
/** Maximum operations per byte count, so the allocations fit the young generation. */
const MOST_OPS = 100_000;
/** Operations per object count: few, since each sample takes microseconds. */
const COUNTED = 500;
/** More bytes in buffers outside the heap would trigger a collection. */
const MOST_BYTES = 20_000_000;

async function least(
  tries: number,
  measure: () => Promise<number>,
): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < tries; i++) least = Math.min(least, await measure());
  return least;
}

/** The bytes that `calls` calls allocate. */
function countBytes(work: Work, calls: number): Promise<number> {
  return least(work.promises ? TRIES_WITH_PROMISES : TRIES, async () => {
    gc();
    const before = Deno.memoryUsage().heapUsed;
    await call(work, calls);
    return Deno.memoryUsage().heapUsed - before;
  });
}

interface Profile {
  profile: { samples: unknown[] };
}

const session = new Session();

function post(method: string, parameters?: object): Promise<unknown> {
  // deno-lint-ignore no-explicit-any -- its types know only some of the methods
  return (session as any).post(method, parameters);
}

/** The objects that `calls` calls allocate, plus the profiler's own. */
function countObjects(work: Work, calls: number): Promise<number> {
  return least(TRIES, async () => {
    await post("HeapProfiler.startSampling", {
      samplingInterval: 1,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    await call(work, calls);
    const { profile } = await post("HeapProfiler.stopSampling") as Profile;
    return profile.samples.length;
  });
}

let kept: object | null = null;
const NONE: Measurable = {
  benchmark: "allocates nothing",
  ops: 1,
  promises: false,
  run() {
    kept = null;
  },
};
const ONE: Measurable = {
  benchmark: "allocates an object",
  ops: 1,
  promises: false,
  run() {
    kept = { an: "object" };
  },
};

async function main(module: string): Promise<void> {
  const { cases }: { cases: () => readonly Measurable[] } = await import(
    module
  );
  session.connect();
  await countObjects(NONE, COUNTED);
  const floor = await countObjects(NONE, 0);

  const measure = async (work: Measurable): Promise<Allocated> => {
    await warm(work);
    const calls = Math.min(
      Math.ceil(MOST_OPS / work.ops),
      Math.ceil(MOST_BYTES / (work.bytes ?? 1)),
    );
    const bytes = await countBytes(work, calls);
    const counted = Math.ceil(
      COUNTED / work.ops / (work.bytes === undefined ? 1 : 10),
    );
    const objects = await countObjects(work, counted) - floor;
    // Rounding and the lower bound hide small changes of the process itself.
    const perOp = (sum: number, ops: number) =>
      Math.max(0, Math.round(sum / ops * 1000) / 1000);
    return {
      bytesPerOp: perOp(bytes, calls * work.ops),
      allocsPerOp: perOp(objects, counted * work.ops),
    };
  };

  const none = await measure(NONE);
  const one = await measure(ONE);
  const told = none.allocsPerOp < 0.02 && none.bytesPerOp < 1 &&
    Math.abs(one.allocsPerOp - 1) < 0.02 && one.bytesPerOp >= 12;
  if (!told || kept === null) {
    throw new Error(`the controls counted ${JSON.stringify({ none, one })}`);
  }

  const all: Record<string, Allocated> = {};
  for (const one of cases()) all[one.benchmark] = await measure(one);
  console.log(JSON.stringify(all));
}

if (import.meta.main) await main(Deno.args[0]!);
