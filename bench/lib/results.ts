/**
 * The result of a run of the suite, which the comparison, the gate and the report read,
 * and the rule for new allocations, which the comparison and the gate share.
 *
 * A sample never counts alone. Each round times the yardstick too, a fixed piece of work
 * that is not ours, and the ratio of the two is what counts: so runs of different hours
 * or machines can be compared.
 *
 * @module
 */

/** The subject that everything is about. */
export const OURS = "@pooled/http1";

/** In which unit a row counts. Of nanoseconds and bytes less is better. */
export type Unit = "ns/op" | "requests/s" | "bytes";

/** One subject in one benchmark. */
export interface Row {
  /** The name of the benchmark, as `"ParseSimpleGET"`. */
  benchmark: string;
  /** The rows that stand together, as `"parse"`. */
  group: string;
  /** Who does it: `OURS`, or the name of a peer. */
  subject: string;
  unit: Unit;
  /** One a round. */
  samples: number[];
  /** The yardstick of the same rounds, in the same unit; none where it makes no sense. */
  yardstick?: number[];
  /** Bytes allocated on the heap by one operation; only of ours. */
  bytesPerOp?: number;
  /** Objects allocated on the heap by one operation; only of ours. */
  allocsPerOp?: number;
}

/** A whole run. */
export interface Results {
  /** The day, as `"2026-11-24"`. */
  date: string;
  /** The processor, its cores and the system. */
  machine: string;
  /** What took part, by name. */
  versions: Record<string, string>;
  rows: Row[];
}

/** The ratio of each round, or the bare samples where there is no yardstick. */
export function ratios({ samples, yardstick }: Row): number[] {
  return yardstick === undefined
    ? samples
    : samples.map((sample, i) => sample / yardstick[i]!);
}

/** The least growth of a count that is more than noise, in objects and in bytes. */
const NOISE = { objects: 0.05, bytes: 4 };
/** The same as a share, where operations allocate much, some of it the runtime's. */
const NOISE_SHARE = 0.05;

/** Objects an operation may allocate that allocated `before`. */
export function allowedObjects(before: number): number {
  return before + Math.max(NOISE.objects, before * NOISE_SHARE);
}

/** Bytes an operation may allocate that allocated `before`. */
export function allowedBytes(before: number): number {
  return before + Math.max(NOISE.bytes, before * NOISE_SHARE);
}
