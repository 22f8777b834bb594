/**
 * Drives the servers: each in a process of its own on one core, wrk on another. They
 * take turns, a short run each, for a number of rounds.
 *
 * @module
 */

import { exists } from "../../tests/support/needs.ts";
import { Child } from "./child.ts";

/** Connections that wrk keeps open. */
const CONNECTIONS = 64;

const PIPELINE = new URL("pipeline.lua", import.meta.url).pathname;
const ARGUMENTS = {
  "one at a time": [] as string[],
  "16 pipelined": ["-s", PIPELINE],
};

/** How requests are sent. */
export type Mode = keyof typeof ARGUMENTS;

/** All of them. */
const MODES = Object.keys(ARGUMENTS) as Mode[];

/** Whether server and client have a core each. */
const pinned: boolean = exists("taskset") &&
  navigator.hardwareConcurrency > 1;

/** A command on one core, where cores can be chosen. */
function on(
  core: number,
  program: string,
  args: string[],
): [program: string, args: string[]] {
  return pinned
    ? ["taskset", ["-c", String(core), program, ...args]]
    : [program, args];
}

/** A server in a process of its own. */
export class Running {
  readonly port: number;
  readonly #child: Child;

  private constructor(child: Child, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** @param args The name of one in `servers.ts`, and `"upload"` for those. */
  static async start(...args: string[]): Promise<Running> {
    const file = new URL("servers.ts", import.meta.url).pathname;
    const child = new Child(
      ...on(0, Deno.execPath(), ["run", "-A", file, ...args]),
    );
    const port = Number((await child.line()).match(/port (\d+)/)?.[1]);
    if (!(port > 0)) throw new Error(`${args} did not start`);
    return new Running(child, port);
  }

  /** Bytes of its heap and its buffers, at their highest since the last call. */
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
  mode: Mode,
  seconds: number,
): Promise<number> {
  const url = `http://127.0.0.1:${port}/`;
  const [program, args] = on(1, "wrk", [
    "-t1",
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    ...ARGUMENTS[mode],
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

/** What the load on one server showed. */
export interface Load {
  /** Requests a second, one number a round. */
  rates: Record<Mode, number[]>;
  /** Bytes of its heap and its buffers at their highest, one number a round. */
  peaks: number[];
}

/** Loads the servers of these names in turn; `onRun` is told of every run. */
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
      loads.set(name, {
        rates: { "one at a time": [], "16 pipelined": [] },
        peaks: [],
      });
    }
    // Round 0 is for the code to be compiled.
    for (let round = 0; round <= rounds; round++) {
      for (const mode of MODES) {
        for (const [name, { port }] of servers) {
          onRun(`${mode}, round ${round} of ${rounds}: ${name}`);
          const rate = await measure(port, mode, round === 0 ? 1 : seconds);
          if (round > 0) loads.get(name)!.rates[mode].push(rate);
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
