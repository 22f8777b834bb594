/**
 * Fuzzes the parsers, the server and the client: `deno task fuzz [--time 60s] [--seed N] [--heads N]`.
 *
 * A third of the time goes to requests, compared with the grammar, other parsers and other
 * servers, a sixth to responses, a sixth to the client, and a third to heads after long
 * histories on one parser, of requests and of responses in turn. `--heads N` reads N heads after histories instead,
 * however long it takes. A failure prints a shrunk input and
 * the seed, and exits with 1.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { fuzz, fuzzClient, fuzzResponses, Tally } from "./differential.ts";
import { invariance, REQUEST_HEADS, RESPONSE_HEADS } from "./invariance.ts";

/** Milliseconds between two lines of progress. */
const TICK = 5000;

const { values } = parseArgs({
  options: {
    time: { type: "string", default: "60s" },
    seed: { type: "string" },
    heads: { type: "string" },
  },
});

/** Milliseconds of a time such as 60s or 2m. */
function milliseconds(time: string): number {
  const [, amount, unit] = time.match(/^(\d+(?:\.\d+)?)(s|m)$/) ?? [];
  if (amount === undefined) {
    console.error(
      `--time ${time}: expected seconds or minutes, such as 60s or 2m`,
    );
    Deno.exit(2);
  }
  return Number(amount) * (unit === "m" ? 60_000 : 1000);
}

function whole(name: string, value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0) {
    console.error(`--${name} ${value}: expected a whole number`);
    Deno.exit(2);
  }
  return number;
}

const time = milliseconds(values.time);
const seed = values.seed === undefined
  ? crypto.getRandomValues(new Uint32Array(1))[0]! >>> 1
  : whole("seed", values.seed);
const heads = values.heads === undefined ? null : whole("heads", values.heads);
console.log(`seed ${seed}`);

function fail(report: string): never {
  console.error(`${report}\nagain: deno task fuzz --seed ${seed}`);
  Deno.exit(1);
}

/** Runs a comparison and prints its classes. */
async function compared(
  what: string,
  run: (tally: Tally) => Promise<string | null>,
): Promise<void> {
  const tally = new Tally();
  const timer = setInterval(() => {
    console.log(
      `${tally.inputs} inputs of ${what}, ${tally.accepted} accepted, ` +
        `${tally.counts.size} classes of differences`,
    );
  }, TICK);
  const failure = await run(tally);
  clearInterval(timer);
  const sorted = [...tally.counts].sort(([a], [b]) => a < b ? -1 : 1);
  for (const [name, count] of sorted) console.log(`  ${count} × ${name}`);
  console.log(`${tally.inputs} inputs of ${what}`);
  if (failure !== null) fail(failure);
}

if (heads === null) {
  await compared("requests", (tally) => fuzz(time / 3, seed, tally));
  await compared("responses", (tally) => fuzzResponses(time / 6, seed, tally));
  await compared("clients", (tally) => fuzzClient(time / 6, seed, tally));
}

for (const kind of [REQUEST_HEADS, RESPONSE_HEADS]) {
  let told = performance.now();
  let read = 0;
  const failure = invariance(
    kind,
    heads ?? Infinity,
    heads === null ? time / 6 : Infinity,
    seed,
    (count) => {
      read = count;
      if (performance.now() - told < TICK) return;
      told = performance.now();
      console.log(`${count} heads of ${kind.what} after histories`);
    },
  );
  if (failure !== null) fail(failure);
  console.log(`${heads ?? read} heads of ${kind.what} without a difference`);
}
