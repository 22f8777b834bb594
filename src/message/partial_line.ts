/**
 * Decides when to re-parse an incomplete line.
 *
 * A line is always parsed from its first byte. To keep the work linear when it trickles
 * in, it is re-parsed only once an LF has arrived or its length has doubled; the latter
 * finds invalid bytes early. Positions are relative to the start of the message, so they
 * survive a move of the window.
 *
 * @module
 */

import { LF } from "../wire/ascii.ts";

/** The progress of one incomplete line. */
export class PartialLine {
  /** The start of the line. */
  start = 0;
  #searched = 0;
  #retryAt = 0;

  /** Starts a new section with its first line at `start`. */
  begin(start: number): void {
    this.start = start;
    this.#searched = start;
    this.#retryAt = start;
  }

  /**
   * Records that the line at `start` is incomplete and the message has `length` bytes so
   * far. The next attempt is due at `limit` at the latest.
   */
  wait(start: number, length: number, limit: number): void {
    this.start = start;
    this.#searched = length;
    this.#retryAt = Math.min(length + (length - start), limit);
    // Doubling does not work for an empty line.
    if (length === start) this.#retryAt = length + 1;
  }

  /** Whether the bytes `[base, end)` of the window justify another attempt. */
  shouldRetry(bytes: Uint8Array, base: number, end: number): boolean {
    const length = end - base;
    if (length >= this.#retryAt) return true;
    for (let at = base + this.#searched; at < end; at++) {
      if (bytes[at] === LF) return true;
    }
    this.#searched = length;
    return false;
  }
}
