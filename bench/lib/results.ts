/**
 * The result of a run of the suite, for the comparison, the gate and the report, and the
 * rule for new allocations, which the comparison and the gate share.
 *
 * Each round also times the yardstick, a fixed piece of work that is not ours. The ratio
 * of the two is what counts, so runs of different hours or machines can be compared.
 *
 * @module
 */

/** Our subject. */
export const OURS = "@pooled/http1";

/** The unit of a row. Less is better for nanoseconds and bytes. */
export type Unit = "ns/op" | "requests/s" | "bytes";

/** One subject in one benchmark. */
export interface Row {
  /** The name of the benchmark, such as `"ParseSimpleGET"`. */
  benchmark: string;
  /** The group of rows, such as `"parse"`. */
  group: string;
  /** `OURS` or the name of a peer. */
  subject: string;
  unit: Unit;
  /** One for each round. */
  samples: number[];
  /** The yardstick of the same rounds, in the same unit, if there is one. */
  yardstick?: number[];
  /** Heap bytes allocated by one operation; only for ours. */
  bytesPerOp?: number;
  /** Heap objects allocated by one operation; only for ours. */
  allocsPerOp?: number;
}

/** A whole run. */
export interface Results {
  /** The day, such as `"2026-11-24"`. */
  date: string;
  /** The processor, its cores and the system. */
  machine: string;
  /** The versions of everything measured, by name. */
  versions: Record<string, string>;
  rows: Row[];
}

/** The ratio of each round, or the bare samples without a yardstick. */
export function ratios({ samples, yardstick }: Row): number[] {
  return yardstick === undefined
    ? samples
    : samples.map((sample, i) => sample / yardstick[i]!);
}

/**
 * The growth of a count that may be noise, in objects and in bytes. Bytes: less than a
 * word, since no object grows by less; one process in four counts 4.4 more an operation
 * of `WriteText` in the same objects.
 */
const NOISE = { objects: 0.05, bytes: 7 };
/** The same as a share, for operations that allocate much, some of it the runtime's. */
const NOISE_SHARE = 0.05;

/** The objects that an operation may allocate if it allocated `before`. */
export function allowedObjects(before: number): number {
  return before + Math.max(NOISE.objects, before * NOISE_SHARE);
}

/** The bytes that an operation may allocate if it allocated `before`. */
export function allowedBytes(before: number): number {
  return before + Math.max(NOISE.bytes, before * NOISE_SHARE);
}
