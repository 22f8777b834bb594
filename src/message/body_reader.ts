/**
 * Delivers the payload of the current message to a buffered read or a byte stream, or
 * discards it.
 *
 * A connection has one body at a time, so each machine reuses a single reader. A
 * consumer that runs out of bytes asks the driver for more through `machine.demand`. If
 * they arrive later, `progress()` resumes it.
 *
 * @module
 */

import { HttpError } from "../errors.ts";
import { discardedError, releasedError, usedError } from "./misuse.ts";
import {
  FIRST_ARRAY,
  LARGEST_FIRST_ARRAY,
  LARGEST_STREAMED,
  LONGEST_ARRAY,
  SMALLEST_DIRECT_READ,
} from "../memory/sizes.ts";
import type { Budget } from "../memory/budget.ts";
import type { Window } from "../memory/window.ts";
import {
  BodyDecoder,
  DATA,
  type DecoderHost,
  FINISHED,
  STARVED,
} from "./body_decoder.ts";
import type { MessageBody, PooledMessage } from "./pooled_message.ts";
import { BODY_TOO_LARGE, BUFFERS_FULL } from "../wire/refusals.ts";

/** No body is in progress. */
const IDLE = 0;
/** There is a body, and nothing has read from it. */
const UNREAD = 1;
/** A buffered read is collecting the body in one array. */
const GATHERING = 2;
const STREAMING = 3;
/** The rest of the body will be dropped. */
const DISCARDING = 4;

/** Growth factors of the array: larger steps towards a known length. */
const GROWTH = 2;
const GROWTH_TO_LENGTH = 4;

type Bytes = Uint8Array<ArrayBuffer>;

/** The body reader's view of its machine. */
export interface ReaderHost extends DecoderHost {
  /** Pushes bytes now and returns true, or returns false and calls `progress()` later. */
  demand(): boolean;
  /** The byte budget that the arrays of buffered reads count towards. */
  readonly budget: Budget;
  /** Called when a body has no consumer any more: at its end, or when it is given up. */
  bodyLeft(): void;
  /** Creates the refusal of the current body. Does not stop the machine. */
  bodyRefusal(refusal: number, found: string): HttpError;
}

/** Reads the body of the current message. */
export class BodyReader implements MessageBody {
  readonly decoder: BodyDecoder;
  readonly #host: ReaderHost;
  readonly #window: Window;
  #mode = IDLE;
  /** The message of the body, until its release. */
  #message: PooledMessage | null = null;
  /** The `body-too-large` error of the current body, if a buffered read got one. */
  refused: HttpError | null = null;
  /** Whether the consumer ran out of bytes and waits for `progress()`. */
  #waiting = false;
  /** Creates the error for a read of a body that can no longer be read. */
  #unreadable: () => unknown = usedError;

  // A buffered read.
  #gathered: Bytes = EMPTY;
  #filled = 0;
  /** The declared length in bytes, or Infinity. */
  #length = Infinity;
  /** Bytes that may be gathered. */
  #most = Infinity;
  #gatherer: PromiseWithResolvers<Bytes> | null = null;
  /** Bytes that the array takes up in the budget. */
  #taken = 0;

  // A stream.
  /** Bytes delivered so far. */
  #streamed = 0;
  /** Maximum bytes that the stream may deliver. */
  #mostStreamed = Infinity;
  #controller: ReadableByteStreamController | null = null;
  #outlivesMessage = false;

  constructor(host: ReaderHost) {
    this.#host = host;
    this.#window = host.window;
    this.decoder = new BodyDecoder(host);
  }

  /** Whether a body is in progress. */
  get active(): boolean {
    return this.#mode !== IDLE;
  }

  /** Whether there is a body without a consumer. */
  get unread(): boolean {
    return this.#mode === DISCARDING ||
      (this.#mode === UNREAD && this.#controller === null);
  }

  /** Whether the rest of the body is to be dropped, because its consumer gave it up. */
  get discarding(): boolean {
    return this.#mode === DISCARDING;
  }

  /** Whether a consumer is waiting for bytes of the body. */
  get starved(): boolean {
    return this.#waiting;
  }

  /** Starts a body of `length` bytes, or one that is `CHUNKED` or lasts `UNTIL_END`. */
  begin(message: PooledMessage, length: number): void {
    this.#message = message;
    this.#mode = UNREAD;
    this.#unreadable = usedError;
    this.#streamed = 0;
    this.decoder.begin(message, length);
  }

  /** Reads the whole body, of at most `most` bytes, into one array. */
  gather(message: PooledMessage, most: number): Promise<Bytes> {
    if (this.#message !== message || this.#mode !== UNREAD) {
      return Promise.reject(this.#unreadable());
    }
    const length = this.decoder.knownRemaining;
    this.#length = length > 0 ? length : Infinity;
    this.#filled = 0;
    this.#most = most;
    if (length > Math.min(most, LONGEST_ARRAY)) {
      return Promise.reject(this.#refuseTooLarge());
    }
    if (length > 0) {
      const refused = this.#grow(Math.min(length, LARGEST_FIRST_ARRAY));
      if (refused !== null) return Promise.reject(refused);
    }
    this.#controller = null;
    this.#mode = GATHERING;
    try {
      // Fast path: the whole body is in the window, so no resolvers are allocated.
      const whole = this.#gatherOn();
      if (whole !== null) return Promise.resolve(whole);
    } catch (error) {
      return Promise.reject(error);
    }
    const gatherer = this.#gatherer = Promise.withResolvers<Bytes>();
    return gatherer.promise;
  }

  /** The body as a byte stream, which reads `ahead` bytes by itself. */
  stream(message: PooledMessage, ahead: number): ReadableStream<Bytes> {
    const usable = this.#message === message && this.#mode === UNREAD;
    let own: ReadableByteStreamController;
    return new ReadableStream({
      type: "bytes",
      start: (controller) => {
        if (!usable) return controller.error(this.#unreadable());
        own = this.#controller = controller;
      },
      pull: (controller) => {
        if (this.#controller !== controller) {
          return controller.error(this.#unreadable());
        }
        this.#message?.useBody();
        this.#mode = STREAMING;
        this.#runStream(controller);
      },
      cancel: () => {
        if (this.#controller !== own) return;
        this.#message?.useBody();
        this.#controller = null;
        this.#waiting = false;
        this.#mode = DISCARDING;
        this.#host.bodyLeft();
      },
    }, { highWaterMark: ahead });
  }

  /** Keeps the body stream readable after the release of `message`, for Fetch. */
  outliveMessage(message: PooledMessage): void {
    if (this.#message !== message) return;
    this.#outlivesMessage = true;
    this.#mostStreamed = this.#host.limits.maxFetchBodySize;
  }

  /** Handles the release of `message`: its body ends too, unless `outliveMessage` was called. */
  detach(message: PooledMessage): void {
    if (this.#message !== message) return;
    this.#message = null;
    this.decoder.forgetMessage();
    if (!this.#outlivesMessage) this.#abandon(releasedError);
  }

  /** Ends a body that nothing has used, if it is whole in the window. */
  skipUnused(message: PooledMessage): boolean {
    if (
      this.#message !== message || this.#mode !== UNREAD ||
      this.#controller !== null || this.#outlivesMessage || !this.decoder.skip()
    ) return false;
    this.#message = null;
    this.decoder.forgetMessage();
    this.#unreadable = releasedError;
    this.#mode = IDLE;
    this.#host.bodyLeft();
    return true;
  }

  /**
   * Makes way for the next message: discards the rest of the body, unless a buffered
   * read is in progress, which is allowed to complete. Returns whether the body is over.
   */
  discard(): boolean {
    if (this.#mode === GATHERING) return false;
    if (this.#mode !== DISCARDING) {
      this.#abandon(discardedError);
    }
    const decoder = this.decoder;
    while (!decoder.skip()) {
      const found = decoder.next();
      if (found === STARVED) return false;
      if (found === FINISHED) break;
      const { runStart, runEnd } = this.#window;
      this.#window.takeRun(runEnd - runStart);
    }
    this.#finish();
    return true;
  }

  /** Resumes a waiting consumer after bytes arrived or the input ended. */
  progress(): void {
    if (this.#waiting) this.#resume();
  }

  #resume(): void {
    this.#waiting = false;
    if (this.#mode === GATHERING) this.#resumeGatherer(this.#gatherer!);
    else if (this.#controller !== null) this.#runStream(this.#controller);
  }

  /** Ends the body with `reason`: the input failed, or the machine closes. */
  close(reason: unknown): void {
    if (this.#mode !== IDLE) {
      const { refused } = this;
      this.#abandon(() => reason);
      this.#finish();
      // No body follows, and whoever got the refusal may still be about to rethrow it.
      this.refused = refused;
    }
    this.decoder.close();
  }

  /**
   * Memory for reading past the window: the free part of a large array that a buffered
   * read is filling, or `null`.
   */
  directMemory(): Bytes | null {
    if (
      this.#mode !== GATHERING || this.#length === Infinity ||
      this.decoder.knownRemaining < SMALLEST_DIRECT_READ ||
      (this.#filled === this.#gathered.length &&
        this.#grow(this.#filled + 1) !== null)
    ) return null;
    return this.#gathered.subarray(this.#filled);
  }

  /**
   * Takes `count` bytes that were read into the memory from `directMemory`. `buffer`
   * replaces the array's buffer if a BYOB reader detached it.
   */
  commitDirect(buffer: ArrayBuffer, count: number): void {
    this.decoder.bypass(count);
    if (this.#mode !== GATHERING) return;
    if (this.#gathered.buffer !== buffer) {
      this.#gathered = new Uint8Array(buffer);
    }
    this.#filled += count;
  }

  #resumeGatherer(gatherer: PromiseWithResolvers<Bytes>): void {
    try {
      const whole = this.#gatherOn();
      if (whole !== null) gatherer.resolve(whole);
    } catch (error) {
      gatherer.reject(error);
    }
  }

  /**
   * Collects the available payload. Returns the whole body once it is complete, else
   * `null`.
   *
   * @throws {HttpError} The body is refused.
   */
  #gatherOn(): Bytes | null {
    const { decoder } = this;
    try {
      for (;;) {
        const found = decoder.next();
        if (found === DATA) {
          const refused = this.#append();
          if (refused !== null) throw refused;
        } else if (found === FINISHED) {
          const whole = this.#filled === this.#gathered.length
            ? this.#gathered
            : this.#gathered.slice(0, this.#filled);
          this.#finish();
          return whole;
        } else if (!this.#host.demand()) {
          this.#waiting = true;
          return null;
        }
      }
    } catch (error) {
      // After body-too-large the framing is intact, so the rest can be discarded.
      if (error !== this.refused) this.#finish();
      throw error;
    }
  }

  /** Fails the consumer with a refusal; the rest of the body is discarded. */
  #refuse(refusal: number, found: string): HttpError {
    const error = this.#host.bodyRefusal(refusal, found);
    this.refused = error;
    this.decoder.forgetMessage(); // Not read to its end, so it gets no trailers.
    this.#abandon(() => error);
    return error;
  }

  #refuseTooLarge(): HttpError {
    const most = this.#most;
    return this.#refuse(
      BODY_TOO_LARGE,
      most === Infinity ? "more than memory holds" : `more than ${most} bytes`,
    );
  }

  /** Appends the run to the array. Returns the refusal if the array cannot grow enough. */
  #append(): HttpError | null {
    const bytes = this.#window.slab!.bytes;
    const { runStart, runEnd } = this.#window;
    const count = runEnd - runStart;
    const filled = this.#filled;
    if (filled + count > this.#gathered.length) {
      const refused = this.#grow(filled + count);
      if (refused !== null) return refused;
    }
    this.#gathered.set(bytes.subarray(runStart, runEnd), filled);
    this.#filled = filled + count;
    this.#window.takeRun(count);
    return null;
  }

  /**
   * Grows the array to at least `least` bytes. Returns the refusal if that exceeds a
   * limit or the budget, or if the allocation fails.
   */
  #grow(least: number): HttpError | null {
    const { budget } = this.#host;
    const most = Math.min(this.#most, this.#length);
    if (least > most) return this.#refuseTooLarge();
    const filled = this.#filled;
    const longer = this.#length === Infinity
      ? Math.max(FIRST_ARRAY, GROWTH * filled)
      : GROWTH_TO_LENGTH * filled;
    const length = Math.min(most, Math.max(least, longer));
    const more = length - this.#taken;
    if (!budget.admits(more)) {
      return this.#refuse(
        BUFFERS_FULL,
        `${budget.held} bytes held and ${more} more`,
      );
    }
    try {
      const grown = new Uint8Array(length);
      grown.set(this.#gathered.subarray(0, filled));
      this.#gathered = grown;
    } catch (error) {
      if (error instanceof RangeError) return this.#refuseTooLarge();
      throw error;
    }
    budget.take(more);
    this.#taken = length;
    return null;
  }

  /** Drops the array and returns its bytes to the budget. */
  #releaseArray(): void {
    this.#gathered = EMPTY;
    if (this.#taken === 0) return;
    this.#host.budget.give(this.#taken);
    this.#taken = 0;
  }

  #runStream(controller: ReadableByteStreamController): void {
    const { decoder } = this;
    // Check Content-Length first, before `demand` sends a 100 (Continue).
    if (this.#refusesStream()) return;
    try {
      let found: number;
      while ((found = decoder.next()) === STARVED) {
        if (!this.#host.demand()) {
          this.#waiting = true;
          return;
        }
      }
      if (found === DATA) {
        if (this.#refusesStream()) return;
        this.#enqueue(controller);
      }
      // Close the stream with its last byte, without waiting for another pull.
      if (this.#controller !== controller) return;
      if (found === FINISHED || decoder.isComplete) {
        this.#finish();
        endStream(controller);
      }
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#finish();
      controller.error(error);
    }
  }

  /** Refuses the body if more bytes are known to follow than the stream may deliver. */
  #refusesStream(): boolean {
    const { runStart, runEnd } = this.#window;
    const known = runEnd - runStart + this.decoder.knownRemaining;
    if (this.#streamed + known <= this.#mostStreamed) return false;
    this.#refuse(BODY_TOO_LARGE, `more than ${this.#mostStreamed} bytes`);
    return true;
  }

  /** Delivers the run, or as much as fits, to the stream's reader. */
  #enqueue(controller: ReadableByteStreamController): void {
    const bytes = this.#window.slab!.bytes;
    const { runStart: start, runEnd } = this.#window;
    const request = controller.byobRequest;
    const view = request?.view;
    const count = Math.min(
      runEnd - start,
      view?.byteLength ?? LARGEST_STREAMED,
    );
    this.#streamed += count;
    // Consume first: `respond` and `enqueue` may call `pull` synchronously.
    this.#window.takeRun(count);
    if (request && view) {
      new Uint8Array(view.buffer, view.byteOffset, count)
        .set(bytes.subarray(start, start + count));
      request.respond(count);
    } else {
      controller.enqueue(bytes.slice(start, start + count));
    }
  }

  /**
   * Fails the consumer; the rest of the body will be discarded. The error is created
   * only if it is used, because it costs a kilobyte.
   */
  #abandon(reason: () => unknown): void {
    this.#unreadable = reason;
    this.#gatherer?.reject(reason());
    this.#controller?.error(reason());
    this.#gatherer = null;
    this.#controller = null;
    this.#releaseArray();
    this.#waiting = false;
    this.#mode = DISCARDING;
    this.#host.bodyLeft();
  }

  /** Resets the reader at the end of the message. */
  #finish(): void {
    this.#mode = IDLE;
    this.refused = null;
    this.#message = null;
    this.#gatherer = null;
    this.#controller = null;
    this.#releaseArray();
    this.#waiting = false;
    this.#outlivesMessage = false;
    this.#mostStreamed = Infinity;
    this.#host.bodyLeft();
  }
}

/**
 * Closes a byte stream and completes a pending BYOB read. If the last bytes do not fill
 * a whole element of the reader's view, the stream errors instead.
 */
export function endStream(controller: ReadableByteStreamController): void {
  try {
    controller.close();
    controller.byobRequest?.respond(0);
  } catch {
    // `close` has errored the stream, so the reader gets the error.
  }
}

const EMPTY: Bytes = new Uint8Array(0);
