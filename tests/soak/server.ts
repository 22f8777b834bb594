/**
 * The server process of the soak: the server under test. At its end it waits for its last
 * connection and shuts down.
 *
 * @module
 */

import { Pools, serve } from "../../mod.ts";
import type { ServerSample } from "./report.ts";
import { note, report, tellStarted, waitFor } from "./reporting.ts";
import { application, ExpectedError, open } from "./routes.ts";

/** How long the server waits at the end for connections and handlers. */
const REST_MS = 15_000;

/** Short enough that clients that stall meet them. */
const TIMEOUTS = {
  headTimeout: 2000,
  bodyTimeout: 2000,
  idleTimeout: 3000,
  goneTimeout: 3000,
  writeTimeout: 2000,
};

const unexpectedErrors: string[] = [];
let expectedErrors = 0;
/** The requests that have ended. */
let ends = 0;

const server = serve({
  hostname: "127.0.0.1",
  port: 0,
  pools: new Pools(),
  ...TIMEOUTS,
  onListen: ({ port }) => tellStarted(port),
  onRequestEnd: ({ response }) => {
    if (response !== null) ends++;
  },
  onError: (error, res) => {
    if (!(error instanceof ExpectedError)) return note(unexpectedErrors, error);
    expectedErrors++;
    const { message } = error;
    res?.send(message, { status: 500, headers: { "x-id": message } });
  },
}, application);

await report<ServerSample>(() => ({
  openStreams: open.streams,
  openUpgrades: open.upgrades,
  stats: server.stats(),
  ends,
  expectedErrors,
  unexpectedErrors,
}), async () => {
  await waitFor(
    () => server.stats().connections + open.streams + open.upgrades === 0,
    REST_MS,
  );
  await server.shutdown();
});
