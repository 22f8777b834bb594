/**
 * A process of the soak as the one that started it sees it.
 *
 * @module
 */

import type { Sample, Started } from "./report.ts";

/** A process that tells its state; ends with the block. */
export class SoakProcess<S extends Sample> implements AsyncDisposable {
  /** Where it listens, or 0. */
  readonly port: number;
  /** File descriptors before the first connection, or -1. */
  readonly filesAtStart: number;
  /** All samples so far. */
  readonly samples: S[] = [];
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  readonly #process: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(
    process: Deno.ChildProcess,
    messages: AsyncGenerator<S | Started>,
    { port, openFiles }: Started,
  ) {
    this.#process = process;
    this.#stdin = process.stdin.getWriter();
    this.port = port;
    this.filesAtStart = openFiles;
    this.ended = this.#collect(messages);
  }

  /** Starts a program of this folder, with numbers as its arguments. */
  static async start<S extends Sample>(
    program: string,
    ...numbers: number[]
  ): Promise<SoakProcess<S>> {
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--v8-flags=--expose-gc"],
        new URL(program, import.meta.url).pathname,
        ...numbers.map(String),
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const messages = messagesOf<S>(process.stdout);
    const { value } = await messages.next();
    if (value?.kind !== "started") throw new Error(`${program} did not start`);
    return new SoakProcess(process, messages, value);
  }

  async #collect(messages: AsyncGenerator<S | Started>): Promise<void> {
    for await (const message of messages) {
      if (message.kind === "sample") this.samples.push(message);
    }
    await this.#process.status;
  }

  /** Lets the process come to its end. Gives its last sample, if it came to that. */
  async finish(): Promise<S | undefined> {
    await this.#stdin.write(new TextEncoder().encode("finish\n"));
    await this.ended;
    const last = this.samples.at(-1);
    return last?.final ? last : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.ended;
    await this.#stdin.close().catch(() => {});
  }
}

async function* messagesOf<S>(
  output: ReadableStream<Uint8Array>,
): AsyncGenerator<S | Started> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of output) {
    const lines = (text + decoder.decode(chunk, { stream: true })).split("\n");
    text = lines.pop()!;
    for (const line of lines) yield JSON.parse(line);
  }
}
