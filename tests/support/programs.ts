/**
 * Programs that the tests run: clients of other makes, openssl, load generators.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { PACKAGES, type Program } from "./needs.ts";
import { within } from "./waiting.ts";

/** What became of a program. */
export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Starts a program, or says what to install. */
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

/** Runs a program to its end, `input` being what it reads. */
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
    // A client that stops reading is judged by what it says, not by this pipe.
    source.pipeTo(child.stdin).catch(() => {});
  }
  const output = within(child.output(), `the end of ${program}`, 20_000);
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

/** What curl prints; it has to end well. */
export async function curl(...args: string[]): Promise<string> {
  return (await curlWith(undefined, ...args)).stdout;
}

/** The same, with input, and all that became of it. */
export async function curlWith(
  input: ReadableStream<Uint8Array> | Uint8Array | undefined,
  ...args: string[]
): Promise<Ended> {
  // -q: the test must not depend on somebody's .curlrc, nor on a proxy of theirs.
  const result = await ended("curl", [
    ...["-qsS", "--noproxy", "", "--max-time", "20", ...args],
  ], input);
  assertEquals(result.code, 0, `curl ${args.join(" ")}: ${result.stderr}`);
  return result;
}

/** A directory that is gone at the end of the block. */
export class TemporaryDirectory implements Disposable {
  readonly path: string = Deno.makeTempDirSync();

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
