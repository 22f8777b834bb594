/**
 * The request handler, and the connection details it receives.
 *
 * @module
 */

import type { HttpRequest } from "../message/request.ts";
import type { HttpResponse } from "./response.ts";

/**
 * Details of a connection. All requests of a connection share one object.
 *
 * @typeParam Addr What addresses the clients have: `Deno.NetAddr` over TCP and TLS,
 * `Deno.UnixAddr` over a Unix socket, `null` where a pair of streams has none.
 */
export interface ConnectionInfo<
  Addr extends Deno.Addr | null = Deno.Addr | null,
> {
  /**
   * The client's address; `null` for a pair of streams, unless given as an option. In Deno,
   * the `path` of a client on a Unix socket is `null`, unless it has bound one.
   */
  readonly remoteAddr: Addr;
  /** The server's address; `null` for a pair of streams. */
  readonly localAddr: Deno.Addr | null;
  /** Whether the connection uses TLS. */
  readonly secure: boolean;
  /**
   * The protocol that the TLS handshake negotiated by ALPN (RFC 7301), such as
   * `"http/1.1"`; `null` if it negotiated none, and without TLS.
   */
  readonly alpnProtocol: string | null;
  /** The `context` that the connection was given with; otherwise `undefined`. */
  readonly context: unknown;
  /**
   * Aborts when the server begins to shut down. An exchange under way may finish; an
   * event stream that would not end by itself should end now. Never aborts for
   * `serveConnection`.
   */
  readonly closing: AbortSignal;
}

/** The only implementation of {@linkcode ConnectionInfo}. */
export class ConnectionDetails implements ConnectionInfo {
  readonly remoteAddr: Deno.Addr | null;
  readonly localAddr: Deno.Addr | null;
  readonly secure: boolean;
  readonly context: unknown;
  /** Known before the first request. */
  alpnProtocol: string | null = null;
  readonly #server: Pick<ConnectionInfo, "closing">;

  constructor(
    remoteAddr: Deno.Addr | null,
    localAddr: Deno.Addr | null,
    secure: boolean,
    context: unknown,
    server: Pick<ConnectionInfo, "closing">,
  ) {
    this.remoteAddr = remoteAddr;
    this.localAddr = localAddr;
    this.secure = secure;
    this.context = context;
    this.#server = server;
  }

  // Created on access: few handlers ask for it.
  get closing(): AbortSignal {
    return this.#server.closing;
  }
}

/**
 * Answers requests, one at a time per connection.
 *
 * It must call `res.send`, `res.json` or `res.upgrade` before it returns, or before the
 * promise it returns resolves. Once the handler is done and the response is sent, the
 * request is released: read from it before that.
 *
 * @typeParam Addr What addresses its clients have, as in {@linkcode ConnectionInfo}. A
 * handler for any address fits every source of connections; one for `Deno.NetAddr` fits
 * those of TCP.
 */
export type Handler<Addr extends Deno.Addr | null = Deno.Addr | null> = (
  req: HttpRequest,
  res: HttpResponse,
  info: ConnectionInfo<Addr>,
) => void | Promise<void>;
