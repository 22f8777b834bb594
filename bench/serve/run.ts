/**
 * Our server against its peers: requests a second, one at a time and 16 pipelined;
 * and the memory of idle connections.
 *
 * Every server runs in a process of its own on one core, wrk on another. They take
 * turns, a short run each, for a number of rounds; what counts are the medians and
 * their ratios within the run, since the machine may be busy with something else.
 *
 * `deno task bench:serve [--rounds 5] [--seconds 2] [--idle 10000] [--json]`. Needs wrk: on Debian
 * and its kin `apt-get install wrk`, on macOS `brew install wrk`.
 *
 * @module
 */

import { median } from "simple-statistics";
import { flag } from "../command.ts";
import {
  CONNECTIONS,
  drive,
  exists,
  type Mode,
  MODES,
  pinned,
} from "./drive.ts";
import { measureIdle } from "./idle.ts";
import { SERVERS } from "./servers.ts";

/** The targets, as ratios of medians. */
const TARGETS: [Mode, number, string][] = [
  ["one at a time", 1.05, "Deno.serve"],
  ["one at a time", 0.9, "bare TCP loop"],
  ["16 pipelined", 8, "Deno.serve"],
  ["16 pipelined", 0.7, "bare TCP loop"],
];
const OURS = "ours, prepared";
const MOST_IDLE_BYTES = 4096;

if (!exists("wrk")) {
  console.error(
    "wrk is needed: `apt-get install wrk` on Debian, `brew install wrk` on macOS",
  );
  Deno.exit(1);
}

const rounds = flag("rounds", 5);
const seconds = flag("seconds", 2);
const names = Object.keys(SERVERS);
const loads = await drive(names, rounds, seconds, console.error);

const of = (name: string, mode: Mode) => median(loads.get(name)!.rates[mode]);
const results = names.map((name) => ({
  name,
  ...Object.fromEntries(
    MODES.map((mode) => [mode, of(name, mode)]),
  ) as Record<Mode, number>,
}));
const targets = TARGETS.map(([mode, least, peer]) => ({
  mode,
  peer,
  least,
  ratio: of(OURS, mode) / of(peer, mode),
}));

const connections = flag("idle", 10_000);
console.error(`${connections} idle connections`);
const idle = await measureIdle(connections);

if (Deno.args.includes("--json")) {
  console.log(
    JSON.stringify({ rounds, seconds, pinned, results, targets, idle }),
  );
} else {
  const k = (rate: number) => `${Math.round(rate / 1000)}k`.padStart(8);
  console.log(
    `\n${CONNECTIONS} connections, medians of ${rounds} runs of ${seconds} s, ` +
      `requests a second\n`,
  );
  console.log(`${"".padEnd(22)}one at a time  16 pipelined`);
  for (const result of results) {
    console.log(
      `${result.name.padEnd(22)}${k(result["one at a time"]).padStart(13)}` +
        `  ${k(result["16 pipelined"]).padStart(12)}`,
    );
  }
  console.log();
  for (const { mode, peer, least, ratio } of targets) {
    console.log(
      `${mode}: ${OURS} = ${ratio.toFixed(2)} × ${peer} ` +
        `(target ${least}: ${ratio >= least ? "met" : "missed"})`,
    );
  }
  const ours = idle.served - idle.bare;
  console.log(
    `${idle.connections} idle connections: ${ours} bytes of ours each, ` +
      `beside ${idle.bare} of the runtime ` +
      `(target ${MOST_IDLE_BYTES}: ${
        ours < MOST_IDLE_BYTES ? "met" : "missed"
      })`,
  );
}
