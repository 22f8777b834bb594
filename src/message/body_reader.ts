/**
 * Who gets the payload of the current message: a buffered read, a byte stream, or
 * nobody.
 *
 * There is one body at a time on a connection, so each machine has one of these
 * and uses it again. Whichever consumer runs dry asks the driver for bytes through
 * `machine.demand`; when they come later, `progress()` lets it go on.
 *
 * @module
 */

import { HttpError } from "../errors.ts";
import { discardedError, releasedError, usedError } from "./misuse.ts";
import {
  FIRST_GATHERED,
  LARGEST_STREAMED,
  LONGEST_ARRAY,
  MOST_AHEAD,
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
import type { PooledRequest, RequestBody } from "./request.ts";
import { BODY_TOO_LARGE, BUFFERS_FULL } from "../wire/refusals.ts";

/** No message has a body under way. */
const IDLE = 0;
/** There is a body, and nobody has asked for it. */
const UNREAD = 1;
const GATHERING = 2;
const STREAMING = 3;
/** Nobody will read the rest. */
const DISCARDING = 4;

/** How much longer an array grows: a known length is worth longer steps. */
const GROWTH = 2;
const GROWTH_TO_LENGTH = 4;

type Bytes = Uint8Array<ArrayBuffer>;

/** What a reader of bodies asks of its machine. */
export interface ReaderHost extends DecoderHost {
  /** Puts bytes in at once and gives true, or sees to it that `progress()` is called. */
  demand(): boolean;
  /** Counts the arrays of buffered reads. */
  readonly budget: Budget;
  /** The refusal of a body that may not be read. */
  bodyRefusal(refusal: number, found: string): HttpError;
}

/** The body of the one message that is being read. */
export class BodyReader implements RequestBody {
  readonly decoder: BodyDecoder;
  readonly #host: ReaderHost;
  readonly #window: Window;
  #mode = IDLE;
  /** The request that the body belongs to, until its release. */
  #request: PooledRequest | null = null;
  /** The refusal of the body as too large for a buffered read. */
  refused: HttpError | null = null;
  /** Whether the consumer ran dry and waits for `progress()`. */
  #waiting = false;
  /** Why a body that nobody had used can no longer be read. */
  #lost: () => unknown = usedError;

  // A buffered read.
  #gathered: Bytes = EMPTY;
  #filled = 0;
  /** The declared length in bytes, or Infinity. */
  #length = Infinity;
  #gatherer: PromiseWithResolvers<Bytes> | null = null;
  /** Bytes taken from the budget. */
  #taken = 0;

  // A stream.
  #streamed = 0;
  /** Bytes that the stream may give, or Infinity. */
  #mostStreamed = Infinity;
  #controller: ReadableByteStreamController | null = null;
  #outlivesRequest = false;

  constructor(host: ReaderHost) {
    this.#host = host;
    this.#window = host.window;
    this.decoder = new BodyDecoder(host);
  }

  /** Whether a body holds the connection. */
  get active(): boolean {
    return this.#mode !== IDLE;
  }

  /** Whether there is a body, and nobody reads it: not yet, or not any more. */
  get unread(): boolean {
    return this.#mode === DISCARDING ||
      (this.#mode === UNREAD && this.#controller === null);
  }

  /** Whether somebody reads the body, and waits for bytes. */
  get starved(): boolean {
    return this.#waiting;
  }

  /** A message with a body of `length` bytes, or chunked where that is negative. */
  begin(request: PooledRequest, length: number): void {
    this.#request = request;
    this.#mode = UNREAD;
    this.#lost = usedError;
    this.#streamed = 0;
    this.decoder.begin(request, length);
  }

  /** The whole body as one array. */
  gather(request: PooledRequest): Promise<Bytes> {
    if (this.#request !== request || this.#mode !== UNREAD) {
      return Promise.reject(this.#lost());
    }
    const length = this.decoder.knownRemaining;
    this.#length = length > 0 ? length : Infinity;
    this.#filled = 0;
    if (length > Math.min(this.#host.limits.maxBodySize, LONGEST_ARRAY)) {
      return Promise.reject(this.#refuseTooLarge());
    }
    if (length > 0) {
      const refused = this.#grow(Math.min(length, MOST_AHEAD));
      if (refused !== null) return Promise.reject(refused);
    }
    this.#controller = null;
    this.#mode = GATHERING;
    try {
      // A body that is there already takes no resolvers.
      const whole = this.#gatherOn();
      if (whole !== null) return Promise.resolve(whole);
    } catch (error) {
      return Promise.reject(error);
    }
    const gatherer = this.#gatherer = Promise.withResolvers<Bytes>();
    return gatherer.promise;
  }

  /** The body as a byte stream. */
  stream(request: PooledRequest): ReadableStream<Bytes> {
    const usable = this.#request === request && this.#mode === UNREAD;
    let own: ReadableByteStreamController;
    return new ReadableStream({
      type: "bytes",
      start: (controller) => {
        if (!usable) return controller.error(this.#lost());
        own = this.#controller = controller;
      },
      pull: (controller) => {
        if (this.#controller !== controller) {
          return controller.error(this.#lost());
        }
        this.#request?.useBody();
        this.#mode = STREAMING;
        this.#runStream(controller);
      },
      cancel: () => {
        if (this.#controller !== own) return;
        this.#request?.useBody();
        this.#controller = null;
        this.#waiting = false;
        this.#mode = DISCARDING;
      },
    });
  }

  /** The stream of the body went to a Fetch request, which may outlive the pooled one. */
  outliveRequest(request: PooledRequest): void {
    if (this.#request !== request) return;
    this.#outlivesRequest = true;
    this.#mostStreamed = this.#host.limits.maxFetchBodySize;
  }

  /** The request of the body was released: unless the stream outlives it, so is its body. */
  leave(request: PooledRequest): void {
    if (this.#request !== request) return;
    this.#request = null;
    this.decoder.forgetRequest();
    if (!this.#outlivesRequest) this.#stop(releasedError);
  }

  /**
   * Somebody wants the next message. A buffered read that is under way ends first;
   * any other rest of the body is discarded. Gives whether the body is done with.
   */
  discard(): boolean {
    if (this.#mode === GATHERING) return false;
    if (this.#mode !== DISCARDING) {
      this.#stop(discardedError);
    }
    const decoder = this.decoder;
    for (;;) {
      const found = decoder.next();
      if (found === STARVED) return false;
      if (found === FINISHED) {
        this.#finish();
        return true;
      }
      const { runStart, runEnd } = this.#window;
      this.#window.takeRun(runEnd - runStart);
    }
  }

  /** Bytes came, or the input ended: who waited for that goes on. */
  progress(): void {
    if (this.#waiting) this.#goOn();
  }

  #goOn(): void {
    this.#waiting = false;
    if (this.#mode === GATHERING) this.#resumeGatherer(this.#gatherer!);
    else if (this.#controller !== null) this.#runStream(this.#controller);
  }

  /** The input failed, or nobody wants it any more. */
  close(reason: unknown): void {
    if (this.#mode !== IDLE) {
      this.#stop(() => reason);
      this.#finish();
    }
    this.decoder.close();
  }

  /**
   * Where the next bytes of the input can be put at once, past the window: the free
   * part of a large array that is being gathered. `null` when there is none.
   */
  direct(): Bytes | null {
    if (
      this.#mode !== GATHERING || this.#length === Infinity ||
      this.decoder.knownRemaining < SMALLEST_DIRECT_READ ||
      (this.#filled === this.#gathered.length &&
        this.#grow(this.#filled + 1) !== null)
    ) return null;
    return this.#gathered.subarray(this.#filled);
  }

  /** `count` bytes were put there; `buffer` is the array's, which may have moved. */
  directed(buffer: ArrayBuffer, count: number): void {
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
   * Gathers what is there. Gives the whole body at its end, and `null` before.
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
      // A refusal as too large leaves a body to be discarded.
      if (error !== this.refused) this.#finish();
      throw error;
    }
  }

  /** Refuses the body to its reader. The rest of it is discarded. */
  #refuse(refusal: number, found: string): HttpError {
    const error = this.#host.bodyRefusal(refusal, found);
    this.refused = error;
    this.decoder.forgetRequest(); // It was not read to its end: no trailers.
    this.#stop(() => error);
    return error;
  }

  #refuseTooLarge(): HttpError {
    const { maxBodySize } = this.#host.limits;
    return this.#refuse(
      BODY_TOO_LARGE,
      maxBodySize === Infinity
        ? "more than memory holds"
        : `more than ${maxBodySize} bytes`,
    );
  }

  /** Copies the run into the array. Gives the refusal when the array may not grow. */
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
   * Makes the array longer, so it takes `least` bytes. Gives the refusal where it may
   * not be as long, or neither the budget nor the memory has room.
   */
  #grow(least: number): HttpError | null {
    const { budget, limits } = this.#host;
    const most = Math.min(limits.maxBodySize, this.#length);
    if (least > most) return this.#refuseTooLarge();
    const filled = this.#filled;
    const longer = this.#length === Infinity
      ? Math.max(FIRST_GATHERED, GROWTH * filled)
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

  /** The array goes to the program, or to nobody. */
  #giveArray(): void {
    this.#gathered = EMPTY;
    if (this.#taken === 0) return;
    this.#host.budget.give(this.#taken);
    this.#taken = 0;
  }

  #runStream(controller: ReadableByteStreamController): void {
    const { decoder } = this;
    // A declared length is refused before a client is told to send the body.
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
      // The stream closes with its last byte: nobody need ask once more.
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

  /** Refuses a body of which more is known to come than its stream may give. */
  #refusesStream(): boolean {
    const { runStart, runEnd } = this.#window;
    const known = runEnd - runStart + this.decoder.knownRemaining;
    if (this.#streamed + known <= this.#mostStreamed) return false;
    this.#refuse(BODY_TOO_LARGE, `more than ${this.#mostStreamed} bytes`);
    return true;
  }

  /** Hands the run, or as much as fits, to the stream's reader. */
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
    // What is handed over is used up first: the reader may ask for more at once.
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
   * Ends whoever reads the body; the rest will be discarded. The reason is made
   * only for somebody to see: an error costs a kilobyte.
   */
  #stop(reason: () => unknown): void {
    this.#lost = reason;
    this.#gatherer?.reject(reason());
    this.#controller?.error(reason());
    this.#gatherer = null;
    this.#controller = null;
    this.#giveArray();
    this.#waiting = false;
    this.#mode = DISCARDING;
  }

  /** The message is over: the connection is free for the next. */
  #finish(): void {
    this.#mode = IDLE;
    this.refused = null;
    this.#request = null;
    this.#gatherer = null;
    this.#controller = null;
    this.#giveArray();
    this.#waiting = false;
    this.#outlivesRequest = false;
    this.#mostStreamed = Infinity;
  }
}

/**
 * Closes a byte stream, and answers a reader that brought a buffer. Where the last
 * bytes fill no whole element of that buffer's type, the stream has errored instead.
 */
export function endStream(controller: ReadableByteStreamController): void {
  try {
    controller.close();
    controller.byobRequest?.respond(0);
  } catch {
    // The reader has met the error.
  }
}

const EMPTY: Bytes = new Uint8Array(0);
