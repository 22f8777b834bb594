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
import { Budget } from "../memory/budget.ts";
import type { Machine } from "../message/machine.ts";
import { type PoolsStats, sharedPools } from "../message/pools.ts";
import type { HttpResponse } from "./response.ts";
import type { ConnectionInfo, Handler } from "./handler.ts";
import {
  checkCallback,
  type ConnectionOptions,
  type ErrorHandler,
  type FailedRequest,
} from "./options.ts";
import { Ledger } from "./ledger.ts";
import type { Output } from "../io/output.ts";
import { closingError } from "./reasons.ts";
import type { RequestEnd } from "./request_end.ts";
import { sweeperFor } from "../io/deadlines.ts";
import type { Sweepable, Sweeper } from "../io/sweeper.ts";

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
  /** Connections dropped by a timeout, or by the deadline of the shutdown. */
  dropped: number;
  /** Responses replaced by a 503, and connections dropped, because of `maxBuffered`. */
  shed: number;
  /** Bytes held right now that count towards `maxBuffered`. */
  buffered: number;
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
  /** Whether `upgrade()` handed it over. */
  readonly handedOver: boolean;
  /** Pending bytes if the client has stopped reading, else 0. */
  readonly stalledBytes: number;
  /** Resolves when the connection has closed or was handed over. */
  readonly done: Promise<void>;
  /** Ends the connection once the requests that arrived in full are answered. */
  shutDown(): void;
  /** Closes the connection to free its buffers. */
  shed(): void;
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
  readonly budget: Budget;
  dropped = 0;
  shed = 0;
  accepted = 0;
  aborted = 0;
  #requests = 0;
  #received = 0;
  #sent = 0;
  #closing: AbortController | null = null;
  /** The turn of the sweeper in which the last search for stalled clients ended. */
  #searched = -1;

  /**
   * @throws {RangeError} A limit or a timeout is out of its range.
   * @throws {TypeError} A callback is no function.
   */
  constructor(handler: Handler<never>, options: ConnectionOptions) {
    // The types of `serve` see to it that its connections have the addresses it expects.
    this.handler = handler as Handler;
    this.options = options;
    this.limits = resolveConnectionLimits(options);
    resolveParserLimits(options);
    checkCallback("onError", options.onError);
    checkCallback("onRequestEnd", options.onRequestEnd);
    this.onError = options.onError ?? ((error) => console.error(error));
    const { limits } = this;
    this.budget = new Budget(limits.maxBuffered);
    this.sweeper = sweeperFor(limits);
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

  /** The signal that handlers are told of; created when the first one asks. */
  get closing(): AbortSignal {
    if (this.#closing === null) {
      this.#closing = new AbortController();
      if (this.shuttingDown) this.#closing.abort(closingError());
    }
    return this.#closing.signal;
  }

  beginShutdown(): void {
    this.shuttingDown = true;
    this.#closing?.abort(closingError());
  }

  refused(code: HttpErrorCode): void {
    this.refusals[code] = (this.refusals[code] ?? 0) + 1;
  }

  /**
   * Makes room for `bytes` in the budget if needed: drops connections whose clients have
   * stopped reading, largest first. Returns whether `bytes` fit.
   */
  makeRoom(bytes: number): boolean {
    if (this.budget.admits(bytes)) return true;
    const { turns } = this.sweeper;
    // Only a sweep marks connections as stalled, so one search per sweep is enough.
    const stalled = turns === this.#searched ? [] : this.#stalled();
    this.#searched = turns;
    for (const connection of stalled) {
      connection.shed();
      this.shed++;
      if (this.budget.admits(bytes)) {
        this.#searched = -1;
        return true;
      }
    }
    this.shed++;
    return false;
  }

  #stalled(): Registered[] {
    return [...this.connections]
      .filter(({ stalledBytes }) => stalledBytes > 0)
      .sort((a, b) => b.stalledBytes - a.stalledBytes);
  }

  /** Calls `onError`. An error that `onError` throws itself goes to the console. */
  async report(
    error: unknown,
    res: HttpResponse | null,
    request: FailedRequest | null = null,
  ): Promise<void> {
    try {
      await this.onError(error, res, request);
    } catch (error) {
      try {
        console.error(error);
      } catch {
        // An error whose inspection throws.
      }
    }
  }

  /** The record of a connection's requests; `null` if the program asks for none. */
  ledgerFor(
    { machine, output, info }: {
      readonly machine: Machine;
      readonly output: Output;
      readonly info: ConnectionInfo;
    },
  ): Ledger | null {
    const onRequestEnd = this.options.onRequestEnd ?? null;
    if (onRequestEnd === null) return null;
    const failed = ({ method, target }: RequestEnd, error: unknown) => {
      const { remoteAddr } = info;
      const request = method === null || target === null
        ? null
        : { method, target, remoteAddr };
      this.report(error, null, request);
    };
    return new Ledger(machine, output, (end) => {
      try {
        const told: unknown = onRequestEnd(end, info);
        // A promise for each call would cost more than most logs.
        if (told === undefined) return;
        Promise.resolve(told).catch((error) => failed(end, error));
      } catch (error) {
        failed(end, error);
      }
    });
  }

  stats(): ServerStats {
    const stats = {
      connections: this.connections.size,
      accepted: this.accepted,
      aborted: this.aborted,
      dropped: this.dropped,
      shed: this.shed,
      buffered: this.budget.held,
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
