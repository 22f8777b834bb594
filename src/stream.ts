/**
 * The Web Streams interface: turns a byte stream into a stream of requests or responses.
 *
 * @example Requests of a connection
 * ```ts ignore
 * import { readRequests } from "@pooled/http1/stream";
 *
 * for await (const conn of Deno.listen({ port: 8000 })) {
 *   for await (using request of readRequests(conn.readable)) {
 *     console.log(request.method, request.target);
 *   }
 * }
 * ```
 *
 * @module
 */

import { readMessages, transformMessages } from "./message/message_stream.ts";
import type { ParserOptions } from "./message/pools.ts";
import type { HttpRequest } from "./message/request.ts";
import { RequestMachine } from "./message/request_machine.ts";
import type { ReceivedResponse } from "./message/response.ts";
import { ResponseMachine } from "./message/response_machine.ts";

export * from "./message.ts";

/** Options of `readRequests` and `RequestStream`: those of a parser. */
export type RequestStreamOptions = ParserOptions;

/** Options of `readResponses` and `ResponseStream`: those of a parser, and the method. */
export interface ResponseStreamOptions extends ParserOptions {
  /**
   * The method of the requests that the responses answer. It decides their length: a
   * response to HEAD has no body, and a 2xx to CONNECT no end. A function is asked once
   * for each final response, when its head, or that of an interim response before it, is
   * complete. If it throws, returns no string, or reads the stream, the stream errors.
   *
   * @default {"GET"}
   */
  method?: string | (() => string);
}

/**
 * Reads the requests of a byte stream, in order, and parses them on demand. If the source
 * is a readable byte stream, as `conn.readable` is, bytes are read straight into pooled
 * memory; otherwise chunks are copied into it.
 *
 * Leaving the loop cancels the source, which closes a connection. If the source errors,
 * so does the stream of requests. After a refusal the source stays open and is unlocked,
 * so that its owner can respond and close it.
 *
 * @param source The bytes, such as `conn.readable`. Gets locked.
 * @param options Limits on messages, and the pools to use.
 * @returns The requests. The stream errors with an {@linkcode HttpError} at the first
 * refused message, after all requests before it.
 * @throws {TypeError} The source is already locked.
 * @throws {RangeError} A limit is negative or not a whole number, or `maxRequestLine` and
 * `maxHeaderBytes` add up to more than 65,000.
 *
 * @example
 * ```ts
 * import { readRequests } from "@pooled/http1";
 *
 * const wire = new Blob(["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"]);
 * for await (using request of readRequests(wire.stream())) {
 *   console.log(await request.text()); // hi
 * }
 * ```
 */
export function readRequests(
  source: ReadableStream<Uint8Array>,
  options?: RequestStreamOptions,
): ReadableStream<HttpRequest> {
  const machine = new RequestMachine(options);
  return readMessages(machine, () => machine.next(), source);
}

/**
 * A transform stream from bytes to requests, for `pipeThrough`. A write settles when the
 * reader needs more bytes than its chunk held, so an unread body or an idle reader
 * applies backpressure to the writer.
 *
 * Errors propagate in both directions: a refusal or a `cancel` errors the writable side,
 * an `abort` the readable side.
 *
 * @example
 * ```ts
 * import { RequestStream } from "@pooled/http1";
 *
 * const wire = new Blob(["GET /a HTTP/1.1\r\nHost: x\r\n\r\n"]);
 * for await (using request of wire.stream().pipeThrough(new RequestStream())) {
 *   console.log(request.target); // /a
 * }
 * ```
 */
export class RequestStream implements TransformStream<Uint8Array, HttpRequest> {
  /** The side for the bytes. */
  readonly writable: WritableStream<Uint8Array>;
  /** The side for the requests, in order and parsed on demand. */
  readonly readable: ReadableStream<HttpRequest>;

  /**
   * Creates both sides.
   *
   * @param options Limits on messages, and the pools to use.
   * @throws {RangeError} A limit is negative or not a whole number, or
   * `maxRequestLine` and `maxHeaderBytes` add up to more than 65,000.
   */
  constructor(options?: RequestStreamOptions) {
    const machine = new RequestMachine(options);
    const { writable, readable } = transformMessages(
      machine,
      () => machine.next(),
    );
    this.writable = writable;
    this.readable = readable;
  }
}

/**
 * Reads the responses of a byte stream, in order, and parses them on demand: the other
 * half of {@linkcode readRequests}, with the same rules. Leaving the loop cancels the
 * source; after a refusal it stays open and is unlocked.
 *
 * Interim responses come out too, ahead of the final one.
 *
 * @param source The bytes, such as `conn.readable`. Gets locked.
 * @param options Limits on messages, the pools to use, and the method of the requests.
 * @returns The responses. The stream errors with an {@linkcode HttpError} at the first
 * refused message, after all responses before it.
 * @throws {TypeError} The source is already locked, or the method is no string and no
 * function.
 * @throws {RangeError} A limit is negative or not a whole number, or `maxRequestLine` and
 * `maxHeaderBytes` add up to more than 65,000.
 *
 * @example Responses to a GET and a HEAD
 * ```ts
 * import { readResponses } from "@pooled/http1";
 *
 * const sent = ["GET", "HEAD"];
 * const head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
 * const wire = new Blob([head, "hi", head]);
 * const method = () => sent.shift()!;
 * for await (using response of readResponses(wire.stream(), { method })) {
 *   console.log(response.status, await response.text()); // 200 hi, then 200
 * }
 * ```
 */
export function readResponses(
  source: ReadableStream<Uint8Array>,
  options?: ResponseStreamOptions,
): ReadableStream<ReceivedResponse> {
  const { machine, next } = openResponses(options);
  return readMessages(machine, next, source);
}

/**
 * A transform stream from bytes to responses, for `pipeThrough`: the other half of
 * {@linkcode RequestStream}, with the same rules.
 *
 * @example
 * ```ts
 * import { ResponseStream } from "@pooled/http1";
 *
 * const wire = new Blob(["HTTP/1.1 204 No Content\r\n\r\n"]);
 * for await (using response of wire.stream().pipeThrough(new ResponseStream())) {
 *   console.log(response.status); // 204
 * }
 * ```
 */
export class ResponseStream
  implements TransformStream<Uint8Array, ReceivedResponse> {
  /** The side for the bytes. */
  readonly writable: WritableStream<Uint8Array>;
  /** The side for the responses, in order and parsed on demand. */
  readonly readable: ReadableStream<ReceivedResponse>;

  /**
   * Creates both sides.
   *
   * @param options Limits on messages, the pools to use, and the method of the requests.
   * @throws {TypeError} The method is no string and no function.
   * @throws {RangeError} A limit is negative or not a whole number, or
   * `maxRequestLine` and `maxHeaderBytes` add up to more than 65,000.
   */
  constructor(options?: ResponseStreamOptions) {
    const { machine, next } = openResponses(options);
    const { writable, readable } = transformMessages(machine, next);
    this.writable = writable;
    this.readable = readable;
  }
}

function openResponses(options: ResponseStreamOptions = {}) {
  const { method = "GET" } = options;
  if (typeof method !== "string" && typeof method !== "function") {
    throw new TypeError("the method of responses is no string and no function");
  }
  const machine = new ResponseMachine(options);
  return { machine, next: () => machine.next(method) };
}
