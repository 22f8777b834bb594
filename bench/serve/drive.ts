/**
 * Puts load on the servers: each runs in its own process on one core, wrk on another.
 * They take turns in short runs, for a number of rounds.
 *
 * @module
 */

import { exists } from "../../tests/support/needs.ts";
import { Child } from "./child.ts";

/** Connections that wrk keeps open. */
export const CONNECTIONS = 64;

const PIPELINE = new URL("pipeline.lua", import.meta.url).pathname;

/** The benchmarks, with the arguments of wrk: one request at a time, or 16 pipelined. */
const BENCHMARKS = { Serve: [] as string[], ServePipelined: ["-s", PIPELINE] };
type Benchmark = keyof typeof BENCHMARKS;

/** Whether server and client get a core each. */
const pinned: boolean = exists("taskset") &&
  navigator.hardwareConcurrency > 1;

/** A command pinned to one core, where that is possible. */
export function on(
  core: number,
  program: string,
  args: string[],
): [program: string, args: string[]] {
  return pinned
    ? ["taskset", ["-c", String(core), program, ...args]]
    : [program, args];
}

/** A server in its own process. */
export class Running {
  readonly port: number;
  readonly #child: Child;

  private constructor(child: Child, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** @param args A name from `servers.ts`, then `"upload"` for one of the uploads. */
  static async start(...args: string[]): Promise<Running> {
    const file = new URL("servers.ts", import.meta.url).pathname;
    const child = new Child(
      ...on(0, Deno.execPath(), ["run", "-A", file, ...args]),
    );
    const port = Number((await child.line()).match(/port (\d+)/)?.[1]);
    if (!(port > 0)) throw new Error(`${args} did not start`);
    return new Running(child, port);
  }

  /** Peak bytes of its heap and buffers since the last call. */
  async peak(): Promise<number> {
    return Number((await this.#child.ask()).match(/peak (\d+)/)?.[1]);
  }

  kill(): void {
    this.#child.kill();
  }
}

/** Requests a second. */
async function measure(
  port: number,
  benchmark: Benchmark,
  seconds: number,
): Promise<number> {
  const url = `http://127.0.0.1:${port}/`;
  const [program, args] = on(1, "wrk", [
    "-t1",
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    ...BENCHMARKS[benchmark],
    url,
  ]);
  const { stdout, success } = await new Deno.Command(program, {
    args,
    stderr: "inherit",
  }).output();
  const text = new TextDecoder().decode(stdout);
  const rate = Number(text.match(/Requests\/sec:\s+([\d.]+)/)?.[1]);
  if (!success || !(rate > 0)) throw new Error(`wrk failed:\n${text}`);
  const trouble = text.match(/Non-2xx.*|Socket errors.*/);
  if (trouble !== null) throw new Error(`${url}: ${trouble[0]}`);
  return rate;
}

/** The results of one server. */
export interface Load {
  /** Requests a second, one number for each round. */
  rates: Record<Benchmark, number[]>;
  /** Peak bytes of its heap and buffers, one number for each round. */
  peaks: number[];
}

/** Loads the named servers in turn; calls `onRun` before every run. */
export async function drive(
  names: string[],
  rounds: number,
  seconds: number,
  onRun: (what: string) => void,
): Promise<Map<string, Load>> {
  const servers = new Map<string, Running>();
  const loads = new Map<string, Load>();
  try {
    for (const name of names) {
      servers.set(name, await Running.start(name));
      loads.set(name, { rates: { Serve: [], ServePipelined: [] }, peaks: [] });
    }
    // Round 0 is the warm-up.
    for (let round = 0; round <= rounds; round++) {
      for (const benchmark of Object.keys(BENCHMARKS) as Benchmark[]) {
        for (const [name, { port }] of servers) {
          onRun(`${benchmark}, round ${round} of ${rounds}: ${name}`);
          const length = round === 0 ? 1 : seconds;
          const rate = await measure(port, benchmark, length);
          if (round > 0) loads.get(name)!.rates[benchmark].push(rate);
        }
      }
      for (const [name, server] of servers) {
        const peak = await server.peak();
        if (round > 0) loads.get(name)!.peaks.push(peak);
      }
    }
  } finally {
    for (const server of servers.values()) server.kill();
  }
  return loads;
}
