/**
 * What a connection waits for, and whether that has taken too long.
 *
 * @module
 */

import type { ConnectionLimits } from "../limits.ts";
import type { Machine } from "../message/machine.ts";
import type { Output } from "./output.ts";
import { Sweeper } from "./sweeper.ts";

/** What a connection can wait for. */
export type WaitKind =
  | "nothing"
  /** The rest of a head, or the first one. */
  | "head"
  | "body"
  /** The rest of a body that nobody reads. */
  | "rest"
  /** The next request. */
  | "request"
  /** The client's half-close, after ours. */
  | "close"
  /** A handler whose client may be gone: the input has ended, or its end can't be seen. */
  | "sign of life"
  /** A silent response stream after the end of the input. */
  | "content";

/** What is overdue: what was awaited, or the client's reading of a response. */
export type Overdue<A extends WaitKind> = Exclude<A, "nothing"> | "reading";

/** A connection, as its deadlines see it. */
export interface Watched<A extends WaitKind = WaitKind> {
  readonly awaited: A;
  /** Grows with each request, or its response: a wait for another one begins anew. */
  readonly requests: number;
  readonly machine: Machine;
  readonly output: Output;
}

/** Milliseconds that a client may take to close a connection after our half-close. */
const LINGER = 2000;
/** Milliseconds in which the unread rest of a response has to come. */
const DRAIN = 2000;
/** Milliseconds that a stream may be silent once the client's input has ended. */
const SILENCE = 500;
/** Sweeps without the least progress that make a reader stalled. */
const STALLED = 2;

/** The timeouts that sweeps measure. */
const TIMEOUTS = [
  "headTimeout",
  "bodyTimeout",
  "totalBodyTimeout",
  "idleTimeout",
  "goneTimeout",
  "writeTimeout",
] as const;

/** The limits that deadlines keep. */
type TimeLimits = Pick<
  Required<ConnectionLimits>,
  typeof TIMEOUTS[number] | "minBodyRate" | "minResponseRate"
>;

/** The sweeper that is fast enough for the shortest of these timeouts. */
export function sweeperFor(limits: TimeLimits): Sweeper {
  return Sweeper.for(Math.min(...TIMEOUTS.map((name) => limits[name])));
}

/** Counts the sweeps that the current wait has lasted. */
class Wait {
  #awaited: unknown = null;
  #mark = 0;
  #sweeps = 0;

  /**
   * The number of sweeps, including this one, with the same `awaited`, during which
   * `mark`, which only grows, grew by less than `step`.
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

/** The deadlines of one connection. */
export class Deadlines<A extends WaitKind> {
  readonly #watched: Watched<A>;
  readonly #limits: TimeLimits;
  readonly #sweeper: Sweeper;
  readonly #wait = new Wait();
  // Made when first needed: most connections never wait for these at a sweep.
  #body: Wait | null = null;
  #wholeBody: Wait | null = null;
  #reading: Wait | null = null;
  #stall: Wait | null = null;
  /** Whether the client has stopped to read what is written. */
  stalled = false;

  constructor(
    watched: Watched<A>,
    limits: TimeLimits,
    sweeper: Sweeper,
  ) {
    this.#watched = watched;
    this.#limits = limits;
    this.#sweeper = sweeper;
  }

  /** Called by each sweep. Gives what has taken too long, or `null`. */
  overdue(): Overdue<A> | null {
    if (this.#readingIsOverdue()) return "reading";
    const { awaited } = this.#watched;
    return this.#isOverdue(awaited) ? awaited as Overdue<A> : null;
  }

  #isOverdue(awaited: WaitKind): boolean {
    const { requests, machine, output } = this.#watched;
    const limits = this.#limits;
    switch (awaited) {
      case "nothing":
        this.#wait.sweeps(awaited, 0);
        return false;
      case "body":
        return this.#bodyIsOverdue();
      case "rest":
        return this.#bodyIsOverdue() || this.#lasts(awaited, requests, DRAIN);
      case "head":
        return this.#lasts(awaited, requests, limits.headTimeout);
      case "request":
        return this.#lasts(awaited, requests, limits.idleTimeout);
      case "close":
        return this.#lasts(awaited, requests, LINGER);
      case "sign of life":
        return this.#lasts(
          awaited,
          machine.received - machine.unread + output.moves,
          limits.goneTimeout,
        );
      case "content":
        return this.#lasts(awaited, output.moves, SILENCE);
    }
  }

  /** Whether `awaited` is so for longer than `timeout`, while `mark` stood still. */
  #lasts(awaited: WaitKind, mark: number, timeout: number): boolean {
    return this.#wait.sweeps(awaited, mark) > this.#sweeper.sweepsIn(timeout);
  }

  /** Only waits for the body count, so a client does not pay for a slow handler. */
  #bodyIsOverdue(): boolean {
    const { requests, machine } = this.#watched;
    const { bodyTimeout, minBodyRate, totalBodyTimeout } = this.#limits;
    const step = bytesIn(bodyTimeout, minBodyRate);
    const waits = (this.#body ??= new Wait()).sweeps(
      requests,
      machine.received,
      step,
    );
    const allWaits = (this.#wholeBody ??= new Wait()).sweeps(requests, 0);
    return waits > this.#sweeper.sweepsIn(bodyTimeout) ||
      allWaits > this.#sweeper.sweepsIn(totalBodyTimeout);
  }

  #readingIsOverdue(): boolean {
    const { isWriting, closed, timesEmpty, sent } = this.#watched.output;
    this.stalled = false;
    if (!isWriting || closed) return false;
    const { writeTimeout, minResponseRate } = this.#limits;
    const step = bytesIn(writeTimeout, minResponseRate);
    // A small response now and then is no slow reading: an empty output starts anew.
    const sweeps = (this.#reading ??= new Wait()).sweeps(
      timesEmpty,
      sent,
      step,
    );
    // Slow reading is no stall, so a single byte is progress here.
    this.stalled =
      (this.#stall ??= new Wait()).sweeps(timesEmpty, sent) > STALLED;
    return sweeps > this.#sweeper.sweepsIn(writeTimeout);
  }
}

/** The bytes that are progress: those that `rate` gives in `milliseconds`, or one. */
function bytesIn(milliseconds: number, rate: number): number {
  return rate === 0 ? 1 : Math.max(1, rate * milliseconds / 1000);
}
