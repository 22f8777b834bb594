/**
 * The synchronous parsers, for use with your own I/O.
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

import { isBytes } from "./message/bytes.ts";
import type { ParserOptions } from "./message/pools.ts";
import { noBytesError } from "./message/misuse.ts";
import type { HttpRequest } from "./message/request.ts";
import { RequestMachine } from "./message/request_machine.ts";
import type { ReceivedResponse } from "./message/response.ts";
import { ResponseMachine } from "./message/response_machine.ts";

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
    if (!isBytes(chunk)) throw noBytesError();
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

/**
 * A strict, incremental HTTP/1.1 response parser without I/O (RFC 9112): `push` takes
 * bytes, `next` returns responses.
 *
 * @example
 * ```ts
 * import { ResponseParser } from "@pooled/http1/parser";
 *
 * using parser = new ResponseParser();
 * parser.push(new TextEncoder().encode(
 *   "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
 * ));
 * for (let response; (response = parser.next("HEAD")) !== null; response.release()) {
 *   console.log(response.status, response.contentLength); // 103 null, then 200 5
 * }
 * ```
 */
export class ResponseParser implements Disposable {
  readonly #machine: ResponseMachine;

  /**
   * Creates a parser for one input.
   *
   * @param options Limits on messages, and the pools to use.
   * @throws {RangeError} A limit is negative or not a whole number, or
   * `maxRequestLine` and `maxHeaderBytes` add up to more than 65,000.
   */
  constructor(options?: ParserOptions) {
    this.#machine = new ResponseMachine(options);
  }

  /**
   * Appends the next bytes of the input. They are copied, so the caller may reuse the
   * chunk. After a refusal they are ignored.
   *
   * @throws {TypeError} `end` was already called, or the chunk is not a `Uint8Array`.
   */
  push(chunk: Uint8Array): void {
    if (!isBytes(chunk)) throw noBytesError();
    this.#machine.push(chunk);
    this.#machine.body.progress();
  }

  /**
   * Returns the next response, or `null` if more bytes are needed. The unread rest of
   * the previous body is discarded, unless a `bytes()`, `text()`, `json()` or
   * `arrayBuffer()` is pending, which completes first.
   *
   * After an interim response (1xx), ask with the same method again: the final response
   * is still to come. After a 101, or a 2xx to CONNECT, there is none any more.
   *
   * @param method The method of the request that the response answers, `"GET"` by
   * default. It decides the length: a response to HEAD has no body, a 2xx to CONNECT no
   * end.
   * @throws {HttpError} The next message is refused, after all responses before it were
   * returned. Each later call throws the same error.
   * @throws {TypeError} The method is no string.
   */
  next(method: string = "GET"): ReceivedResponse | null {
    if (typeof method !== "string") {
      throw new TypeError("the method of a response is no string");
    }
    return this.#machine.next(method);
  }

  /**
   * Ends the input, and with it a body that has no other end. `next` still returns the
   * remaining responses, and throws `unexpected-eof` if the input ends inside a message.
   */
  end(): void {
    this.#machine.finish();
    this.#machine.body.progress();
  }

  /** Returns all memory to the pools. Responses handed out stay valid until released. */
  [Symbol.dispose](): void {
    this.#machine.close(new TypeError("the parser was disposed"));
  }
}
