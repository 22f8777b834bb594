/**
 * The client process of the soak: clients made with `connect`, against the server under
 * test and against the rude server. Its arguments are their ports, and the seed.
 *
 * @module
 */

import { type Behaved, client, neverShown } from "../clients.ts";
import type { ClientSample } from "../report.ts";
import { note, openFiles, report, tellStarted, waitFor } from "../reporting.ts";
import { OF_RUNTIME } from "../verdict.ts";
import { inUse } from "../../support/in_use.ts";
import { pools, tally } from "./asker.ts";
import * as attacked from "./attacked.ts";
import * as orderly from "./orderly.ts";

/** Clients of each server at once. */
const CLIENTS = 16;

/** How long connections and pools may take to come to rest. */
const REST_MS = 10_000;

// Before the first connection: this tells how many files are open at rest.
const filesAtRest = openFiles() + OF_RUNTIME;
tellStarted(0);

const [goodPort, rudePort, seed] = Deno.args.map(Number);
const violations: string[] = [];
const stop = new AbortController();
const shown: Behaved[] = [];
const works: Promise<void>[] = [];

for (
  const [port, behaviours] of [
    [goodPort!, Object.values(orderly)],
    [rudePort!, Object.values(attacked)],
  ] as const
) {
  const behaved: Behaved = new Set();
  shown.push(behaved);
  for (let i = 0; i < CLIENTS; i++) {
    // Numbers that no client of the other process has.
    const number = 100 + works.length;
    works.push(
      client(behaviours, port, seed!, number, behaved, stop.signal)
        .catch((error) => note(violations, error)),
    );
  }
}

await report<ClientSample>(() => ({
  ...tally,
  pools: pools.stats(),
  violations,
  neverShown: [
    ...neverShown(Object.values(orderly), shown[0]!),
    ...neverShown(Object.values(attacked), shown[1]!),
  ],
}), async () => {
  stop.abort();
  await Promise.all(works);
  await waitFor(
    () =>
      tally.openConnections + tally.openBodies === 0 &&
      // A connection that was handed over lingers behind the end of its streams.
      openFiles() <= filesAtRest &&
      inUse(pools.stats()).length === 0,
    REST_MS,
  );
});
