/**
 * What a connection can be given, with its defaults.
 *
 * @module
 */

import type { ConnectionLimits } from "../limits.ts";
import type { ParserOptions } from "../message/pools.ts";
import type { HttpResponse } from "./response.ts";

/**
 * Told of what goes wrong in the program or the system: a handler that throws or does
 * not answer, a body stream that fails, a listener without file handles. Where nothing
 * was sent yet, `res` can still answer, until this function returns; where it does not,
 * a 500 is sent. A `Response` cannot be returned: answer by `res`. What clients do
 * wrong is not reported here but counted by `stats()`.
 */
export type ErrorHandler = (
  error: unknown,
  res: HttpResponse | null,
) => void | Promise<void>;

/** What `serveConnection` and `serve` can be given in common. */
export interface ConnectionOptions extends ParserOptions, ConnectionLimits {
  /**
   * Told of what goes wrong in the program.
   *
   * @default {console.error}
   */
  onError?: ErrorHandler;
}
