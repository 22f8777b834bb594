/**
 * Time as connections measure it: in sweeps, which a machine that stands still does not
 * count.
 *
 * @module
 */

import { assert } from "@std/assert";
import { Sweeper } from "../../src/io/sweeper.ts";
import { until, within } from "./waiting.ts";

/** The shortest default timeout of connections, in milliseconds. */
const DEFAULT = 30_000;

/**
 * Waits until connections whose shortest timeout has these milliseconds were swept
 * `count` times.
 */
export function sweeps(shortest: number, count: number): Promise<void> {
  const sweeper = Sweeper.for(shortest);
  const end = sweeper.turns + count;
  return until(() => sweeper.turns >= end, `${count} sweeps`);
}

/**
 * Waits for what no timeout brings about. At most `most` sweeps of connections with the
 * default timeouts pass; even a connection that lingers is given up only after five.
 */
export async function withoutTimeout<T>(
  promise: Promise<T>,
  what: string,
  most = 3,
): Promise<T> {
  const sweeper = Sweeper.for(DEFAULT);
  const { turns } = sweeper;
  const result = await within(promise, what);
  const passed = sweeper.turns - turns;
  assert(passed <= most, `${passed} sweeps until ${what}`);
  return result;
}
