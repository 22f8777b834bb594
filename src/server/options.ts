/**
 * Options of a connection.
 *
 * @module
 */

import type { ConnectionLimits } from "../limits.ts";
import type { ParserOptions } from "../message/pools.ts";
import type { RequestEndHandler } from "./request_end.ts";
import type { HttpResponse } from "./response.ts";

/** The request that an error belongs to. */
export interface FailedRequest {
  /** The method as sent. */
  readonly method: string;
  /** The request target as sent. */
  readonly target: string;
  /** The client's address, `null` for a pair of streams unless given. */
  readonly remoteAddr: Deno.Addr | null;
}

/**
 * Receives failures of the program or the system: a handler that throws or does not
 * answer, a body stream that fails, a listener out of file handles. If no response was
 * sent yet, `res` can answer until this function returns; if it does not, the client
 * gets a 500. A returned `Response` is ignored: answer with `res`. `request` tells which
 * request it was; it is `null` where the connection or the listener failed without one.
 * Client errors are counted in `stats()`, not reported here.
 */
export type ErrorHandler = (
  error: unknown,
  res: HttpResponse | null,
  request: FailedRequest | null,
) => void | Promise<void>;

/** @throws {TypeError} A program without types gave something else than a function. */
export function checkCallback(name: string, callback: unknown): void {
  if (callback === undefined || callback === null) return;
  if (typeof callback !== "function") {
    throw new TypeError(`${name} is no function`);
  }
}

/** Options common to `serveConnection` and `serve`. */
export interface ConnectionOptions extends ParserOptions, ConnectionLimits {
  /**
   * Receives failures of the program or the system.
   *
   * @default {console.error}
   */
  onError?: ErrorHandler;
  /**
   * Called once for each request that has ended, for access logs and metrics: when its
   * handler is done and the connection took the last byte of its response, or when the
   * connection closed before that. A request that `res.upgrade()` accepted ends with its
   * 101 or 2xx, whatever becomes of the connection.
   *
   * Each request that `stats().requests` counts ends once, and so does each message that
   * was refused before it became a request; a half-sent head is one if its client ended
   * the input or timed out. Requests of a connection end in order. What this function
   * throws, or rejects with, goes to `onError` and disturbs nothing else. While records
   * of more than 64 KiB of heads wait for responses to be written, the connection begins
   * no further request.
   *
   * @default {nobody is told, at no cost}
   *
   * @example
   * ```ts
   * import { serve } from "@pooled/http1";
   *
   * await using server = serve({
   *   hostname: "127.0.0.1",
   *   port: 0,
   *   onRequestEnd: ({ method, target, status, duration }) =>
   *     console.log(JSON.stringify({ method, target, status, duration })),
   * }, (_req, res) => res.send("hello"));
   * ```
   */
  onRequestEnd?: RequestEndHandler;
}
