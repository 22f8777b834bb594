/**
 * HTTP/1.1 on any listener, on any connection you accepted yourself, and on any
 * pair of streams.
 *
 * @example A server, called like `Deno.serve`
 * ```ts ignore
 * import { serve } from "@pooled/http1/serve";
 *
 * serve({ port: 8000 }, (req, res) => res.send(`hello ${req.path}`));
 * ```
 *
 * @example Your own listener, with an application written for `Deno.serve`
 * ```ts ignore
 * import { fetchHandler, serve } from "@pooled/http1/serve";
 *
 * serve(Deno.listen({ port: 8000 }), fetchHandler(() => new Response("hello")));
 * ```
 *
 * @module
 */

import { isBytes } from "./message/bytes.ts";
import { noBytesError } from "./message/misuse.ts";
import type { AcceptSource } from "./server/acceptor.ts";
import { Connection } from "./server/connection.ts";
import type { Handler } from "./server/handler.ts";
import type { ConnectionOptions } from "./server/options.ts";
import { noHandlerError } from "./server/reasons.ts";
import { Registry } from "./server/registry.ts";
import {
  announce,
  listen,
  type ListenOptions,
  type ServeOptions,
  type ServeTcpOptions,
  type ServeUnixOptions,
} from "./server/listen.ts";
import {
  type HttpServer,
  type ServedConnectionOptions,
  Server,
  type ServerOptions,
} from "./server/server.ts";
import { follow } from "./io/follow.ts";
import { checkConnection, type Conn, type Duplex } from "./io/transport.ts";

export * from "./message.ts";
export type { AcceptSource } from "./server/acceptor.ts";
export type { ConnectionInfo, Handler } from "./server/handler.ts";
export {
  type FetchApp,
  type FetchErrorHandler,
  fetchHandler,
  type FetchHandlerOptions,
  type FetchInfo,
} from "./server/fetch_handler.ts";
export type { ConnectionLimits, ServerLimits } from "./limits.ts";
export type {
  ConnectionOptions,
  ErrorHandler,
  FailedRequest,
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
export type { RequestEnd, RequestEndHandler } from "./server/request_end.ts";
export type { TrailerSource } from "./io/body_sender.ts";
export type {
  ServeOptions,
  ServeTcpOptions,
  ServeUnixOptions,
} from "./server/listen.ts";
export type { ServerStats } from "./server/registry.ts";
export type {
  HttpServer,
  ServedConnectionOptions,
  ServerOptions,
  ShutdownOptions,
} from "./server/server.ts";
export type { Conn, Duplex } from "./io/transport.ts";
export { nodeConn, type NodeDuplex } from "./io/node_conn.ts";
export {
  type InMemoryOptions,
  type InMemoryResponse,
  request,
} from "./in_memory.ts";

/**
 * Serves HTTP/1.1 on port 8000 of all interfaces.
 *
 * @param handler Answers each request.
 * @throws {Error} Listening on the port failed.
 */
export function serve(
  handler: Handler<Deno.NetAddr>,
): HttpServer<Deno.NetAddr>;
/**
 * Serves HTTP/1.1 on a Unix socket.
 *
 * @param options The path, limits, timeouts and callbacks.
 * @param handler Answers each request.
 * @throws {Error} Listening on the socket failed.
 * @throws {TypeError} The handler is missing, or TLS is combined with a Unix socket.
 * @throws {RangeError} A limit or a timeout is out of its range.
 */
export function serve(
  options: ServeUnixOptions,
  handler: Handler<Deno.UnixAddr>,
): HttpServer<Deno.UnixAddr>;
/**
 * Serves HTTP/1.1 on a port, with TLS if `cert` and `key` are given.
 *
 * @param options Address, limits, timeouts and callbacks.
 * @param handler Answers each request.
 * @throws {Error} Listening on the address failed.
 * @throws {TypeError} The handler is missing, only one of `cert` and `key` is given,
 * or `alpnProtocols` offers another protocol than HTTP/1.
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
 * const { port } = server.addr;
 * const answer = await fetch(`http://127.0.0.1:${port}`, { method: "POST", body: "hi" });
 * console.log(await answer.json()); // { you: "sent", text: "hi" }
 * await server.shutdown();
 * ```
 */
export function serve(
  options: ServeTcpOptions,
  handler: Handler<Deno.NetAddr>,
): HttpServer<Deno.NetAddr>;
/**
 * Serves HTTP/1.1 on a port or a Unix socket, whichever the options name.
 *
 * @param options Address, limits, timeouts and callbacks.
 * @param handler Answers each request.
 */
export function serve(
  options: ServeOptions,
  handler: Handler<Deno.NetAddr | Deno.UnixAddr>,
): HttpServer<Deno.NetAddr | Deno.UnixAddr>;
/**
 * Serves a Unix socket, with the handler among the options, as `Deno.serve` takes it.
 *
 * @param options The path, limits, timeouts, callbacks, and the handler.
 */
export function serve(
  options: ServeUnixOptions & { handler: Handler<Deno.UnixAddr> },
): HttpServer<Deno.UnixAddr>;
/**
 * Serves a port, with the handler among the options, as `Deno.serve` takes it.
 *
 * @param options Address, limits, timeouts, callbacks, and the handler.
 */
export function serve(
  options: ServeTcpOptions & { handler: Handler<Deno.NetAddr> },
): HttpServer<Deno.NetAddr>;
/**
 * Serves HTTP/1.1 on the connections of a `Deno.Listener` (TCP, TLS, Unix). The server
 * closes the listener when it ends.
 *
 * A listener for TLS that offers `"h2"` by ALPN loses the clients that choose it: such a
 * connection is closed, and `onError` is told why.
 *
 * @param listener The listener.
 * @param handler Answers each request.
 * @param options Limits, timeouts and callbacks.
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
export function serve<Addr extends Deno.Addr>(
  listener: Deno.Listener<Deno.Conn<Addr>, Addr>,
  handler: Handler<NoInfer<Addr>>,
  options?: ServerOptions<NoInfer<Addr>>,
): HttpServer<Addr>;
/**
 * Serves HTTP/1.1 on the connections of any async iterable of connections or pairs of
 * streams. The server closes the source when it ends.
 *
 * @param source The source of connections.
 * @param handler Answers each request.
 * @param options Limits, timeouts and callbacks.
 * @throws {RangeError} A limit or a timeout is out of its range.
 */
export function serve(
  source: AcceptSource,
  handler: Handler,
  options?: ServerOptions,
): HttpServer;
export function serve(
  first: AnyHandler | AcceptSource | ListenOptions & { handler?: AnyHandler },
  second: AnyHandler | undefined = (
    first as { handler?: AnyHandler } | null
  )?.handler,
  third: ServerOptions<never> = {},
): HttpServer {
  if (typeof first === "function") return listenAndServe({}, first);
  if (typeof second !== "function") {
    throw noHandlerError("serve");
  }
  if (typeof first !== "object" || first === null) {
    throw new TypeError(
      "serve listens on options such as { port: 8000 }, or takes connections of a source",
    );
  }
  if (!(Symbol.asyncIterator in first)) return listenAndServe(first, second);
  return new Server(first, new Registry(second, third), third);
}

/** A handler for any kind of address. */
type AnyHandler = Handler<never>;

function listenAndServe(
  options: ListenOptions,
  handler: AnyHandler,
): HttpServer {
  // Checks the options before listening, so an invalid one leaves no listener open.
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

/**
 * Options of `serveConnection`, on top of limits, timeouts and `onError`.
 *
 * @typeParam Addr What address `remoteAddr` may be.
 */
export interface ServeConnectionOptions<
  Addr extends Deno.Addr | null = Deno.Addr | null,
> extends ConnectionOptions, ServedConnectionOptions<Addr> {
  /** Closes the connection at once when aborted. */
  signal?: AbortSignal;
}

/**
 * Serves HTTP/1.1 on one connection, then closes it: a `Deno.Conn` that you accepted,
 * or any pair of streams.
 *
 * @param connection A connection, or a pair of streams; the streams become locked.
 * @param handler Answers each request.
 * @param options Limits, timeouts, callbacks, and bytes that were already read.
 * @returns Resolves when the connection has closed or was handed over by `upgrade()`.
 * Client errors do not reject it.
 * @throws {RangeError} A limit or a timeout is out of its range.
 * @throws {TypeError} There is no handler or no connection, or a stream of the pair is
 * locked.
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
export function serveConnection<
  Addr extends Deno.Addr | null = Deno.Addr | null,
>(
  connection: (Conn | Duplex) & { readonly remoteAddr?: Addr },
  handler: Handler<NoInfer<Addr>>,
  options?: ServeConnectionOptions<NoInfer<Addr>>,
): Promise<void>;
/**
 * The same, for a connection and a `remoteAddr` of different kinds.
 *
 * @param connection A connection, or a pair of streams; the streams become locked.
 * @param handler Answers each request.
 * @param options Limits, timeouts, callbacks, and bytes that were already read.
 */
export function serveConnection(
  connection: Conn | Duplex,
  handler: Handler,
  options?: ServeConnectionOptions,
): Promise<void>;
export function serveConnection(
  connection: Conn | Duplex,
  handler: AnyHandler,
  options: ServeConnectionOptions = {},
): Promise<void> {
  const { remoteAddr, context, received, signal } = options;
  if (typeof handler !== "function") {
    throw noHandlerError("serveConnection");
  }
  checkConnection(connection);
  if (received !== undefined && !isBytes(received)) {
    throw noBytesError();
  }
  const registry = new Registry(handler, options);
  const served = new Connection(registry, connection, remoteAddr, context);
  registry.onClosed = follow(signal, (reason) => served.destroy(reason));
  if (served.closed) registry.onClosed();
  served.start(received);
  return served.done;
}
