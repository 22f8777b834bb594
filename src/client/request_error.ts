/**
 * {@linkcode RequestError}: why a request got no complete response.
 *
 * @module
 */

/**
 * The error of a request that got no complete response: its connection was closed, failed
 * or was busy, before the request was sent or after. Reading a body fails with it, too, if
 * the connection fails. `cause` holds the reason, if there is one.
 *
 * Two kinds of failure have errors of their own: a response that was refused, late, or
 * truncated by a server that ended the connection in order, is an `HttpError`, and an
 * aborted request rejects with the reason of its signal.
 */
export class RequestError extends Error {
  /**
   * Whether the request may be sent again on another connection (RFC 9110 §9.2.2): nothing
   * of it was sent, or it is idempotent and its response had not begun. A body that is a
   * stream was not touched if nothing was sent; else a new one is needed.
   */
  readonly retryable: boolean;

  /**
   * Creates the error.
   *
   * @param message What happened.
   * @param retryable Whether the request may be sent again.
   * @param cause The reason, if it is known.
   */
  constructor(message: string, retryable: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "RequestError";
    this.retryable = retryable;
  }
}
