/**
 * The output of a connection. While a write is pending or further requests are
 * buffered, responses gather in a pooled slab and are sent in one write.
 *
 * At most one write is pending, and the loop does not await it: the next responses
 * gather in another slab. Large chunks are written in place, without a copy. Streams
 * await `room()` for backpressure.
 *
 * @module
 */

import { plainBytes } from "../message/bytes.ts";
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
} from "./field_writer.ts";
import { afterTurn, Streak } from "../message/streak.ts";
import { countError, isCount } from "./transport.ts";

/** The owner of an output. */
export interface OutputOwner {
  /** Called after each completed write. */
  written(): void;
  /** Called when a write failed; the output is closed then. */
  writeFailed(error: unknown): void;
  /** Makes room in the budget. Returns whether `bytes` fit. */
  makeRoom(bytes: number): boolean;
  /** Drops the connection, whose output has no room in the budget. */
  shed(): void;
}

/** Queued bytes: a filled slab, or an array of the program. */
interface Piece {
  bytes: Uint8Array;
  /** The length when queued, since the array can be detached before the write. */
  length: number;
  /** Its memory, where it counts in the budget. */
  counted: ArrayBufferLike | null;
  slab: Slab | null;
}

/** A wait that ends once at most `most` bytes are pending, or `end` were sent. */
interface Waiting {
  most: number;
  end: number;
  done: PromiseWithResolvers<void>;
}

/** Gathers and writes the output of one connection. */
export class Output {
  /** The slab being filled; `[0, end)` is used. Call `reserve` before writing to it. */
  slab: Slab | null = null;
  end = 0;
  closed = false;
  /** Whether unwritten bytes were dropped on close. */
  lost = false;
  /** Bytes written so far. */
  sent = 0;
  /** Incremented for every `write` call, so that a sweep can detect a stall. */
  moves = 0;
  /** Counts how often nothing was left to write. */
  timesEmpty = 0;

  readonly #slabs: SlabPool;
  readonly #write: (bytes: Uint8Array) => Promise<number>;
  readonly #owner: OutputOwner;
  readonly #budget: Budget;
  /** Pieces to write before the slab, in order. */
  readonly #queue: Piece[] = [];
  /** Bytes of the queue and of the pending write. */
  #queued = 0;
  /** The slab of the pending write, if it has one. */
  #writingSlab: Slab | null = null;
  /** The unwritten rest of the pending write. */
  #writing: Uint8Array | null = null;
  /** Memory of the pending write that counts in the budget. */
  #writingCounted: ArrayBufferLike | null = null;
  /** The slab tier that the last write needed. */
  #tier = 0;
  readonly #streak = new Streak();
  #waiting: Waiting[] = [];

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

  /** Bytes not written yet. */
  get pending(): number {
    return this.end + this.#queued;
  }

  /** Backpressure: whether too much is pending to start another response. */
  get full(): boolean {
    return this.end + this.#queued > MOST_PENDING;
  }

  /** Whether a write is pending. */
  get isWriting(): boolean {
    return this.#writing !== null;
  }

  /** A slab with room for `count` bytes at `end`. The caller advances `end`. */
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
    // Moves a small slab's content to a larger one, so that it is still one write.
    if (slab.tier < LAST_TIER && end + count <= SLAB_SIZES[LAST_TIER]) {
      const larger = this.#slabs.acquire(slab.tier + 1, end + count);
      larger.bytes.set(slab.bytes.subarray(0, end));
      this.#slabs.release(slab);
      return this.slab = larger;
    }
    this.#enqueueSlab(slab);
    return this.slab = this.#slabs.acquire(this.#tier, count);
  }

  /**
   * Makes room for a chunk of a stream in the budget, or drops the connection: its head
   * was sent, so there is no other answer.
   *
   * @throws {RangeError} The chunk alone exceeds the budget.
   */
  admit({ length, buffer }: Uint8Array): void {
    if (length <= LARGEST_UNCOUNTED || this.#budget.holds(buffer)) return;
    const { most } = this.#budget;
    if (length > most) {
      throw new RangeError(
        `a chunk has ${length} bytes, more than maxBuffered (${most})`,
      );
    }
    if (!this.#owner.makeRoom(length)) this.#owner.shed();
  }

  /** Appends bytes, copied if short; from `SMALLEST_DIRECT_WRITE` on, queued in place. */
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

  /** Starts a write. A pending write continues with the gathered bytes by itself. */
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
      this.#writingCounted = piece.counted;
      if (piece.bytes.length !== piece.length) {
        return this.#onFailed(
          new MisuseError(
            "the bytes of a body were transferred before the write",
          ),
        );
      }
      this.#writing = piece.bytes;
      this.#writingSlab = piece.slab;
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
    if (!this.#streak.isTooLong(count)) return this.#goOn(count);
    afterTurn(() => this.#goOn(count));
  };

  /** Writes what is left, after a write of `count` bytes. */
  #goOn(count: number): void {
    const writing = this.#writing!;
    if (count < writing.length && !this.closed) {
      this.#writing = writing.subarray(count);
      return this.#writeRest();
    }
    this.#endWrite();
    if (this.closed) return;
    this.#writeNext();
    this.#settleWaiting();
    this.#owner.written();
  }

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
    // A custom `Conn` may have transferred the buffer; the slab is lost then.
    if (slab.bytes.length === 0) this.#slabs.drop(slab);
    else this.#slabs.release(slab);
  }

  /** Resolves when the output may take more; rejects when it closes. */
  room(): Promise<void> {
    return this.#until(MOST_PENDING, Infinity);
  }

  /**
   * Flushes. Resolves when all bytes appended so far are written; rejects when the output
   * closes before that.
   */
  empty(): Promise<void> {
    this.flush();
    return this.#until(0, this.sent + this.pending);
  }

  #until(most: number, end: number): Promise<void> {
    if (!this.closed && this.pending <= most) return Promise.resolve();
    const done = Promise.withResolvers<void>();
    if (this.closed) done.reject(this.#reason);
    else this.#waiting.push({ most, end, done });
    return done.promise;
  }

  #reason: unknown = undefined;

  #settleWaiting(): void {
    if (this.#waiting.length === 0) return;
    const isReady = ({ most, end }: Waiting) =>
      this.pending <= most || this.sent >= end;
    const ready = this.#waiting.filter(isReady);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter((wait) => !isReady(wait));
    for (const { done } of ready) done.resolve();
  }

  /** Drops unwritten bytes. The slab of a pending write is released when it settles. */
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
    for (const { end, done } of this.#waiting) {
      // The write that is under way may have taken these bytes.
      if (this.sent >= end) done.resolve();
      else done.reject(reason);
    }
    this.#waiting = [];
  }
}

/** Appends Latin-1 text. */
export function appendText(output: Output, text: string): void {
  const slab = output.reserve(text.length);
  output.end = writeText(slab.bytes, output.end, text);
}

/** Appends field lines and the terminating empty line. */
export function appendFields(
  output: Output,
  fields: readonly FieldPair[],
): void {
  const slab = output.reserve(sizeOfFields(fields) + 2);
  const at = writeFields(slab.bytes, output.end, fields);
  output.end = writeText(slab.bytes, at, "\r\n");
}
