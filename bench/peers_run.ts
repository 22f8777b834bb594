/**
 * Our parser against its peers: nanoseconds a request, as medians of runs that take
 * turns, so that whatever else the machine does meets all of them.
 *
 * `deno task bench:peers [--rounds 21] [--json]`
 *
 * @module
 */

import { flag, median } from "./command.ts";
import {
  BROWSER_GET,
  PIPELINED_16,
  SIMPLE_GET,
  TEN_HEADERS,
  THIRTY_TWO_HEADERS,
} from "./inputs.ts";
import { type Peer, peers } from "./peers.ts";

/** Each input with the number of its requests. */
const INPUTS: Record<
  string,
  [wire: Uint8Array<ArrayBuffer>, requests: number]
> = {
  "simple GET, 49 bytes": [SIMPLE_GET, 1],
  "16 of them pipelined": [PIPELINED_16, 16],
  "10 fields, 320 bytes": [TEN_HEADERS, 1],
  "browser GET, 703 bytes": [BROWSER_GET, 1],
  "32 unknown fields": [THIRTY_TWO_HEADERS, 1],
};

/** Milliseconds of one run: many calls, and short beside a disturbance. */
const RUN = 20;

/** The targets: how many times as fast as llhttp. */
const TARGETS: Record<string, number> = {
  "simple GET, 49 bytes": 3,
  "browser GET, 703 bytes": 2,
};

const rounds = flag("rounds", 21);
const all = peers();

/** How many calls take about as long as a run; the code is compiled meanwhile. */
function callsInRun(peer: Peer, wire: Uint8Array<ArrayBuffer>): number {
  let calls = 0;
  const start = performance.now();
  while (performance.now() - start < 10 * RUN) {
    for (let i = 0; i < 100; i++) peer.count(wire);
    calls += 100;
  }
  return Math.ceil(calls / 10);
}

/** Nanoseconds of one call. */
function time(
  peer: Peer,
  wire: Uint8Array<ArrayBuffer>,
  calls: number,
): number {
  const start = performance.now();
  for (let i = 0; i < calls; i++) peer.count(wire);
  return (performance.now() - start) * 1e6 / calls;
}

const results: Record<string, Record<string, number>> = {};
for (const [name, [wire, requests]] of Object.entries(INPUTS)) {
  const expected = JSON.stringify(all[0]!.tell(wire));
  for (const peer of all) {
    if (JSON.stringify(peer.tell(wire)) !== expected) {
      throw new Error(`${peer.name} makes something else of ${name}`);
    }
  }
  const calls = all.map((peer) => callsInRun(peer, wire));
  const times: number[][] = all.map(() => []);
  for (let round = 0; round < rounds; round++) {
    all.forEach((peer, i) => times[i]!.push(time(peer, wire, calls[i]!)));
  }
  results[name] = Object.fromEntries(
    all.map(({ name }, i) => [name, median(times[i]!) / requests]),
  );
  console.error(`${name}: done`);
}

const ours = all[0]!.name;
if (Deno.args.includes("--json")) {
  console.log(JSON.stringify({ rounds, results }));
} else {
  console.log(`\nns a request, medians of ${rounds} runs that take turns`);
  for (const [input, byPeer] of Object.entries(results)) {
    console.log(`\n${input}`);
    for (const [peer, ns] of Object.entries(byPeer)) {
      const ratio = peer === ours ? "" : `${(ns / byPeer[ours]!).toFixed(2)} ×`;
      console.log(`  ${peer.padEnd(22)}${ns.toFixed(0).padStart(7)}  ${ratio}`);
    }
    const target = TARGETS[input];
    if (target === undefined) continue;
    const ratio = byPeer["llhttp, WebAssembly"]! / byPeer[ours]!;
    console.log(
      `  target: ${target} × llhttp: ${ratio >= target ? "met" : "missed"}`,
    );
  }
}
