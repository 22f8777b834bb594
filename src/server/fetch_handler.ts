/**
 * Runs applications written for `Deno.serve`: a Fetch `Request` in, a `Response` out.
 *
 * A Fetch body is always a stream, even if it was made from text. So the first reads
 * get a few microtask turns to settle: a body that is complete by then is sent with a
 * Content-Length, any other is streamed in chunks.
 *
 * @module
 */

import type { PooledRequest } from "../message/request.ts";
import { appRequest } from "./app_request.ts";
import type { ConnectionInfo, Handler } from "./handler.ts";
import { lengthError } from "./prepared_response.ts";
import type { HttpResponse, ServerResponse } from "./response.ts";
import { checkChunk } from "./response_body.ts";

/** Connection details for a Fetch application, as in `Deno.serve`. */
export interface FetchInfo {
  /**
   * The client's address: a `Deno.NetAddr` over TCP and TLS, a `Deno.UnixAddr` over a
   * Unix socket, `null` for a pair of streams unless given as an option.
   */
  readonly remoteAddr: Deno.Addr | null;
  /** Resolves when the response was sent; rejects if it could not be sent. */
  readonly completed: Promise<void>;
}

/**
 * An application as `Deno.serve` accepts it, such as Hono's `app.fetch` or a
 * `Deno.ServeHandler`. A handler typed for one kind of address also fits: serve it on a
 * listener with addresses of that kind.
 */
// A method type, because TypeScript checks method parameters bivariantly.
export type FetchApp = {
  fetch(request: Request, info: FetchInfo): Response | Promise<Response>;
}["fetch"];

/** The bodies of responses to requests that cannot be expressed as a Fetch `Request`. */
const REFUSED = {
  400: "Bad Request",
  421: "Misdirected Request",
  501: "Not Implemented",
} as const;

/** Microtask turns within which a read of an already available body settles. */
const TURNS = 4;

const EMPTY = new Uint8Array(0);

type Read = ReadableStreamReadResult<Uint8Array>;

/**
 * Turns an application written for `Deno.serve` into a handler.
 *
 * Each `Request` is a new object whose signal aborts when the client disconnects. Its
 * body can be read until the response is sent. As under `Deno.serve`, a GET or HEAD has
 * no body. `Deno.upgradeWebSocket` does not work on it; use
 * {@linkcode HttpResponse.upgrade} in a native handler.
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
 * the body that is available at once: a wrong length, a chunk that is no `Uint8Array`,
 * a failed stream. A stream that fails later ends the connection.
 *
 * As under `Deno.serve`, a response of `fetch()` with a body decoded by the runtime is
 * sent without the Content-Encoding and Content-Length of the encoded body. If you
 * build a new `Response` from its body and headers, remove these two fields yourself.
 *
 * @param app Answers each request: a function, or an object with a `fetch` method, such
 * as a Hono application.
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
    const request = appRequest(req as PooledRequest, info.secure);
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
    await respond(res, response, request.method === "HEAD");
  };
}

/** Creates the `completed` promise only on access. */
class Info implements FetchInfo {
  readonly remoteAddr: Deno.Addr | null;
  readonly #response: ServerResponse;

  constructor(info: ConnectionInfo, response: ServerResponse) {
    this.remoteAddr = info.remoteAddr;
    this.#response = response;
  }

  get completed(): Promise<void> {
    return this.#response.completed;
  }
}

async function respond(
  res: HttpResponse,
  response: Response,
  isHead: boolean,
): Promise<void> {
  const { status, statusText, body } = response;
  if (response.bodyUsed) {
    throw new TypeError("the body of the Response was already used");
  }
  const headers = fieldsOf(response);
  const length = headers.get("content-length");
  const init = { status, statusText, headers };
  let reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  try {
    // A HEAD response declares the length of the GET body and may carry another body.
    if (body === null || (isHead && length !== null)) {
      return res.send(body, init);
    }
    const declared = length === null ? Infinity : Number(length);
    reader = body.getReader();
    const reads: Promise<Read>[] = [];
    let whole: Uint8Array = EMPTY;
    let size = 0;
    while (reads.length < 2) {
      const read = reader.read();
      reads.push(read);
      const result = await soon(read);
      if (result === undefined) break;
      if (result.done) return res.send(whole, init);
      whole = checkChunk(result.value);
      size += whole.length;
      if (size > declared) throw lengthError(declared, size);
    }
    res.send(resume(reads, reader), init);
  } catch (error) {
    // The response cannot be sent, so its stream must stop producing.
    (reader ?? body)?.cancel(error).catch(() => {});
    throw error;
  }
}

/** The fields of a response, without those that describe an encoding already decoded. */
function fieldsOf(response: Response): Headers {
  const coding = response.headers.get("content-encoding");
  if (coding === null || !isDecoded(response, coding)) return response.headers;
  const headers = new Headers(response.headers);
  headers.delete("content-encoding");
  headers.delete("content-length");
  return headers;
}

/**
 * Whether this response comes from `fetch` with a decoded body. Its fields describe the
 * encoded body in any case, and no public property tells the two apart: the response to
 * a request with `Accept-Encoding: identity` or Range stays encoded. Deno keeps a flag
 * for `Deno.serve` in a symbol-keyed property. Without that flag, gzip and br of a
 * fetched response count as decoded, since all runtimes decode them.
 */
function isDecoded(response: Response, coding: string): boolean {
  for (const key of Object.getOwnPropertySymbols(response)) {
    const inner = (response as unknown as Record<symbol, unknown>)[key];
    const flag = (inner as { bodyDecoded?: unknown } | null)?.bodyDecoded;
    if (typeof flag === "boolean") return flag;
  }
  return response.url !== "" && /^(gzip|br)$/i.test(coding);
}

/** The result of a read if it settles within `TURNS`, else `undefined`. */
async function soon(read: Promise<Read>): Promise<Read | undefined> {
  let result: Read | undefined;
  let failed = false;
  read.then((settled) => {
    result = settled;
  }, () => {
    failed = true;
  });
  for (let turn = 0; turn < TURNS; turn++) {
    if (failed) return read;
    if (result !== undefined) break;
    await null;
  }
  return result;
}

/** A stream of the reads already made, then of the rest of the reader. */
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
