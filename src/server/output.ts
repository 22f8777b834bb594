/**
 * What goes out on a connection: responses gather in a pooled slab while a write
 * is under way or requests wait to be answered, and leave in one write.
 *
 * One write runs at a time and nobody awaits it: the next response gathers in
 * another slab meanwhile. Bytes too many to be worth a copy are written from where
 * they lie. A producer without end asks `room()` first.
 *
 * @module
 */

import { plainBytes } from "../message/byte_source.ts";
import { MisuseError } from "../message/misuse.ts";
import {
  LARGEST_UNCOUNTED,
  LAST_TIER,
  MOST_PENDING,
  SLAB_SIZES,
  SMALLEST_DIRECT_WRITE,
} from "../memory/sizes.ts";
import type { Budget } from "../memory/budget.ts";
import type { Slab, SlabPool } from "../memory/slab.ts";
import {
  type FieldPair,
  sizeOfFields,
  writeFields,
  writeText,
} from "./head_writer.ts";
import { countError, isCount } from "./transport.ts";

/** The owner of an output. */
export interface OutputOwner {
  /** A write is done. */
  written(): void;
  /** The other side takes nothing more. */
  writeFailed(error: unknown): void;
}

/** Bytes that wait to be written: a gathered slab, or a program's own. */
interface Piece {
  bytes: Uint8Array;
  /** Its length when it came: an array can be detached meanwhile. */
  length: number;
  /** Its memory, where it counts in the budget. */
  counted: ArrayBufferLike | null;
  slab: Slab | null;
}

/** The bytes on their way out. */
export class Output {
  /** Gathers what comes next: `slab.bytes[0, end)`. Append by `reserve`. */
  slab: Slab | null = null;
  end = 0;
  closed = false;
  /** Whether bytes were left when it closed. */
  lost = false;
  /** Bytes written so far. */
  sent = 0;
  /** Counts up as writes begin and go on, for whoever looks for a stall. */
  moves = 0;
  /** Counts how often nothing was left to write. */
  timesEmpty = 0;

  readonly #slabs: SlabPool;
  readonly #write: (bytes: Uint8Array) => Promise<number>;
  readonly #owner: OutputOwner;
  readonly #budget: Budget;
  /** Pieces before the slab, in order. */
  readonly #queue: Piece[] = [];
  #queued = 0;
  /** The slab that is being written, and the rest of its bytes. */
  #writingSlab: Slab | null = null;
  #writing: Uint8Array | null = null;
  #writingCounted: ArrayBufferLike | null = null;
  /** The tier that the last gathering needed. */
  #tier = 0;
  #waiting: { most: number; done: PromiseWithResolvers<void> }[] = [];

  constructor(
    slabs: SlabPool,
    write: (bytes: Uint8Array) => Promise<number>,
    owner: OutputOwner,
    budget: Budget,
  ) {
    this.#budget = budget;
    this.#slabs = slabs;
    this.#write = write;
    this.#owner = owner;
  }

  /** Bytes that are not written yet. */
  get pending(): number {
    return this.end + this.#queued;
  }

  /** Whether so much waits that nothing new should be begun. */
  get full(): boolean {
    return this.end + this.#queued > MOST_PENDING;
  }

  /** Whether a write is under way. */
  get isWriting(): boolean {
    return this.#writing !== null;
  }

  /** The slab, with room for `count` bytes from `end` on; add to `end` what was put there. */
  reserve(count: number): Slab {
    const slab = this.slab;
    return slab !== null && slab.capacity - this.end >= count
      ? slab
      : this.#makeRoom(slab, count);
  }

  #makeRoom(slab: Slab | null, count: number): Slab {
    const { end } = this;
    if (slab === null) {
      return this.slab = this.#slabs.acquire(this.#tier, count);
    }
    // A small slab moves to a larger one, so that what it holds leaves in one write.
    if (slab.tier < LAST_TIER && end + count <= SLAB_SIZES[LAST_TIER]) {
      const larger = this.#slabs.acquire(slab.tier + 1, end + count);
      larger.bytes.set(slab.bytes.subarray(0, end));
      this.#slabs.release(slab);
      return this.slab = larger;
    }
    this.#enqueueSlab(slab);
    return this.slab = this.#slabs.acquire(this.#tier, count);
  }

  /** Appends bytes: a copy of them, or, where they are many, themselves. */
  append(bytes: Uint8Array): void {
    if (bytes.length < SMALLEST_DIRECT_WRITE) {
      const slab = this.reserve(bytes.length);
      slab.bytes.set(bytes, this.end);
      this.end += bytes.length;
      return;
    }
    const { slab } = this;
    if (slab !== null) this.#enqueueSlab(slab);
    const { length } = bytes;
    const counted = length > LARGEST_UNCOUNTED ? bytes.buffer : null;
    if (counted !== null) this.#budget.hold(counted, length);
    this.#queue.push({ bytes: plainBytes(bytes), length, counted, slab: null });
    this.#queued += length;
  }

  #enqueueSlab(slab: Slab): void {
    const { end } = this;
    this.slab = null;
    this.end = 0;
    this.#tier = Math.min(slab.tier, LAST_TIER);
    if (end === 0) return this.#slabs.release(slab);
    const bytes = slab.bytes.subarray(0, end);
    this.#queue.push({ bytes, length: end, counted: null, slab });
    this.#queued += end;
  }

  /** Writes what there is, unless a write is under way: that one goes on with it. */
  flush(): void {
    if (this.#writing === null && !this.closed) this.#writeNext();
  }

  #writeNext(): void {
    if (this.#queue.length === 0) {
      if (this.end === 0) this.timesEmpty++;
      if (this.slab === null) return;
      this.#tier = this.#tierOf(this.end);
      if (this.end === 0) {
        this.#slabs.release(this.slab);
        this.slab = null;
        return;
      }
      this.#writing = this.slab.bytes.subarray(0, this.end);
      this.#writingSlab = this.slab;
      this.#queued += this.end;
      this.slab = null;
      this.end = 0;
    } else {
      const piece = this.#queue.shift()!;
      if (piece.bytes.length !== piece.length) {
        return this.#onFailed(
          new MisuseError(
            "the bytes of a body were transferred before the write",
          ),
        );
      }
      this.#writing = piece.bytes;
      this.#writingSlab = piece.slab;
      this.#writingCounted = piece.counted;
    }
    this.#writeRest();
  }

  #tierOf(bytes: number): number {
    let tier = 0;
    while (tier < LAST_TIER && bytes > SLAB_SIZES[tier]!) tier++;
    return tier;
  }

  #writeRest(): void {
    this.moves++;
    this.#write(this.#writing!).then(this.#onWritten, this.#onFailed);
  }

  readonly #onWritten = (count: number): void => {
    const writing = this.#writing!;
    if (count !== writing.length && !isCount(count, writing.length)) {
      return this.#onFailed(countError("write", count, writing.length));
    }
    this.sent += count;
    this.#queued -= count;
    if (count < writing.length && !this.closed) {
      this.#writing = writing.subarray(count);
      return this.#writeRest();
    }
    this.#endWrite();
    if (this.closed) return;
    this.#writeNext();
    this.#settleWaiting();
    this.#owner.written();
  };

  readonly #onFailed = (error: unknown): void => {
    this.#endWrite();
    if (this.closed) return;
    this.close(error);
    this.#owner.writeFailed(error);
  };

  #endWrite(): void {
    this.#writing = null;
    if (this.#writingCounted !== null) {
      this.#budget.drop(this.#writingCounted);
      this.#writingCounted = null;
    }
    const slab = this.#writingSlab;
    this.#writingSlab = null;
    if (slab === null) return;
    // A connection of the program's own that transferred the memory has taken it.
    if (slab.bytes.length === 0) this.#slabs.drop(slab);
    else this.#slabs.release(slab);
  }

  /** Resolves when there is room for more; rejects when the output closed. */
  room(): Promise<void> {
    return this.#until(MOST_PENDING);
  }

  /** Resolves when everything is written; rejects when the output closed. */
  empty(): Promise<void> {
    this.flush();
    return this.#until(0);
  }

  #until(most: number): Promise<void> {
    if (!this.closed && this.pending <= most) return Promise.resolve();
    const done = Promise.withResolvers<void>();
    if (this.closed) done.reject(this.#reason);
    else this.#waiting.push({ most, done });
    return done.promise;
  }

  #reason: unknown = undefined;

  #settleWaiting(): void {
    if (this.#waiting.length === 0) return;
    const { pending } = this;
    const ready = this.#waiting.filter(({ most }) => pending <= most);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter(({ most }) => pending > most);
    for (const { done } of ready) done.resolve();
  }

  /** Drops what was not written. The slab of a write under way is kept until its end. */
  close(reason: unknown): void {
    if (this.closed) return;
    this.closed = true;
    this.lost = this.pending > 0;
    this.#reason = reason;
    for (const { slab, counted } of this.#queue) {
      if (slab !== null) this.#slabs.release(slab);
      if (counted !== null) this.#budget.drop(counted);
    }
    this.#queue.length = 0;
    if (this.slab !== null) this.#slabs.release(this.slab);
    this.slab = null;
    this.end = this.#queued = 0;
    for (const { done } of this.#waiting) done.reject(reason);
    this.#waiting = [];
  }
}

/** Appends text of one byte a character. */
export function appendText(output: Output, text: string): void {
  const slab = output.reserve(text.length);
  output.end = writeText(slab.bytes, output.end, text);
}

/** Appends field lines, and the empty line that ends them. */
export function appendFields(
  output: Output,
  fields: readonly FieldPair[],
): void {
  const slab = output.reserve(sizeOfFields(fields) + 2);
  const at = writeFields(slab.bytes, output.end, fields);
  output.end = writeText(slab.bytes, at, "\r\n");
}
