/**
 * A server on a free port for the time of one test, with pools of its own that have
 * to be at rest when it has shut down.
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

/** A running server, as a test sees it. */
export interface Running {
  server: HttpServer;
  port: number;
  url: string;
  pools: Pools;
  /** What `onError` was told. */
  errors: unknown[];
}

/** Runs a test against a server, shuts it down, and looks that nothing is left. */
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

/** Waits until the server has no connection: `shutdown()` leaves those handed over. */
export function untilNoConnections(server: HttpServer): Promise<void> {
  return until(
    () => server.stats().connections === 0,
    "the connections to close",
  );
}

/** The client's port, which tells one connection from another. */
export function clientPortOf(info: ConnectionInfo): number {
  return (info.remoteAddr as Deno.NetAddr).port;
}
