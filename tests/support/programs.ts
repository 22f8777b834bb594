/**
 * Runs external programs: HTTP clients, openssl and load generators.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { PACKAGES, type Program } from "./needs.ts";
import { within } from "./waiting.ts";

/** The result of a program. */
export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Starts a program. If it is missing, the error says what to install. */
export function start(program: Program, args: string[], stdin?: "piped") {
  try {
    return new Deno.Command(program, {
      args,
      stdin: stdin ?? "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(
      `${program} is missing: apt-get install ${PACKAGES[program].debian}`,
    );
  }
}

/** Runs a program to its end with `input` on stdin. */
export async function ended(
  program: Program,
  args: string[],
  input?: ReadableStream<Uint8Array> | Uint8Array,
): Promise<Ended> {
  const child = start(program, args, input && "piped");
  if (input !== undefined) {
    const source = input instanceof Uint8Array
      ? new Blob([input.slice()]).stream()
      : input;
    // A client may stop reading its stdin; its exit code and output decide the test.
    source.pipeTo(child.stdin).catch(() => {});
  }
  const output = within(child.output(), `the end of ${program}`);
  const { code, stdout, stderr } = await output.catch((error) => {
    child.kill();
    throw error;
  });
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/** Runs curl, asserts that it succeeds, and returns its stdout. */
export async function curl(...args: string[]): Promise<string> {
  return (await curlWith(undefined, ...args)).stdout;
}

/** Like `curl`, with `input` on stdin and the full result. */
export async function curlWith(
  input: ReadableStream<Uint8Array> | Uint8Array | undefined,
  ...args: string[]
): Promise<Ended> {
  // -q and --noproxy: ignore the user's .curlrc and proxy settings.
  const result = await ended("curl", [
    ...["-qsS", "--noproxy", "", "--max-time", "50", ...args],
  ], input);
  assertEquals(result.code, 0, `curl ${args.join(" ")}: ${result.stderr}`);
  return result;
}

/** A temporary directory, removed on disposal. */
export class TemporaryDirectory implements Disposable {
  readonly path: string = Deno.makeTempDirSync();

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
