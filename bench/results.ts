/**
 * What a run of the benchmarks leaves: the one shape that the suite writes, and that
 * the comparison, the gate and the charts read.
 *
 * A sample is never looked at alone. In every round the yardstick is taken right
 * before or after it, a fixed piece of work that is not ours, and what counts is the
 * ratio of the two: so runs of different hours, or of different machines, can be
 * laid side by side.
 *
 * @module
 */

/** The subject that everything is about. */
export const OURS = "@pooled/http1";

/** In which unit a row counts. Of nanoseconds and bytes less is better. */
export type Unit = "ns/op" | "requests/s" | "bytes";

/** One subject in one benchmark. */
export interface Row {
  /** What is done, as `"ParseSimpleGET"`. */
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
