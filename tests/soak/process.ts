/**
 * The server process as the soak sees it.
 *
 * @module
 */

import type { Listening, Message, Sample } from "./report.ts";

/** A server in a process of its own; ends with the block. */
export class ServerProcess implements AsyncDisposable {
  readonly port: number;
  /** File descriptors before the first connection, or -1. */
  readonly filesAtStart: number;
  /** All samples so far. */
  readonly samples: Sample[] = [];
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  readonly #process: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(
    process: Deno.ChildProcess,
    messages: AsyncGenerator<Message>,
    { port, openFiles }: Listening,
  ) {
    this.#process = process;
    this.#stdin = process.stdin.getWriter();
    this.port = port;
    this.filesAtStart = openFiles;
    this.ended = this.#collect(messages);
  }

  static async start(): Promise<ServerProcess> {
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--v8-flags=--expose-gc"],
        new URL("server.ts", import.meta.url).pathname,
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const messages = messagesOf(process.stdout);
    const { value } = await messages.next();
    if (value?.kind !== "listening") {
      throw new Error("the server process did not start");
    }
    return new ServerProcess(process, messages, value);
  }

  async #collect(messages: AsyncGenerator<Message>): Promise<void> {
    for await (const message of messages) {
      if (message.kind === "sample") this.samples.push(message);
    }
    await this.#process.status;
  }

  /** Shuts the server down. Gives its last sample, if it came to that. */
  async finish(): Promise<Sample | undefined> {
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

async function* messagesOf(
  output: ReadableStream<Uint8Array>,
): AsyncGenerator<Message> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of output) {
    const lines = (text + decoder.decode(chunk, { stream: true })).split("\n");
    text = lines.pop()!;
    for (const line of lines) yield JSON.parse(line);
  }
}
