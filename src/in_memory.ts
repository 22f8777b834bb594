/**
 * A handler that is asked without a socket.
 *
 * The bytes of the request go through a connection of the server, and the bytes of the
 * response through a parser of responses. Both wait for each other by promises alone,
 * so a test may replace the timers. The connection is closed as soon as the response has
 * arrived completely, so that a response needs no reading to leave nothing behind.
 *
 * @module
 */

import { endStream } from "./message/body_reader.ts";
import { Feed } from "./message/byte_source.ts";
import { ignoreUnhandled } from "./message/promises.ts";
import type { PooledResponse } from "./message/response.ts";
import { ResponseMachine } from "./message/response_machine.ts";
import { Connection } from "./server/connection.ts";
import type { Handler } from "./server/handler.ts";
import type { ConnectionOptions } from "./server/options.ts";
import { Registry } from "./server/registry.ts";
import { RequestBytes } from "./server/request_bytes.ts";
import { follow } from "./server/server.ts";
import type { Conn } from "./io/transport.ts";

/** Options of {@linkcode request}: those of a connection, and its context. */
export interface InMemoryOptions extends ConnectionOptions {
  /** Any value; the handler finds it in `info.context`. */
  context?: unknown;
}

/** A Fetch `Response` that tells its trailers. */
export interface InMemoryResponse extends Response {
  /** The trailer fields, once the body has arrived; `null` before, or without any. */
  readonly trailers: Headers | null;
}

/** What a relative URL is relative to. */
const BASE = "http://localhost";
/** Bytes of a body that are taken from the server before they are read. */
const READ_AHEAD = 65_536;
/** Microtask turns in which an exchange ends whose response has arrived completely. */
const LAST_TURNS = 64;
/** The statuses whose `Response` has no body (Fetch, "null body status"). */
const BODYLESS: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * Passes one request to a handler without a socket, and returns its response: for tests.
 *
 * The request is sent as HTTP/1.1, parsed and handled by the server, and its response is
 * parsed again. A request that the server refuses thus gets its 4xx, a handler that
 * throws a 500 and a message of `onError`, by default on the console. Redirects are not
 * followed, content codings not decoded, interim responses (1xx) skipped.
 *
 * The body of the response is streamed as the handler sends it. Up to 64 KiB of it are
 * taken in advance. Once it has arrived completely, or was cancelled, or the promise has
 * rejected, no timer and no pooled memory is left; only a handler that runs on keeps its
 * request until it is done. So read or cancel long bodies, and abort a request that may
 * remain without an answer by its `signal`, which the handler sees as a client that
 * leaves. Progress needs no timer, so fake timers do no harm; when they advance, the
 * timeouts of the server apply.
 *
 * `info.remoteAddr` is `null`. With a URL of `https:`, `info.secure` is true.
 *
 * @param handler What to ask. Wrap an application of `Deno.serve` by `fetchHandler`.
 * @param input A path such as `"/a?b=1"` on `http://localhost`, a URL, or a `Request`,
 * whose body is taken over.
 * @param init What `new Request` takes. Without a `host` field, the URL names the host.
 * The body decides about Content-Length and Transfer-Encoding.
 * @param options Limits, timeouts, callbacks and context of the connection.
 * @returns The response, once its head has arrived.
 *
 * The promise rejects with these errors:
 *
 * @throws {TypeError} `new Request` does not take the arguments; the connection closed
 * without a response; or the handler upgraded the connection, for which use `connect`.
 * @throws {RangeError} A limit or a timeout is out of its range.
 * @throws {HttpError} The response is malformed or ends early; after its head, reading
 * the body fails so.
 * @throws {DOMException} `signal` aborted, or whatever reason it gives.
 *
 * @example
 * ```ts
 * import { fetchHandler, type Handler, request } from "@pooled/http1";
 *
 * const handler: Handler = async (req, res) => res.send((await req.text()).toUpperCase());
 * const response = await request(handler, "/", { method: "POST", body: "hi" });
 * console.log(response.status, await response.text()); // 200 HI
 *
 * const app = (request: Request) => Response.json({ path: new URL(request.url).pathname });
 * console.log(await (await request(fetchHandler(app), "/a")).json()); // { path: "/a" }
 * ```
 */
export async function request(
  handler: Handler<null>,
  input: string | URL | Request,
  init?: RequestInit,
  options: InMemoryOptions = {},
): Promise<InMemoryResponse> {
  const asked = requestOf(input, init);
  asked.signal.throwIfAborted();
  const bytes = await RequestBytes.of(asked, init?.body);
  try {
    asked.signal.throwIfAborted();
    return await new Client(asked, bytes, handler, options).response;
  } catch (error) {
    bytes.cancel(error);
    throw error;
  }
}

function requestOf(input: string | URL | Request, init?: RequestInit): Request {
  if (input instanceof Request && init === undefined) return input;
  // A stream needs `duplex` in some runtimes.
  return new Request(
    input instanceof Request ? input : new URL(input, BASE),
    { duplex: "half", ...init } as RequestInit,
  );
}

/** The client of one request, and the connection that the server sees. */
class Client implements Conn {
  /** The response, once its head has arrived. */
  readonly response: Promise<InMemoryResponse>;
  readonly #head = Promise.withResolvers<InMemoryResponse>();
  readonly #method: string;
  readonly #bytes: RequestBytes;
  readonly #connection: Connection;
  readonly #machine: ResponseMachine;
  readonly #feed: Feed;
  /** The rest of a piece of the request. */
  #piece: Uint8Array = new Uint8Array(0);
  /** The pending write of the server, settled once the machine asks for more. */
  #write: PromiseWithResolvers<void> | null = null;
  /** Whether the final response was handed out. */
  #answered = false;
  /** That response, while its body is being read. */
  #reading: PooledResponse | null = null;
  /** Whether the client takes no more bytes. */
  #done = false;
  /** Whether the server has ended its output. */
  #ended = false;
  /** Resolves when the request needs no more sending. */
  readonly #left = Promise.withResolvers<null>();
  #trailers: Headers | null = null;

  constructor(
    { method, url, signal }: Request,
    bytes: RequestBytes,
    handler: Handler<null>,
    options: InMemoryOptions,
  ) {
    this.response = ignoreUnhandled(this.#head.promise);
    this.#method = method;
    this.#bytes = bytes;
    const { pools, context } = options;
    // The limits are those of the server.
    this.#machine = new ResponseMachine(pools === undefined ? {} : { pools });
    this.#machine.demand = () => this.#demand();
    this.#feed = new Feed(this.#machine);
    const conn: Conn = url.startsWith("https:")
      ? Object.assign(this, { handshake: () => Promise.resolve() })
      : this;
    const registry = new Registry(handler, options);
    this.#connection = new Connection(registry, conn, null, context);
    registry.onClosed = follow(signal, (reason) => this.#fail(reason));
    this.#connection.start();
  }

  // -------------------------------------------------- the connection of the server

  read(into: Uint8Array): Promise<number | null> {
    return Promise.race([this.#read(into), this.#left.promise]);
  }

  async #read(into: Uint8Array): Promise<number | null> {
    try {
      if (this.#piece.length === 0) {
        const piece = await this.#bytes.next();
        // The next request does not come, but the end must wait for the response.
        if (piece === null) return await this.#left.promise;
        this.#piece = piece;
      }
    } catch (error) {
      if (!this.#ended) this.#fail(error);
      return null;
    }
    // After the end the memory serves another purpose.
    if (this.#ended) return null;
    const part = this.#piece.subarray(0, into.length);
    into.set(part);
    this.#piece = this.#piece.subarray(part.length);
    return part.length;
  }

  async write(bytes: Uint8Array): Promise<number> {
    const { length } = bytes;
    if (this.#done) return length;
    this.#feed.set(bytes);
    const write = this.#write = Promise.withResolvers<void>();
    this.#advance();
    await write.promise;
    return length;
  }

  // deno-lint-ignore require-await -- the interface requires a promise
  async closeWrite(): Promise<void> {
    this.#end();
  }

  close(): void {
    this.#settleWrite();
    this.#end();
  }

  /** Called when no more bytes of the response follow. */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#left.resolve(null);
    this.#bytes.cancel(new TypeError("the response needs no more of the body"));
    if (this.#done) return;
    this.#machine.finish();
    this.#advance();
  }

  // ------------------------------------------------------------------ the response

  /** Gives the machine bytes of the pending write, or lets the server write on. */
  #demand(): boolean {
    if (this.#feed.feed()) return true;
    this.#settleWrite();
    return false;
  }

  #settleWrite(): void {
    this.#feed.clear();
    this.#write?.resolve();
    this.#write = null;
  }

  /** Called when bytes arrived or the input ended. */
  #advance(): void {
    if (this.#answered) return this.#machine.body.progress();
    try {
      for (;;) {
        const response = this.#machine.next(this.#method);
        if (response !== null) {
          if (this.#take(response)) return;
        } else if (this.#machine.finished) {
          throw new TypeError("the connection closed without a response");
        } else if (!this.#demand()) return;
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Takes a response. Returns whether it is the final one. */
  #take(response: PooledResponse): boolean {
    const { status } = response;
    if (status === 101) {
      response.release();
      throw new TypeError(
        "the handler upgraded the connection, and a Response cannot hold it: " +
          "use connect() to speak the other protocol",
      );
    }
    if (status < 200) {
      response.release();
      return false;
    }
    this.#answered = true;
    this.#deliver(response);
    return true;
  }

  #deliver(response: PooledResponse): void {
    const { status, statusText, headers, body } = response;
    const init = { status, statusText, headers: [...headers] };
    if (body === null || BODYLESS.has(status)) {
      response.release();
      this.#finish().then(() => this.#head.resolve(this.#tell(null, init)));
      return;
    }
    this.#reading = response;
    this.#head.resolve(this.#tell(this.#stream(response, body), init));
  }

  #tell(body: ReadableStream | null, init: ResponseInit): InMemoryResponse {
    return Object.defineProperty(new Response(body, init), "trailers", {
      get: () => this.#trailers,
    }) as InMemoryResponse;
  }

  #stream(
    response: PooledResponse,
    body: ReadableStream<Uint8Array>,
  ): ReadableStream {
    const reader = body.getReader();
    return new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        const { done, value } = await reader.read().catch((error) => {
          this.#fail(error);
          throw error;
        });
        if (!done) return controller.enqueue(value as Uint8Array<ArrayBuffer>);
        const { trailers } = response;
        if (trailers !== null) this.#trailers = new Headers([...trailers]);
        await this.#finish();
        endStream(controller);
      },
      cancel: (reason) => this.#fail(reason),
    }, { highWaterMark: READ_AHEAD });
  }

  // ----------------------------------------------------------------------- the end

  /** Ends the connection after the exchange; waits for that as long as it is near. */
  async #finish(): Promise<void> {
    this.#stop(new TypeError("the response is complete"));
    const connection = this.#connection;
    connection.forbidNext();
    connection.shutDown();
    for (let turn = 0; turn < LAST_TURNS && !connection.closed; turn++) {
      await null;
    }
    // The stream of the response goes on after the length that it declared.
    if (connection.streaming) connection.destroy(undefined);
  }

  /** Leaves: the signal aborted, a body failed or was cancelled, or no Response came. */
  #fail(reason: unknown): void {
    this.#stop(reason);
    this.#head.reject(reason);
    this.#connection.destroy(reason);
  }

  /** Stops reading; what the server still writes goes nowhere. */
  #stop(reason: unknown): void {
    this.#done = true;
    this.#machine.close(reason);
    this.#reading?.release();
    this.#reading = null;
    this.#settleWrite();
  }
}
