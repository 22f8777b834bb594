/**
 * The client that `connect` gives.
 *
 * @module
 */

import { checkConnection, type Conn, type Duplex } from "../io/transport.ts";
import type { ReceivedResponse } from "../message/response.ts";
import { Call } from "./call.ts";
import { ClientConnection } from "./connection.ts";
import { cancelBody, fromFetch, hostOf } from "./fetch.ts";
import type {
  ConnectOptions,
  HttpRequestInit,
  UpgradeRequestInit,
} from "./options.ts";
import type { ClientState } from "./phase.ts";
import { checkAuthority, isAuthority, planRequest } from "./request_plan.ts";

/**
 * An HTTP/1.1 client on one connection. It opens none itself, follows no redirect, keeps
 * no cookies, and never repeats a request: `state` and {@linkcode RequestError.retryable}
 * tell a pool of connections what it needs for that.
 *
 * Requests are sent in the order of their calls, and answered in this order. A response
 * whose body is neither read nor released holds the connection, and all requests after it.
 *
 * An idle connection of Deno or Node.js does not keep the program running.
 */
export interface HttpClient extends AsyncDisposable {
  /** What the client is doing, for the choice among several. */
  readonly state: ClientState;
  /** Resolves when the connection has closed, or `upgrade()` has handed it over. */
  readonly closed: Promise<void>;

  /**
   * Sends a request and resolves to its final response, as soon as its head has come.
   * Read what you need, then release the response; `using` does that.
   *
   * The release discards the unread rest of the body, up to `maxDrain` bytes and for two
   * seconds; with more left, the connection closes, and requests that wait for it are
   * rejected as `retryable`. An abort of `signal` closes it at once. It also closes after
   * a response without length, after one with `Connection: close`, and after one that has
   * come before the whole request was sent: then the rest of the body is not sent, unless
   * the response is a 2xx and itself still under way (RFC 9112 §9.5).
   *
   * @throws {TypeError} The request is malformed; nothing of it was sent.
   * @throws {RequestError} The connection ended before the response.
   * @throws {HttpError} The response is refused, truncated, or late.
   * @throws {DOMException} `signal` aborted, or whatever reason it gives.
   *
   * @example
   * ```ts
   * import { connect, serve } from "@pooled/http1";
   *
   * await using server = serve(
   *   { port: 0, hostname: "127.0.0.1", onListen: () => {} },
   *   async (req, res) => res.send(`${req.method} ${await req.text()}`),
   * );
   * const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
   * await using client = connect(conn);
   * using response = await client.request({ method: "PUT", target: "/", body: "hi" });
   * console.log(response.status, await response.text()); // 200 PUT hi
   * ```
   */
  request(init: HttpRequestInit): Promise<ReceivedResponse>;

  /**
   * Sends a Fetch request and resolves to a Fetch response, whose body streams from the
   * connection. The connection takes the next request once the body has arrived completely.
   * Up to 64 KiB arrive unread; a longer body has to be read. The rest of a cancelled one is
   * discarded as in {@linkcode HttpClient.request}; to leave one without end, abort
   * `signal`. A body of more than `maxFetchBodySize` is refused, also one that is read as
   * a stream: set `connect` a higher limit, or use {@linkcode HttpClient.request}.
   *
   * Of `init`, only `method`, `headers`, `body` and `signal` are read. Redirects are thus
   * not followed, whatever `redirect` says; `response.url` is empty, so resolve a Location
   * against the URL that you asked for. A coded body (Content-Encoding) is not decoded.
   *
   * A URL decides the target and Host, and nothing about the connection; one with a
   * user name or password is refused. A relative one is resolved against `authority`. A
   * stream is sent in chunks unless `headers` has its Content-Length, any other body with its
   * length; so is that of a `Request`, if it is available at once.
   *
   * @throws {TypeError} The request is malformed, or Fetch cannot represent the response.
   * @throws {RequestError} The connection ended before the response.
   * @throws {HttpError} The response is refused, truncated, or late.
   * @throws {DOMException} `signal` aborted, or whatever reason it gives.
   *
   * @example
   * ```ts
   * import { connect, serve } from "@pooled/http1";
   *
   * await using server = serve(
   *   { port: 0, hostname: "127.0.0.1", onListen: () => {} },
   *   (req, res) => res.json({ path: req.path }),
   * );
   * const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
   * await using client = connect(conn, { authority: "example.com" });
   * const response = await client.fetch("/a", { headers: { accept: "application/json" } });
   * console.log(await response.json()); // { path: "/a" }
   * ```
   */
  fetch(
    input: Request | URL | string,
    init?: RequestInit,
  ): Promise<Response>;

  /**
   * Asks the server to switch protocols (RFC 9110 §7.8), or a proxy for a tunnel by
   * CONNECT (§9.3.6). If it agrees, the connection belongs to the program: `duplex` has
   * its streams, beginning with bytes that came with the response.
   *
   * @throws {TypeError} The request is malformed; nothing of it was sent.
   * @throws {RequestError} The connection ended before the response.
   * @throws {HttpError} The response is refused, truncated, or late.
   * @throws {DOMException} `signal` aborted, or whatever reason it gives.
   *
   * @example
   * ```ts
   * import { connect, serve } from "@pooled/http1";
   *
   * await using server = serve(
   *   { port: 0, hostname: "127.0.0.1", onListen: () => {} },
   *   (_req, res) => {
   *     const { readable, writable } = res.upgrade();
   *     readable.pipeTo(writable);
   *   },
   * );
   * const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
   * const client = connect(conn);
   * const { response, duplex } = await client.upgrade({
   *   target: "/",
   *   headers: { upgrade: "echo" },
   * });
   * console.log(response.status); // 101
   * response.release();
   * const writer = duplex!.writable.getWriter();
   * writer.write(new TextEncoder().encode("hi"));
   * writer.close();
   * console.log(await new Response(duplex!.readable).text()); // hi
   * ```
   */
  upgrade(init: UpgradeRequestInit): Promise<UpgradeResult>;

  /**
   * Closes the connection once the requests made so far are answered and their bodies read
   * or released; a body that makes no progress is given up after `bodyTimeout`. A request
   * whose own stream never ends holds it open, and so does a body without end; the `signal`
   * of the request or the client ends that. A second call does nothing more. Does not
   * concern a connection that was handed over.
   *
   * @returns The same as `closed`.
   */
  close(): Promise<void>;
  /** Same as {@linkcode HttpClient.close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The answer to `client.upgrade()`. Dispose of it, or release its response. */
export interface UpgradeResult extends Disposable {
  /**
   * The response: a 101, or a 2xx to CONNECT, without a body to read, if the server agrees;
   * else any other response, as `request()` gives it.
   */
  readonly response: ReceivedResponse;
  /**
   * The streams of the connection, or `null` if the server declined. It closes when
   * `writable` is closed and `readable` was read to its end or cancelled. No timeout
   * applies. The `signal` of the request has no more effect; that of `connect` errors both
   * streams and closes the connection.
   */
  readonly duplex: Duplex | null;
  /** Releases the response. The streams stay open. */
  [Symbol.dispose](): void;
}

/** The one implementation of {@linkcode HttpClient}. */
export class Client implements HttpClient {
  readonly #connection: ClientConnection;
  readonly #authority: string | null;

  constructor(connection: Conn | Duplex, options: ConnectOptions) {
    const { authority, signal } = options;
    checkConnection(connection);
    // Checked before the streams are locked.
    if (signal && typeof signal.addEventListener !== "function") {
      throw new TypeError("the signal of a client is an AbortSignal");
    }
    this.#authority = authority === undefined
      ? authorityOf(connection)
      : checkAuthority(authority);
    this.#connection = new ClientConnection(connection, options);
  }

  get state(): ClientState {
    return this.#connection.state;
  }

  get closed(): Promise<void> {
    return this.#connection.done;
  }

  // deno-lint-ignore require-await -- async, so that mistakes reject instead of throwing
  async request(init: HttpRequestInit): Promise<ReceivedResponse> {
    return this.#call(init, this.#authority, false).response;
  }

  async fetch(
    input: Request | URL | string,
    init?: RequestInit,
  ): Promise<Response> {
    const authority = this.#authority;
    const made = fromFetch(input, init, authority);
    // An await would let later calls pass one that is ready.
    const asked = made instanceof Promise ? await made : made;
    const { url, request, ownsBody } = asked;
    try {
      const host = url.host === authority ? authority : hostOf(asked);
      const response = await this.#call(request, host, false).response;
      try {
        return response.toResponse();
      } finally {
        response.release();
      }
    } catch (error) {
      // A stream of the program may be sent again.
      if (ownsBody || request.signal?.aborted) cancelBody(request, error);
      throw error;
    }
  }

  async upgrade(init: UpgradeRequestInit): Promise<UpgradeResult> {
    const call = this.#call(init, this.#authority, true);
    const response = await call.response;
    const { duplex } = call;
    return { response, duplex, [Symbol.dispose]: () => response.release() };
  }

  #call(
    init: HttpRequestInit,
    authority: string | null,
    upgrades: boolean,
  ): Call {
    const plan = planRequest(init, authority, upgrades);
    const connection = this.#connection;
    const call = new Call(
      plan,
      init.signal,
      init.onInterim,
      (call, reason) => connection.abort(call, reason),
    );
    connection.enqueue(call);
    return call;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection.close();
  }
}

/** The address of a TCP connection as the value of Host, or `null`. */
function authorityOf(connection: Conn | Duplex): string | null {
  const { remoteAddr } = connection as {
    readonly remoteAddr?: {
      readonly hostname?: string;
      readonly port?: number;
    } | null;
  };
  if (remoteAddr?.hostname === undefined || remoteAddr.port === undefined) {
    return null;
  }
  const { hostname, port } = remoteAddr;
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return isAuthority(`${host}:${port}`) ? `${host}:${port}` : null;
}
