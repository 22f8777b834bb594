/**
 * Sends a Fetch `Response`.
 *
 * A body of text or bytes is sent whole. Any other body is a stream; its first reads get
 * a few microtask turns to settle, so a body that is complete by then is sent whole as
 * well, with a Content-Length. The rest is streamed in chunks.
 *
 * @module
 */

import { lengthError } from "./prepared_response.ts";
import type { HttpResponse, HttpResponseInit } from "./response.ts";
import { checkChunk } from "./response_body.ts";
import { takeStaticBody } from "./static_body.ts";

/** Microtask turns within which a read of an already available body settles. */
const TURNS = 4;

const EMPTY = new Uint8Array(0);
const encoder = new TextEncoder();

type Read = ReadableStreamReadResult<Uint8Array>;

/** Sends a response; at once, unless its body is a stream. */
export function respond(
  res: HttpResponse,
  response: Response,
  isHead: boolean,
): void | Promise<void> {
  if (!(response instanceof Response)) {
    throw new TypeError("the application gave no Response");
  }
  if (response.bodyUsed) {
    throw new TypeError("the body of the Response was already used");
  }
  const headers = fieldsOf(response);
  const init = {
    status: response.status,
    statusText: response.statusText,
    headers,
  };
  // A HEAD response declares the length of the GET body and may carry another body.
  if (isHead && headers.has("content-length")) {
    return res.send(response.body, init);
  }
  const whole = takeStaticBody(response);
  if (whole === undefined) return respondFromStream(res, response.body, init);
  // Text would get a type of its own.
  res.send(
    typeof whole === "string" && !headers.has("content-type")
      ? encoder.encode(whole)
      : whole,
    init,
  );
}

async function respondFromStream(
  res: HttpResponse,
  body: ReadableStream<Uint8Array> | null,
  init: HttpResponseInit & { headers: Headers },
): Promise<void> {
  if (body === null) return res.send(null, init);
  const length = init.headers.get("content-length");
  const declared = length === null ? Infinity : Number(length);
  let reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  try {
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
    (reader ?? body).cancel(error).catch(() => {});
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
