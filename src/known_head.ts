/**
 * The bytes of the head that a request object was last used for.
 *
 * A client sends nearly the same head again and again, and its connection gets the
 * same request object back. Where the bytes are the same, so is everything that was
 * found out about them, and the strings that were made of them: to compare costs a
 * fraction of reading. A head that is wholly the same is found by one comparison;
 * else the line and the section are tried apart, so that another target does not
 * spoil the fields, and of the section the lines before the first difference stay
 * known. The first head of a connection is not kept, which spares those that send no
 * second one.
 *
 * Eight bytes are compared a step, as one float: no bytes of an accepted head make a
 * zero, and those that make a NaN are never equal, so that equal floats are equal
 * bytes.
 *
 * @module
 */

/** Longer request lines, and longer sections, are read each time. */
const LONGEST_LINE = 256;
const LONGEST_SECTION = 2048;
const WORD = 8;
/** The memory grows by this much. */
const STEP = 256;
/**
 * After so many in a row that differ, a line is not kept, and of a section only what
 * was the same, but for once in so many: the bytes seem to be new each time.
 */
const MISSES = 4;
const RETRY = 32;

const NONE = new DataView(new ArrayBuffer(0));

/** What is remembered of a head. Lengths are 0 where nothing is. */
export class KnownHead {
  /** Bytes of the whole head, once line, section and framing are known. */
  headLength = 0;
  /** Bytes of the request line with its CRLF. */
  lineLength = 0;
  /** Bytes of the field section from its front, or all of them. */
  sectionLength = 0;
  /** Whether these are the whole section, its empty line included. */
  whole = false;
  /** Bytes at the front of the kept section that the one being read has as well. */
  shared = 0;
  #misses = 0;
  #lineMisses = 0;
  /** The line, which ends where the section begins: at `LONGEST_LINE`. */
  #memory = NONE;

  /** Forgets everything: the object goes to another connection. */
  forget(): void {
    this.headLength = this.lineLength = this.sectionLength = 0;
    this.shared = 0;
    this.#misses = this.#lineMisses = 0;
  }

  /** Whether a head is known, and stands at `start`. */
  // The loop of `sameBytes`, written down again: see `Machine.next`.
  isHead(view: DataView, start: number, end: number): boolean {
    const memory = this.#memory;
    const length = this.headLength;
    if (length === 0 || length > end - start) return false;
    const from = LONGEST_LINE - this.lineLength;
    const last = length - WORD;
    for (let at = 0; at < last; at += WORD) {
      if (
        view.getFloat64(start + at, true) !== memory.getFloat64(from + at, true)
      ) return false;
    }
    if (
      view.getFloat64(start + last, true) !==
        memory.getFloat64(from + last, true)
    ) return false;
    this.#misses = this.#lineMisses = 0;
    return true;
  }

  /** Whether the known line stands at `start`. There must be one. */
  hasLine(view: DataView, start: number, end: number): boolean {
    const length = this.lineLength;
    const from = LONGEST_LINE - length;
    const same = length <= end - start &&
      sameBytes(view, start, this.#memory, from, length) === length;
    if (same) this.#lineMisses = 0;
    return same;
  }

  /** How many bytes from `start` are those of the known section, in whole words. */
  sharedWith(view: DataView, start: number, end: number): number {
    const length = Math.min(this.sectionLength, end - start);
    return sameBytes(view, start, this.#memory, LONGEST_LINE, length);
  }

  /** Keeps the line `[start, end)`. */
  keepLine(view: DataView, start: number, end: number): void {
    const length = end - start;
    if (length > LONGEST_LINE || isSkipped(++this.#lineMisses)) return;
    this.#makeRoom(0);
    copyBytes(view, start, this.#memory, LONGEST_LINE - length, length);
    this.lineLength = length;
  }

  /** Keeps the section `[start, end)`, whose first `shared` bytes are kept already. */
  keepSection(view: DataView, start: number, end: number): void {
    const length = end - start;
    const { shared } = this;
    this.shared = 0;
    if (length < WORD || length > LONGEST_SECTION) return;
    this.whole = !isSkipped(++this.#misses);
    if (!this.whole) {
      this.sectionLength = shared;
      return;
    }
    this.#makeRoom(length);
    const at = LONGEST_LINE + shared;
    copyBytes(view, start + shared, this.#memory, at, length - shared);
    this.sectionLength = length;
  }

  /** Where both line and section are kept, they make a known head. */
  join(): void {
    if (this.lineLength !== 0 && this.sectionLength !== 0 && this.whole) {
      this.headLength = this.lineLength + this.sectionLength;
    }
  }

  /** The kept section came again as a whole. */
  hit(): void {
    this.#misses = 0;
  }

  #makeRoom(section: number): void {
    const bytes = LONGEST_LINE + section;
    const old = this.#memory;
    if (old.byteLength >= bytes) return;
    const room = Math.ceil(bytes / STEP) * STEP;
    this.#memory = new DataView(new ArrayBuffer(room));
    copyBytes(old, 0, this.#memory, 0, old.byteLength);
  }
}

function isSkipped(misses: number): boolean {
  return misses > MISSES && misses % RETRY !== 0;
}

/**
 * How many of `length` bytes are the same in both: all of them, or those before the
 * first word that differs. Under eight bytes none count as the same.
 */
function sameBytes(
  view: DataView,
  start: number,
  known: DataView,
  from: number,
  length: number,
): number {
  const last = length - WORD;
  if (last < 0) return 0;
  let at = 0;
  for (; at < last; at += WORD) {
    if (
      view.getFloat64(start + at, true) !== known.getFloat64(from + at, true)
    ) return at;
  }
  return view.getFloat64(start + last, true) ===
      known.getFloat64(from + last, true)
    ? length
    : at;
}

function copyBytes(
  view: DataView,
  start: number,
  target: DataView,
  from: number,
  length: number,
): void {
  let at = 0;
  for (; at + WORD <= length; at += WORD) {
    target.setFloat64(from + at, view.getFloat64(start + at, true), true);
  }
  for (; at < length; at++) {
    target.setUint8(from + at, view.getUint8(start + at));
  }
}
