/**
 * Runs an example in a child process, with the command and exactly the flags that the
 * example's own header documents.
 *
 * @module
 */

import { assert } from "@std/assert";
import { toText } from "@std/streams";
import { reset } from "./raw_client.ts";
import { until, within } from "./waiting.ts";

const root = new URL("../../", import.meta.url).pathname;

/** The arguments of the first `deno` command in an example's header comment. */
export function documentedCommand(file: string): string[] {
  const comment = Deno.readTextFileSync(`${root}examples/${file}`)
    .match(/^\/\*\*.*?\*\//s)?.[0] ?? "";
  // The command may wrap over several comment lines.
  const command = comment.replaceAll(/\n \* ?/g, " ").match(/`deno ([^`]+)`/);
  assert(command !== null, `${file} documents no command`);
  return command[1]!.split(" ");
}

/** Changes to the example before it starts. */
export interface ExampleOptions {
  /** Overrides top-level constants by name, for shorter timeouts or lower bounds. */
  constants?: Record<string, number>;
}

/** A child process. Disposal kills it. */
export class Example implements AsyncDisposable {
  readonly process: Deno.ChildProcess;
  /** Resolves to all of stderr when the process ends. */
  readonly errors: Promise<string>;
  readonly #output: ReadableStreamDefaultReader<string>;
  readonly #folder: string | null;
  #text = "";

  private constructor(args: string[], folder: string | null) {
    this.#folder = folder;
    this.process = new Deno.Command(Deno.execPath(), {
      args,
      cwd: root,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.errors = toText(this.process.stderr);
    this.#output = this.process.stdout
      .pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Starts an example with its documented flags and with `args`. */
  static start(
    file: string,
    args: string[],
    { constants = {} }: ExampleOptions = {},
  ): Example {
    const words = documentedCommand(file);
    const at = words.indexOf(`examples/${file}`);
    assert(at > 0, `the documented command of ${file} does not name it`);
    const flags = words.slice(1, at);
    if (Object.keys(constants).length === 0) {
      return new Example(["run", ...flags, words[at]!, ...args], null);
    }
    let text = Deno.readTextFileSync(`${root}examples/${file}`)
      .replaceAll('"./', `"file://${root}examples/`);
    for (const [name, value] of Object.entries(constants)) {
      const pattern = RegExp(`^const ${name} = .*?;`, "m");
      assert(pattern.test(text), `${file} has no constant ${name}`);
      text = text.replace(pattern, `const ${name} = ${value};`);
    }
    return Example.program(text, flags, args);
  }

  /** Starts a program from its source text. */
  static program(text: string, flags: string[], args: string[] = ["0"]) {
    const folder = Deno.makeTempDirSync();
    Deno.writeTextFileSync(`${folder}/program.ts`, text);
    return new Example([
      ...["run", "--config", `${root}deno.json`, ...flags],
      ...[`${folder}/program.ts`, ...args],
    ], folder);
  }

  /** Runs `deno` with `args`, unchanged. */
  static command(args: string[]): Example {
    return new Example(args, null);
  }

  /** Waits until stdout matches `pattern` and returns the captured groups. */
  async line(pattern: RegExp): Promise<string[]> {
    for (;;) {
      const match = this.#text.match(pattern);
      if (match !== null) return match.slice(1);
      const { done, value } = await within(this.#output.read(), `${pattern}`);
      if (done) {
        throw new Error(
          `${pattern} did not come: ${this.#text}\n${await this.errors}`,
        );
      }
      this.#text += value;
    }
  }

  /** The part of stdout that was read so far. */
  get text(): string {
    return this.#text;
  }

  /** Waits for the process to end and returns its exit code and stderr. */
  async end(): Promise<{ code: number; errors: string }> {
    for (;;) {
      const { done, value } = await within(
        this.#output.read(),
        "the end of the example",
      );
      if (done) break;
      this.#text += value;
    }
    const { code } = await this.process.status;
    return { code, errors: await this.errors };
  }

  /** Waits for the announcement of the port and returns it. */
  async port(): Promise<number> {
    return Number((await this.line(/istening on .*?(\d+)\/?\n/))[0]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.process.kill("SIGKILL");
    } catch {
      // The process has already ended.
    }
    await this.#output.cancel();
    await this.process.status;
    await this.errors;
    if (this.#folder !== null) {
      await Deno.remove(this.#folder, { recursive: true });
    }
  }
}

/** The number of TCP sockets that a process has open. Other sockets are the runtime's. */
export function sockets({ process }: Example): number {
  const table = Deno.readTextFileSync("/proc/net/tcp") +
    Deno.readTextFileSync("/proc/net/tcp6");
  const directory = `/proc/${process.pid}/fd`;
  let count = 0;
  for (const { name } of Deno.readDirSync(directory)) {
    try {
      const inode = Deno.readLinkSync(`${directory}/${name}`)
        .match(/^socket:\[(\d+)\]$/)?.[1];
      if (inode !== undefined && table.includes(` ${inode} `)) count++;
    } catch {
      // Closed between readDir and readLink.
    }
  }
  return count;
}

/** Waits until a process has `before` TCP sockets open. */
export async function assertSockets(
  example: Example,
  before: number,
): Promise<void> {
  await until(
    () => sockets(example) === before,
    "all connections to be closed",
  );
}

/** Resets three connections before the stopped process can accept them. */
export async function resetUnaccepted(
  example: Example,
  port: number,
): Promise<void> {
  example.process.kill("SIGSTOP");
  for (let i = 0; i < 3; i++) await reset(port);
  example.process.kill("SIGCONT");
}
