/**
 * A handler that is asked without a socket.
 *
 * The server serves one end of a connection in memory, the client asks at the other. They
 * wait for each other by promises alone, so a test may replace the timers. The connection
 * is closed as soon as the response has arrived completely, so that a response needs no
 * reading to leave nothing behind.
 *
 * @module
 */

import { Call } from "./client/call.ts";
import { ClientConnection } from "./client/connection.ts";
import {
  cancelBody,
  type FetchCall,
  fromFetch,
  hostOf,
} from "./client/fetch.ts";
import type { ConnectOptions } from "./client/options.ts";
import { planRequest } from "./client/request_plan.ts";
import { connPair } from "./io/conn_pair.ts";
import { follow } from "./io/follow.ts";
import { BODY_AHEAD } from "./memory/sizes.ts";
import { endStream } from "./message/body_reader.ts";
import type { ReceivedResponse } from "./message/response.ts";
import { allTurned } from "./message/streak.ts";
import { Connection } from "./server/connection.ts";
import type { Handler } from "./server/handler.ts";
import type { ConnectionOptions } from "./server/options.ts";
import { noHandlerError } from "./server/reasons.ts";
import { Registry } from "./server/registry.ts";

/**
 * Options of {@linkcode request}: those of a connection, and what is known of it.
 *
 * @typeParam Addr What address `remoteAddr` is.
 */
export interface InMemoryOptions<Addr extends Deno.Addr | null = null>
  extends ConnectionOptions {
  /**
   * What the handler finds in `info.remoteAddr`.
   *
   * @default {null}
   */
  remoteAddr?: Addr;
  /** Any value; the handler finds it in `info.context`. */
  context?: unknown;
}

/** A Fetch `Response` that tells its trailers. */
export interface InMemoryResponse extends Response {
  /** The trailer fields, once the body has arrived; `null` before, or without any. */
  readonly trailers: Headers | null;
}

/** The host of a path. */
const AUTHORITY = "localhost";
/** Microtask turns in which an exchange ends whose response has arrived completely. */
const LAST_TURNS = 64;
/** The server bounds the waits, as its options say. */
const NO_LIMITS: ConnectOptions = {
  headTimeout: Infinity,
  bodyTimeout: Infinity,
  totalBodyTimeout: Infinity,
  idleTimeout: Infinity,
  writeTimeout: Infinity,
  maxFetchBodySize: Infinity,
};

/**
 * Passes one request to a handler without a socket, and returns its response: for tests.
 *
 * The client of `connect` sends the request as HTTP/1.1, the server parses and handles it,
 * and the client parses its response. A request that the server refuses thus gets its
 * 4xx, a handler that throws a 500 and a message of `onError`, by default on the console.
 * Redirects are not followed, content codings not decoded, interim responses (1xx)
 * skipped. As on any connection, a body with `Expect: 100-continue` waits a while until
 * the handler reads it, and a body that is not sent when the response is complete is
 * cancelled.
 *
 * The body of the response is streamed as the handler sends it. Up to 64 KiB of it are
 * taken in advance. Once it has arrived completely, or was cancelled, or the promise has
 * rejected, no timer and no pooled memory is left; only a handler that runs on keeps its
 * connection until it is done. So read or cancel long bodies, and abort a request that may
 * remain without an answer by its `signal`, which the handler sees as a client that
 * leaves. Progress needs no timer, so fake timers do no harm; when they advance, the
 * timeouts of the server apply, and none of the client.
 *
 * Your fields pass through Fetch's `Headers`, so their names arrive in lower case; to send
 * others, use `connect` and `serveConnection` on two streams.
 *
 * With a URL of `https:`, `info.secure` is true.
 *
 * @typeParam Addr The addresses that the handler takes; `null` without `remoteAddr`.
 * @param handler What to ask. Wrap an application of `Deno.serve` by `fetchHandler`.
 * @param input A path such as `"/a?b=1"` on `http://localhost`, a URL, or a `Request`,
 * whose body is taken over.
 * @param init What `new Request` takes. Without a `host` field, the URL names the host.
 * The body is framed by what it is; a Content-Length has to be its length. With `upgrade`
 * the client adds `Connection: Upgrade`.
 * @param options Limits, timeouts and callbacks of the connection, its address and context.
 * @returns The response, once its head has arrived.
 *
 * The promise rejects with these errors:
 *
 * @throws {TypeError} The arguments make no valid request; there is no handler; or it
 * upgraded the connection, for which use `connect`.
 * @throws {RangeError} A limit or a timeout is out of its range.
 * @throws {RequestError} The connection closed without a response.
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
export async function request<Addr extends Deno.Addr | null = null>(
  handler: Handler<NoInfer<Addr>>,
  input: string | URL | Request,
  init?: RequestInit,
  options: InMemoryOptions<Addr> = {},
): Promise<InMemoryResponse> {
  if (typeof handler !== "function") {
    throw noHandlerError("request");
  }
  const call = await fromFetch(input, init, AUTHORITY);
  try {
    return await new InMemoryExchange(call, handler, options).response();
  } catch (error) {
    cancelBody(call.request, error);
    throw error;
  }
}

/** One request and its response, with both ends of their connection. */
class InMemoryExchange {
  readonly #call: Call;
  readonly #client: ClientConnection;
  readonly #served: Connection;
  /** The response, until its end. */
  #received: ReceivedResponse | null = null;
  #trailers: Headers | null = null;

  constructor(
    asked: FetchCall,
    handler: Handler<never>,
    options: InMemoryOptions<Deno.Addr | null>,
  ) {
    const { pools, context, remoteAddr = null } = options;
    const { url, request } = asked;
    const { headers, signal } = request;
    const upgrades = headers.some(([name]) => name === "upgrade");
    const plan = planRequest(request, hostOf(asked), upgrades);
    const registry = new Registry(handler, options);
    this.#call = new Call(
      plan,
      signal,
      undefined,
      (call, reason) => this.#client.abort(call, reason),
    );
    const [near, far] = connPair();
    if (url.protocol === "https:") {
      Object.assign(far, { handshake: () => Promise.resolve() });
    }
    this.#served = new Connection(registry, far, remoteAddr, context);
    registry.onClosed = follow(signal, (reason) => this.#leave(reason));
    this.#served.start();
    this.#client = new ClientConnection(near, {
      ...NO_LIMITS,
      ...(pools !== undefined && { pools }),
    });
    this.#client.enqueue(this.#call);
  }

  /** The response, once its head has arrived. */
  async response(): Promise<InMemoryResponse> {
    try {
      const received = this.#received = await this.#call.response;
      if (this.#call.duplex !== null) {
        throw new TypeError(
          "the handler upgraded the connection, and a Response cannot hold it: " +
            "use connect() to speak the other protocol",
        );
      }
      const whole = received.toResponse();
      const body = whole.body && this.#stream(whole.body);
      if (body === null) await this.#end();
      return Object.defineProperty(new Response(body, whole), "trailers", {
        get: () => this.#trailers,
      }) as InMemoryResponse;
    } catch (error) {
      this.#leave(error);
      throw error;
    }
  }

  /** The body, with what is done at its end. */
  #stream(
    body: ReadableStream<Uint8Array<ArrayBuffer>>,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const reader = body.getReader();
    return new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        const { done, value } = await reader.read().catch((error) => {
          this.#leave(error);
          throw error;
        });
        if (!done) return controller.enqueue(value);
        await this.#end();
        endStream(controller);
      },
      cancel: (reason) => this.#leave(reason),
    }, { highWaterMark: BODY_AHEAD });
  }

  /** Ends the connection after the exchange; waits for that as long as it is near. */
  async #end(): Promise<void> {
    this.#release();
    const served = this.#served;
    served.forbidNext();
    served.shutDown();
    await this.#awaitClose();
    // Its last read or write may wait for a turn, and holds memory until then.
    await allTurned();
    await this.#awaitClose();
    // The stream of the response goes on after the length that it declared.
    if (served.streaming) served.destroy(undefined);
  }

  /** Waits until the server's end has closed, if that is near. */
  async #awaitClose(): Promise<void> {
    const served = this.#served;
    for (let turn = 0; turn < LAST_TURNS && !served.closed; turn++) await null;
  }

  /** Gives the exchange up: it was aborted, has failed, or its body was cancelled. */
  #leave(reason: unknown): void {
    this.#served.destroy(reason);
    this.#client.destroy(reason);
    this.#release();
  }

  /** An abort may come when all has arrived, so every end keeps the trailers. */
  #release(): void {
    const received = this.#received;
    if (received === null) return;
    if (received.trailers) this.#trailers = new Headers([...received.trailers]);
    received.release();
    this.#received = null;
  }
}
