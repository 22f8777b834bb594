/**
 * Opens the listener for `serve` with an address, and prints that address.
 *
 * @module
 */

import { needDeno } from "../io/runtime.ts";
import type { ServerOptions } from "./server.ts";
import { checkOffered } from "./tls.ts";

/** Options of `serve` on a TCP port that it opens itself, with or without TLS. */
export interface ServeTcpOptions extends ServerOptions<Deno.NetAddr> {
  /**
   * The TCP port; 0 picks a free one, which the server's `addr` reports.
   *
   * @default {8000}
   */
  port?: number;
  /**
   * The address or hostname to listen on.
   *
   * @default {"0.0.0.0"}
   */
  hostname?: string;
  /**
   * Whether several processes or workers may share the port. Deno requires the flag
   * `--unstable-net` for this.
   *
   * @default {false}
   */
  reusePort?: boolean;
  /**
   * Connections that the system queues before they are accepted.
   *
   * @default {511}
   */
  tcpBacklog?: number;
  /** A certificate chain in PEM format. `cert` and `key` together enable TLS. */
  cert?: string;
  /** The private key of `cert` in PEM format. */
  key?: string;
  /**
   * The protocols that TLS offers by ALPN (RFC 7301): `"http/1.1"`, `"http/1.0"`, or none.
   *
   * @default {["http/1.1"]}
   */
  alpnProtocols?: string[];
}

/** Options of `serve` on a Unix socket that it opens itself. */
export interface ServeUnixOptions extends ServerOptions<Deno.UnixAddr> {
  /** The path of the socket. */
  path: string;
}

/** Options of `serve` when it opens the listener itself. */
export type ServeOptions = ServeTcpOptions | ServeUnixOptions;

/** The options of either kind, and of listeners for any kind of address. */
export type ListenOptions =
  & ServerOptions<never>
  & Omit<ServeTcpOptions, keyof ServerOptions>
  & Partial<Omit<ServeUnixOptions, keyof ServerOptions>>;

/** @throws {TypeError} The options contradict each other, or the runtime is not Deno. */
export function listen(options: ListenOptions): Deno.Listener {
  const { port = 8000, hostname = "0.0.0.0", path, cert, key } = options;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError("cert and key are given together, or neither is");
  }
  const deno = needDeno();
  if (path !== undefined) {
    if (cert !== undefined) {
      throw new TypeError("a Unix socket takes no cert and key");
    }
    return deno.listen({ transport: "unix", path });
  }
  const { reusePort = false, tcpBacklog, alpnProtocols = ["http/1.1"] } =
    options;
  checkOffered(alpnProtocols);
  const tcp = {
    ...{ port, hostname, reusePort },
    ...tcpBacklog === undefined ? {} : { tcpBacklog },
  };
  return cert !== undefined && key !== undefined
    ? deno.listenTls({ ...tcp, cert, key, alpnProtocols })
    : deno.listen(tcp);
}

/** The default `onListen`: prints the address in the format of `Deno.serve`. */
export function announce(options: ListenOptions): (addr: Deno.Addr) => void {
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
