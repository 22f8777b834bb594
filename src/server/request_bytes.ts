/**
 * The bytes of a Fetch `Request`, as an HTTP/1.1 client sends them.
 *
 * A body of text, bytes, a form or a `Blob` is sent with its length. A stream is sent in
 * chunks, read only as fast as the server reads; one that is complete at once, such as
 * the body of a `Request` that was made of text, is sent with its length as well.
 *
 * @module
 */

import { soon } from "./fetch_response.ts";
import { checkChunk } from "../io/body_sender.ts";

/** The fields that frame a message; the body decides them. */
const FRAMING: ReadonlySet<string> = new Set([
  "content-length",
  "transfer-encoding",
]);
/** The methods whose empty body gets a Content-Length of 0 (RFC 9110 §8.6). */
const BODIED: ReadonlySet<string> = new Set(["PATCH", "POST", "PUT"]);

type Bytes = Uint8Array;
type Reader = ReadableStreamDefaultReader<Bytes>;
type Read = Promise<ReadableStreamReadResult<Bytes>>;

const encoder = new TextEncoder();
const CRLF = encoder.encode("\r\n");
const LAST_CHUNK = encoder.encode("0\r\n\r\n");

/** Gives the bytes of one request, piece by piece. */
export class RequestBytes {
  /** Pieces to give before anything else is read. */
  readonly #pieces: Bytes[];
  /** The body that is sent in chunks, until its end. */
  #reader: Reader | null;
  /** Reads of it that were begun. */
  readonly #reads: Read[];

  private constructor(pieces: Bytes[], reader: Reader | null, reads: Read[]) {
    this.#pieces = pieces;
    this.#reader = reader;
    this.#reads = reads;
  }

  /**
   * Begins a request, whose body it takes over.
   *
   * @param body The body that the request was made with, if that is known.
   * @throws The stream of the body failed at once.
   */
  static async of(request: Request, body: unknown): Promise<RequestBytes> {
    if (request.body === null) {
      const length = BODIED.has(request.method) ? 0 : null;
      return new RequestBytes([headOf(request, length)], null, []);
    }
    if (hasLength(body)) {
      const bytes = new Uint8Array(await request.arrayBuffer());
      return new RequestBytes([headOf(request, bytes.length), bytes], null, []);
    }
    const reader = request.body.getReader();
    try {
      return await RequestBytes.#ofStream(request, reader);
    } catch (error) {
      reader.cancel(error).catch(() => {});
      throw error;
    }
  }

  static async #ofStream(
    request: Request,
    reader: Reader,
  ): Promise<RequestBytes> {
    const reads: Read[] = [];
    let whole: Bytes = new Uint8Array(0);
    while (reads.length < 2) {
      const read = reader.read();
      reads.push(read);
      const result = await soon(read);
      if (result === undefined) break;
      if (result.done) {
        return new RequestBytes(
          [headOf(request, whole.length), whole],
          null,
          [],
        );
      }
      whole = checkChunk(result.value);
    }
    return new RequestBytes([headOf(request, "chunked")], reader, reads);
  }

  /**
   * The next piece, which is not empty, or `null` at the end of the request.
   *
   * @throws The stream of the body failed, or gave something else than bytes.
   */
  async next(): Promise<Bytes | null> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece === undefined) {
        if (this.#reader === null) return null;
        await this.#readChunk(this.#reader);
      } else if (piece.length > 0) return piece;
    }
  }

  async #readChunk(reader: Reader): Promise<void> {
    const { done, value } = await (this.#reads.shift() ?? reader.read());
    if (done) {
      this.#reader = null;
      this.#pieces.push(LAST_CHUNK);
      return;
    }
    const { length } = checkChunk(value);
    // An empty chunk would end the body.
    if (length === 0) return;
    const size = encoder.encode(`${length.toString(16)}\r\n`);
    this.#pieces.push(size, value, CRLF);
  }

  /** Gives up the rest; cancels the stream of the body. */
  cancel(reason: unknown): void {
    this.#pieces.length = 0;
    this.#reader?.cancel(reason).catch(() => {});
    this.#reader = null;
  }
}

/** Whether Fetch knows the length of a body from the start. */
function hasLength(body: unknown): boolean {
  return typeof body === "string" || body instanceof ArrayBuffer ||
    ArrayBuffer.isView(body) || body instanceof Blob ||
    body instanceof FormData || body instanceof URLSearchParams;
}

/** The head, in Latin-1. Host goes first (RFC 9110 §7.2). */
function headOf(request: Request, framing: number | "chunked" | null): Bytes {
  const { method, url, headers } = request;
  const { host, pathname, search } = new URL(url);
  let text = `${method} ${pathname}${search} HTTP/1.1\r\n` +
    `host: ${headers.get("host") ?? host}\r\n`;
  headers.forEach((value, name) => {
    if (name === "host" || FRAMING.has(name)) return;
    text += `${name}: ${value}\r\n`;
  });
  if (framing === "chunked") text += "transfer-encoding: chunked\r\n";
  else if (framing !== null) text += `content-length: ${framing}\r\n`;
  text += "\r\n";
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
