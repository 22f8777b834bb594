/**
 * What the samples of a soak say: whether memory grows, and whether all is at rest at
 * the end.
 *
 * @module
 */

import { linearRegression } from "simple-statistics";
import type { Sample } from "./report.ts";

/**
 * Bytes by which the fitted line of the heap may rise over the second half of a soak,
 * however long that is. Single samples differ by some 100 KiB, since connections at work
 * hold memory. A leak of 50 bytes per connection exceeds the bound within a minute.
 */
export const MOST_GROWTH = 512 * 1024;

/** The least samples of the second half that make a line. */
export const FEWEST_SAMPLES = 8;

/** File descriptors that the runtime may open on first use and keep. */
const OF_RUNTIME = 2;

/** The line through the heap of the second half. */
export interface Trend {
  /** Bytes a second. */
  slope: number;
  /** Bytes from the first to the last of these samples. */
  growth: number;
  samples: number;
}

/** The trend of the samples from the middle of their time on. */
export function heapTrend(
  samples: readonly Pick<Sample, "seconds" | "heapUsed">[],
): Trend {
  const middle = (samples.at(-1)?.seconds ?? 0) / 2;
  const half = samples.filter(({ seconds }) => seconds >= middle);
  if (half.length < FEWEST_SAMPLES) {
    throw new Error(`${half.length} samples are too few for a trend`);
  }
  const { m } = linearRegression(half.map((s) => [s.seconds, s.heapUsed]));
  const span = half.at(-1)!.seconds - half[0]!.seconds;
  return { slope: m, growth: m * span, samples: half.length };
}

/** What is wrong with the trend; nothing where the heap stays in its bound. */
export function judgeTrend({ growth, slope }: Trend): string[] {
  return growth <= MOST_GROWTH ? [] : [
    `the heap grows by ${Math.round(slope)} bytes a second, ${
      Math.round(growth)
    } bytes over the second half; ${MOST_GROWTH} are allowed`,
  ];
}

/** What has gone wrong in the server process up to a sample. */
export function judgeErrors(
  { unexpectedErrors, unhandled }: Pick<
    Sample,
    "unexpectedErrors" | "unhandled"
  >,
): string[] {
  return [
    ...unexpectedErrors.map((text) => `reported to onError: ${text}`),
    ...unhandled.map((text) => `unhandled: ${text}`),
  ];
}

/**
 * What the last sample shows that is not at rest.
 *
 * @param filesAtStart File descriptors before the first connection, or -1.
 */
export function judgeRest(last: Sample, filesAtStart: number): string[] {
  const { connections, pools } = last.stats;
  const counts: Record<string, number> = {
    "connections open": connections,
    "response streams open": last.openStreams,
    "upgraded connections open": last.openUpgrades,
    "requests more than have ended": last.stats.requests - last.ends,
    "requests in use": pools.requests.inUse,
    "header tables in use": pools.tables.inUse,
    "files more than at the start": Math.max(
      0,
      last.openFiles - filesAtStart - OF_RUNTIME,
    ),
  };
  for (const { size, inUse } of pools.slabs) {
    counts[`slabs of ${size} bytes in use`] = inUse;
  }
  return Object.entries(counts)
    .filter(([, count]) => count !== 0)
    .map(([what, count]) => `at the end: ${count} ${what}`);
}
