/**
 * The shared state of a server's connections: options, limits and counters.
 *
 * Each connection keeps its own counters and adds them here when it closes. `stats`
 * sums them on demand, so a request pays for no shared counter.
 *
 * @module
 */

import type { HttpErrorCode } from "../errors.ts";
import {
  type ConnectionLimits,
  resolveConnectionLimits,
  resolveParserLimits,
} from "../limits.ts";
import { type PoolsStats, sharedPools } from "../message/pools.ts";
import type { Handler } from "./handler.ts";
import type { ConnectionOptions, ErrorHandler } from "./options.ts";
import { type Sweepable, Sweeper } from "./timeouts.ts";

/** A snapshot of a server's counters. */
export interface ServerStats {
  /** Open connections, including those handed over by `upgrade()`. */
  connections: number;
  /** Connections accepted so far. */
  accepted: number;
  /** Connections that the client reset before they were accepted. */
  aborted: number;
  /** Requests passed to the handler. */
  requests: number;
  /** Bytes received. */
  bytesReceived: number;
  /** Bytes sent. */
  bytesSent: number;
  /** Refused messages by error code; contains only codes that occurred. */
  refusals: Partial<Record<HttpErrorCode, number>>;
  /** Counters of the pools, which other servers and parsers may share. */
  pools: PoolsStats;
}

/** The interface of a connection towards its server. */
export interface Registered extends Sweepable {
  readonly requests: number;
  readonly received: number;
  readonly sent: number;
  /** Resolves when the connection has closed or was handed over. */
  readonly done: Promise<void>;
  /** Ends the connection once the requests that arrived in full are answered. */
  shutDown(): void;
  /** Closes the connection at once. */
  destroy(reason: unknown): void;
  /** Sets whether pending reads keep the event loop alive. */
  keepAlive(keeps: boolean): void;
}

/** The connections of one server. */
export class Registry {
  readonly handler: Handler;
  readonly options: ConnectionOptions;
  readonly limits: Required<ConnectionLimits>;
  readonly onError: ErrorHandler;
  readonly sweeper: Sweeper;
  readonly connections: Set<Registered> = new Set();
  readonly refusals: Partial<Record<HttpErrorCode, number>> = {};
  /** Once set, connections answer the requests that have arrived, then end. */
  shuttingDown = false;
  /** Called when a connection has closed. */
  onClosed: () => void = () => {};
  accepted = 0;
  aborted = 0;
  #requests = 0;
  #received = 0;
  #sent = 0;

  /** @throws {RangeError} A limit or a timeout is out of its range. */
  constructor(handler: Handler, options: ConnectionOptions) {
    this.handler = handler;
    this.options = options;
    this.limits = resolveConnectionLimits(options);
    resolveParserLimits(options);
    this.onError = options.onError ?? ((error) => console.error(error));
    const { headTimeout, bodyTimeout, idleTimeout, writeTimeout } = this.limits;
    this.sweeper = Sweeper.for(
      Math.min(headTimeout, bodyTimeout, idleTimeout, writeTimeout),
    );
  }

  add(connection: Registered): void {
    this.accepted++;
    this.connections.add(connection);
    this.sweeper.add(connection);
  }

  /** Removes a closed connection; its handler may still be running. */
  delete(connection: Registered): void {
    if (!this.connections.delete(connection)) return;
    this.#requests += connection.requests;
    this.#received += connection.received;
    this.#sent += connection.sent;
    this.onClosed();
  }

  refused(code: HttpErrorCode): void {
    this.refusals[code] = (this.refusals[code] ?? 0) + 1;
  }

  /** Calls `onError`. An error that `onError` throws itself goes to the console. */
  async report(...args: Parameters<ErrorHandler>): Promise<void> {
    try {
      await this.onError(...args);
    } catch (error) {
      try {
        console.error(error);
      } catch {
        // An error whose inspection throws.
      }
    }
  }

  stats(): ServerStats {
    const stats = {
      connections: this.connections.size,
      accepted: this.accepted,
      aborted: this.aborted,
      requests: this.#requests,
      bytesReceived: this.#received,
      bytesSent: this.#sent,
      refusals: { ...this.refusals },
      pools: (this.options.pools ?? sharedPools).stats(),
    };
    for (const connection of this.connections) {
      stats.requests += connection.requests;
      stats.bytesReceived += connection.received;
      stats.bytesSent += connection.sent;
    }
    return stats;
  }
}
