/**
 * The suite: all our benchmarks, the peers where there are any, and the allocations of
 * each operation.
 *
 * In each round every subject of a benchmark runs once for about 20 ms, and so does the
 * yardstick, llhttp on a simple GET: a disturbance of the machine affects all of them.
 * A few processes share the rounds of a group, since V8 compiles the same code differently
 * in each; no other group runs there, as few programs do all that is measured.
 * Parsers are timed only after they found the same messages. The servers come last;
 * their yardstick is a bare TCP loop without HTTP.
 *
 * `deno task bench [--rounds 15] [--group GROUP] [--json FILE]`, where GROUP is a group
 * of the rows, such as `parse` or `serve`. The servers need wrk and are left out without
 * it.
 *
 * @module
 */

import { cpus } from "node:os";
import { parseArgs } from "node:util";
import config from "../../deno.json" with { type: "json" };
import { exists } from "../../tests/support/needs.ts";
import { SIMPLE_GET } from "../inputs.ts";
import { LLHTTP, peers, peersFor } from "../peers.ts";
import { responsePeers } from "../response_peers.ts";
import { drive } from "../serve/drive.ts";
import { measureIdle } from "../serve/idle.ts";
import { BARE, SERVERS } from "../serve/servers.ts";
import { openUploads } from "../serve/upload.ts";
import { measureAllocations } from "./allocations.ts";
import { type Case, cases, GROUPS, RESPONSES } from "./cases.ts";
import { OURS, type Results, type Row } from "./results.ts";
import { allRows, caption } from "./tables.ts";
import { call, inTurn, warm, type Work } from "./work.ts";

/** Processes that share the rounds. */
const PROCESSES = 3;
/** The argument that makes this program one of these processes. */
const PART = "part";
/** Milliseconds of one run: long enough for many calls, shorter than a disturbance. */
const RUN = 20;
/** Fewer rounds for the load on the servers, which takes far longer. */
const LOAD_ROUNDS = 5;
const LOAD_SECONDS = 2;
const IDLE_CONNECTIONS = 10_000;
/** The packages of the peers. */
const PEERS = ["@perseveranza-pets/milo", "http-parser-js", "undici"];

/** A subject in a benchmark. */
interface Subject extends Work {
  subject: string;
  ops: number;
}

const parsersOfRequests = peers();
const parsersOfResponses = responsePeers();
const llhttp = parsersOfRequests.find(({ name }) => name === LLHTTP)!;
const YARDSTICK: Subject = {
  subject: LLHTTP,
  ops: 1,
  promises: false,
  run: inTurn([SIMPLE_GET], llhttp.count),
};

/** Our parser, and the peers if the case is to parse. */
function subjectsOf({ group, ops, promises, run, input }: Case): Subject[] {
  const ours = { subject: OURS, ops, promises, run };
  if (input === undefined) return [ours];
  const all = group === RESPONSES ? parsersOfResponses : parsersOfRequests;
  const others = peersFor(input, all).filter(({ name }) => name !== OURS);
  return [
    ours,
    ...others.map(({ name, count }) => ({
      subject: name,
      ops,
      promises: false,
      run: inTurn(input.wires, count),
    })),
  ];
}

/** Nanoseconds per operation. */
async function time(subject: Subject, calls: number): Promise<number> {
  const start = performance.now();
  await call(subject, calls);
  return (performance.now() - start) * 1e6 / (calls * subject.ops);
}

/** The rows of one benchmark. */
async function compete(
  benchmark: string,
  group: string,
  subjects: Subject[],
  rounds: number,
): Promise<Row[]> {
  const turns = [YARDSTICK, ...subjects];
  const calls: number[] = [];
  for (const turn of turns) calls.push(Math.ceil(await warm(turn) * RUN));
  const samples: number[][] = turns.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, turn] of turns.entries()) {
      samples[i]!.push(await time(turn, calls[i]!));
    }
  }
  const [yardstick, ...others] = samples;
  return subjects.map(({ subject }, i) => ({
    benchmark,
    group,
    subject,
    unit: "ns/op",
    samples: others[i]!,
    yardstick: yardstick!,
  }));
}

/** Ten million bytes over a socket, to our server and to `Deno.serve`. */
async function upload(rounds: number): Promise<Row[]> {
  const uploads = await openUploads();
  try {
    const subjects = uploads.map((upload) => ({ ...upload, ops: 1 }));
    return await compete("Upload10MB", "body", subjects, rounds);
  } finally {
    for (const { close } of uploads) close();
  }
}

/** Requests a second of all servers, and the memory of ours. */
async function load(
  rounds: number,
  onRun: (what: string) => void,
): Promise<Row[]> {
  const names = Object.keys(SERVERS);
  const loads = await drive(names, rounds, LOAD_SECONDS, onRun);
  const rows: Row[] = [];
  for (const benchmark of ["Serve", "ServePipelined"] as const) {
    const rates = (name: string) => loads.get(name)!.rates[benchmark];
    for (const subject of names) {
      rows.push({
        benchmark,
        group: "serve",
        subject,
        unit: "requests/s",
        samples: rates(subject),
        ...subject === BARE ? {} : { yardstick: rates(BARE) },
      });
    }
  }
  const memory = { group: "serve", subject: OURS, unit: "bytes" } as const;
  onRun(`${IDLE_CONNECTIONS} idle connections`);
  return [
    ...rows,
    { benchmark: "PeakHeap", ...memory, samples: loads.get(OURS)!.peaks },
    {
      benchmark: "IdleConnection",
      ...memory,
      samples: [await measureIdle(IDLE_CONNECTIONS)],
    },
  ];
}

/** Shows the progress: on one line of a terminal, or line by line in a log. */
function progress(text: string): void {
  const line = Deno.stderr.isTerminal() ? `\r\x1b[K${text}` : `${text}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
}

/** The versions of everything measured; for packages, the pins in `deno.json`. */
async function versions(): Promise<Record<string, string>> {
  const found: Record<string, string> = {
    deno: Deno.version.deno,
    v8: Deno.version.v8,
  };
  for (const pin of Object.values(config.scopes["./bench/"])) {
    const [, name, version] = pin.match(/^npm:\/?(.+?)@([\d.]+)/)!;
    if (PEERS.includes(name!)) found[name!] = version!;
  }
  if (exists("wrk")) {
    const { stdout } = await new Deno.Command("wrk", { args: ["-v"] }).output();
    const version = new TextDecoder().decode(stdout).match(/wrk (\S+)/)?.[1];
    if (version !== undefined) found["wrk"] = version;
  }
  return found;
}

/** Times the cases of a group in this process. */
async function timeCases(group: string, rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  const all = cases(group);
  for (const [i, one] of all.entries()) {
    const { benchmark } = one;
    progress(`${i + 1} of ${all.length}: ${benchmark}`);
    rows.push(...await compete(benchmark, group, subjectsOf(one), rounds));
  }
  return rows;
}

/** Times the cases of a group in several processes and joins the samples of each row. */
async function timeInProcesses(rounds: number, group: string): Promise<Row[]> {
  const joined: Row[] = [];
  const each = String(Math.ceil(rounds / PROCESSES));
  for (let i = 0; i < PROCESSES; i++) {
    progress(`${group}, process ${i + 1} of ${PROCESSES}`);
    const { stdout, success } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        import.meta.url,
        PART,
        "--rounds",
        each,
        "--group",
        group,
      ],
      stderr: "inherit",
    }).output();
    if (!success) throw new Error("a process of the benchmarks failed");
    const rows: Row[] = JSON.parse(new TextDecoder().decode(stdout));
    for (const [at, row] of rows.entries()) {
      const known = joined[at] ??= { ...row, samples: [], yardstick: [] };
      known.samples.push(...row.samples);
      known.yardstick!.push(...row.yardstick!);
    }
  }
  return joined;
}

async function run(
  rounds: number,
  group: string | undefined,
): Promise<Results> {
  const rows: Row[] = [];
  const wanted = (name: string) => group === undefined || group === name;
  const groups = GROUPS.filter(wanted);
  if (groups.length > 0) {
    progress("allocations");
    const allocations = await measureAllocations();
    for (const one of groups) {
      for (const row of await timeInProcesses(rounds, one)) {
        const ours = row.subject === OURS;
        rows.push(ours ? { ...row, ...allocations[row.benchmark] } : row);
      }
    }
  }
  if (wanted("body")) {
    progress("Upload10MB");
    rows.push(...await upload(rounds));
  }
  if (wanted("serve")) {
    if (exists("wrk")) {
      rows.push(...await load(Math.min(rounds, LOAD_ROUNDS), progress));
    } else {
      console.error("wrk is missing: the group serve is left out");
    }
  }
  if (rows.length === 0) throw new Error(`nothing to measure in ${group}`);
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus()[0]?.model ?? Deno.build.arch}, ` +
      `${navigator.hardwareConcurrency} cores, ${Deno.build.os}`,
    versions: await versions(),
    rows,
  };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      rounds: { type: "string", default: "15" },
      group: { type: "string" },
      json: { type: "string" },
    },
    allowPositionals: true,
  });
  const rounds = Number(values.rounds);
  const { group } = values;
  if (positionals[0] === PART) {
    console.log(JSON.stringify(await timeCases(group!, rounds)));
    return;
  }
  const results = await run(rounds, group);
  if (Deno.stderr.isTerminal()) progress("");
  console.log(`${allRows(results)}\n\n${caption(results)}`);
  if (values.json !== undefined) {
    await Deno.writeTextFile(
      values.json,
      JSON.stringify(results, null, 1) + "\n",
    );
  }
}

await main();
