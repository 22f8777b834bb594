/**
 * The clock of the timeouts: every connection is looked at once in a while.
 *
 * A timer for each wait of each connection would cost more than the wait's
 * request. Instead a sweep asks each connection whether it still waits for the
 * same thing as last time; the connection counts sweeps, so a program that was
 * busy for a while does not time its clients out.
 *
 * @module
 */

/** What is looked at. */
export interface Sweepable {
  sweep(): void;
}

/** Counts the sweeps that one wait has lasted. */
export class Wait {
  #awaited: unknown = null;
  #mark = 0;
  #sweeps = 0;

  /**
   * The sweeps, this one included, that saw `awaited` while `mark`, which only grows,
   * grew by less than `step`.
   */
  sweeps(awaited: unknown, mark: number, step = 1): number {
    if (awaited !== this.#awaited || mark - this.#mark >= step) {
      this.#awaited = awaited;
      this.#mark = mark;
      this.#sweeps = 0;
    }
    return ++this.#sweeps;
  }
}

const SHORTEST_PERIOD = 20;
const LONGEST_PERIOD = 500;

/** Sweepers that have something to look at, by their period. */
const sweepers = new Map<number, Sweeper>();

/** Looks at its connections every `period` milliseconds while it has any. */
export class Sweeper {
  readonly period: number;
  readonly #items = new Set<Sweepable>();
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Counts the sweeps. */
  turns = 0;

  private constructor(period: number) {
    this.period = period;
  }

  /** The sweeper whose period is a quarter of `shortest` milliseconds, within bounds. */
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
   * Periods that make up `milliseconds`, at the least. The sweep that first sees a
   * wait begins the first of them, so the wait is over with the sweep after the last:
   * late by one period at the most.
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
    // A number, or an object that stands for one: both are taken.
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  delete(item: Sweepable): void {
    if (!this.#items.delete(item) || this.#items.size > 0) return;
    clearInterval(this.#timer);
    if (sweepers.get(this.period) === this) sweepers.delete(this.period);
  }
}
