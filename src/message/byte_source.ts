/**
 * Where the bytes of a machine come from: a stream that is read when they are
 * wanted, into pooled slabs where it is a byte stream.
 *
 * A large chunk is fed in pieces, so that the window stays within one slab.
 *
 * @module
 */

import { ASIDE_READ, FEED_PIECE } from "../memory/sizes.ts";
import type { Machine } from "./machine.ts";
import { noBytesError } from "./misuse.ts";

/** Where the bytes of a machine come from. */
export interface Inlet {
  /** Puts bytes in at once and gives true, or sees to it that some come later. */
  demand(): boolean;
  /** The reader is gone: for `reason`, or because of a refusal. */
  cancel(reason: unknown): Promise<void>;
  /** The input was refused with `error`, which the reader has met. */
  refuse(error: unknown): void;
}

/** Told of bytes that came. */
export interface Consumer {
  /** Whether nobody wants to know any more. */
  readonly closed: boolean;
  /** Bytes came, or the input ended. */
  wake(): void;
  /** The source failed. */
  fail(error: unknown): void;
}

/** The same bytes without the constructor of a subclass, which `subarray` would call. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  const { buffer, byteOffset, byteLength } = bytes;
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(buffer, byteOffset, byteLength);
}

/** The pieces of a chunk that were not yet fed to a machine. */
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

  /** Feeds the next piece, and gives whether there was one. */
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

/** Reads a source into pooled slabs, as a BYOB reader where the source has one. */
export class ByteSource implements Inlet {
  consumer!: Consumer;
  readonly #machine: Machine;
  readonly #feed: Feed;
  readonly #byob: ReadableStreamBYOBReader | null = null;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  #reading = false;
  /** Whether the source has ended. */
  ended = false;

  constructor(machine: Machine, source: ReadableStream<Uint8Array>) {
    this.#machine = machine;
    this.#feed = new Feed(machine);
    try {
      this.#byob = source.getReader({ mode: "byob" });
    } catch {
      // A source that is no byte stream; a locked one throws here again.
      this.#reader = source.getReader();
    }
  }

  demand(): boolean {
    if (this.#feed.feed()) return true;
    if (!this.#reading && !this.#machine.ended) {
      this.#reading = true;
      if (this.#byob !== null) this.#readInto(this.#byob);
      else this.#readFrom(this.#reader!);
    }
    return false;
  }

  /**
   * Demands bytes while the window holds some that the consumer may ask for meanwhile:
   * the window is not lent to the reader, and what comes is appended to it.
   */
  readAhead(): boolean {
    // A default reader brings memory of its own.
    if (this.#byob === null) return this.demand();
    if (this.#reading || this.#machine.ended) return false;
    this.#reading = true;
    this.#byob.read(new Uint8Array(ASIDE_READ)).then(
      ({ done, value }) => {
        if (this.consumer.closed) return;
        if (value !== undefined && value.length > 0) this.#machine.push(value);
        this.#arrived(done);
      },
      (error) => this.#failed(error),
    );
    return false;
  }

  /** Reads on and throws away what comes; the consumer is told of each chunk. */
  discard(): void {
    if (this.#reading) return;
    this.#reading = true;
    const read: Promise<ReadableStreamReadResult<unknown>> =
      this.#byob?.read(new Uint8Array(FEED_PIECE)) ?? this.#reader!.read();
    read.then(
      ({ done }) => this.#arrived(done),
      (error) => this.#failed(error),
    );
  }

  async cancel(reason: unknown): Promise<void> {
    this.#feed.clear();
    await (this.#byob ?? this.#reader!).cancel(reason);
  }

  refuse(): void {
    // The source stays open: who owns the connection may want to answer on it.
    this.#feed.clear();
    (this.#byob ?? this.#reader!).releaseLock();
  }

  #readInto(reader: ReadableStreamBYOBReader): void {
    reader.read(this.#machine.lend()).then(
      ({ done, value }) => {
        if (value === undefined) this.#machine.lose();
        else this.#machine.adopt(value);
        this.#arrived(done);
      },
      (error) => this.#failed(error),
    );
  }

  #readFrom(reader: ReadableStreamDefaultReader<Uint8Array>): void {
    reader.read().then(
      ({ done, value }) => {
        // What comes after a cancel has no machine to go to.
        if (this.consumer.closed) return;
        if (!done && !(value instanceof Uint8Array)) {
          const error = noBytesError();
          this.#failed(error);
          reader.cancel(error).catch(() => {});
          return;
        }
        if (value !== undefined) this.#feed.set(value);
        this.#feed.feed();
        this.#arrived(done);
      },
      (error) => this.#failed(error),
    );
  }

  #arrived(done: boolean): void {
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
