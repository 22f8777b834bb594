/**
 * An HTTP/1.1 client on any connection that you opened yourself, and on any pair of
 * streams.
 *
 * @example
 * ```ts ignore
 * import { connect } from "@pooled/http1/client";
 *
 * await using client = connect(await Deno.connect({ hostname: "example.com", port: 80 }), {
 *   authority: "example.com",
 * });
 * using response = await client.request({ target: "/" });
 * console.log(response.status, await response.text());
 * ```
 *
 * @module
 */

import { Client, type HttpClient } from "./client/http_client.ts";
import type { ConnectOptions } from "./client/options.ts";
import type { Conn, Duplex } from "./io/transport.ts";

export * from "./message.ts";
export type { HttpClient, UpgradeResult } from "./client/http_client.ts";
export type { ClientState } from "./client/phase.ts";
export type {
  ConnectOptions,
  HttpRequestBody,
  HttpRequestInit,
  RequestBasics,
  UpgradeRequestInit,
} from "./client/options.ts";
export { RequestError } from "./client/request_error.ts";
export type { TrailerSource } from "./io/body_sender.ts";
export { nodeConn, type NodeDuplex } from "./io/node_conn.ts";
export type { Conn, Duplex } from "./io/transport.ts";
export type { ClientLimits } from "./limits.ts";

/**
 * Makes a client of one connection: a `Deno.Conn` over TCP, TLS or a Unix socket, a socket
 * of Node.js by `nodeConn`, or any pair of streams.
 *
 * The client owns the connection. It reads ahead while idle, to notice a server that
 * closes the connection or sends what nothing asked for.
 *
 * @param connection A connection, or a pair of streams; the streams become locked.
 * @param options Limits, timeouts, pipelining, and the authority for Host.
 * @throws {RangeError} A limit or a timeout is out of its range.
 * @throws {TypeError} It is no connection, a stream of the pair is locked, the authority
 * is no `host[:port]`, or the signal no `AbortSignal`.
 *
 * @example A pipe in memory
 * ```ts
 * import { connect, serveConnection } from "@pooled/http1";
 *
 * const up = new TransformStream<Uint8Array, Uint8Array>();
 * const down = new TransformStream<Uint8Array, Uint8Array>();
 * serveConnection(
 *   { readable: up.readable, writable: down.writable },
 *   (req, res) => res.send(`you asked for ${req.target}`),
 * );
 * await using client = connect(
 *   { readable: down.readable, writable: up.writable },
 *   { authority: "localhost" },
 * );
 * using response = await client.request({ target: "/a" });
 * console.log(await response.text()); // you asked for /a
 * ```
 */
export function connect(
  connection: Conn | Duplex,
  options: ConnectOptions = {},
): HttpClient {
  return new Client(connection, options);
}
