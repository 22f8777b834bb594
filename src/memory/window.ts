/**
 * The window: the unparsed bytes `[start, end)` of one slab.
 *
 * Bytes come in by `push`, which copies them, or by a reader that is lent the free tail
 * of the slab. When the tail is short, what must be kept is carried to the front of
 * another slab, or of the same one where nothing else refers to it. Everything before
 * the window belongs to requests that were handed out, but for the payload that a body
 * decoder has found and nobody has taken yet: the run `[runStart, runEnd)`.
 *
 * This class alone moves the cursor; whoever parses tells it how far it came.
 *
 * @module
 */

import { latin1 } from "../wire/text.ts";
import { LAST_TIER, SLAB_SIZES, SMALLEST_READ } from "./sizes.ts";
import type { Slab, SlabPool } from "./slab.ts";

/** Bytes that a refusal quotes. */
const QUOTED = 24;

/** The bytes of an input that are still to be parsed. */
export class Window {
  slab: Slab | null = null;
  start = 0;
  end = 0;
  runStart = 0;
  runEnd = 0;
  /** Whether the slab's memory is with a reader, so that nothing can be parsed. */
  lent = false;

  readonly #slabs: SlabPool;
  /** Offset in the input of the slab's first byte. */
  #origin = 0;
  /** The tier of the next slab: it grows while reads fill their slabs. */
  #tier = 0;
  #lentLength = 0;

  constructor(slabs: SlabPool) {
    this.#slabs = slabs;
  }

  /** Bytes of the input so far. */
  get received(): number {
    return this.#origin + this.end;
  }

  /** Bytes that are still to be parsed or taken. */
  get unread(): number {
    return this.end - this.start + this.runEnd - this.runStart;
  }

  /** The offset in the input of position `at` of the slab. */
  offsetOf(at: number): number {
    return this.#origin + at;
  }

  /** The position in the slab of an offset in the input. */
  positionOf(offset: number): number {
    return offset - this.#origin;
  }

  // ------------------------------------------------------------------ bytes out

  /** Everything before position `to` was parsed. */
  advance(to: number): void {
    this.start = to;
  }

  /** A decoder has found payload, which is kept until it was taken. */
  setRun(start: number, end: number): void {
    this.runStart = start;
    this.runEnd = end;
  }

  /** `count` bytes of the run were taken. */
  takeRun(count: number): void {
    this.runStart += count;
  }

  /** Gives as many unparsed bytes as fit; they count as parsed. */
  takeInto(target: Uint8Array): number {
    const count = Math.min(target.length, this.end - this.start);
    if (count === 0) return 0;
    target.set(this.slab!.bytes.subarray(this.start, this.start + count));
    this.start += count;
    return count;
  }

  /**
   * What `read` gives where the window is cut at position `limit`, if it goes so far:
   * so that a refusal does not depend on how the input was cut.
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

  /** What stands at `at`, for people. */
  quote(at: number): string {
    const { slab, end } = this;
    if (slab === null || at >= end) return "the end of the input";
    return JSON.stringify(latin1(slab.bytes, at, Math.min(end, at + QUOTED)));
  }

  // ------------------------------------------------------------------- bytes in

  /** Copies bytes to the end of the window. */
  push(chunk: Uint8Array): void {
    const count = chunk.length;
    if (count === 0) return;
    const { bytes } = this.#makeRoom(count);
    bytes.set(chunk, this.end);
    bytes[this.end += count] = 0;
  }

  /** `count` bytes of the input went elsewhere. The window has to be empty. */
  bypass(count: number): void {
    this.#origin += count;
  }

  /** Memory for a BYOB reader, which detaches it until `adopt` or `lose`. */
  lend(): Uint8Array<ArrayBuffer> {
    return this.#lendTail(this.#makeRoomToLend());
  }

  /**
   * Memory for a reader that fills it where it lies, until `commit` or `lose`. Nothing
   * is detached, so requests may point into the slab.
   */
  offer(): Uint8Array<ArrayBuffer> {
    return this.#lendTail(this.#makeRoomToFill());
  }

  #lendTail(slab: Slab): Uint8Array<ArrayBuffer> {
    this.lent = true;
    this.#lentLength = slab.capacity - this.end;
    return new Uint8Array(slab.buffer, this.end, this.#lentLength);
  }

  /** Takes the lent memory back, with what was read into it. */
  adopt(view: Uint8Array<ArrayBuffer>): void {
    this.slab!.adopt(view.buffer);
    this.commit(view.length);
  }

  /** Takes the memory on offer back, `count` bytes filled. */
  commit(count: number): void {
    this.lent = false;
    this.end += count;
    this.slab!.bytes[this.end] = 0;
    // Grow while reads fill their slabs, shrink when they hardly do.
    if (count === this.#lentLength) {
      this.#tier = Math.min(this.#tier + 1, LAST_TIER);
    } else if (this.#tier > 0 && count < SLAB_SIZES[this.#tier - 1]! / 2) {
      this.#tier--;
    }
  }

  /** The lent memory will not come back. */
  lose(): void {
    if (!this.lent) return;
    this.lent = false;
    this.#slabs.drop(this.slab!);
    this.#forgetSlab();
  }

  /** The connection goes idle: the next read is into a slab of the smallest tier. */
  rest(): void {
    this.#tier = 0;
  }

  /** Gives the slab back, whatever it holds. */
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

  /** The slab, with room for `count` more bytes at the end of the window. */
  #makeRoom(count: number): Slab {
    const slab = this.slab;
    if (slab === null) return this.#takeSlab(count);
    if (slab.refs === 1 && this.#low() === this.end) this.#rewind();
    return slab.capacity - this.end >= count
      ? slab
      : this.#moveForRoom(slab, count);
  }

  #moveForRoom(slab: Slab, count: number): Slab {
    const low = this.#low();
    const held = this.end - low;
    if (slab.refs === 1 && held + count <= slab.capacity) {
      this.#moveTo(slab, low);
      return slab;
    }
    // A window past the largest tier doubles, so that its copies stay linear.
    const bytes = held + count > SLAB_SIZES[LAST_TIER]
      ? 2 * held + count
      : held + count;
    return this.#carry(slab, low, bytes);
  }

  /** The slab, referred to by nobody else, with room for a read worth its while. */
  #makeRoomToLend(): Slab {
    const slab = this.slab;
    if (slab === null) return this.#takeSlab(0);
    const low = this.#low();
    const held = this.end - low;
    if (
      slab.refs > 1 || slab.tier < this.#tier ||
      (held === 0 && slab.tier > this.#tier)
    ) {
      return this.#carry(slab, low, held + SMALLEST_READ);
    }
    if (held === 0) this.#rewind();
    if (slab.capacity - this.end >= SMALLEST_READ) return slab;
    if (held <= slab.capacity / 2) {
      this.#moveTo(slab, low);
      return slab;
    }
    return this.#carry(slab, low, 2 * held);
  }

  /** The slab, with room for a read worth its while; requests may point into it. */
  #makeRoomToFill(): Slab {
    const slab = this.slab;
    if (slab === null) return this.#takeSlab(0);
    const low = this.#low();
    const held = this.end - low;
    if (slab.refs === 1 && held === 0 && slab.tier === this.#tier) {
      this.#rewind();
      return slab;
    }
    const room = slab.capacity - this.end;
    // A slab that others point into is shared to its end, unless it is too large
    // for an idle connection or smaller than the reads have come to be.
    return slab.refs > 1 && slab.tier === this.#tier && room >= SMALLEST_READ
      ? slab
      : this.#makeRoomToLend();
  }

  /** Where the bytes begin that must not be lost. */
  #low(): number {
    return this.runStart < this.runEnd ? this.runStart : this.start;
  }

  #takeSlab(bytes: number): Slab {
    const slab = this.slab = this.#slabs.acquire(this.#tier, bytes);
    this.#rewind();
    return slab;
  }

  /** Carries what is held to the front of a fresh slab. */
  #carry(slab: Slab, low: number, bytes: number): Slab {
    const fresh = this.#slabs.acquire(this.#tier, bytes);
    fresh.bytes.set(slab.bytes.subarray(low, this.end));
    this.#moved(low);
    this.slab = fresh;
    fresh.bytes[this.end] = 0;
    this.#slabs.release(slab);
    return fresh;
  }

  /** Moves what is held to the front of its own slab. */
  #moveTo(slab: Slab, low: number): void {
    slab.bytes.copyWithin(0, low, this.end);
    this.#moved(low);
    slab.bytes[this.end] = 0;
  }

  #moved(by: number): void {
    this.#origin += by;
    this.start -= by;
    this.end -= by;
    this.runStart -= by;
    this.runEnd -= by;
  }

  /** An empty window goes back to the front of its slab. */
  #rewind(): void {
    this.#origin += this.start;
    this.start = this.end = 0;
  }
}
