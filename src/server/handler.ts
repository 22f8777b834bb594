/**
 * The request handler, and the connection details it receives.
 *
 * @module
 */

import type { HttpRequest } from "../message/request.ts";
import type { HttpResponse } from "./response.ts";

/** Details of a connection. All requests of a connection share one object. */
export interface ConnectionInfo {
  /** The client's address; `null` for a pair of streams, unless given as an option. */
  readonly remoteAddr: Deno.Addr | null;
  /** The server's address; `null` for a pair of streams. */
  readonly localAddr: Deno.Addr | null;
  /** Whether the connection uses TLS. */
  readonly secure: boolean;
  /**
   * Aborts when the server begins to shut down. An exchange under way may finish; an
   * event stream that would not end by itself should end now. Never aborts for
   * `serveConnection`.
   */
  readonly closing: AbortSignal;
}

/** The only implementation of {@linkcode ConnectionInfo}. */
export class ConnectionDetails implements ConnectionInfo {
  readonly remoteAddr: Deno.Addr | null;
  readonly localAddr: Deno.Addr | null;
  readonly secure: boolean;
  readonly #server: Pick<ConnectionInfo, "closing">;

  constructor(
    remoteAddr: Deno.Addr | null,
    localAddr: Deno.Addr | null,
    secure: boolean,
    server: Pick<ConnectionInfo, "closing">,
  ) {
    this.remoteAddr = remoteAddr;
    this.localAddr = localAddr;
    this.secure = secure;
    this.#server = server;
  }

  // Created on access: few handlers ask for it.
  get closing(): AbortSignal {
    return this.#server.closing;
  }
}

/**
 * Answers requests, one at a time per connection.
 *
 * It must call `res.send`, `res.json` or `res.upgrade` before it returns, or before the
 * promise it returns resolves. Once the handler is done and the response is sent, the
 * request is released: read from it before that.
 */
export type Handler = (
  req: HttpRequest,
  res: HttpResponse,
  info: ConnectionInfo,
) => void | Promise<void>;
