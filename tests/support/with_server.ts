/**
 * Runs a server on a free port for the duration of one test. It has its own pools, which
 * are checked for leaks after the shutdown.
 *
 * @module
 */

import {
  type ConnectionInfo,
  type Handler,
  type HttpServer,
  Pools,
  serve,
  type ServeOptions,
} from "@pooled/http1";
import { assertAtRest } from "./at_rest.ts";
import { until } from "./waiting.ts";

/** A running server and what tests inspect of it. */
export interface Running {
  server: HttpServer;
  port: number;
  url: string;
  pools: Pools;
  /** The errors passed to `onError`. */
  errors: unknown[];
}

/** Runs a test against a server, shuts the server down and checks for leaks. */
export async function withServer(
  handler: Handler,
  test: (running: Running) => Promise<void>,
  options: ServeOptions = {},
): Promise<void> {
  const pools = new Pools();
  const errors: unknown[] = [];
  const server = serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    onError: (error) => {
      errors.push(error);
    },
    pools,
    ...options,
  }, handler);
  const { port } = server.addr as Deno.NetAddr;
  try {
    await test({
      server,
      port,
      url: `http://127.0.0.1:${port}`,
      pools,
      errors,
    });
  } finally {
    await server.shutdown();
  }
  await untilNoConnections(server);
  assertAtRest(pools);
}

/** Waits until the server has no connections. `shutdown()` does not end upgraded ones. */
export function untilNoConnections(server: HttpServer): Promise<void> {
  return until(
    () => server.stats().connections === 0,
    "the connections to close",
  );
}

/** The client's port, which identifies the connection. */
export function clientPortOf(info: ConnectionInfo): number {
  return (info.remoteAddr as Deno.NetAddr).port;
}
