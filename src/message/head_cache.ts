/**
 * The head cache: the bytes of the head that a request object last parsed.
 *
 * Many clients repeat the same head, and their connection reuses the same request
 * object. On a cache hit the head is compared bytewise instead of parsed: if request
 * line and field section are identical, all parsed values and strings are still valid.
 * A head that differs in one byte is parsed from the start.
 *
 * The head is copied and compared eight bytes at a time, as floats. Floats of equal
 * value have equal bits, except for zeros, which no accepted head can contain. A NaN may
 * change its bits when copied, but compares unequal to everything, so a head that
 * contains one is parsed every time.
 *
 * @module
 */

import { LONGEST_CACHED_HEAD } from "../memory/sizes.ts";

const WORD = 8;
/** Bytes of the field section from one sampled word to the next. */
const SAMPLE_STEP = 16;
/** The memory is a multiple of this size, so that it rarely has to grow. */
const STEP = 256;
/**
 * From the last bytes of the target to the field section; no request line is shorter than
 * `X / HTTP/1.1` with its CRLF, and no status line shorter than that either.
 */
const AFTER_TARGET = 14;

const NONE = new DataView(new ArrayBuffer(0));

/** A cached head. */
export class HeadCache {
  /** Length of the cached head in bytes, or 0. No head is shorter than `WORD`. */
  length = 0;
  /** Length of its request line, with CRLF. */
  lineLength = 0;
  #memory = NONE;
  /** Length of the last head parsed. */
  #lastLength = 0;
  /** Hash of sampled bytes of the last head that was as long as the one before it. */
  #sample = 0;

  /** Whether the cached head is at `start`. */
  isAt(view: DataView, start: number, end: number): boolean {
    const memory = this.#memory;
    const length = this.length;
    if (length === 0 || length > end - start) return false;
    // V8 unrolls the loop only if the last, overlapping step is outside it.
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
   * Caches the head `[start, end)`, with fields from `section`, if it looks the same as
   * earlier ones. Copying every head would add a quarter to the cost of parsing, a sample
   * of each a tenth, and most heads never repeat: a head is sampled if it is as long as
   * the one before it, and copied if its sample is that of the last head sampled. A stale
   * sample, possibly of another connection, costs a copy and does no harm.
   */
  keep(view: DataView, start: number, section: number, end: number): void {
    const length = end - start;
    if (length === this.#lastLength) this.#compare(view, start, section, end);
    this.#lastLength = length;
  }

  #compare(view: DataView, start: number, section: number, end: number): void {
    const targetEnd = section - AFTER_TARGET;
    let sample = (end - start) ^
      Math.imul(view.getInt32(targetEnd, true), 0x85ebca6b | 0) ^
      view.getInt32(Math.max(start, targetEnd - 4), true);
    for (let at = end - WORD; at >= section; at = (at - SAMPLE_STEP) | 0) {
      sample = Math.imul(sample ^ view.getInt32(at, true), 0x2545f491);
    }
    if (sample === this.#sample) this.#copy(view, start, section, end);
    this.#sample = sample;
  }

  #copy(view: DataView, start: number, section: number, end: number): void {
    const length = end - start;
    if (length > LONGEST_CACHED_HEAD) return;
    if (length > this.#memory.byteLength) this.#grow(length);
    const memory = this.#memory;
    let at = 0;
    for (; at + WORD <= length; at += WORD) {
      memory.setFloat64(at, view.getFloat64(start + at, true), true);
    }
    // Bytewise: an overlapping word could turn a NaN's bytes into an ordinary number.
    for (; at < length; at++) memory.setUint8(at, view.getUint8(start + at));
    this.length = length;
    this.lineLength = section - start;
  }

  #grow(length: number): void {
    const room = Math.ceil(length / STEP) * STEP;
    this.#memory = new DataView(new ArrayBuffer(room));
  }
}
