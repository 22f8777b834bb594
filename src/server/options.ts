/**
 * What a connection can be given, with its defaults.
 *
 * @module
 */

import type { ParserOptions } from "../message/pools.ts";
import type { HttpResponse } from "./response.ts";

/**
 * Limits and timeouts of a connection, besides those on a message. Times are in
 * milliseconds; one is late by up to a quarter of the shortest of them, or half a
 * second, and never early. They are measured in what the program was able to attend
 * to: a busy program times nobody out. `Infinity` switches one off.
 *
 * | option | default | what happens then |
 * |---|---|---|
 * | `headTimeout` | 30 s from the first byte of a head, or from the start of the connection, to the end of the head | 408, close |
 * | `bodyTimeout` | 30 s without a byte of a body that is waited for | the reader of the body meets an `HttpError`; 408, close |
 * | `idleTimeout` | 60 s between two requests, or without an answer for a client that may be gone | close |
 * | `writeTimeout` | 30 s in which the client takes nothing of what is sent | the connection is dropped |
 * | `maxRequests` | no bound on the requests of a connection | the last response says `Connection: close` |
 * | `maxDrain` | 256 KiB of a body that the handler did not read | close after the response |
 */
export interface ConnectionLimits {
  /**
   * From the first byte of a head, or from the start of the connection, to the end
   * of the head: bounds slow senders. Answered with 408.
   *
   * @default {30000}
   */
  headTimeout?: number;
  /**
   * Between two pieces of a body that somebody waits for. The reader of the body
   * meets an `HttpError` with the status 408.
   *
   * @default {30000}
   */
  bodyTimeout?: number;
  /**
   * Between a response and the next request. Also what a handler has to answer once
   * its client may be gone: the input has ended, which a client that waits for the
   * answer can do too, or more than 64 KiB of it lie unread, so that its end can't be
   * seen. The connection is dropped then, and `req.signal` aborted.
   *
   * @default {60000}
   */
  idleTimeout?: number;
  /**
   * Without progress of a write: the client does not read. The connection is dropped.
   * Progress shows only when the system takes more, on Linux once a third of its send
   * buffer has left, which can be a megabyte: a client that steadily takes less than
   * some 50 kB/s of a long response needs a longer time than the default.
   *
   * @default {30000}
   */
  writeTimeout?: number;
  /**
   * Requests on a connection; the last response closes it.
   *
   * @default {Infinity}
   */
  maxRequests?: number;
  /**
   * Bytes of a body that are read and thrown away when the handler left them, so
   * that the connection can be kept; with more it is closed.
   *
   * @default {262144}
   */
  maxDrain?: number;
}

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

/** The limits with their defaults, checked. */
export function resolveConnectionLimits(
  options: ConnectionLimits,
): Required<ConnectionLimits> {
  const resolved = {
    headTimeout: options.headTimeout ?? 30_000,
    bodyTimeout: options.bodyTimeout ?? 30_000,
    idleTimeout: options.idleTimeout ?? 60_000,
    writeTimeout: options.writeTimeout ?? 30_000,
    maxRequests: options.maxRequests ?? Infinity,
    maxDrain: options.maxDrain ?? 256 * 1024,
  };
  for (const [name, value] of Object.entries(resolved)) {
    const least = name === "maxDrain" ? 0 : 1;
    if (!(value >= least) || (value !== Infinity && !Number.isInteger(value))) {
      throw new RangeError(
        `${name} is ${value}; expected a whole number from ${least} on, or Infinity`,
      );
    }
  }
  return resolved;
}
