/**
 * The window: the unparsed bytes `[start, end)` of one slab.
 *
 * Bytes arrive through `push`, which copies them, or through a reader that fills the
 * free tail of the slab. When the tail is too short, the live bytes move to the front of
 * a fresh slab, or of the same slab if nothing else references it. Bytes before the
 * window belong to requests already handed out, except for the run
 * `[runStart, runEnd)`: body payload that was decoded but not consumed yet.
 *
 * Only this class moves the cursor; parsers report their progress through `advance`.
 *
 * @module
 */

import { latin1 } from "../wire/text.ts";
import { LAST_TIER, SLAB_SIZES, SMALLEST_READ } from "./sizes.ts";
import type { Slab, SlabPool } from "./slab.ts";

/** Maximum bytes that an error message quotes. */
const QUOTED = 24;

/** The unparsed bytes of an input. */
export class Window {
  slab: Slab | null = null;
  start = 0;
  end = 0;
  runStart = 0;
  runEnd = 0;
  /** True while a reader holds the slab's memory; nothing can be parsed meanwhile. */
  lent = false;

  readonly #slabs: SlabPool;
  /** Input offset of the slab's first byte. */
  #origin = 0;
  /** The tier of the next slab, adapted to the size of recent reads. */
  #tier = 0;
  #lentLength = 0;

  constructor(slabs: SlabPool) {
    this.#slabs = slabs;
  }

  /** Bytes of the input received so far. */
  get received(): number {
    return this.#origin + this.end;
  }

  /** Bytes not yet parsed, plus decoded payload not yet consumed. */
  get unread(): number {
    return this.end - this.start + this.runEnd - this.runStart;
  }

  /** Converts a slab position to an input offset. */
  offsetOf(at: number): number {
    return this.#origin + at;
  }

  /** Converts an input offset to a slab position. */
  positionOf(offset: number): number {
    return offset - this.#origin;
  }

  // ------------------------------------------------------------------ bytes out

  /** Marks everything before slab position `to` as parsed. */
  advance(to: number): void {
    this.start = to;
  }

  /** Sets the run of decoded payload, which is kept until consumed. */
  setRun(start: number, end: number): void {
    this.runStart = start;
    this.runEnd = end;
  }

  /** Consumes `count` bytes of the run. */
  takeRun(count: number): void {
    this.runStart += count;
  }

  /** Moves as many unparsed bytes as fit into `target`. Returns their number. */
  takeInto(target: Uint8Array): number {
    const count = Math.min(target.length, this.end - this.start);
    if (count === 0) return 0;
    target.set(this.slab!.bytes.subarray(this.start, this.start + count));
    this.start += count;
    return count;
  }

  /**
   * The result of `read` as if the window ended at position `limit`; `null` if it ends
   * there or before. It makes a refusal independent of how the input was split into
   * reads.
   */
  readWithin(limit: number, read: (slab: Slab) => number): number | null {
    if (this.end <= limit) return null;
    const slab = this.slab!;
    const byte = slab.bytes[limit]!;
    slab.bytes[limit] = 0;
    const outcome = read(slab);
    slab.bytes[limit] = byte;
    return outcome;
  }

  /** The bytes at `at`, quoted for an error message. */
  quote(at: number): string {
    const { slab, end } = this;
    if (slab === null || at >= end) return "the end of the input";
    return JSON.stringify(latin1(slab.bytes, at, Math.min(end, at + QUOTED)));
  }

  // ------------------------------------------------------------------- bytes in

  /** Appends a copy of `chunk`. */
  push(chunk: Uint8Array): void {
    const count = chunk.length;
    if (count === 0) return;
    const { bytes } = this.#makeRoom(count);
    bytes.set(chunk, this.end);
    bytes[this.end += count] = 0;
  }

  /** Counts `count` input bytes that bypassed the window, which must be empty. */
  bypass(count: number): void {
    this.#origin += count;
  }

  /** Lends memory to a BYOB reader, which detaches it until `adopt` or `lose`. */
  lend(): Uint8Array<ArrayBuffer> {
    return this.#lendTail(this.#makeRoomToLend());
  }

  /**
   * Lends memory to a reader that fills it in place, until `commit` or `lose`. The buffer
   * is not detached, so requests may keep pointing into the slab.
   */
  offer(): Uint8Array<ArrayBuffer> {
    return this.#lendTail(this.#makeRoomToFill());
  }

  #lendTail(slab: Slab): Uint8Array<ArrayBuffer> {
    this.lent = true;
    this.#lentLength = slab.capacity - this.end;
    return new Uint8Array(slab.buffer, this.end, this.#lentLength);
  }

  /** Takes back memory from `lend`, with the bytes read into it. */
  adopt(view: Uint8Array<ArrayBuffer>): void {
    this.slab!.adopt(view.buffer);
    this.commit(view.length);
  }

  /** Takes back memory from `offer`, with `count` bytes read into it. */
  commit(count: number): void {
    this.lent = false;
    this.end += count;
    this.slab!.bytes[this.end] = 0;
    // Move up a tier when a read fills its memory, down when it leaves most unused.
    if (count === this.#lentLength) {
      this.#tier = Math.min(this.#tier + 1, LAST_TIER);
    } else if (this.#tier > 0 && count < SLAB_SIZES[this.#tier - 1]! / 2) {
      this.#tier--;
    }
  }

  /** Writes off lent memory that the reader will not return. */
  lose(): void {
    if (!this.lent) return;
    this.lent = false;
    this.#slabs.drop(this.slab!);
    this.#forgetSlab();
  }

  /** Makes the next slab a small one: an idle connection needs no more. */
  resetTier(): void {
    this.#tier = 0;
  }

  /** Releases the slab and discards its bytes. */
  drop(): void {
    if (this.slab === null) return;
    this.#slabs.release(this.slab);
    this.#forgetSlab();
  }

  #forgetSlab(): void {
    this.slab = null;
    this.#origin += this.end;
    this.start = this.end = 0;
  }

  // ----------------------------------------------------------------------- room

  /** Returns the slab, with room for `count` more bytes after the window. */
  #makeRoom(count: number): Slab {
    const slab = this.slab;
    if (slab === null) return this.#takeSlab(count);
    if (slab.refs === 1 && this.#liveStart() === this.end) this.#rewind();
    return slab.capacity - this.end >= count
      ? slab
      : this.#moveForRoom(slab, count);
  }

  #moveForRoom(slab: Slab, count: number): Slab {
    const from = this.#liveStart();
    const held = this.end - from;
    if (slab.refs === 1 && held + count <= slab.capacity) {
      this.#compact(slab, from);
      return slab;
    }
    // Beyond the largest tier the capacity doubles, so that copying stays linear.
    const bytes = held + count > SLAB_SIZES[LAST_TIER]
      ? 2 * held + count
      : held + count;
    return this.#moveToFresh(slab, from, bytes);
  }

  /** Returns a slab with refcount 1 and room for a read. */
  #makeRoomToLend(): Slab {
    const slab = this.slab;
    if (slab === null) return this.#takeSlab(0);
    const from = this.#liveStart();
    const held = this.end - from;
    if (
      slab.refs > 1 || slab.tier < this.#tier ||
      (held === 0 && slab.tier > this.#tier)
    ) {
      return this.#moveToFresh(slab, from, held + SMALLEST_READ);
    }
    if (held === 0) this.#rewind();
    if (slab.capacity - this.end >= SMALLEST_READ) return slab;
    if (held <= slab.capacity / 2) {
      this.#compact(slab, from);
      return slab;
    }
    return this.#moveToFresh(slab, from, 2 * held);
  }

  /** Returns a slab with room for a read; requests may share it. */
  #makeRoomToFill(): Slab {
    const slab = this.slab;
    if (slab === null) return this.#takeSlab(0);
    const from = this.#liveStart();
    const held = this.end - from;
    if (slab.refs === 1 && held === 0 && slab.tier === this.#tier) {
      this.#rewind();
      return slab;
    }
    const room = slab.capacity - this.end;
    // Keep appending to a shared slab until it is full, unless the tier has changed:
    // the slab is then too large for an idle connection or too small for its reads.
    return slab.refs > 1 && slab.tier === this.#tier && room >= SMALLEST_READ
      ? slab
      : this.#makeRoomToLend();
  }

  /** The start of the live bytes: the run if there is one, else the window. */
  #liveStart(): number {
    return this.runStart < this.runEnd ? this.runStart : this.start;
  }

  #takeSlab(bytes: number): Slab {
    const slab = this.slab = this.#slabs.acquire(this.#tier, bytes);
    this.#rewind();
    return slab;
  }

  /** Copies the live bytes to the front of a fresh slab. */
  #moveToFresh(slab: Slab, from: number, bytes: number): Slab {
    const fresh = this.#slabs.acquire(this.#tier, bytes);
    fresh.bytes.set(slab.bytes.subarray(from, this.end));
    this.#shift(from);
    this.slab = fresh;
    fresh.bytes[this.end] = 0;
    this.#slabs.release(slab);
    return fresh;
  }

  /** Moves the live bytes to the front of their slab. */
  #compact(slab: Slab, from: number): void {
    slab.bytes.copyWithin(0, from, this.end);
    this.#shift(from);
    slab.bytes[this.end] = 0;
  }

  /** Adjusts all positions after the bytes moved down by `by`. */
  #shift(by: number): void {
    this.#origin += by;
    this.start -= by;
    this.end -= by;
    this.runStart -= by;
    this.runEnd -= by;
  }

  /** Moves an empty window to the front of its slab. */
  #rewind(): void {
    this.#origin += this.start;
    this.start = this.end = 0;
  }
}
