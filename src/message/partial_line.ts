/**
 * When to look again at a line that has not wholly arrived.
 *
 * A line is read as a whole, from its first byte. So that one which trickles in
 * costs no more than linear work, it is read again only when an LF has come, or
 * when it has doubled in length, which finds a bad byte early. Positions count
 * from the start of the message, so that they survive a move of the window.
 *
 * @module
 */

import { LF } from "../wire/ascii.ts";

/** The memory of one unfinished line. */
export class PartialLine {
  /** Where the line begins. */
  start = 0;
  #searched = 0;
  #retryAt = 0;

  /** A new section, whose first line begins at `start`. */
  begin(start: number): void {
    this.start = start;
    this.#searched = start;
    this.#retryAt = start;
  }

  /**
   * The line at `start` ended with the window, at `length`. It is worth another
   * look at once when it reaches `limit`.
   */
  wait(start: number, length: number, limit: number): void {
    this.start = start;
    this.#searched = length;
    this.#retryAt = Math.min(length + (length - start), limit);
    // A line without any byte yet has nothing to double.
    if (length === start) this.#retryAt = length + 1;
  }

  /** Whether the window, from `base` to `end`, now has more to tell. */
  isWorthReading(bytes: Uint8Array, base: number, end: number): boolean {
    const length = end - base;
    if (length >= this.#retryAt) return true;
    for (let at = base + this.#searched; at < end; at++) {
      if (bytes[at] === LF) return true;
    }
    this.#searched = length;
    return false;
  }
}
