/**
 * What the samples of a soak say: whether memory grows, and whether all is at rest at
 * the end.
 *
 * @module
 */

import { linearRegression } from "simple-statistics";
import { inUse } from "../support/in_use.ts";
import type { ClientSample, Sample, ServerSample } from "./report.ts";

/**
 * Bytes by which the fitted line of a process's heap may rise over the second half of a
 * soak, however long that is. Single samples of the server differ by some 100 KiB, since
 * connections at work hold memory. A leak of 50 bytes per connection exceeds its bound
 * within a minute. The client makes a seventieth of the requests and holds whole bodies:
 * V8 still compiles it after a minute, and samples differ by half a megabyte.
 */
export const MOST_GROWTH = { server: 512 * 1024, client: 1024 * 1024 };

/** The least samples of the second half that make a line. */
export const FEWEST_SAMPLES = 8;

/** File descriptors that the runtime may open on first use and keep. */
export const OF_RUNTIME = 2;

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
export function judgeTrend(
  { growth, slope }: Trend,
  whose: keyof typeof MOST_GROWTH,
): string[] {
  const most = MOST_GROWTH[whose];
  return growth <= most ? [] : [
    `the heap of the ${whose} grows by ${Math.round(slope)} bytes a second, ${
      Math.round(growth)
    } bytes over the second half; ${most} are allowed`,
  ];
}

/** What has gone wrong in the server process up to a sample. */
export function judgeErrors(
  { unexpectedErrors, unhandled }: Pick<
    ServerSample,
    "unexpectedErrors" | "unhandled"
  >,
): string[] {
  return [
    ...unexpectedErrors.map((text) => `reported to onError: ${text}`),
    ...unhandled.map((text) => `unhandled: ${text}`),
  ];
}

/** What has gone wrong in the client process up to a sample. */
export function judgeClientErrors(
  { violations, unhandled }: Pick<ClientSample, "violations" | "unhandled">,
): string[] {
  return [
    ...violations.map((text) => `our client: ${text}`),
    ...unhandled.map((text) => `unhandled in the client: ${text}`),
  ];
}

function filesMore({ openFiles }: Sample, filesAtStart: number): number {
  return Math.max(0, openFiles - filesAtStart - OF_RUNTIME);
}

function notAtRest(
  where: string,
  counts: readonly (readonly [what: string, count: number])[],
): string[] {
  return counts.filter(([, count]) => count !== 0)
    .map(([what, count]) => `at the end${where}: ${count} ${what}`);
}

/**
 * What the last sample shows that is not at rest.
 *
 * @param filesAtStart File descriptors before the first connection, or -1.
 */
export function judgeRest(last: ServerSample, filesAtStart: number): string[] {
  const { connections, pools, requests } = last.stats;
  return notAtRest("", [
    ["connections open", connections],
    ["response streams open", last.openStreams],
    ["upgraded connections open", last.openUpgrades],
    ["requests more than have ended", requests - last.ends],
    ["files more than at the start", filesMore(last, filesAtStart)],
    ...inUse(pools),
  ]);
}

/** The same of the client process. */
export function judgeClientRest(
  last: ClientSample,
  filesAtStart: number,
): string[] {
  return notAtRest(" of the client", [
    ["connections open", last.openConnections],
    ["bodies of requests open", last.openBodies],
    ["requests that did not end", last.asked - last.answered - last.failed],
    ["files more than at the start", filesMore(last, filesAtStart)],
    ...inUse(last.pools),
  ]);
}
