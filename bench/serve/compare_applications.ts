/**
 * A Fetch application under `fetchHandler` and under `Deno.serve`: processor time of a
 * request, as the operating system counts it for the server's process, and requests a
 * second. The servers take turns on each route, for a number of rounds.
 *
 * `deno task bench:serve [--rounds 5] [--seconds 2] [--route ROUTE]`. Needs wrk and Linux.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { median } from "simple-statistics";
import { processorTime } from "../lib/processor_time.ts";
import { OURS } from "../lib/results.ts";
import { Child } from "./child.ts";
import { CONNECTIONS, on } from "./drive.ts";

const SERVERS = [OURS, "Deno.serve"];

/** The routes of `routes.lua`, and how many requests a client sends at once. */
const ROUTES: readonly (readonly [route: string, depth: number])[] = [
  ["bare", 1],
  ["text", 1],
  ["json", 1],
  ["echo", 1],
  ["page", 1],
  ["bare", 16],
  ["json", 16],
];

const LUA = new URL("routes.lua", import.meta.url).pathname;
const PROGRAM = new URL("application.ts", import.meta.url).pathname;

/** What one run gave: microseconds of processor time of a request, requests a second. */
interface Run {
  cpu: number;
  rate: number;
}

async function run(
  child: Child,
  port: number,
  [route, depth]: readonly [string, number],
  seconds: number,
): Promise<Run> {
  const [program, args] = on(1, "wrk", [
    "-t1",
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    "-s",
    LUA,
    `http://127.0.0.1:${port}/`,
    "--",
    route,
    String(depth),
  ]);
  const before = await processorTime(child.pid);
  const { stdout } = await new Deno.Command(program, { args }).output();
  const after = await processorTime(child.pid);
  const text = new TextDecoder().decode(stdout);
  const count = Number(text.match(/(\d+) requests in/)?.[1]);
  const rate = Number(text.match(/Requests\/sec:\s+([\d.]+)/)?.[1]);
  const trouble = text.match(/Non-2xx.*|Socket errors.*/);
  if (!(count > 0) || trouble !== null) throw new Error(`wrk failed:\n${text}`);
  return { cpu: (after - before) / count * 1e6, rate };
}

async function start(server: string): Promise<[child: Child, port: number]> {
  const child = new Child(
    ...on(0, Deno.execPath(), ["run", "-A", PROGRAM, server]),
  );
  return [child, Number((await child.line()).match(/port (\d+)/)?.[1])];
}

function ratio(ours: Run[], theirs: Run[], key: keyof Run): string {
  const middle = (runs: Run[]) => median(runs.map((run) => run[key]));
  return `${(middle(ours) / middle(theirs)).toFixed(2)} ×`;
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    route: { type: "string" },
  },
});
const servers = await Promise.all(SERVERS.map(start));
try {
  for (const route of ROUTES) {
    if (values.route !== undefined && values.route !== route[0]) continue;
    const runs: Run[][] = [[], []];
    // Round 0 is the warm-up.
    for (let round = 0; round <= Number(values.rounds); round++) {
      for (const [i, [child, port]] of servers.entries()) {
        const result = await run(child, port, route, Number(values.seconds));
        if (round > 0) runs[i]!.push(result);
      }
    }
    const [ours, theirs] = runs as [Run[], Run[]];
    const show = (key: keyof Run, digits: number) =>
      runs.map((one) => median(one.map((r) => r[key])).toFixed(digits))
        .join(" against ");
    console.log(
      `${route[0]}${route[1] > 1 ? `, ${route[1]} at once` : ""}: ` +
        `${show("cpu", 2)} µs a request (${ratio(ours, theirs, "cpu")}), ` +
        `${show("rate", 0)} requests/s (${ratio(ours, theirs, "rate")})`,
    );
  }
} finally {
  for (const [child] of servers) child.kill();
}
