/**
 * What a program gives to a client: options of the connection, and requests.
 *
 * @module
 */

import type { TrailerSource } from "../io/body_sender.ts";
import type { ClientLimits } from "../limits.ts";
import type { ParserOptions } from "../message/pools.ts";
import type { ReceivedResponse } from "../message/response.ts";

/** Options of `connect`: limits on responses, timeouts, pipelining. */
export interface ConnectOptions extends ParserOptions, ClientLimits {
  /**
   * The `host[:port]` for the Host field of requests that have none, and the base of the
   * relative URLs of `fetch`. Give it to reach a server by its name: what a connection
   * tells of its peer is an IP address, whatever name you connected to.
   *
   * @default {the IP address and port of the peer over TCP and TLS; else none}
   */
  authority?: string;
  /** Closes the connection at once when aborted. */
  signal?: AbortSignal;
}

/** The body of a request: text, bytes, a stream, or none. */
export type HttpRequestBody =
  | string
  | Uint8Array
  | ReadableStream<Uint8Array>
  | null;

/** What every request of a client has. */
export interface RequestBasics {
  /**
   * The request target (RFC 9112 §3.2), such as `/path?query`; also an `http:` or `https:`
   * URL for a proxy, whose authority is then the default Host, or `*`. It is sent as given:
   * percent-encode it first.
   */
  target: string;
  /**
   * The header fields, sent in this order and spelling. Host comes first if it is missing.
   * The client frames the body: a Content-Length given here must be the length of the
   * body. `Connection: close` makes this the last request of the connection.
   */
  headers?: HeadersInit;
  /**
   * Aborts this request, and the body of its response until that is read to its end. If
   * the request was sent already, that closes the connection, since HTTP/1.1 cannot cancel:
   * requests that were sent along or wait are rejected, too. An `AbortSignal.timeout()`
   * limits the whole exchange.
   */
  signal?: AbortSignal;
  /**
   * Called with each interim response (1xx), such as 103 Early Hints. The response is
   * released when the function returns. If it throws, or gives a promise that rejects before
   * the response is complete, the request fails with that error, and the connection closes.
   * More than 32 interim responses fail the request.
   */
  onInterim?: (response: ReceivedResponse) => void;
}

/** A request for `client.request()`. */
export interface HttpRequestInit extends RequestBasics {
  /**
   * The method; case matters (RFC 9110 §9.1).
   *
   * @default {"GET"}
   */
  method?: string;
  /**
   * The body. Text is sent as UTF-8, as `text/plain;charset=UTF-8` unless `headers` has a
   * Content-Type. Do not modify bytes until the response has come: large arrays are sent in
   * place, without a copy. A stream is read with backpressure from the
   * server, and sent in chunks unless `headers` has its Content-Length. It is cancelled if
   * the server answers with an error, or leaves, before its end. If it fails, so does the
   * request, with the same error, and the connection closes.
   *
   * With `Expect: 100-continue` in `headers`, the body waits for a 100 (Continue), at most
   * `continueTimeout`. After a final response it is not sent, and the connection closes.
   *
   * @default {null}
   */
  body?: HttpRequestBody;
  /**
   * Returns the trailer fields; called after the body was sent (RFC 9110 §6.5). The body
   * is then sent in chunks.
   */
  trailers?: TrailerSource;
  /**
   * Whether the request may be sent twice to the same effect. Only such requests are
   * pipelined, and are `retryable` after they were sent.
   *
   * @default {whether the method is GET, HEAD, OPTIONS, TRACE, PUT or DELETE}
   */
  idempotent?: boolean;
}

/** A request for `client.upgrade()`. It has no body. */
export interface UpgradeRequestInit extends RequestBasics {
  /**
   * The method. For CONNECT, the target is the `host:port` of the tunnel, and Host the
   * same by default. Any other needs `Upgrade` in `headers`; the client adds Connection.
   *
   * @default {"GET"}
   */
  method?: string;
}
