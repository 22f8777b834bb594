/**
 * Other runtimes, and packages for them, at the pinned versions that npm provides.
 *
 * @module
 */

import { assert } from "@std/assert";
import { toText } from "@std/streams";
import { textOf } from "./bytes.ts";
import { until, within } from "./waiting.ts";

/** A runtime: its package and the flags that let it run TypeScript. */
export interface Runtime {
  name: string;
  flags: string[];
}

/** The oldest Node.js, the oldest without a flag, the current one, and Bun. */
export const RUNTIMES: readonly Runtime[] = [
  { name: "node@22.12.0", flags: ["--experimental-strip-types"] },
  { name: "node@22.18.0", flags: [] },
  { name: "node@24.0.0", flags: [] },
  { name: "bun@1.3.14", flags: [] },
];

async function npx(args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("npx", {
    args: ["--yes", ...args],
    // Outside the repository, so that npx installs nothing there.
    cwd: Deno.build.os === "windows" ? "C:\\" : "/",
    stdin: "null",
  }).output();
  assert(success, textOf(stderr));
  return textOf(stdout).trim();
}

/**
 * The paths of the executables: npx would not pass on the signals of a test. They are
 * asked for here, since a first download takes longer than a test may.
 */
const executables = new Map<Runtime, string>();
for (const runtime of RUNTIMES) {
  const path = npx([runtime.name, "-e", "console.log(process.execPath)"]);
  executables.set(runtime, await within(path, runtime.name, 600_000));
}

/** The folder of an npm package such as `hono@4.13.19`. */
export async function folderOf(npmPackage: string): Promise<string> {
  const search = await npx([
    ...["-p", npmPackage, "--", "node", "-p", "process.env.PATH"],
  ]);
  const bin = search.split(/[:;]/).find((path) => path.includes("_npx"));
  assert(bin !== undefined, `npx put no folder into ${search}`);
  return `${bin}/../${npmPackage.replace(/@[^@]+$/, "")}`;
}

/** A program in another runtime. Disposal kills it. */
export class Program implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #errors: Promise<string>;
  readonly #output: Promise<void>;
  /** The lines of its output. */
  lines: string[] = [];
  #isTerminated = false;
  /** Earlier lines, which `forget` moved here. */
  readonly past: string[] = [];

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
    this.#errors = toText(process.stderr);
    this.#output = this.#collect(process.stdout);
  }

  /** Starts the program in a file, whose path is absolute or relative to the root. */
  static start(runtime: Runtime, file: string, args: string[]): Program {
    const path = new URL(file, new URL("../../", import.meta.url)).pathname;
    return new Program(
      new Deno.Command(executables.get(runtime)!, {
        args: [...runtime.flags, path, ...args],
        env: { NODE_NO_WARNINGS: "1", NO_COLOR: "1" },
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn(),
    );
  }

  async #collect(output: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    for await (
      const text of output.pipeThrough(
        new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>,
      )
    ) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      this.lines.push(...lines);
    }
  }

  /** Moves the lines so far out of the way. */
  forget(): void {
    this.past.push(...this.lines);
    this.lines = [];
  }

  /** How often a line was printed. */
  count(line: string): number {
    return this.lines.filter((other) => other === line).length;
  }

  /** Waits until a line was printed `count` times. */
  async line(line: string, count = 1): Promise<void> {
    await until(
      () => this.count(line) >= count,
      `${count} times "${line}" in ${JSON.stringify(this.lines.slice(-20))}`,
    );
  }

  /** Waits for the port that it announces. */
  async port(): Promise<number> {
    const announced = () => this.lines.find((line) => /^listening/.test(line));
    await until(() => announced() !== undefined, "the port of the program");
    return Number(announced()!.match(/\d+\/?$/)![0].replace("/", ""));
  }

  /** Memory in use by the process, in KiB; Linux. */
  residentMemory(): number {
    const status = Deno.readTextFileSync(`/proc/${this.#process.pid}/status`);
    return Number(status.match(/VmRSS:\s+(\d+)/)![1]);
  }

  /** Asks the program to end. */
  terminate(): void {
    // A second signal could meet a program without its handler, on its way out.
    if (this.#isTerminated) return;
    this.#isTerminated = true;
    this.#process.kill("SIGTERM");
  }

  /** Waits for it to end by itself. */
  async end(): Promise<{ code: number; errors: string }> {
    const { code } = await within(this.#process.status, "the program's end");
    await this.#output;
    return { code, errors: await this.#errors };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#process.status;
    await this.#output;
    await this.#errors;
  }
}
