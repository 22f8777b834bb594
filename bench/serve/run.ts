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

import { flag, median } from "../command.ts";
import { measureIdle } from "./idle.ts";
import { SERVERS } from "./servers.ts";

const CONNECTIONS = 64;
const PIPELINE = new URL("pipeline.lua", import.meta.url).pathname;
const MODES = {
  "one at a time": [] as string[],
  "16 pipelined": ["-s", PIPELINE],
};
type Mode = keyof typeof MODES;

/** The targets, as ratios of medians. */
const TARGETS: [Mode, number, string][] = [
  ["one at a time", 1.05, "Deno.serve"],
  ["one at a time", 0.9, "bare TCP loop"],
  ["16 pipelined", 8, "Deno.serve"],
  ["16 pipelined", 0.7, "bare TCP loop"],
];
const OURS = "ours, prepared";
const MOST_IDLE_BYTES = 4096;

function exists(program: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${program}`).isFile;
    } catch {
      return false;
    }
  });
}

const pinned = exists("taskset") && navigator.hardwareConcurrency > 1;

/** A command on one core, where cores can be chosen. */
function on(core: number, program: string, args: string[]): Deno.Command {
  return pinned
    ? new Deno.Command("taskset", {
      args: ["-c", String(core), program, ...args],
      stdout: "piped",
      stderr: "inherit",
    })
    : new Deno.Command(program, { args, stdout: "piped", stderr: "inherit" });
}

interface Running {
  process: Deno.ChildProcess;
  port: number;
}

async function start(name: string): Promise<Running> {
  const process = on(0, Deno.execPath(), [
    "run",
    "-A",
    new URL("servers.ts", import.meta.url).pathname,
    name,
  ]).spawn();
  let text = "";
  for await (
    const chunk of process.stdout.pipeThrough(new TextDecoderStream())
  ) {
    text += chunk;
    const match = text.match(/port (\d+)/);
    if (match !== null) return { process, port: Number(match[1]) };
  }
  throw new Error(`${name} did not start: ${text}`);
}

/** Requests a second. */
async function measure(
  port: number,
  mode: Mode,
  seconds: number,
): Promise<number> {
  const url = `http://127.0.0.1:${port}/`;
  const { stdout, success } = await on(1, "wrk", [
    "-t1",
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    ...MODES[mode],
    url,
  ]).output();
  const text = new TextDecoder().decode(stdout);
  const rate = Number(text.match(/Requests\/sec:\s+([\d.]+)/)?.[1]);
  if (!success || !(rate > 0)) throw new Error(`wrk failed:\n${text}`);
  const trouble = text.match(/Non-2xx.*|Socket errors.*/);
  if (trouble !== null) throw new Error(`${url}: ${trouble[0]}`);
  return rate;
}

if (!exists("wrk")) {
  console.error(
    "wrk is needed: `apt-get install wrk` on Debian, `brew install wrk` on macOS",
  );
  Deno.exit(1);
}

const rounds = flag("rounds", 5);
const seconds = flag("seconds", 2);
const names = Object.keys(SERVERS);
const servers = new Map<string, Running>();
const rates = new Map<string, number[]>();

try {
  for (const name of names) servers.set(name, await start(name));
  for (const mode of Object.keys(MODES) as Mode[]) {
    // One short run each for the code to be compiled.
    for (const name of names) await measure(servers.get(name)!.port, mode, 1);
    for (let round = 1; round <= rounds; round++) {
      for (const name of names) {
        console.error(`${mode}, round ${round} of ${rounds}: ${name}`);
        const rate = await measure(servers.get(name)!.port, mode, seconds);
        const key = `${name}/${mode}`;
        rates.set(key, [...rates.get(key) ?? [], rate]);
      }
    }
  }
} finally {
  for (const { process } of servers.values()) process.kill("SIGKILL");
}

const of = (name: string, mode: Mode) => median(rates.get(`${name}/${mode}`)!);
const results = names.map((name) => ({
  name,
  ...Object.fromEntries(
    (Object.keys(MODES) as Mode[]).map((mode) => [mode, of(name, mode)]),
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
