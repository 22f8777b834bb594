/**
 * What the connections of one server have in common, and what is counted of them.
 *
 * A connection counts for itself and adds its counts here when it closes; so the
 * numbers are summed up when somebody asks, and not per request.
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
import { type PoolsStats, sharedPools } from "../message/pools.ts";
import type { Handler } from "./handler.ts";
import type { ConnectionOptions, ErrorHandler } from "./options.ts";
import { type Sweepable, Sweeper } from "./timeouts.ts";

/** The counts of a server, at one moment. */
export interface ServerStats {
  /** Connections that are open, with those that were handed over by `upgrade()`. */
  connections: number;
  /** Connections so far. */
  accepted: number;
  /** Connections that their clients reset before they could be accepted. */
  aborted: number;
  /** Requests that were given to the handler. */
  requests: number;
  /** Bytes that came in. */
  bytesReceived: number;
  /** Bytes that went out. */
  bytesSent: number;
  /**
   * Connections that were dropped because the client took too long, or the server's
   * shutdown did.
   */
  dropped: number;
  /** Responses that became a 503, and connections dropped, for want of room in `maxBuffered`. */
  shed: number;
  /** Bytes held at this moment that `maxBuffered` bounds. */
  buffered: number;
  /** Refused messages by their code; only codes that occurred. */
  refusals: Partial<Record<HttpErrorCode, number>>;
  /** The counts of the pools, which other servers and parsers may share. */
  pools: PoolsStats;
}

/** A connection, as the server that has it needs it. */
export interface Registered extends Sweepable {
  /** Requests, bytes in and bytes out so far. */
  readonly requests: number;
  readonly received: number;
  readonly sent: number;
  /** Whether `upgrade()` handed it over. */
  readonly handedOver: boolean;
  /** Bytes that wait for a client who has stopped to read; 0 while it reads. */
  readonly stalledBytes: number;
  /** Resolves when HTTP is over on it. */
  readonly done: Promise<void>;
  /** The server shuts down. */
  shutDown(): void;
  /** Ends it, to make room for others. */
  shed(): void;
  /** Ends it at once. */
  destroy(reason: unknown): void;
  /** Whether its reads keep the program running. */
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
  /** Whether the server shuts down: connections answer what has arrived, and end. */
  shuttingDown = false;
  /** Told when a connection has closed. */
  onClosed: () => void = () => {};
  readonly budget: Budget;
  dropped = 0;
  shed = 0;
  accepted = 0;
  aborted = 0;
  #requests = 0;
  #received = 0;
  #sent = 0;
  /** The turn of the sweeper in which the last search for stalled clients ended. */
  #searched = -1;

  /** @throws {RangeError} A limit or a timeout is out of its range. */
  constructor(handler: Handler, options: ConnectionOptions) {
    this.handler = handler;
    this.options = options;
    this.limits = resolveConnectionLimits(options);
    resolveParserLimits(options);
    this.onError = options.onError ?? ((error) => console.error(error));
    const { limits } = this;
    this.budget = new Budget(limits.maxBuffered);
    this.sweeper = Sweeper.for(
      Math.min(
        limits.headTimeout,
        limits.bodyTimeout,
        limits.totalBodyTimeout,
        limits.idleTimeout,
        limits.goneTimeout,
        limits.writeTimeout,
      ),
    );
  }

  add(connection: Registered): void {
    this.accepted++;
    this.connections.add(connection);
    this.sweeper.add(connection);
  }

  /** A connection is closed; its handler may still be at work. */
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

  /**
   * Makes room for `bytes` in the budget, where they do not fit: drops connections whose
   * clients have stopped to read, those that hold most first. Gives whether they fit.
   */
  makeRoom(bytes: number): boolean {
    if (this.budget.admits(bytes)) return true;
    const { turns } = this.sweeper;
    // A sweep finds out who is stalled; until the next one there is nobody else.
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

  /** Reports what went wrong in the program. A reporter that fails is not asked again. */
  async report(...args: Parameters<ErrorHandler>): Promise<void> {
    try {
      await this.onError(...args);
    } catch (error) {
      try {
        console.error(error);
      } catch {
        // An object that cannot even be shown.
      }
    }
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
