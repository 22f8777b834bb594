/**
 * Options of a connection.
 *
 * @module
 */

import type { ConnectionLimits } from "../limits.ts";
import type { ParserOptions } from "../message/pools.ts";
import type { HttpResponse } from "./response.ts";

/**
 * Receives failures of the program or the system: a handler that throws or does not
 * answer, a body stream that fails, a listener out of file handles. If no response was
 * sent yet, `res` can answer until this function returns; if it does not, the client
 * gets a 500. A returned `Response` is ignored: answer with `res`. Client errors are
 * counted in `stats()`, not reported here.
 */
export type ErrorHandler = (
  error: unknown,
  res: HttpResponse | null,
) => void | Promise<void>;

/** Options common to `serveConnection` and `serve`. */
export interface ConnectionOptions extends ParserOptions, ConnectionLimits {
  /**
   * Receives failures of the program or the system.
   *
   * @default {console.error}
   */
  onError?: ErrorHandler;
}
