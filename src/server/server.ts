/**
 * A running server: takes connections from a source, and ends in one of two ways.
 *
 * `shutdown` stops the source and lets each connection answer what had arrived; `abort`
 * cuts them all. Either way `finished` resolves only when connections are closed, the
 * port is free and no timer is left.
 *
 * @module
 */

import { Acceptor, type AcceptSource } from "./acceptor.ts";
import { Connection } from "./connection.ts";
import { resolveServerLimits, type ServerLimits } from "../limits.ts";
import type { ConnectionOptions } from "./options.ts";
import type { Registry, ServerStats } from "./registry.ts";
import { closeUnserved, type Conn, type Duplex } from "./transport.ts";

/** What `serve` can be given on any listener. */
export interface ServerOptions extends ConnectionOptions, ServerLimits {
  /**
   * Ends the server at once, and with it every connection; those that `upgrade()`
   * handed over too. Handlers at work learn of it by `req.signal`.
   */
  signal?: AbortSignal;
  /**
   * Told of the address once the server listens.
   *
   * @default {prints the address, where `serve` opened the listener itself}
   */
  onListen?: (addr: Deno.Addr) => void;
}

/** A running server. `await using` shuts it down at the end of the block. */
export interface HttpServer extends AsyncDisposable {
  /** Where it listens; `null` when it was given no listener with an address. */
  readonly addr: Deno.Addr | null;
  /**
   * Resolves when the server has ended: its connections are closed, its port is free,
   * and no timer of it is left. A handler that is still at work when its connection is
   * closed is not waited for.
   */
  readonly finished: Promise<void>;
  /**
   * Ends the server with grace: nothing more is accepted, idle connections are
   * closed, requests that have arrived whole are answered, and the last answer of each
   * connection says `Connection: close`. Connections that were handed over by
   * `upgrade()` stay, and are not waited for.
   *
   * @returns The same as {@linkcode HttpServer.finished}.
   */
  shutdown(): Promise<void>;
  /** Lets the server keep the program running, as it does from the start. */
  ref(): void;
  /** Lets the program end while the server runs. */
  unref(): void;
  /** What was counted so far. */
  stats(): ServerStats;
}

/** Calls `end` when the signal aborts. Gives how to stop listening. */
export function follow(
  signal: AbortSignal | undefined,
  end: (reason: unknown) => void,
): () => void {
  if (signal === undefined) return () => {};
  const abort = () => end(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return () => signal.removeEventListener("abort", abort);
}

/** The one implementation of {@linkcode HttpServer}. */
export class Server implements HttpServer {
  readonly addr: Deno.Addr | null;
  readonly finished: Promise<void>;
  readonly #registry: Registry;
  readonly #acceptor: Acceptor;
  readonly #maxConnections: number;
  #keepsAlive = true;
  #over = false;
  /** Resolves the accept loop's wait for a free slot. */
  #wake: () => void = () => {};
  /** Keeps the program running until the last connection has ended. */
  #awake: ReturnType<typeof setInterval> | undefined;
  #unfollow: () => void = () => {};
  /** Resolves when the connections know of the shutdown. */
  #told: Promise<void> = Promise.resolve();

  constructor(
    source: AcceptSource,
    registry: Registry,
    options: ServerOptions,
  ) {
    const { signal } = options;
    this.#maxConnections = resolveServerLimits(options).maxConnections;
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
    if (this.addr !== null) options.onListen?.(this.addr);
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
    this.#unfollowAtEnd();
  }

  /** The signal ends connections that were handed over, too, for as long as they last. */
  #unfollowAtEnd(): void {
    if (this.#over && this.#registry.connections.size === 0) this.#unfollow();
  }

  /** Serves connections until the source has ended or was stopped. */
  async #accept(): Promise<void> {
    const { connections } = this.#registry;
    try {
      for (;;) {
        const connection = await this.#acceptor.next();
        if (connection === null) break;
        // A source may give without end what cannot be served; others have a turn.
        if (!this.#serve(connection)) {
          await new Promise((r) => setTimeout(r, 0));
        }
        while (
          connections.size >= this.#maxConnections &&
          !this.#registry.shuttingDown
        ) await this.#change();
      }
      // A listener ends when its owner closes it; an iterable may just be at its end.
      this.#acceptor.stop();
      if (this.#acceptor.listens) this.shutdown();
    } catch (error) {
      this.#registry.report(error, null);
      this.shutdown();
    }
  }

  #serve(conn: Conn | Duplex): boolean {
    try {
      const connection = new Connection(this.#registry, conn);
      if (!this.#keepsAlive) connection.keepAlive(false);
      connection.start();
      return true;
    } catch (error) {
      // No connection: a pair with a locked stream, say.
      closeUnserved(conn);
      this.#registry.report(error, null);
      return false;
    }
  }

  /** Resolves when a connection has closed, or the server is to end. */
  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }

  shutdown(): Promise<void> {
    const registry = this.#registry;
    if (registry.shuttingDown || this.#over) return this.finished;
    registry.shuttingDown = true;
    this.#acceptor.stop();
    this.#wake();
    if (registry.connections.size > 0) {
      this.#told = this.#tellConnections();
      if (this.#keepsAlive) this.#stayAwake();
    }
    return this.finished;
  }

  /** Tells the connections. What has arrived within a turn is still read, and answered. */
  async #tellConnections(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    for (const connection of this.#registry.connections) connection.shutDown();
  }

  /** A timeout may be all that is left to end the last connection. */
  #stayAwake(): void {
    this.#awake = setInterval(() => {}, 1000);
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
