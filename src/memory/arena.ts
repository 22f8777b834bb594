/**
 * Copies of short byte runs whose lifetime is unknown.
 *
 * The copies lie one after another in large chunks, since an array of its own for each
 * costs ten times the copy. A chunk is garbage once no copy in it is in use.
 *
 * @module
 */

import { ARENA_CHUNK } from "./sizes.ts";

/** Where copies are appended. */
export class Arena {
  /** The chunk that the last copy lies in. */
  chunk: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #end = 0;

  /** Copies bytes `[start, end)`; returns where they begin in `chunk`. */
  copy(bytes: Uint8Array, start: number, end: number): number {
    const count = end - start;
    if (this.#end + count > this.chunk.length) {
      this.chunk = new Uint8Array(Math.max(ARENA_CHUNK, count));
      this.#end = 0;
    }
    const at = this.#end;
    this.chunk.set(bytes.subarray(start, end), at);
    this.#end = at + count;
    return at;
  }
}
