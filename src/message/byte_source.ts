/**
 * Drives a machine from a readable stream, which is read on demand and, if it is a byte
 * stream, directly into pooled slabs.
 *
 * Large chunks are pushed in pieces, so that the window stays within one slab.
 *
 * @module
 */

import { ASIDE_READ, FEED_PIECE } from "../memory/sizes.ts";
import { isBytes, plainBytes } from "./bytes.ts";
import type { Machine } from "./machine.ts";
import { noBytesError } from "./misuse.ts";
import { afterTurn, Streak } from "./streak.ts";

/** The input side of a machine. */
export interface Inlet {
  /** Pushes bytes now and returns true, or returns false and delivers some later. */
  demand(): boolean;
  /** Cancels the input because the reader of the requests left. */
  cancel(reason: unknown): Promise<void>;
  /** Stops the input after a refusal, which the reader of the requests has received. */
  refuse(error: unknown): void;
}

/** Receives the events of a source. */
export interface Consumer {
  /** Whether the consumer ignores further events. */
  readonly closed: boolean;
  /** Called when bytes arrived or the input ended. */
  wake(): void;
  /** Called when the source failed. */
  fail(error: unknown): void;
}

/** Pushes a chunk into a machine piece by piece. */
export class Feed {
  readonly #machine: Machine;
  #chunk: Uint8Array | null = null;
  #fed = 0;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  set(chunk: Uint8Array): void {
    this.#chunk = plainBytes(chunk);
    this.#fed = 0;
  }

  clear(): void {
    this.#chunk = null;
  }

  /** Pushes the next piece. Returns whether there was one. */
  feed(): boolean {
    const chunk = this.#chunk;
    if (chunk === null) return false;
    const start = this.#fed;
    this.#fed = Math.min(chunk.length, start + FEED_PIECE);
    this.#machine.push(
      start === 0 && this.#fed === chunk.length
        ? chunk
        : chunk.subarray(start, this.#fed),
    );
    if (this.#fed === chunk.length) this.#chunk = null;
    return true;
  }
}

/** Reads a stream on demand, with a BYOB reader if it supports one. */
export class ByteSource implements Inlet {
  consumer!: Consumer;
  readonly #machine: Machine;
  readonly #feed: Feed;
  readonly #byob: ReadableStreamBYOBReader | null = null;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  readonly #streak = new Streak();
  /** Whether a read is pending, or bytes that have come wait for a turn. */
  #reading = false;
  /** Whether the source ended or failed. */
  ended = false;

  constructor(machine: Machine, source: ReadableStream<Uint8Array>) {
    this.#machine = machine;
    this.#feed = new Feed(machine);
    try {
      this.#byob = source.getReader({ mode: "byob" });
    } catch {
      // Not a byte stream, or locked; the latter throws again here.
      this.#reader = source.getReader();
    }
  }

  demand(): boolean {
    if (this.#reading) return false;
    if (this.#feed.feed()) {
      if (!this.#streak.isTooLong(FEED_PIECE)) return true;
      this.#reading = true;
      afterTurn(() => this.#take(false));
      return false;
    }
    if (!this.#machine.ended) {
      this.#reading = true;
      if (this.#byob !== null) this.#readInto(this.#byob);
      else this.#readFrom(this.#reader!);
    }
    return false;
  }

  /**
   * Reads ahead into separate memory and appends the bytes to the window, which is not
   * lent because the consumer may parse its bytes in the meantime.
   */
  readAhead(): boolean {
    // A default reader returns chunks of its own and never borrows the window.
    if (this.#byob === null) return this.demand();
    if (this.#reading || this.#machine.ended) return false;
    this.#reading = true;
    this.#byob.read(new Uint8Array(ASIDE_READ)).then(
      ({ done, value }) => {
        if (this.consumer.closed) return;
        if (value !== undefined && value.length > 0) this.#machine.push(value);
        this.#arrived(done, value?.length ?? 0);
      },
      (error) => this.#failed(error),
    );
    return false;
  }

  /** Reads a chunk and discards it, then wakes the consumer. */
  discard(): void {
    if (this.#reading) return;
    this.#reading = true;
    const read: Promise<ReadableStreamReadResult<unknown>> =
      this.#byob?.read(new Uint8Array(FEED_PIECE)) ?? this.#reader!.read();
    read.then(
      ({ done, value }) => {
        this.#arrived(done, isBytes(value) ? value.length : 0);
      },
      (error) => this.#failed(error),
    );
  }

  async cancel(reason: unknown): Promise<void> {
    this.#feed.clear();
    await (this.#byob ?? this.#reader!).cancel(reason);
  }

  refuse(): void {
    // The source stays open, so that the owner of the connection can still respond.
    this.#feed.clear();
    (this.#byob ?? this.#reader!).releaseLock();
  }

  #readInto(reader: ReadableStreamBYOBReader): void {
    reader.read(this.#machine.lend()).then(
      ({ done, value }) => {
        if (value === undefined) this.#machine.lose();
        else this.#machine.adopt(value);
        this.#arrived(done, value?.length ?? 0);
      },
      (error) => this.#failed(error),
    );
  }

  #readFrom(reader: ReadableStreamDefaultReader<Uint8Array>): void {
    reader.read().then(
      ({ done, value }) => {
        // The machine is closed after a cancel.
        if (this.consumer.closed) return;
        if (!done && !isBytes(value)) {
          const error = noBytesError();
          this.#failed(error);
          reader.cancel(error).catch(() => {});
          return;
        }
        if (value !== undefined) this.#feed.set(value);
        this.#feed.feed();
        this.#arrived(done, Math.min(value?.length ?? 0, FEED_PIECE));
      },
      (error) => this.#failed(error),
    );
  }

  #arrived(done: boolean, count: number): void {
    if (!this.#streak.isTooLong(count)) return this.#take(done);
    afterTurn(() => this.#take(done));
  }

  #take(done: boolean): void {
    this.#reading = false;
    if (done) {
      this.ended = true;
      this.#machine.finish();
    }
    this.consumer.wake();
  }

  #failed(error: unknown): void {
    this.#reading = false;
    this.ended = true;
    this.#machine.lose();
    this.consumer.fail(error);
  }
}
