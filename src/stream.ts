/**
 * The Web Streams interface: turns a byte stream into a stream of requests.
 *
 * Both entry points drive the same machine and share one output, the `Outlet`: a
 * readable stream without a queue. A request is parsed on demand, so an error follows
 * all requests before it, and a cancel has only the window to clean up. They differ in
 * where more bytes come from: `readRequests` reads its source, `RequestStream` releases
 * its writer from backpressure.
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

import type { ParserOptions } from "./message/pools.ts";
import { noBytesError } from "./message/misuse.ts";
import type { HttpRequest } from "./message/request.ts";
import { RequestMachine } from "./message/request_machine.ts";
import { ByteSource, Feed, type Inlet } from "./message/byte_source.ts";

export * from "./message.ts";

/** Options of `readRequests` and `RequestStream`: those of a parser. */
export type RequestStreamOptions = ParserOptions;

/** The readable stream of requests of one machine. */
class Outlet {
  readonly readable: ReadableStream<HttpRequest>;
  readonly #machine: RequestMachine;
  readonly #inlet: Inlet;
  #controller!: ReadableStreamDefaultController<HttpRequest>;
  /** Whether a reader waits for a request. */
  #readPending = false;
  #closed = false;

  /** Whether the stream was closed, cancelled or errored. */
  get closed(): boolean {
    return this.#closed;
  }

  constructor(machine: RequestMachine, inlet: Inlet) {
    this.#machine = machine;
    this.#inlet = inlet;
    machine.demand = () => inlet.demand();
    this.readable = new RequestReadable(this, {
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.pull(),
      cancel: (reason) => {
        // After a refusal the reader may still want to respond on the connection.
        const { refused } = machine;
        this.#close(reason);
        return refused ? inlet.refuse(reason) : inlet.cancel(reason);
      },
    }, { highWaterMark: 0 });
  }

  /** Resumes the waiting reader after bytes arrived or the input ended. */
  wake(): void {
    if (this.#closed) return;
    this.#machine.body.progress();
    if (this.#machine.error !== null) this.#refuse(this.#machine.error);
    else if (this.#readPending) this.pull();
    else if (this.#machine.finished) this.#end();
  }

  /** Ends the stream with an error. */
  fail(error: unknown): void {
    if (this.#closed) return;
    this.#close(error);
    this.#controller.error(error);
  }

  /** Forgets the pending read of a reader that is gone. */
  forgetRead(): void {
    this.#readPending = false;
  }

  /** Returns a request that is already buffered, bypassing the stream. */
  take(): HttpRequest | null {
    if (this.#closed) return null;
    try {
      return this.#machine.next();
    } catch (error) {
      this.#refuse(error);
      return null;
    }
  }

  /** Enqueues a request, now or once it has arrived. */
  pull(): void {
    this.#readPending = true;
    try {
      for (;;) {
        // Without a reader the request would stay in the queue, where a cancel could not
        // release it. The next reader pulls again.
        if (!this.readable.locked) return;
        const request = this.#machine.next();
        if (request !== null) {
          this.#readPending = false;
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
 * The stream of an outlet, with a faster iterator: the built-in one costs 200 ns or more
 * per item, this one a single promise while requests are buffered.
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

  /** Also drops a read that the previous reader left pending. */
  override getReader(options?: ReadableStreamGetReaderOptions): never {
    const reader = super.getReader(options as { mode: "byob" });
    this.#outlet.forgetRead();
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

/** Takes requests directly from the outlet while any are buffered, else reads the stream. */
class RequestIterator implements AsyncIterableIterator<HttpRequest> {
  readonly #outlet: Outlet;
  readonly #reader: ReadableStreamDefaultReader<HttpRequest>;
  readonly #preventCancel: boolean;
  /** Pending reads of the stream, which must get the next requests to keep the order. */
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
 * Reads the requests of a byte stream, in order, and parses them on demand. If the source
 * is a readable byte stream, as `conn.readable` is, bytes are read straight into pooled
 * memory; otherwise chunks are copied into it.
 *
 * Leaving the loop cancels the source, which closes a connection. If the source errors,
 * so does the stream of requests. After a refusal the source stays open and is unlocked,
 * so that its owner can respond and close it.
 *
 * @param source The bytes, such as `conn.readable`. Gets locked.
 * @param options Limits on messages, and the pools to use.
 * @returns The requests. The stream errors with an {@linkcode HttpError} at the first
 * refused message, after all requests before it.
 * @throws {TypeError} The source is already locked.
 * @throws {RangeError} A limit is negative or not a whole number, or `maxRequestLine` and
 * `maxHeaderBytes` add up to more than 65,000.
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
  const machine = new RequestMachine(options);
  const inlet = new ByteSource(machine, source);
  const outlet = new Outlet(machine, inlet);
  inlet.consumer = outlet;
  return outlet.readable;
}

/** Settles the pending write when the machine has used up its chunk. */
class WriterInlet implements Inlet {
  outlet!: Outlet;
  readonly writable: WritableStream<Uint8Array>;
  readonly #machine: RequestMachine;
  readonly #feed: Feed;
  #controller!: WritableStreamDefaultController;
  /** The pending write, settled once its chunk is used up. */
  #write: PromiseWithResolvers<void> | null = null;

  constructor(machine: RequestMachine) {
    this.#machine = machine;
    this.#feed = new Feed(machine);
    this.writable = new WritableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
        // The sink's `abort` would wait for the pending write, which may never settle.
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

  // deno-lint-ignore require-await -- the interface requires a promise
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
    // All writes are used up, so any bytes left are an incomplete message.
    if (!this.outlet.closed) this.outlet.pull();
    if (this.#machine.error !== null) throw this.#machine.error;
  }
}

/**
 * A transform stream from bytes to requests, for `pipeThrough`. A write settles when the
 * reader needs more bytes than its chunk held, so an unread body or an idle reader
 * applies backpressure to the writer.
 *
 * Errors propagate in both directions: a refusal or a `cancel` errors the writable side,
 * an `abort` the readable side.
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
  /** The side for the bytes. */
  readonly writable: WritableStream<Uint8Array>;
  /** The side for the requests, in order and parsed on demand. */
  readonly readable: ReadableStream<HttpRequest>;

  /**
   * Creates both sides.
   *
   * @param options Limits on messages, and the pools to use.
   * @throws {RangeError} A limit is negative or not a whole number, or
   * `maxRequestLine` and `maxHeaderBytes` add up to more than 65,000.
   */
  constructor(options?: RequestStreamOptions) {
    const machine = new RequestMachine(options);
    const inlet = new WriterInlet(machine);
    inlet.outlet = new Outlet(machine, inlet);
    this.writable = inlet.writable;
    this.readable = inlet.outlet.readable;
  }
}
