/**
 * The bytes of the head that a request object was last used for.
 *
 * Many clients send the same head again and again, and their connection gets the same
 * request object back. Where every byte of the head is the same, request line and field
 * section, so is everything that was read from it, and every string that was made of
 * it: nothing is read again. A head that differs in one byte is read afresh, all of it.
 *
 * Eight bytes are copied and compared at a time, as one float. Floats of equal value
 * have equal bits but for zeros, which no bytes of an accepted head make. A NaN may
 * change its bits in a copy, but equals nothing: a head with one in it is read each time.
 *
 * @module
 */

import { LONGEST_KNOWN_HEAD } from "../memory/sizes.ts";

const WORD = 8;
/** The memory is a multiple of this, so that it seldom has to grow. */
const STEP = 256;
/** A sample takes four bytes from each so many of a head. */
const SAMPLED = 64;

const NONE = new DataView(new ArrayBuffer(0));

/** A head, remembered byte for byte. */
export class HeadCache {
  /** How many bytes the head has; 0 when none is known. No head is shorter than a word. */
  length = 0;
  /** How many of them are the request line, with its CRLF. */
  lineLength = 0;
  #memory = NONE;
  /** The sample of the last head that was read. */
  #sample = 0;

  /** Whether a head is known and its bytes stand at `start`. */
  isAt(view: DataView, start: number, end: number): boolean {
    const memory = this.#memory;
    const length = this.length;
    if (length === 0 || length > end - start) return false;
    // V8 unrolls the loop only while the step that overlaps stands apart from it.
    const last = length - WORD;
    for (let at = 0; at < last; at += WORD) {
      if (
        view.getFloat64(start + at, true) !== memory.getFloat64(at, true)
      ) return false;
    }
    return view.getFloat64(start + last, true) ===
      memory.getFloat64(last, true);
  }

  /**
   * Remembers the head `[start, end)` whose fields begin at `section`, if it seems to be
   * the one before it again. To copy every head would cost a quarter of reading it, and
   * most heads of a browser never come again. The sample only decides about the copy:
   * it may be that of another connection, and answers nothing.
   */
  keep(view: DataView, start: number, section: number, end: number): void {
    let sample = end - start;
    for (let at = start; at + WORD <= end; at += SAMPLED) {
      sample = (sample * 31 + view.getInt32(at + 4, true)) | 0;
    }
    if (sample === this.#sample) this.#copy(view, start, section, end);
    this.#sample = sample;
  }

  #copy(view: DataView, start: number, section: number, end: number): void {
    const length = end - start;
    if (length > LONGEST_KNOWN_HEAD) return;
    if (length > this.#memory.byteLength) this.#grow(length);
    const memory = this.#memory;
    let at = 0;
    for (; at + WORD <= length; at += WORD) {
      memory.setFloat64(at, view.getFloat64(start + at, true), true);
    }
    // Not a word that overlaps: it could make a number of what was a NaN.
    for (; at < length; at++) memory.setUint8(at, view.getUint8(start + at));
    this.length = length;
    this.lineLength = section - start;
  }

  #grow(length: number): void {
    const room = Math.ceil(length / STEP) * STEP;
    this.#memory = new DataView(new ArrayBuffer(room));
  }
}
