/**
 * The synchronous parser, for use with your own I/O.
 *
 * @example Parsing received bytes
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

import type { ParserOptions } from "./message/pools.ts";
import { noBytesError } from "./message/misuse.ts";
import type { HttpRequest } from "./message/request.ts";
import { RequestMachine } from "./message/request_machine.ts";

export * from "./message.ts";

/**
 * A strict, incremental HTTP/1.1 request parser without I/O (RFC 9112): `push` takes
 * bytes, `next` returns requests.
 */
export class RequestParser implements Disposable {
  readonly #machine: RequestMachine;

  /**
   * Creates a parser for one input.
   *
   * @param options Limits on messages, and the pools to use.
   * @throws {RangeError} A limit is negative or not a whole number, or
   * `maxRequestLine` and `maxHeaderBytes` add up to more than 65,000.
   */
  constructor(options?: ParserOptions) {
    this.#machine = new RequestMachine(options);
  }

  /**
   * Appends the next bytes of the input. They are copied, so the caller may reuse the
   * chunk. After a refusal they are ignored.
   *
   * @throws {TypeError} `end` was already called, or the chunk is not a `Uint8Array`.
   */
  push(chunk: Uint8Array): void {
    if (!(chunk instanceof Uint8Array)) throw noBytesError();
    this.#machine.push(chunk);
    this.#machine.body.progress();
  }

  /**
   * Returns the next request, or `null` if more bytes are needed. The unread rest of the
   * previous body is discarded, unless a `bytes()`, `text()`, `json()` or
   * `arrayBuffer()` is pending, which completes first.
   *
   * @throws {HttpError} The next message is refused, after all requests before it were
   * returned. Each later call throws the same error.
   */
  next(): HttpRequest | null {
    return this.#machine.next();
  }

  /**
   * Ends the input. `next` still returns the remaining requests, and throws
   * `unexpected-eof` if the input ends inside a message.
   */
  end(): void {
    this.#machine.finish();
    this.#machine.body.progress();
  }

  /** Returns all memory to the pools. Requests handed out stay valid until released. */
  [Symbol.dispose](): void {
    this.#machine.close(new TypeError("the parser was disposed"));
  }
}
