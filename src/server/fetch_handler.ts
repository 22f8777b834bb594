/**
 * Applications written for `Deno.serve`: a Fetch `Request` in, a `Response` out.
 *
 * A Fetch body is always a stream, also where it was made of text. So the first
 * reads of it are given a moment: a body that turns out to be whole goes out with
 * its length, any other in chunks as they come.
 *
 * @module
 */

import type { PooledRequest } from "../message/request.ts";
import { appRequest } from "./app_request.ts";
import type { ConnectionInfo, Handler } from "./handler.ts";
import { lengthError } from "./prepared_response.ts";
import type { HttpResponse, ServerResponse } from "./response.ts";
import { checkChunk } from "./response_body.ts";

/** What a Fetch application is told of the connection, as by `Deno.serve`. */
export interface FetchInfo {
  /**
   * The other end of the connection: a `Deno.NetAddr` over TCP and TLS, a
   * `Deno.UnixAddr` over a Unix socket, and `null` for a pair of streams.
   */
  readonly remoteAddr: Deno.Addr | null;
  /** Resolves when the response was sent; rejects when it could not be. */
  readonly completed: Promise<void>;
}

/**
 * An application as `Deno.serve` takes it, such as Hono's `app.fetch` or a
 * `Deno.ServeHandler`. Such a handler may be typed for one kind of address and is
 * accepted all the same: serve it on a listener that has addresses of this kind.
 */
// The type of a method: TypeScript lets its parameters be narrower than these.
export type FetchApp = {
  fetch(request: Request, info: FetchInfo): Response | Promise<Response>;
}["fetch"];

/** What answers a request that no Fetch application can be asked. */
const REFUSED = {
  400: "Bad Request",
  421: "Misdirected Request",
  501: "Not Implemented",
} as const;

/** Turns of the microtask queue in which a body that is there already is read. */
const TURNS = 4;

const EMPTY = new Uint8Array(0);

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
 *   (RFC 9110 §7.4): `request.url` says `https:` under TLS only, and a pair of
 *   streams counts as plain;
 * - a target that is no URL, with 400.
 *
 * A `Response` that cannot be sent throws as {@linkcode HttpResponse.send} does, before
 * anything was sent. That holds for its body as far as it is at hand at once: a length
 * that is not the declared one, a chunk that is no `Uint8Array`, a failure. A stream
 * that goes wrong later ends the connection.
 *
 * As under `Deno.serve`, a response of `fetch()` whose body the runtime has decoded
 * goes out without the Content-Encoding and Content-Length of the encoded one. A new
 * `Response` made of its body and fields does not tell: leave out the two fields.
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

/** `completed` costs something only when it is asked for. */
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
    // HEAD declares the length that GET would get; the body here need not have it.
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
    // What cannot be sent is not to be made either.
    (reader ?? body)?.cancel(error).catch(() => {});
    throw error;
  }
}

/** The fields of a response, as they are true of its body. */
function fieldsOf(response: Response): Headers {
  const coding = response.headers.get("content-encoding");
  if (coding === null || !isDecoded(response, coding)) return response.headers;
  const headers = new Headers(response.headers);
  headers.delete("content-encoding");
  headers.delete("content-length");
  return headers;
}

/**
 * Whether `fetch` gave this response and has decoded its body. Its fields describe the
 * encoded body either way, and nothing public tells the two apart: a response to a
 * request with `Accept-Encoding: identity` or Range stays encoded. Deno keeps a flag
 * for `Deno.serve` in a property behind a symbol. Where that flag is missing, gzip and
 * br of a fetched response count as decoded: all runtimes decode them.
 */
function isDecoded(response: Response, coding: string): boolean {
  for (const key of Object.getOwnPropertySymbols(response)) {
    const inner = (response as unknown as Record<symbol, unknown>)[key];
    const flag = (inner as { bodyDecoded?: unknown } | null)?.bodyDecoded;
    if (typeof flag === "boolean") return flag;
  }
  return response.url !== "" && /^(gzip|br)$/i.test(coding);
}

/** What a read gives, or throws, if it does so within a few turns. */
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
