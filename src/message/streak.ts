/**
 * How much a connection or a stream reads or writes without a turn of the event loop.
 *
 * Over TLS, reads and writes of a fast peer never wait in Deno, nor do those of a stream
 * that has its bytes at hand: their promises resolve at once, and no timer, no other
 * connection gets its turn. A streak tells when to wait for
 * one. Sockets whose operations do wait never have to.
 *
 * @module
 */

import { LONGEST_STREAK, SMALLEST_STEP } from "../memory/sizes.ts";

// The real ones: a test that replaces the timers does not stop the bytes. A browser has
// only timers.
const { setTimeout } = globalThis;
const nextTurn: (run: () => void) => void =
  (globalThis as { setImmediate?: (run: () => void) => void }).setImmediate ??
    ((run) => setTimeout(run, 0));

/** Turns of the event loop, counted only while a streak asks. */
let turns = 0;
let counting = false;

function count(): void {
  counting = false;
  turns++;
}

/** The reads, or the writes, of one connection. */
export class Streak {
  #length = 0;
  #begun = -1;

  /** Notes a read or write. Returns whether there was no turn for too long. */
  isTooLong(bytes: number): boolean {
    this.#length += Math.max(bytes, SMALLEST_STEP);
    if (this.#length < LONGEST_STREAK) return false;
    const turned = this.#begun !== turns;
    this.#length = 0;
    this.#begun = turns;
    if (!counting) {
      counting = true;
      nextTurn(count);
    }
    return !turned;
  }
}

/**
 * Waits for a turn. By a timer, since Deno looks for I/O only when it has nothing to do: a
 * chain of immediates keeps it from that.
 */
export function afterTurn(run: () => void): void {
  setTimeout(run, 0);
}
