/**
 * The response as a handler sees it: the types of `send`, and the object that is
 * handed out.
 *
 * Each exchange hands out an object of its own, and answers to that one alone: a
 * program that keeps a response and uses it too late meets an error and no other
 * request. The object holds a single reference, so one costs 32 bytes.
 *
 * @module
 */

import type { PreparedResponse } from "./prepared_response.ts";
import type { TrailerSource } from "./response_body.ts";
import type { Duplex } from "./transport.ts";

/** What a response can be given besides its body. */
export interface HttpResponseInit {
  /**
   * From 200 to 599 for the response. 100, 102, 103 and 104 send an interim response
   * without a body, and the response follows (RFC 9110 §15.2); other interim statuses
   * mean nothing to a client and are refused.
   *
   * @default {200}
   */
  status?: number;
  /** The reason phrase; by default that of RFC 9110 §15. */
  statusText?: string;
  /**
   * The fields. The server adds Date, and what frames the body; a Content-Length
   * given here has to be that of the body. `Connection: close` ends the connection
   * after this response.
   */
  headers?: HeadersInit;
  /**
   * Gives the trailer fields once the body was sent (RFC 9110 §6.5). The body goes
   * out in chunks then; an HTTP/1.0 client gets no trailers.
   */
  trailers?: TrailerSource;
}

/** What can be sent as a body. */
export type HttpResponseBody =
  | string
  | Uint8Array
  | ReadableStream<Uint8Array>
  | PreparedResponse
  | null;

/**
 * Answers one request. Every handler calls one of the three, once, before it
 * returns or before its promise resolves; a handler that does not has failed, and a
 * 500 is sent.
 *
 * The object is good for this request only. Once its exchange is over, every method
 * throws.
 *
 * What is wrong with the arguments throws before anything was sent. What goes wrong
 * later (a stream that fails) ends the connection and is reported to `onError`.
 * When the client is gone, all of this does nothing.
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
  /** Whether a response was sent, or begun. */
  readonly sent: boolean;
  /**
   * Sends a response: text as UTF-8, bytes, a stream, a prepared response, or
   * nothing.
   *
   * Bytes must stay as they are until the response is done: many are sent from
   * where they lie. A stream is read no faster than the client takes it, and
   * cancelled when the client has left: at the first write that fails, or within a
   * second of the end of the client's input if the stream is silent meanwhile. A
   * stream goes out in chunks, or ends with the connection for an HTTP/1.0 client,
   * unless `headers` has its Content-Length. A HEAD request gets the head alone.
   *
   * A CONNECT is accepted by {@linkcode HttpResponse.upgrade} alone: where this is
   * called with a 2xx, the client gets a 501 instead.
   *
   * @throws {TypeError} A response was already sent; a field is malformed; the
   * status allows no body; Content-Length is not that of the body.
   * @throws {RangeError} The status is no number that may be sent.
   */
  send(body?: HttpResponseBody, init?: HttpResponseInit): void;
  /**
   * Sends a value as JSON, as `application/json` unless `headers` says otherwise.
   * Throws as {@linkcode HttpResponse.send} does.
   *
   * @throws {TypeError} The value has no JSON: `undefined`, a function, a cycle.
   */
  json(value: unknown, init?: HttpResponseInit): void;
  /**
   * Accepts an Upgrade with a 101, or a CONNECT with a 200, and hands over the
   * connection: the bytes that were already read come out first. From here on it is
   * the caller's: no timeouts, no limits, and `shutdown()` does not wait for it.
   * Cancelling `readable` and closing `writable` closes the connection; so does a
   * handler that fails after this call.
   *
   * For an Upgrade the field Upgrade names the first protocol that the client
   * offers, unless `headers` names another.
   *
   * @throws {TypeError} The request asks for neither; its body was not read to its
   * end; a response was already sent; a field is malformed.
   * @throws {RangeError} The status is no whole number from 100 to 599.
   */
  upgrade(init?: Omit<HttpResponseInit, "trailers">): Duplex;
}

/** What a response asks of its exchange, which answers the current response alone. */
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
  upgrade(
    response: ServerResponse,
    init: Omit<HttpResponseInit, "trailers"> | undefined,
  ): Duplex;
  completed(response: ServerResponse): Promise<void>;
}

/** The one implementation of {@linkcode HttpResponse}: a claim on its exchange. */
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

  upgrade(init?: Omit<HttpResponseInit, "trailers">): Duplex {
    return this.#exchange.upgrade(this, init);
  }

  /** Resolves when the response was sent; rejects when it could not be. */
  get completed(): Promise<void> {
    return this.#exchange.completed(this);
  }
}
