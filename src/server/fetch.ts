/**
 * Applications written for `Deno.serve`: a Fetch `Request` in, a `Response` out.
 *
 * A Fetch body is always a stream, also where it was made of text. So the first
 * reads of it are given a moment: a body that turns out to be whole goes out with
 * its length, any other in chunks as they come.
 *
 * @module
 */

import type { PooledRequest } from "../request.ts";
import type { ConnectionInfo, Handler } from "./connection.ts";
import type { HttpResponse, ServerResponse } from "./response.ts";

/** What a Fetch application is told of the connection, as by `Deno.serve`. */
export interface FetchInfo {
  /** The other end of the connection. */
  readonly remoteAddr: Deno.NetAddr;
  /** Resolves when the response was sent; rejects when it could not be. */
  readonly completed: Promise<void>;
}

/** An application as `Deno.serve` takes it; Hono's `app.fetch` is one, and Oak's. */
export type FetchApp = (
  request: Request,
  info: FetchInfo,
) => Response | Promise<Response>;

/** What answers a request that no Fetch application can be asked. */
const REFUSED = {
  400: "Bad Request",
  421: "Misdirected Request",
  501: "Not Implemented",
} as const;

/** Turns of the microtask queue in which a body that is there already is read. */
const TURNS = 4;

type Read = ReadableStreamReadResult<Uint8Array>;

/**
 * Makes a handler of an application that was written for `Deno.serve`.
 *
 * The `Request` is one of its own, with the signal that is aborted when the client
 * leaves. Its body can be read until the response is sent. As under `Deno.serve`, a
 * GET or HEAD has no body. `Deno.upgradeWebSocket` does not work on it: see
 * {@linkcode HttpResponse.upgrade}.
 *
 * The application sees each request as it was sent, or not at all:
 *
 * - CONNECT, TRACE and TRACK, which Fetch refuses, and methods that it would rewrite,
 *   such as `get`, are answered with 501 (RFC 9110 §9.1);
 * - a target in absolute-form whose scheme is not that of the connection, with 421
 *   (RFC 9110 §7.4): `request.url` says `https:` under TLS only;
 * - a target that is no URL, with 400.
 *
 * @param app Answers each request: a function, or an object that has one as `fetch`,
 * such as a Hono application.
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
export function fetchHandler(app: FetchApp | { fetch: FetchApp }): Handler {
  const answer: FetchApp = typeof app === "function"
    ? app
    : (request, info) => app.fetch(request, info);
  return async (req, res, info) => {
    const request = (req as PooledRequest).toFetch();
    if (typeof request === "number") {
      return res.send(REFUSED[request], { status: request });
    }
    const response = await answer(
      request,
      new Info(info, res as ServerResponse),
    );
    if (!(response instanceof Response)) {
      throw new TypeError("the application gave no Response");
    }
    await respond(res, response);
  };
}

/** `completed` costs something only when it is asked for. */
class Info implements FetchInfo {
  readonly remoteAddr: Deno.NetAddr;
  readonly #response: ServerResponse;

  constructor(info: ConnectionInfo, response: ServerResponse) {
    this.remoteAddr = info.remoteAddr as Deno.NetAddr;
    this.#response = response;
  }

  get completed(): Promise<void> {
    return this.#response.completed;
  }
}

async function respond(res: HttpResponse, response: Response): Promise<void> {
  const { status, statusText, headers, body } = response;
  if (response.bodyUsed) {
    throw new TypeError("the body of the Response was already used");
  }
  const init = { status, statusText, headers };
  let reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  try {
    if (body === null || headers.has("content-length")) {
      return res.send(body, init);
    }
    reader = body.getReader();
    const first = reader.read();
    const start = await soon(first);
    if (start?.done) return res.send(new Uint8Array(0), init);
    const second = start === undefined ? undefined : reader.read();
    const end = second && await soon(second);
    if (end?.done) return res.send(start!.value!, init);
    const read = second === undefined ? [first] : [first, second];
    res.send(resume(read, reader), init);
  } catch (error) {
    // What cannot be sent is not to be made either.
    (reader ?? body)?.cancel(error).catch(() => {});
    throw error;
  }
}

/** What a read gives, if it does so within a few turns. A failure counts as later. */
async function soon(read: Promise<Read>): Promise<Read | undefined> {
  let result: Read | undefined;
  read.then((settled) => {
    result = settled;
  }, () => {});
  for (let turn = 0; turn < TURNS && result === undefined; turn++) await null;
  return result;
}

/** The rest of a stream of which some reads were made. */
function resume(
  made: Promise<Read>[],
  reader: ReadableStreamDefaultReader<Uint8Array>,
): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await (made.shift() ?? reader.read());
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
