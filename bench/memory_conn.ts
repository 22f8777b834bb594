/**
 * A connection in memory that has a number of pipelined requests to send and takes
 * whatever is answered: what a server costs without the system's part.
 *
 * @module
 */

import type { Conn } from "../mod.ts";

/** Sends `wire` over and over; a read ends where it does. */
export class MemoryConn implements Conn {
  /** Bytes that were written to it. */
  written = 0;
  readonly #wire: Uint8Array;
  #left: number;
  #at = 0;

  /** @param times How often `wire` is sent. */
  constructor(wire: Uint8Array, times: number) {
    this.#wire = wire;
    this.#left = wire.length * times;
  }

  read(p: Uint8Array): Promise<number | null> {
    const wire = this.#wire;
    const count = Math.min(p.length, wire.length - this.#at, this.#left);
    if (count === 0) return Promise.resolve(null);
    p.set(wire.subarray(this.#at, this.#at + count));
    this.#left -= count;
    this.#at = (this.#at + count) % wire.length;
    return Promise.resolve(count);
  }

  write(p: Uint8Array): Promise<number> {
    this.written += p.length;
    return Promise.resolve(p.length);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {}
}
