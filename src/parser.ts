/**
 * The synchronous parser, for those who bring their own I/O.
 *
 * @example Parsing what arrived
 * ```ts
 * import { RequestParser } from "@pooled/http1/parser";
 *
 * using parser = new RequestParser();
 * parser.push(new TextEncoder().encode("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b"));
 * for (let request; (request = parser.next()) !== null; request.release()) {
 *   console.log(request.method, request.target); // GET /a
 * }
 * ```
 *
 * @module
 */

import { Machine } from "./message/machine.ts";
import type { ParserOptions } from "./message/pools.ts";
import { noBytesError } from "./message/misuse.ts";
import type { HttpRequest } from "./message/request.ts";

export * from "./message.ts";

/**
 * A strict, incremental HTTP/1.1 request parser without I/O (RFC 9112): bytes go in
 * by `push`, requests come out by `next`.
 */
export class RequestParser implements Disposable {
  readonly #machine: Machine;

  /**
   * Makes a parser at the start of an input.
   *
   * @param options Limits on what a peer may send, and the pools to draw from.
   * @throws {RangeError} A limit is no whole number, or the head could not fit.
   */
  constructor(options?: ParserOptions) {
    this.#machine = new Machine(options);
  }

  /**
   * Takes the next bytes of the input. They are copied: the chunk is the caller's
   * again at once. After a refusal they are ignored.
   *
   * @throws {TypeError} The input was already ended, or the chunk is no Uint8Array.
   */
  push(chunk: Uint8Array): void {
    if (!(chunk instanceof Uint8Array)) throw noBytesError();
    this.#machine.push(chunk);
    this.#machine.body.progress();
  }

  /**
   * The next request, or `null` until more bytes come. What was not read of the
   * body of the request before is discarded, but for a `bytes()`, `text()`, `json()`
   * or `arrayBuffer()` that is under way, which is finished first.
   *
   * @throws {HttpError} The next message is refused; each later call throws the
   * same. Every request before it was given.
   */
  next(): HttpRequest | null {
    return this.#machine.next();
  }

  /**
   * Ends the input. `next` gives what is left, and throws `unexpected-eof` when
   * that ends in the middle of a message.
   */
  end(): void {
    this.#machine.finish();
    this.#machine.body.progress();
  }

  /** Gives all memory back. Requests that were handed out stay valid until released. */
  [Symbol.dispose](): void {
    this.#machine.close(new TypeError("the parser was disposed"));
  }
}
