/**
 * The web-streams face: a stream of bytes becomes a stream of requests.
 *
 * Both ways in drive the same machine and share one way out, the `Outlet`, a
 * readable stream without a queue: a request is parsed when it is asked for, so
 * that an error comes after the requests before it, and cancelling finds nothing
 * to clean up but the window. What differs is who is asked for more bytes:
 * `readRequests` reads from its source, `RequestStream` lets the writer go on.
 *
 * @example Requests of a connection
 * ```ts ignore
 * import { readRequests } from "@pooled/http1/stream";
 *
 * for await (const conn of Deno.listen({ port: 8000 })) {
 *   for await (using request of readRequests(conn.readable)) {
 *     console.log(request.method, request.target);
 *   }
 * }
 * ```
 *
 * @module
 */

import { Machine } from "./message/machine.ts";
import type { ParserOptions } from "./message/pools.ts";
import { noBytesError } from "./message/misuse.ts";
import type { HttpRequest } from "./message/request.ts";
import { ByteSource, Feed, type Inlet } from "./message/byte_source.ts";

export * from "./message.ts";

/** What `readRequests` and `RequestStream` can be given: what a parser can. */
export type RequestStreamOptions = ParserOptions;

/** The readable stream of requests of one machine. */
class Outlet {
  readonly readable: ReadableStream<HttpRequest>;
  readonly #machine: Machine;
  readonly #inlet: Inlet;
  #controller!: ReadableStreamDefaultController<HttpRequest>;
  /** Whether a reader waits for a request. */
  #asked = false;
  #closed = false;

  /** Whether the stream has ended, in whatever way. */
  get closed(): boolean {
    return this.#closed;
  }

  constructor(machine: Machine, inlet: Inlet) {
    this.#machine = machine;
    this.#inlet = inlet;
    machine.demand = () => inlet.demand();
    this.readable = new RequestReadable(this, {
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.pull(),
      cancel: (reason) => {
        // Who leaves because a message was refused may still want to answer it.
        const { refused } = machine;
        this.#close(reason);
        return refused ? inlet.refuse(reason) : inlet.cancel(reason);
      },
    }, { highWaterMark: 0 });
  }

  /** Bytes came, or the input ended: whoever waited for that goes on. */
  wake(): void {
    if (this.#closed) return;
    this.#machine.body.progress();
    if (this.#machine.error !== null) this.#refuse(this.#machine.error);
    else if (this.#asked) this.pull();
    else if (this.#machine.finished) this.#end();
  }

  /** Ends the stream with an error. */
  fail(error: unknown): void {
    if (this.#closed) return;
    this.#close(error);
    this.#controller.error(error);
  }

  /** The reader that waited for a request has gone. */
  forgetAsking(): void {
    this.#asked = false;
  }

  /** A request that is there already, for an iterator: past the stream's own steps. */
  take(): HttpRequest | null {
    if (this.#closed) return null;
    try {
      return this.#machine.next();
    } catch (error) {
      this.#refuse(error);
      return null;
    }
  }

  /** Somebody asks for a request: hands one over, now or when it has come. */
  pull(): void {
    this.#asked = true;
    try {
      for (;;) {
        // A request that nobody waits for would lie in the queue, where a cancel
        // cannot reach it. The next reader asks again.
        if (!this.readable.locked) return;
        const request = this.#machine.next();
        if (request !== null) {
          this.#asked = false;
          this.#controller.enqueue(request);
          return;
        }
        if (this.#machine.finished) return this.#end();
        if (!this.#inlet.demand()) return;
      }
    } catch (error) {
      this.#refuse(error);
    }
  }

  #refuse(error: unknown): void {
    this.fail(error);
    this.#inlet.refuse(error);
  }

  #end(): void {
    this.#close(undefined);
    this.#controller.close();
  }

  #close(reason: unknown): void {
    this.#closed = true;
    this.#machine.close(
      reason ?? new TypeError("the stream of requests ended"),
    );
  }
}

/**
 * The stream of an outlet, with an iterator of its own: the stream's costs 200 ns
 * and more an item, this one a promise, as long as requests are there.
 */
class RequestReadable extends ReadableStream<HttpRequest> {
  readonly #outlet: Outlet;

  constructor(
    outlet: Outlet,
    source: UnderlyingDefaultSource<HttpRequest>,
    strategy: QueuingStrategy<HttpRequest>,
  ) {
    super(source, strategy);
    this.#outlet = outlet;
  }

  /** A new reader has not asked for anything, whatever the one before it did. */
  override getReader(options?: ReadableStreamGetReaderOptions): never {
    const reader = super.getReader(options as { mode: "byob" });
    this.#outlet.forgetAsking();
    return reader as never;
  }

  override values(
    options?: ReadableStreamIteratorOptions,
  ): RequestIterator {
    return new RequestIterator(
      this.#outlet,
      this.getReader(),
      options?.preventCancel ?? false,
    );
  }

  override [Symbol.asyncIterator](
    options?: ReadableStreamIteratorOptions,
  ): RequestIterator {
    return this.values(options);
  }
}

/** Takes requests from the outlet while there are any, and else reads the stream. */
class RequestIterator implements AsyncIterableIterator<HttpRequest> {
  readonly #outlet: Outlet;
  readonly #reader: ReadableStreamDefaultReader<HttpRequest>;
  readonly #preventCancel: boolean;
  /** Reads of the stream that were not answered yet: what comes next is theirs. */
  #reads = 0;
  #done = false;

  constructor(
    outlet: Outlet,
    reader: ReadableStreamDefaultReader<HttpRequest>,
    preventCancel: boolean,
  ) {
    this.#outlet = outlet;
    this.#reader = reader;
    this.#preventCancel = preventCancel;
  }

  next(): Promise<IteratorResult<HttpRequest, undefined>> {
    if (this.#done) return Promise.resolve({ done: true, value: undefined });
    const request = this.#reads === 0 ? this.#outlet.take() : null;
    return request !== null
      ? Promise.resolve({ done: false, value: request })
      : this.#read();
  }

  async return(): Promise<IteratorResult<HttpRequest, undefined>> {
    if (!this.#done) {
      this.#done = true;
      if (!this.#preventCancel && !this.#outlet.closed) {
        await this.#reader.cancel();
      }
      this.#reader.releaseLock();
    }
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #read(): Promise<IteratorResult<HttpRequest, undefined>> {
    this.#reads++;
    try {
      const { done, value } = await this.#reader.read();
      if (!done) return { done, value };
      this.#end();
      return { done, value: undefined };
    } catch (error) {
      this.#end();
      throw error;
    } finally {
      this.#reads--;
    }
  }

  #end(): void {
    this.#done = true;
    this.#reader.releaseLock();
  }
}

/**
 * The requests of a byte stream, in order. They are parsed as they are asked for;
 * their bytes are read straight into pooled memory where the source is a byte
 * stream (as `conn.readable` is), and copied into it where it is not.
 *
 * Leaving the loop cancels the source, which closes a connection. An error of the
 * source reaches the reader. After a refusal the source is unlocked and open, so
 * that its owner can answer and close it.
 *
 * @param source The bytes, such as `conn.readable`. It is locked.
 * @param options Limits on what a peer may send, and the pools to draw from.
 * @returns The requests. The stream errors with an {@linkcode HttpError} at the
 * first message that is refused, after all requests before it.
 * @throws {TypeError} The source is locked.
 * @throws {RangeError} A limit is no whole number, or the head could not fit.
 *
 * @example
 * ```ts
 * import { readRequests } from "@pooled/http1";
 *
 * const wire = new Blob(["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"]);
 * for await (using request of readRequests(wire.stream())) {
 *   console.log(await request.text()); // hi
 * }
 * ```
 */
export function readRequests(
  source: ReadableStream<Uint8Array>,
  options?: RequestStreamOptions,
): ReadableStream<HttpRequest> {
  const machine = new Machine(options);
  const inlet = new ByteSource(machine, source);
  const outlet = new Outlet(machine, inlet);
  inlet.consumer = outlet;
  return outlet.readable;
}

/** Lets a writer go on when the machine runs dry. */
class WriterInlet implements Inlet {
  outlet!: Outlet;
  readonly writable: WritableStream<Uint8Array>;
  readonly #machine: Machine;
  readonly #feed: Feed;
  #controller!: WritableStreamDefaultController;
  /** The write that waits until its chunk is used up. */
  #write: PromiseWithResolvers<void> | null = null;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#feed = new Feed(machine);
    this.writable = new WritableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
        // Sooner than a sink's `abort`, which waits for a write that may never end.
        const { signal } = controller;
        signal.addEventListener("abort", () => {
          this.outlet.fail(signal.reason);
          this.#settleWrite(signal.reason);
        });
      },
      write: (chunk) => this.#written(chunk),
      close: () => this.#closed(),
    });
  }

  demand(): boolean {
    if (this.#feed.feed()) return true;
    this.#write?.resolve();
    this.#write = null;
    return false;
  }

  // deno-lint-ignore require-await -- the promise is what the interface asks for
  async cancel(reason: unknown): Promise<void> {
    this.refuse(reason);
  }

  refuse(error: unknown): void {
    this.#controller.error(error);
    this.#settleWrite(error);
  }

  #settleWrite(error: unknown): void {
    this.#feed.clear();
    this.#write?.reject(error);
    this.#write = null;
  }

  #written(chunk: Uint8Array): Promise<void> {
    if (!(chunk instanceof Uint8Array)) {
      const error = noBytesError();
      this.outlet.fail(error);
      return Promise.reject(error);
    }
    const write = this.#write = Promise.withResolvers<void>();
    this.#feed.set(chunk);
    this.#feed.feed();
    this.outlet.wake();
    return write.promise;
  }

  #closed(): void {
    this.#machine.finish();
    this.outlet.wake();
    // All writes are used up, so what is left now can be no whole message.
    if (!this.outlet.closed) this.outlet.pull();
    if (this.#machine.error !== null) throw this.#machine.error;
  }
}

/**
 * A transform stream from bytes to requests, for `pipeThrough`. A write is settled
 * when the reader wants more than its chunk held, so an unread body holds the writer
 * back, and so does a reader that asks for nothing.
 *
 * Errors reach both ends: a refusal or a `cancel` fails the writable side, an
 * `abort` the readable side.
 *
 * @example
 * ```ts
 * import { RequestStream } from "@pooled/http1";
 *
 * const wire = new Blob(["GET /a HTTP/1.1\r\nHost: x\r\n\r\n"]);
 * for await (using request of wire.stream().pipeThrough(new RequestStream())) {
 *   console.log(request.target); // /a
 * }
 * ```
 */
export class RequestStream implements TransformStream<Uint8Array, HttpRequest> {
  /** Takes the bytes. */
  readonly writable: WritableStream<Uint8Array>;
  /** Gives the requests, in order, as they are asked for. */
  readonly readable: ReadableStream<HttpRequest>;

  /**
   * Makes both ends.
   *
   * @param options Limits on what a peer may send, and the pools to draw from.
   * @throws {RangeError} A limit is no whole number, or the head could not fit.
   */
  constructor(options?: RequestStreamOptions) {
    const machine = new Machine(options);
    const inlet = new WriterInlet(machine);
    inlet.outlet = new Outlet(machine, inlet);
    this.writable = inlet.writable;
    this.readable = inlet.outlet.readable;
  }
}
