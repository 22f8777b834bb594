/**
 * What a server tells of a request once it is over.
 *
 * @module
 */

import type { ConnectionInfo } from "./handler.ts";
import type { HttpResponse } from "./response.ts";

/**
 * How a request ended. All values are final, and the object may be kept.
 *
 * `method`, `target`, `httpVersion` and `response` are `null` for a message that was
 * refused before its head was complete. Method and target are as the client sent them:
 * visible ASCII, but quotes and backslashes have to be escaped in a log.
 */
export interface RequestEnd {
  /** The method as sent. */
  readonly method: string | null;
  /** The request target as sent, in any of its four forms (RFC 9112 §3.2). */
  readonly target: string | null;
  /** The HTTP version; higher minor versions count as `"1.1"`. */
  readonly httpVersion: "1.0" | "1.1" | null;
  /**
   * The response object that the handler got. It sends nothing any more, but is a key for
   * a `WeakMap` of what the handler knew of the request.
   */
  readonly response: HttpResponse | null;
  /**
   * The status of the final response; 101 or a 2xx for an accepted upgrade. `null` if the
   * request ended before it was answered.
   */
  readonly status: number | null;
  /**
   * Bytes of the request, head and body, that had arrived when the exchange was over. The
   * rest of a body that nobody read is not waited for. A refused message counts all bytes
   * that arrived behind the request before it.
   */
  readonly bytesReceived: number;
  /** Bytes of the response that the connection took, with head and interim responses. */
  readonly bytesSent: number;
  /**
   * Milliseconds from the complete head, when the handler is called, until the connection
   * took the last byte of the response and the handler was done. 0 for a refused message.
   */
  readonly duration: number;
  /**
   * Why the request failed, or `null`: what the handler or the stream of the response
   * threw, the `HttpError` of a refusal or of the body, or the reason for which the
   * connection closed before the response was written.
   */
  readonly error: unknown;
  /**
   * Whether the connection took the whole response. A 500 after a handler that threw is
   * one; a stream that failed half-way, or a client that left, has none.
   */
  readonly complete: boolean;
}

/** Receives the end of each request, and details of its connection. */
export type RequestEndHandler = (
  end: RequestEnd,
  info: ConnectionInfo,
) => void | Promise<void>;
