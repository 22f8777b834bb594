/**
 * The soak: a server in a process of its own under the load of wrk, and beside it
 * clients that pipeline, stall, leave, upload, upgrade and check every answer. Clients made
 * with `connect` load the same server, and a rude one, from another process.
 *
 * `deno task soak --minutes N [--seed S]`. Exits with 1 where a response was lost,
 * swapped or cut, where the server reported an error that no handler caused on purpose,
 * where a request of our client did not end, or with an error that is not documented,
 * where a heap grows, or where something is not at rest at the end. The seed repeats
 * what each client chooses; how the processes take turns is the system's.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { soak } from "./load.ts";

const { values } = parseArgs({
  options: { minutes: { type: "string" }, seed: { type: "string" } },
});
const minutes = Number(values.minutes ?? 2);
const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
if (!(minutes > 0) || !Number.isInteger(seed)) {
  console.error("usage: deno task soak --minutes N [--seed S]");
  Deno.exit(2);
}
console.log(`soak: ${minutes} minutes, seed ${seed}`);

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  Deno.addSignalListener(signal, () => interruption.abort());
}
const problems = await soak(minutes, seed, interruption.signal);
for (const problem of new Set(problems)) console.error(`FAILED: ${problem}`);
const passed = problems.length === 0;
console.log(passed ? "soak passed" : `soak failed, seed ${seed}`);
Deno.exit(passed ? 0 : 1);
