/**
 * This client against undici and Deno's `fetch`, on the same server: processor time of a
 * request, as the operating system counts it for the client's process, and requests a
 * second; one at a time and 16 at a time. The clients take turns, for a number of rounds.
 *
 * At 16, this client and undici pipeline on one connection; `fetch` opens 16.
 *
 * `deno task bench:client [--rounds 5] [--seconds 2]`. Needs Linux.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { median } from "simple-statistics";
import { processorTime } from "../lib/processor_time.ts";
import { OURS } from "../lib/results.ts";
import { Child } from "../serve/child.ts";
import { on, Running } from "../serve/drive.ts";

const CLIENTS = [OURS, `${OURS}, fetch`, "undici", "fetch"];
const DEPTHS = [1, 16];
const PROGRAM = new URL("clients.ts", import.meta.url).pathname;

/** What one run gave: microseconds of processor time of a request, requests a second. */
interface Run {
  cpu: number;
  rate: number;
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

async function start(name: string, port: number, depth: number) {
  const args = [name, port, depth, seconds * 1000].map(String);
  const child = new Child(
    ...on(1, Deno.execPath(), ["run", "-A", PROGRAM, ...args]),
  );
  await child.line();
  return child;
}

async function run(child: Child): Promise<Run> {
  const before = await processorTime(child.pid);
  const count = Number(await child.ask());
  const after = await processorTime(child.pid);
  if (!(count > 0)) throw new Error("a client failed");
  return { cpu: (after - before) / count * 1e6, rate: count / seconds };
}

const server = await Running.start(OURS);
try {
  for (const depth of DEPTHS) {
    const children: Child[] = [];
    const runs: Run[][] = CLIENTS.map(() => []);
    try {
      for (const name of CLIENTS) {
        children.push(await start(name, server.port, depth));
      }
      // Round 0 is the warm-up.
      for (let round = 0; round <= rounds; round++) {
        for (const [i, child] of children.entries()) {
          const result = await run(child);
          if (round > 0) runs[i]!.push(result);
        }
      }
    } finally {
      for (const child of children) child.kill();
    }
    for (const [i, name] of CLIENTS.entries()) {
      const show = (key: keyof Run, digits: number) =>
        median(runs[i]!.map((one) => one[key])).toFixed(digits);
      console.log(
        `${depth} at a time, ${name}: ${show("cpu", 1)} µs a request, ` +
          `${show("rate", 0)} requests/s`,
      );
    }
  }
} finally {
  server.kill();
}
