/**
 * The response API for handlers: the types of `send`, and the response object.
 *
 * Every request gets a new response object, and its exchange accepts calls from that
 * object only. A program that keeps a response and uses it too late gets an error and
 * cannot answer another request. The object holds a single reference and costs 32 bytes.
 *
 * @module
 */

import type { PreparedResponse } from "./prepared_response.ts";
import type { TrailerSource } from "../io/body_sender.ts";
import type { Duplex } from "../io/transport.ts";

/** Status, header fields and trailers of a response. */
export interface HttpResponseInit {
  /**
   * From 200 to 599 for the final response. With 100, 102, 103 or 104, `send` sends an
   * interim response without a body, and the final response must follow (RFC 9110
   * §15.2). Other interim statuses have no meaning to a client and are refused.
   *
   * @default {200}
   */
  status?: number;
  /** The reason phrase; defaults to that of RFC 9110 §15. */
  statusText?: string;
  /**
   * The header fields. The server adds Date and the framing of the body; a
   * Content-Length given here must match the body. `Connection: close` closes the
   * connection after this response.
   */
  headers?: HeadersInit;
  /**
   * Returns the trailer fields; called after the body was sent (RFC 9110 §6.5). The
   * body is then sent in chunks. HTTP/1.0 clients get no trailers.
   */
  trailers?: TrailerSource;
}

/** A response body: text, bytes, a stream, a prepared response, or none. */
export type HttpResponseBody =
  | string
  | Uint8Array
  | ReadableStream<Uint8Array>
  | PreparedResponse
  | null;

/**
 * Answers one request. A handler must call `send`, `json` or `upgrade` once, before it
 * returns or before its promise resolves; otherwise it has failed, and the client gets
 * a 500.
 *
 * The object is valid for this request only. Once the exchange is over, every method
 * throws.
 *
 * Invalid arguments throw before any byte is sent. Later failures, such as a stream
 * that errors, end the connection and are reported to `onError`. After the client has
 * disconnected, the methods send nothing.
 *
 * @example
 * ```ts
 * import { serve } from "@pooled/http1";
 *
 * await using server = serve({ port: 0, hostname: "127.0.0.1" }, (req, res) => {
 *   if (req.path === "/data") return res.json({ hello: "world" });
 *   res.send("not found", { status: 404 });
 * });
 * ```
 */
export interface HttpResponse {
  /** Whether a response was sent or begun. */
  readonly sent: boolean;
  /**
   * Sends a response: text as UTF-8, bytes, a stream, a prepared response, or no body.
   * Text is sent as `text/plain;charset=UTF-8` unless `headers` has a Content-Type.
   *
   * Do not modify bytes until the response has been written: large arrays are sent in
   * place, without a copy. A stream is read with backpressure from the client. It is
   * cancelled when the client disconnects: at the first failed write, or within a
   * second of the end of the client's input if the stream stalls. Unless `headers` has
   * a Content-Length, a stream is sent in chunks; for an HTTP/1.0 client, closing the
   * connection ends it. A HEAD request gets the head only.
   *
   * A stream is sent after this call has returned. To send the body of a response that a
   * client received, keep that response until then: its release errors the body.
   *
   * Only {@linkcode HttpResponse.upgrade} accepts a CONNECT; with a 2xx passed to
   * `send`, the client gets a 501 instead.
   *
   * @throws {TypeError} A response was already sent; a field is malformed; the status
   * allows no body; Content-Length differs from the length of the body.
   * @throws {RangeError} The status cannot be sent.
   */
  send(body?: HttpResponseBody, init?: HttpResponseInit): void;
  /**
   * Sends a value as JSON, with Content-Type `application/json` unless `headers` has
   * another. Throws as {@linkcode HttpResponse.send} does.
   *
   * @throws {TypeError} The value has no JSON form: `undefined`, a function, a cycle.
   */
  json(value: unknown, init?: HttpResponseInit): void;
  /**
   * Accepts an Upgrade with a 101 (RFC 9110 §7.8), or a CONNECT with a 200 (RFC 9110
   * §9.3.6), and hands over the connection. `readable` starts with the bytes already
   * read. The caller then owns the connection: no timeouts or limits apply, and
   * `shutdown()` does not wait for it. It closes when `readable` is cancelled and
   * `writable` is closed, or when the handler fails after this call.
   *
   * The Upgrade field of a 101 names the first protocol that the client offers, unless
   * `headers` has its own.
   *
   * @throws {TypeError} The request is neither Upgrade nor CONNECT; its body was not
   * read to the end; a response was already sent; a field is malformed.
   * @throws {RangeError} The status is no whole number from 100 to 599.
   */
  upgrade(init?: Omit<HttpResponseInit, "trailers">): Duplex;
}

/** The exchange, as its response sees it. It throws for any but the current response. */
export interface Answering {
  awaits(response: ServerResponse): boolean;
  send(
    response: ServerResponse,
    body: HttpResponseBody | undefined,
    init: HttpResponseInit | undefined,
  ): void;
  json(
    response: ServerResponse,
    value: unknown,
    init: HttpResponseInit | undefined,
  ): void;
  sendText(response: ServerResponse, text: string, isJson: boolean): void;
  upgrade(
    response: ServerResponse,
    init: Omit<HttpResponseInit, "trailers"> | undefined,
  ): Duplex;
  completed(response: ServerResponse): Promise<void>;
}

/** The only implementation of {@linkcode HttpResponse}; delegates to its exchange. */
export class ServerResponse implements HttpResponse {
  readonly #exchange: Answering;

  constructor(exchange: Answering) {
    this.#exchange = exchange;
  }

  get sent(): boolean {
    return !this.#exchange.awaits(this);
  }

  send(body?: HttpResponseBody, init?: HttpResponseInit): void {
    this.#exchange.send(this, body, init);
  }

  json(value: unknown, init?: HttpResponseInit): void {
    this.#exchange.json(this, value, init);
  }

  /** Sends text that is JSON, or plain. */
  sendText(text: string, isJson: boolean): void {
    this.#exchange.sendText(this, text, isJson);
  }

  upgrade(init?: Omit<HttpResponseInit, "trailers">): Duplex {
    return this.#exchange.upgrade(this, init);
  }

  /** Resolves when the response was sent; rejects if it could not be sent. */
  get completed(): Promise<void> {
    return this.#exchange.completed(this);
  }
}
