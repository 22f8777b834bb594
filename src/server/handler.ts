/**
 * The handler of a program, and what it is told of the connection.
 *
 * @module
 */

import type { HttpRequest } from "../message/request.ts";
import type { HttpResponse } from "./response.ts";

/** What is known of a connection. One object serves all its requests. */
export interface ConnectionInfo {
  /** The other end; `null` for a pair of streams, unless it was given. */
  readonly remoteAddr: Deno.Addr | null;
  /** This end; `null` for a pair of streams. */
  readonly localAddr: Deno.Addr | null;
  /** Whether the connection is secured by TLS. */
  readonly secure: boolean;
}

/**
 * Answers requests, one at a time on each connection.
 *
 * It calls `res.send`, `res.json` or `res.upgrade` before it returns, or before the
 * promise it returns resolves. The request is released then and once the response
 * is sent: what it keeps of the request it has to read before.
 */
export type Handler = (
  req: HttpRequest,
  res: HttpResponse,
  info: ConnectionInfo,
) => void | Promise<void>;
