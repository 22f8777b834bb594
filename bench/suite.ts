/**
 * The benchmarks: everything of ours, our peers where there are some, and what an
 * operation allocates.
 *
 * In each round every subject of a benchmark runs once, for about 20 ms, and so does
 * the yardstick, llhttp on a simple GET: whatever else the machine does meets all of
 * them. The rounds are shared out among a few processes, since V8 compiles the same
 * code differently in each. Parsers are timed only after they told the same requests.
 * The servers come last; their yardstick is a bare loop that knows no HTTP.
 *
 * `deno task bench [--rounds 15] [--json FILE]`. Needs wrk for the servers; without
 * it they are left out.
 *
 * @module
 */

import { type Allocated, measureAllocations } from "./allocations.ts";
import { type Case, CASES } from "./cases.ts";
import { flag, option } from "./command.ts";
import { SIMPLE_GET } from "./inputs.ts";
import { LLHTTP, peers } from "./peers.ts";
import { OURS, type Results, type Row } from "./results.ts";
import { drive, exists, type Mode } from "./serve/drive.ts";
import { openUploads } from "./serve/upload.ts";
import { table, targetLines } from "./summary.ts";
import { call, inTurn, warm, type Work } from "./work.ts";

/** Processes that share the rounds. */
const PROCESSES = 3;
/** The word that makes this program one of them. */
const PART = "part";
/** Milliseconds of one run: many calls, and short beside a disturbance. */
const RUN = 20;
/** Of the load on the servers, which takes far longer. */
const LOAD_ROUNDS = 5;
const LOAD_SECONDS = 2;

/** A subject in a benchmark. */
interface Subject extends Work {
  subject: string;
  ops: number;
}

const all = peers();
const llhttp = all.find(({ name }) => name === LLHTTP)!;
const YARDSTICK: Subject = {
  subject: LLHTTP,
  ops: 1,
  promises: false,
  run: inTurn([SIMPLE_GET], llhttp.count),
};

/** Ours, and the peers where the work is to parse. */
function subjectsOf({ benchmark, ops, promises, run, wires }: Case): Subject[] {
  const ours = { subject: OURS, ops, promises, run };
  if (wires === undefined) return [ours];
  for (const wire of wires) {
    const expected = JSON.stringify(all[0]!.tell(wire));
    for (const { name, tell } of all) {
      if (JSON.stringify(tell(wire)) !== expected) {
        throw new Error(`${name} makes something else of ${benchmark}`);
      }
    }
  }
  const others = all.filter(({ name }) => name !== OURS);
  return [
    ours,
    ...others.map(({ name, count }) => ({
      subject: name,
      ops,
      promises: false,
      run: inTurn(wires, count),
    })),
  ];
}

/** Nanoseconds of an operation. */
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

/** Ten million bytes over a socket, to ours and to `Deno.serve`. */
async function upload(rounds: number): Promise<Row[]> {
  const uploads = await openUploads();
  try {
    const subjects = uploads.map((upload) => ({ ...upload, ops: 1 }));
    return await compete("Upload10MB", "body", subjects, rounds);
  } finally {
    for (const { close } of uploads) close();
  }
}

const BARE = "bare TCP loop";
/** The servers under load, with their names in the rows. */
const LOADED: Record<string, string> = {
  "ours, prepared": OURS,
  "ours, async": `${OURS}, async handler`,
  "Deno.serve": "Deno.serve",
  "node:http in Deno": "node:http in Deno",
  [BARE]: BARE,
};
const BENCHMARKS: Record<Mode, string> = {
  "one at a time": "Serve",
  "16 pipelined": "ServePipelined",
};

/** Requests a second of the servers, and the memory that ours takes meanwhile. */
async function load(
  rounds: number,
  onRun: (what: string) => void,
): Promise<Row[]> {
  const loads = await drive(Object.keys(LOADED), rounds, LOAD_SECONDS, onRun);
  const rows: Row[] = [];
  for (const [mode, benchmark] of Object.entries(BENCHMARKS)) {
    const yardstick = loads.get(BARE)!.rates[mode as Mode];
    for (const [name, subject] of Object.entries(LOADED)) {
      rows.push({
        benchmark,
        group: "serve",
        subject,
        unit: "requests/s",
        samples: loads.get(name)!.rates[mode as Mode],
        ...name === BARE ? {} : { yardstick },
      });
    }
  }
  rows.push({
    benchmark: "PeakHeap",
    group: "serve",
    subject: OURS,
    unit: "bytes",
    samples: loads.get("ours, prepared")!.peaks,
  });
  return rows;
}

/** Says on the terminal how far it is: in one line, or in a log line by line. */
function progress(text: string): void {
  const line = Deno.stderr.isTerminal() ? `\r\x1b[K${text}` : `${text}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
}

function processor(): string {
  try {
    const info = Deno.readTextFileSync("/proc/cpuinfo");
    return info.match(/model name\s*: (.+)/)?.[1] ?? Deno.build.arch;
  } catch {
    return Deno.build.arch;
  }
}

/** Versions of all that took part; those of the peers from what imports them. */
async function versions(): Promise<Record<string, string>> {
  const source = await Deno.readTextFile(new URL("peers.ts", import.meta.url));
  const specifiers = source.matchAll(/"npm:((?:@[^/"]+\/)?[^@"]+)@([^/"]+)/g);
  const found: Record<string, string> = {
    deno: Deno.version.deno,
    v8: Deno.version.v8,
  };
  for (const [, name, version] of specifiers) {
    found[name === "undici" ? "undici (llhttp)" : name!] = version!;
  }
  if (exists("wrk")) {
    const { stdout } = await new Deno.Command("wrk", { args: ["-v"] }).output();
    const [, version] = new TextDecoder().decode(stdout).match(/wrk (\S+)/) ??
      [];
    if (version !== undefined) found["wrk"] = version;
  }
  return found;
}

/** The rows of all cases, timed in this process. */
async function timeCases(rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [i, one] of CASES.entries()) {
    const { benchmark, group } = one;
    progress(`${i + 1} of ${CASES.length}: ${benchmark}`);
    rows.push(
      ...await compete(benchmark, group, subjectsOf(one), rounds),
    );
  }
  return rows;
}

/** The same from several processes, the samples of each row joined. */
async function timeInProcesses(rounds: number): Promise<Row[]> {
  const joined: Row[] = [];
  for (let i = 0; i < PROCESSES; i++) {
    progress(`process ${i + 1} of ${PROCESSES}`);
    const each = String(Math.ceil(rounds / PROCESSES));
    const { stdout, success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", import.meta.url, PART, "--rounds", each],
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

async function run(rounds: number): Promise<Results> {
  const steps = 4;
  let step = 0;
  const next = (what: string) =>
    progress(`step ${++step} of ${steps}: ${what}`);

  next("allocations");
  const allocations: Record<string, Allocated> = await measureAllocations();
  next("times");
  const rows = (await timeInProcesses(rounds)).map((row) =>
    row.subject === OURS ? { ...row, ...allocations[row.benchmark] } : row
  );
  next("Upload10MB");
  rows.push(...await upload(rounds));
  next("servers");
  if (exists("wrk")) {
    const fewer = Math.min(rounds, LOAD_ROUNDS);
    const onRun = (what: string) =>
      progress(`step ${step} of ${steps}: ${what}`);
    rows.push(...await load(fewer, onRun));
  } else {
    console.error(
      "\nwrk is missing: Serve, ServePipelined and PeakHeap are left out",
    );
  }
  return {
    date: new Date().toISOString().slice(0, 10),
    machine:
      `${processor()}, ${navigator.hardwareConcurrency} cores, ${Deno.build.os}`,
    versions: await versions(),
    rows,
  };
}

async function main(): Promise<void> {
  const rounds = flag("rounds", 15);
  if (Deno.args[0] === PART) {
    console.log(JSON.stringify(await timeCases(rounds)));
    return;
  }
  const results = await run(rounds);
  if (Deno.stderr.isTerminal()) progress("");
  console.log(table(results));
  console.log(`\n${targetLines(results)}`);
  const file = option("json");
  if (file !== undefined) {
    await Deno.writeTextFile(file, JSON.stringify(results, null, 1) + "\n");
  }
}

await main();
