/**
 * Runs applications written for `Deno.serve`: a Fetch `Request` in, a `Response` out.
 *
 * @module
 */

import type { PooledRequest } from "../message/request.ts";
import { appRequest } from "./app_request.ts";
import type { ConnectionInfo, Handler } from "./handler.ts";
import { checkCallback } from "./options.ts";
import { respond } from "./fetch_response.ts";
import type { ServerResponse } from "./response.ts";
import { probeInsides } from "./response_insides.ts";

/**
 * Connection details for a Fetch application, as in `Deno.serve`.
 *
 * @typeParam Addr What addresses the clients have.
 */
export interface FetchInfo<Addr extends Deno.Addr | null = Deno.Addr | null> {
  /**
   * The client's address: a `Deno.NetAddr` over TCP and TLS, a `Deno.UnixAddr` over a
   * Unix socket, `null` for a pair of streams unless given as an option. The end of a
   * Unix socket that has no path of its own, as most clients', has the server's.
   */
  readonly remoteAddr: Addr;
  /**
   * The protocol that TLS negotiated by ALPN, or `null`; see {@linkcode ConnectionInfo}.
   * It is always there, as is `closing`.
   */
  readonly alpnProtocol?: string | null;
  /** The `context` that the connection was given with; otherwise `undefined`. */
  readonly context?: unknown;
  /**
   * Aborts when the server begins to shut down; see {@linkcode ConnectionInfo}. It is
   * always there; the type allows for handlers that are typed for `Deno.serve`.
   */
  readonly closing?: AbortSignal;
  /** Resolves when the response was sent; rejects if it could not be sent. */
  readonly completed: Promise<void>;
}

/**
 * An application as `Deno.serve` accepts it, such as Hono's `app.fetch` or a
 * `Deno.ServeHandler`. A handler typed for one kind of address also fits: serve it on a
 * listener with addresses of that kind.
 *
 * @typeParam Addr What addresses the clients have.
 */
// A method type, because TypeScript checks method parameters bivariantly.
export type FetchApp<Addr extends Deno.Addr | null = Deno.Addr | null> = {
  fetch(
    request: Request,
    info: FetchInfo<Addr>,
  ): Response | Promise<Response>;
}["fetch"];

/**
 * Makes the response to a request whose application failed. A handler written for
 * `Deno.serve`, which is given the error alone, fits.
 */
export type FetchErrorHandler = (
  error: unknown,
  request: Request,
) => Response | Promise<Response>;

/** Options of {@linkcode fetchHandler}. */
export interface FetchHandlerOptions {
  /**
   * Answers where the application throws or rejects, or gives what cannot be sent, such
   * as no `Response` or one whose body was used; as under `Deno.serve`. The `HttpError`
   * by which the request's own body was refused is answered without it.
   *
   * @default {the `onError` of the server is told, and a 500 is sent}
   */
  onError?: FetchErrorHandler;
}

/** The bodies of responses to requests that cannot be expressed as a Fetch `Request`. */
const REFUSED = {
  400: "Bad Request",
  421: "Misdirected Request",
  501: "Not Implemented",
} as const;

/**
 * Turns an application written for `Deno.serve` into a handler.
 *
 * Each `Request` is a new object whose signal aborts when the client disconnects. Its
 * body can be read until the response is sent. As under `Deno.serve`, a GET or HEAD has
 * no body. `Deno.upgradeWebSocket` does not work on it; use
 * {@linkcode HttpResponse.upgrade} in a native handler, as the example
 * `deno_websocket.ts` does.
 *
 * Requests that Fetch cannot represent faithfully never reach the application:
 *
 * - CONNECT, TRACE and TRACK, which Fetch forbids, and methods that it would normalize,
 *   such as `get`, get a 501 (RFC 9110 §9.1);
 * - a target in absolute-form whose scheme differs from that of the connection gets a
 *   421 (RFC 9110 §7.4): `request.url` has `https:` only under TLS, and a pair of
 *   streams counts as plaintext;
 * - a target that is not a valid URL gets a 400.
 *
 * A `Response` that cannot be sent makes the handler throw as
 * {@linkcode HttpResponse.send} does, before any byte is sent. This covers the part of
 * the body that is available at once: more than was declared, a chunk that is no
 * `Uint8Array`, a failed stream. A stream that fails later ends the connection. A body
 * that is sent whole gets its own Content-Length, whatever the response declares.
 *
 * As under `Deno.serve`, a response of `fetch()` with a body decoded by the runtime is
 * sent without the Content-Encoding and Content-Length of the encoded body. If you
 * build a new `Response` from its body and headers, remove these two fields yourself.
 *
 * @param app Answers each request: a function, or an object with a `fetch` method, such
 * as a Hono application.
 * @param options What to do about an application that fails.
 * @throws {TypeError} The application is neither of them, or `onError` no function.
 *
 * @example
 * ```ts
 * import { fetchHandler, serve } from "@pooled/http1";
 *
 * await using server = serve(
 *   Deno.listen({ hostname: "127.0.0.1", port: 0 }),
 *   fetchHandler((request) => new Response(new URL(request.url).pathname)),
 * );
 * ```
 */
export function fetchHandler<
  Addr extends Deno.Addr | null = Deno.Addr | null,
>(
  // Not inferred from the application, but from where the handler is used.
  app: FetchApp<NoInfer<Addr>> | { fetch: FetchApp<NoInfer<Addr>> },
  options: FetchHandlerOptions = {},
): Handler<Addr> {
  if (typeof app !== "function" && typeof app?.fetch !== "function") {
    throw new TypeError(
      "fetchHandler needs a function or an object with a fetch method",
    );
  }
  probeInsides();
  const onError = options.onError ?? null;
  checkCallback("onError", onError);
  const answer: FetchApp<Addr> = typeof app === "function"
    ? app
    : (request, info) => app.fetch(request, info);
  return (req, res, info) => {
    const request = appRequest(req as PooledRequest, info.secure);
    if (typeof request === "number") {
      return res.send(REFUSED[request], { status: request });
    }
    const isHead = req.method === "HEAD";
    const answering = res as ServerResponse;
    const told = new Info(info, answering);
    if (onError !== null) {
      return respondOr(
        onError,
        answering,
        req as PooledRequest,
        request,
        () => answer(request, told),
        isHead,
      );
    }
    const response = answer(request, told);
    // An application that answers at once costs no turn of the microtask queue.
    return isPromise(response)
      ? Promise.resolve(response)
        .then((response) => respond(answering, response, isHead))
      : respond(answering, response, isHead);
  };
}

/** Responds; `onError` answers what the application fails to, or what cannot be sent. */
async function respondOr(
  onError: FetchErrorHandler,
  res: ServerResponse,
  source: PooledRequest,
  request: Request,
  answer: () => Response | Promise<Response>,
  isHead: boolean,
): Promise<void> {
  try {
    await respond(res, await answer(), isHead);
  } catch (error) {
    // What is wrong with the request has an answer already.
    if (source.refusedWith(error)) throw error;
    await respond(res, await onError(error, request), isHead);
  }
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as Promise<T> | undefined)?.then === "function";
}

/** Creates the `completed` promise only on access. */
class Info<Addr extends Deno.Addr | null> implements FetchInfo<Addr> {
  readonly #info: ConnectionInfo<Addr>;
  readonly #response: ServerResponse;

  constructor(info: ConnectionInfo<Addr>, response: ServerResponse) {
    this.#info = info;
    this.#response = response;
  }

  get remoteAddr(): Addr {
    const { remoteAddr, localAddr } = this.#info;
    // The client's end has no path as a rule; Deno.serve tells that of the server.
    return remoteAddr?.transport === "unix" && remoteAddr.path === null
      ? localAddr as Addr
      : remoteAddr;
  }

  get alpnProtocol(): string | null {
    return this.#info.alpnProtocol;
  }

  get context(): unknown {
    return this.#info.context;
  }

  get closing(): AbortSignal {
    return this.#info.closing;
  }

  get completed(): Promise<void> {
    return this.#response.completed;
  }
}
