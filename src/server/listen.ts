/**
 * The listener of a server that was given an address, and what it prints.
 *
 * @module
 */

import type { ServerOptions } from "./server.ts";

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

/** Listens where the options say. */
export function listen(options: ServeOptions): Deno.Listener {
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

/** Prints where a server listens, in the manner of `Deno.serve`. */
export function announce(options: ServeOptions): (addr: Deno.Addr) => void {
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
