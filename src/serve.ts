/**
 * HTTP/1.1 on any listener, on any connection you accepted yourself, and on any
 * pair of streams.
 *
 * @example A server, in the manner of `Deno.serve`
 * ```ts ignore
 * import { serve } from "@pooled/http1/serve";
 *
 * serve({ port: 8000 }, (req, res) => res.send(`hello ${req.path}`));
 * ```
 *
 * @example On a listener of your own, with any `Deno.serve` application
 * ```ts ignore
 * import { fetchHandler, serve } from "@pooled/http1/serve";
 *
 * serve(Deno.listen({ port: 8000 }), fetchHandler(() => new Response("hello")));
 * ```
 *
 * @module
 */

import { Acceptor, type AcceptSource } from "./server/acceptor.ts";
import { Connection } from "./server/connection.ts";
import type { Handler } from "./server/exchange.ts";
import type { ConnectionOptions } from "./server/options.ts";
import { Registry, type ServerStats } from "./server/registry.ts";
import type { Conn, Duplex } from "./server/transport.ts";

export * from "./message.ts";
export type { AcceptSource } from "./server/acceptor.ts";
export type { ConnectionInfo, Handler } from "./server/exchange.ts";
export {
  type FetchApp,
  fetchHandler,
  type FetchInfo,
} from "./server/fetch_handler.ts";
export type {
  ConnectionLimits,
  ConnectionOptions,
  ErrorHandler,
} from "./server/options.ts";
export {
  type PreparedResponse,
  type PreparedResponseInit,
  prepareResponse,
} from "./server/prepared_response.ts";
export type {
  HttpResponse,
  HttpResponseBody,
  HttpResponseInit,
} from "./server/response.ts";
export type { TrailerSource } from "./server/response_body.ts";
export type { ServerStats } from "./server/registry.ts";
export type { Conn, Duplex } from "./server/transport.ts";

/** What `serve` can be given on any listener. */
export interface ServerOptions extends ConnectionOptions {
  /**
   * Connections at once, with those that `upgrade()` handed over. With so many,
   * none is accepted until one closes; clients wait in the queue of the system.
   *
   * @default {16384}
   */
  maxConnections?: number;
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

/** Where `serve` is to listen, and what else it can be given. */
export interface ServeOptions extends ServerOptions {
  /**
   * The TCP port; 0 takes any that is free, which `addr` tells.
   *
   * @default {8000}
   */
  port?: number;
  /**
   * The address or name to listen on.
   *
   * @default {"0.0.0.0"}
   */
  hostname?: string;
  /**
   * Whether several processes or workers may share the port. Deno asks for the flag
   * `--unstable-net` then.
   */
  reusePort?: boolean;
  /** A Unix socket to listen on instead of a port. */
  path?: string;
  /** A certificate chain in PEM format: with it and `key`, the server speaks TLS. */
  cert?: string;
  /** The private key of `cert` in PEM format. */
  key?: string;
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

const MAX_CONNECTIONS = 16_384;

/** Ends something when the signal aborts, as long as it is not over. */
function follow(
  signal: AbortSignal | undefined,
  end: (reason: unknown) => void,
  over: Promise<void>,
): void {
  if (signal === undefined) return;
  const abort = () => end(signal.reason);
  if (signal.aborted) return abort();
  signal.addEventListener("abort", abort, { once: true });
  over.finally(() => signal.removeEventListener("abort", abort));
}

/** The one implementation of {@linkcode HttpServer}. */
class Server implements HttpServer {
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
  /** Resolves when the connections know of the shutdown. */
  #drained: Promise<void> = Promise.resolve();

  constructor(
    source: AcceptSource,
    registry: Registry,
    options: ServerOptions,
  ) {
    const { maxConnections = MAX_CONNECTIONS, signal } = options;
    if (!(maxConnections >= 1)) {
      throw new RangeError(
        `maxConnections is ${maxConnections}; expected 1 or more`,
      );
    }
    this.#maxConnections = maxConnections;
    this.#registry = registry;
    this.#acceptor = new Acceptor(source, {
      aborted: () => registry.aborted++,
      failed: (error) => registry.report(error, null),
    });
    this.addr = this.#acceptor.addr;
    registry.onClosed = () => this.#wake();
    if (this.addr !== null) options.onListen?.(this.addr);
    this.finished = this.#run();
    follow(signal, (reason) => this.#abort(reason), this.finished);
  }

  async #run(): Promise<void> {
    await this.#accept();
    await Promise.all(
      [...this.#registry.connections].map((connection) => connection.done),
    );
    await this.#drained;
    await this.#acceptor.released();
    this.#over = true;
    clearInterval(this.#awake);
  }

  /** Serves connections until the source has ended or was stopped. */
  async #accept(): Promise<void> {
    const { connections } = this.#registry;
    try {
      for (;;) {
        const connection = await this.#acceptor.next();
        if (connection === null) break;
        this.#serve(connection);
        while (
          connections.size >= this.#maxConnections && !this.#registry.draining
        ) await this.#change();
      }
      // A listener ends when its owner closes it; an iterable may just be at its end.
      if (this.#acceptor.listens) this.shutdown();
    } catch (error) {
      this.#registry.report(error, null);
      this.shutdown();
    }
  }

  #serve(conn: Conn | Duplex): void {
    try {
      const connection = new Connection(this.#registry, conn);
      if (!this.#keepsAlive) connection.keepAlive(false);
      connection.start();
    } catch (error) {
      // No connection: a pair with a locked stream, say.
      this.#registry.report(error, null);
    }
  }

  /** Resolves when a connection has closed, or the server is to end. */
  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }

  shutdown(): Promise<void> {
    const registry = this.#registry;
    if (registry.draining || this.#over) return this.finished;
    registry.draining = true;
    this.#acceptor.stop();
    this.#wake();
    if (registry.connections.size > 0) {
      this.#drained = this.#drain();
      if (this.#keepsAlive) this.#stayAwake();
    }
    return this.finished;
  }

  /** Tells the connections. What has arrived within a turn is still read, and answered. */
  async #drain(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    for (const connection of this.#registry.connections) connection.drain();
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

/**
 * Serves HTTP/1.1 on port 8000 of all interfaces.
 *
 * @param handler Answers each request.
 * @throws {Error} The port cannot be listened on.
 */
export function serve(handler: Handler): HttpServer;
/**
 * Serves HTTP/1.1 on a port or a Unix socket, with TLS where `cert` and `key` are
 * given.
 *
 * @param options Where to listen, limits, timeouts, and who is told of what.
 * @param handler Answers each request.
 * @throws {Error} The address cannot be listened on.
 * @throws {RangeError} A limit or a timeout is out of its range.
 *
 * @example
 * ```ts
 * import { serve } from "@pooled/http1";
 *
 * const server = serve(
 *   { hostname: "127.0.0.1", port: 0, onListen: () => {} },
 *   async (req, res) => res.json({ you: "sent", text: await req.text() }),
 * );
 * const { port } = server.addr as Deno.NetAddr;
 * const answer = await fetch(`http://127.0.0.1:${port}`, { method: "POST", body: "hi" });
 * console.log(await answer.json()); // { you: "sent", text: "hi" }
 * await server.shutdown();
 * ```
 */
export function serve(options: ServeOptions, handler: Handler): HttpServer;
/**
 * Serves HTTP/1.1 on whatever gives connections: a `Deno.Listener` (TCP, TLS, Unix),
 * or any async iterable of connections or pairs of streams. The listener is closed
 * with the server.
 *
 * @param listener Gives the connections.
 * @param handler Answers each request.
 * @param options Limits, timeouts, and who is told of what.
 * @throws {RangeError} A limit or a timeout is out of its range.
 *
 * @example
 * ```ts
 * import { serve } from "@pooled/http1";
 *
 * const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * await using server = serve(listener, (req, res) => res.send(req.path));
 * ```
 */
export function serve(
  listener: AcceptSource,
  handler: Handler,
  options?: ServerOptions,
): HttpServer;
export function serve(
  first: Handler | ServeOptions | AcceptSource,
  second?: Handler,
  third: ServerOptions = {},
): HttpServer {
  if (typeof first === "function") return listenAndServe({}, first);
  if (typeof second !== "function") {
    throw new TypeError("serve needs a handler");
  }
  if (!(Symbol.asyncIterator in first)) return listenAndServe(first, second);
  return new Server(first, new Registry(second, third), third);
}

function listenAndServe(options: ServeOptions, handler: Handler): HttpServer {
  // Before the listener, so that a wrong option leaves none open.
  const registry = new Registry(handler, options);
  const listener = listen(options);
  try {
    return new Server(listener, registry, {
      ...options,
      onListen: options.onListen ?? announce(options),
    });
  } catch (error) {
    listener.close();
    throw error;
  }
}

function listen(options: ServeOptions): Deno.Listener {
  const { port = 8000, hostname = "0.0.0.0", path, cert, key } = options;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError("cert and key are given together, or neither is");
  }
  if (path !== undefined) {
    if (cert !== undefined) {
      throw new TypeError("a Unix socket takes no cert and key");
    }
    return Deno.listen({ transport: "unix", path });
  }
  const { reusePort = false } = options;
  return cert !== undefined && key !== undefined
    ? Deno.listenTls({
      port,
      hostname,
      reusePort,
      cert,
      key,
      alpnProtocols: ["http/1.1"],
    })
    : Deno.listen({ port, hostname, reusePort });
}

function announce(options: ServeOptions): (addr: Deno.Addr) => void {
  return (addr) => {
    if (!("hostname" in addr)) {
      return console.log(`Listening on ${options.path}`);
    }
    const { hostname, port } = addr;
    const scheme = options.cert === undefined ? "http" : "https";
    const host = hostname.includes(":") ? `[${hostname}]` : hostname;
    console.log(`Listening on ${scheme}://${host}:${port}/`);
  };
}

/** What `serveConnection` can be given besides limits and timeouts. */
export interface ServeConnectionOptions extends ConnectionOptions {
  /** What `info.remoteAddr` tells instead of the connection's own, as from a PROXY line. */
  remoteAddr?: Deno.Addr;
  /** Bytes that were read from the connection before, and belong to HTTP. They are copied. */
  received?: Uint8Array;
  /** Ends the connection at once. */
  signal?: AbortSignal;
}

/**
 * Serves HTTP/1.1 on one connection: a `Deno.Conn` that you accepted, or any pair of
 * streams. It is closed at the end.
 *
 * @param connection A connection, or a pair of streams, which are locked.
 * @param handler Answers each request.
 * @param options Limits, timeouts, and what was read from the connection before.
 * @returns Resolves when the connection has closed, or was handed over by `upgrade()`.
 * What the client does wrong does not reject it.
 * @throws {RangeError} A limit or a timeout is out of its range.
 * @throws {TypeError} A stream of the pair is locked.
 *
 * @example A pipe in memory
 * ```ts
 * import { serveConnection } from "@pooled/http1";
 *
 * const up = new TransformStream<Uint8Array, Uint8Array>();
 * const down = new TransformStream<Uint8Array, Uint8Array>();
 * const served = serveConnection(
 *   { readable: up.readable, writable: down.writable },
 *   (req, res) => res.send(`you asked for ${req.target}`),
 * );
 * const writer = up.writable.getWriter();
 * writer.write(new TextEncoder().encode("GET /a HTTP/1.0\r\n\r\n"));
 * console.log(await new Response(down.readable).text());
 * await writer.close();
 * await served;
 * ```
 */
export function serveConnection(
  connection: Conn | Duplex,
  handler: Handler,
  options: ServeConnectionOptions = {},
): Promise<void> {
  const { remoteAddr, received, signal } = options;
  const served = new Connection(
    new Registry(handler, options),
    connection,
    remoteAddr,
  );
  follow(signal, (reason) => served.destroy(reason), served.done);
  served.start(received);
  return served.done;
}
