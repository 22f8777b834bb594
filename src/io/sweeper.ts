/**
 * The timers behind all timeouts: periodic sweeps over connections.
 *
 * A timer per wait would cost more than the request itself. Instead each sweep asks the
 * connection whether it still waits for the same event as last time (`deadlines.ts`).
 * Waits are measured in sweeps, not in clock time, so a blocked event loop does not time
 * clients out.
 *
 * @module
 */

import { unrefTimer } from "./runtime.ts";

/** An object with timeouts to check. */
export interface Sweepable {
  sweep(): void;
}

const SHORTEST_PERIOD = 20;
const LONGEST_PERIOD = 500;

/** Sweepers by period; one without items is removed. */
const sweepers = new Map<number, Sweeper>();

/** Sweeps its items every `period` milliseconds while it has any. */
export class Sweeper {
  readonly period: number;
  readonly #items = new Set<Sweepable>();
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Counts the sweeps. */
  turns = 0;

  private constructor(period: number) {
    this.period = period;
  }

  /** The shared sweeper with a period of a quarter of `shortest` ms, within bounds. */
  static for(shortest: number): Sweeper {
    const period = Math.ceil(
      Math.max(SHORTEST_PERIOD, Math.min(LONGEST_PERIOD, shortest / 4)),
    );
    let sweeper = sweepers.get(period);
    if (sweeper === undefined) {
      sweeper = new Sweeper(period);
      sweepers.set(period, sweeper);
    }
    return sweeper;
  }

  /**
   * The number of full periods that cover `milliseconds`. The first sweep to see a wait
   * only starts its count, so a timeout fires at the sweep after these periods, at most
   * one period late.
   */
  sweepsIn(milliseconds: number): number {
    return Math.ceil(milliseconds / this.period);
  }

  add(item: Sweepable): void {
    this.#items.add(item);
    if (this.#items.size > 1) return;
    sweepers.set(this.period, this);
    this.#timer = setInterval(() => {
      this.turns++;
      for (const item of this.#items) item.sweep();
    }, this.period);
    unrefTimer(this.#timer);
  }

  delete(item: Sweepable): void {
    if (!this.#items.delete(item) || this.#items.size > 0) return;
    clearInterval(this.#timer);
    if (sweepers.get(this.period) === this) sweepers.delete(this.period);
  }
}
