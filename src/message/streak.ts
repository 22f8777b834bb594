/**
 * How much a connection or a stream reads or writes without a turn of the event loop.
 *
 * Over TLS, reads and writes of a fast peer never wait in Deno, nor do those of a stream
 * that has its bytes at hand: their promises resolve at once, and no timer, no other
 * connection gets its turn. A streak tells when to wait for one. Sockets whose operations
 * do wait never have to.
 *
 * @module
 */

import { LONGEST_STREAK, SMALLEST_STEP, STREAK_STEP } from "../memory/sizes.ts";

// The real ones: a test that replaces the timers does not stop the bytes. A browser has
// only timers.
const { setTimeout } = globalThis;
const nextTurn: (run: () => void) => void =
  (globalThis as { setImmediate?: (run: () => void) => void }).setImmediate ??
    ((run) => setTimeout(run, 0));

/** When the event loop was last asked for a turn that has not come yet, or -1. */
let askedAt = -1;

function turned(): void {
  askedAt = -1;
}

/** The reads, or the writes, of one connection or stream. */
export class Streak {
  #length = 0;

  /** Notes a read or write. Returns whether the event loop has not turned for too long. */
  isTooLong(bytes: number): boolean {
    this.#length += Math.max(bytes, SMALLEST_STEP);
    if (this.#length < STREAK_STEP) return false;
    this.#length = 0;
    const now = performance.now();
    if (askedAt >= 0) return now - askedAt >= LONGEST_STREAK;
    askedAt = now;
    nextTurn(turned);
    return false;
  }
}

/** How many reads and writes wait for a turn. */
let waiting = 0;

/**
 * Waits for a turn. By a timer, since Deno looks for I/O only when it has nothing to do: a
 * chain of immediates keeps it from that.
 */
export function afterTurn(run: () => void): void {
  waiting++;
  setTimeout(() => {
    waiting--;
    run();
  }, 0);
}

/** Resolves when every read and write that waits for a turn now has had it. */
export async function allTurned(): Promise<void> {
  if (waiting > 0) await new Promise<void>(afterTurn);
}
