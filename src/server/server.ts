/**
 * A running server: accepts connections until `shutdown` or an abort.
 *
 * `shutdown` stops the source and lets each connection answer the requests that have
 * arrived; the abort signal closes all connections at once. In both cases `finished`
 * resolves only once connections are closed, the port is free and no timer is left.
 *
 * @module
 */

import { Acceptor, type AcceptSource } from "./acceptor.ts";
import { Connection } from "./connection.ts";
import {
  LONGEST_TIMER,
  resolveServerLimits,
  type ServerLimits,
} from "../limits.ts";
import type { ConnectionOptions } from "./options.ts";
import type { Registry, ServerStats } from "./registry.ts";
import { isBytes } from "../message/bytes.ts";
import { noBytesError } from "../message/misuse.ts";
import { deadlineError } from "./reasons.ts";
import { follow } from "../io/follow.ts";
import { unrefTimer } from "../io/runtime.ts";
import {
  checkConnection,
  closeUnserved,
  type Conn,
  type Duplex,
} from "../io/transport.ts";

/**
 * Options of `serve` on any listener.
 *
 * @typeParam Addr What address it listens on.
 */
export interface ServerOptions<
  Addr extends Deno.Addr | null = Deno.Addr | null,
> extends ConnectionOptions, ServerLimits {
  /**
   * Aborting it ends the server at once and closes all connections, including those
   * handed over by `upgrade()`. It also aborts `req.signal` of running handlers.
   */
  signal?: AbortSignal;
  /**
   * Called with the address once the server listens.
   *
   * @default {prints the address, where `serve` opened the listener itself}
   */
  onListen?: (addr: NonNullable<Addr>) => void;
}

/** Options of {@linkcode HttpServer.shutdown}. */
export interface ShutdownOptions {
  /**
   * Milliseconds after which connections that are not done are dropped. A later call can
   * change it.
   *
   * @default {the server's `shutdownTimeout`}
   */
  timeout?: number;
}

/**
 * What is known of a connection that a program accepted itself.
 *
 * @typeParam Addr What address `remoteAddr` may be.
 */
export interface ServedConnectionOptions<
  Addr extends Deno.Addr | null = Deno.Addr | null,
> {
  /** Overrides `info.remoteAddr`, for example with the address of a PROXY line. */
  remoteAddr?: NonNullable<Addr>;
  /** Any value; handlers find it in `info.context`. */
  context?: unknown;
  /** Bytes already read from the connection that belong to HTTP. They are copied. */
  received?: Uint8Array;
}

/**
 * A running server. `await using` shuts it down at the end of the block.
 *
 * @typeParam Addr What addresses it and its clients have: `Deno.NetAddr` over TCP and
 * TLS, `Deno.UnixAddr` over a Unix socket, any or `null` with a source of your own.
 */
export interface HttpServer<Addr extends Deno.Addr | null = Deno.Addr | null>
  extends AsyncDisposable {
  /** The address it listens on; `null` if the source has none. */
  readonly addr: Addr;
  /**
   * Resolves when the server has ended: its connections are closed, its port is free,
   * and none of its timers is left. It does not wait for handlers that still run after
   * their connection was closed.
   */
  readonly finished: Promise<void>;
  /**
   * Shuts down gracefully: accepts no more connections, closes idle ones, answers the
   * requests that have arrived in full, and sends `Connection: close` with the last
   * response of each connection. Connections that are not done after `shutdownTimeout`
   * are dropped. Those handed over by `upgrade()` stay open, and the shutdown does not
   * wait for them.
   *
   * @param options How long to wait.
   * @returns The same as {@linkcode HttpServer.finished}.
   * @throws {RangeError} The timeout is no number of milliseconds from 0 on.
   */
  shutdown(options?: ShutdownOptions): Promise<void>;
  /**
   * Serves a connection that you accepted yourself, with the handler, limits and counts
   * of this server, and until its shutdown. It counts towards `maxConnections`, but is
   * served beyond. A server that has shut down closes it.
   *
   * Handlers for TCP or Unix sockets rely on an address: give `remoteAddr` with a
   * connection that has none, such as a pair of streams, or they are told `null`.
   *
   * @param connection A connection, or a pair of streams, which are locked.
   * @param options What was read from the connection before, whom it comes from, and
   * what handlers are told of it.
   * @returns Resolves when the connection has closed or was handed over by `upgrade()`.
   * @throws {TypeError} This is no connection, a stream of the pair is locked, or
   * `received` is no `Uint8Array`.
   */
  serve(
    connection: (Conn | Duplex) & { readonly remoteAddr?: Addr },
    options?: ServedConnectionOptions<Addr>,
  ): Promise<void>;
  /**
   * The same, for a connection whose own address is of another kind than the server's.
   *
   * @param connection A connection, or a pair of streams, which are locked.
   * @param options As above, with the `remoteAddr` that handlers are told.
   */
  serve(
    connection: Conn | Duplex,
    options: ServedConnectionOptions<Addr> & { remoteAddr: NonNullable<Addr> },
  ): Promise<void>;
  /** Makes the server keep the program running. This is the default. */
  ref(): void;
  /** Lets the program exit while the server runs. */
  unref(): void;
  /** Returns a snapshot of the counters. */
  stats(): ServerStats;
}

/** The only implementation of {@linkcode HttpServer}. */
export class Server implements HttpServer {
  readonly addr: Deno.Addr | null;
  readonly finished: Promise<void>;
  readonly #registry: Registry;
  readonly #acceptor: Acceptor;
  readonly #limits: Required<ServerLimits>;
  #keepsAlive = true;
  #over = false;
  /** Resolves the accept loop's wait for a free slot. */
  #wake: () => void = () => {};
  /** Keeps the event loop alive during shutdown until the last connection has ended. */
  #awake: ReturnType<typeof setInterval> | undefined;
  /** Ends a shutdown that takes too long. */
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #unfollow: () => void = () => {};
  /** Resolves when all connections were notified of the shutdown. */
  #told: Promise<void> = Promise.resolve();

  constructor(
    source: AcceptSource,
    registry: Registry,
    options: ServerOptions<never>,
  ) {
    const { signal } = options;
    this.#limits = resolveServerLimits(options);
    this.#registry = registry;
    this.#acceptor = new Acceptor(source, {
      aborted: () => registry.aborted++,
      failed: (error) => registry.report(error, null),
    });
    this.addr = this.#acceptor.addr;
    registry.onClosed = () => {
      this.#wake();
      this.#unfollowAtEnd();
    };
    if (this.addr !== null) options.onListen?.(this.addr as never);
    this.finished = this.#run();
    this.#unfollow = follow(signal, (reason) => this.#abort(reason));
  }

  async #run(): Promise<void> {
    await this.#accept();
    await Promise.all(
      [...this.#registry.connections].map((connection) => connection.done),
    );
    await this.#told;
    await this.#acceptor.released();
    this.#over = true;
    clearInterval(this.#awake);
    clearTimeout(this.#deadline);
    this.#unfollowAtEnd();
  }

  /** Keeps the signal listener until connections handed over are closed as well. */
  #unfollowAtEnd(): void {
    if (this.#over && this.#registry.connections.size === 0) this.#unfollow();
  }

  /** Serves connections until the source ends or is stopped. */
  async #accept(): Promise<void> {
    const { connections } = this.#registry;
    try {
      for (;;) {
        const connection = await this.#acceptor.next();
        if (connection === null) break;
        // Yields, since a source may produce unusable connections in a tight loop.
        if (!this.#serveAccepted(connection)) {
          await new Promise((r) => setTimeout(r, 0));
        }
        while (
          connections.size >= this.#limits.maxConnections &&
          !this.#registry.shuttingDown
        ) await this.#change();
      }
      // A listener that its owner closed shuts the server down. At the end of an iterable
      // the open connections keep being served.
      this.#acceptor.stop();
      if (this.#acceptor.listens) this.shutdown();
    } catch (error) {
      this.#registry.report(error, null);
      this.shutdown();
    }
  }

  serve(
    connection: Conn | Duplex,
    options: ServedConnectionOptions = {},
  ): Promise<void> {
    const { received } = options;
    checkConnection(connection);
    if (received !== undefined && !isBytes(received)) {
      throw noBytesError();
    }
    if (this.#over || this.#registry.shuttingDown) {
      closeUnserved(connection);
      return Promise.resolve();
    }
    return this.#begin(connection, options).done;
  }

  #begin(
    conn: Conn | Duplex,
    { remoteAddr, context, received }: ServedConnectionOptions = {},
  ): Connection {
    const connection = new Connection(
      this.#registry,
      conn,
      remoteAddr,
      context,
    );
    if (!this.#keepsAlive) connection.keepAlive(false);
    connection.start(received);
    return connection;
  }

  /** Returns whether the connection can be served. */
  #serveAccepted(conn: Conn | Duplex): boolean {
    try {
      this.#begin(conn);
      return true;
    } catch (error) {
      // Not usable as a connection, for example a pair with a locked stream.
      closeUnserved(conn);
      this.#registry.report(error, null);
      return false;
    }
  }

  /** Resolves when a connection has closed or the server shuts down. */
  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }

  shutdown({ timeout }: ShutdownOptions = {}): Promise<void> {
    const registry = this.#registry;
    if (timeout !== undefined && !(timeout >= 0)) {
      throw new RangeError(
        `timeout is ${timeout}; expected milliseconds from 0 on`,
      );
    }
    if (this.#over) return this.finished;
    if (registry.shuttingDown) {
      if (timeout !== undefined) this.#setDeadline(timeout);
      return this.finished;
    }
    registry.beginShutdown();
    this.#acceptor.stop();
    this.#wake();
    if (registry.connections.size > 0) {
      this.#told = this.#tellConnections();
      if (this.#keepsAlive) this.#stayAwake();
      this.#setDeadline(timeout ?? this.#limits.shutdownTimeout);
    }
    return this.finished;
  }

  /** Notifies the connections after one turn, so bytes that already arrived are read. */
  async #tellConnections(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    for (const connection of this.#registry.connections) connection.shutDown();
  }

  /** Sweeper timers are unref'd, but a timeout may have to end the last connection. */
  #stayAwake(): void {
    this.#awake = setInterval(() => {}, 1000);
  }

  #setDeadline(timeout: number): void {
    clearTimeout(this.#deadline);
    if (timeout > LONGEST_TIMER) return;
    this.#deadline = setTimeout(() => this.#expire(), timeout);
    unrefTimer(this.#deadline);
  }

  /** Drops the connections that are not done. */
  #expire(): void {
    for (const connection of this.#registry.connections) {
      if (connection.handedOver) continue;
      this.#registry.dropped++;
      connection.destroy(deadlineError());
    }
  }

  #abort(reason: unknown): void {
    this.shutdown();
    for (const connection of this.#registry.connections) {
      connection.destroy(reason);
    }
  }

  ref(): void {
    this.#keepAlive(true);
  }

  unref(): void {
    this.#keepAlive(false);
  }

  #keepAlive(keeps: boolean): void {
    this.#keepsAlive = keeps;
    this.#acceptor.keepAlive(keeps);
    clearInterval(this.#awake);
    if (keeps && this.#registry.shuttingDown && !this.#over) this.#stayAwake();
    for (const connection of this.#registry.connections) {
      connection.keepAlive(keeps);
    }
  }

  stats(): ServerStats {
    return this.#registry.stats();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}
