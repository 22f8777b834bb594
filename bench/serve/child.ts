/**
 * A child process with a line protocol: it answers each input line with one line.
 *
 * @module
 */

/** A child process, asked over its standard input and output. */
export class Child {
  readonly #process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;

  constructor(program: string, args: string[]) {
    this.#process = new Deno.Command(program, {
      args,
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#lines = this.#process.stdout
      .pipeThrough(new TextDecoderStream()).getReader();
    this.#stdin = this.#process.stdin.getWriter();
  }

  /** The next line of its output. */
  async line(): Promise<string> {
    let line = "";
    while (!line.endsWith("\n")) {
      const { value, done } = await this.#lines.read();
      if (done) throw new Error(`a process ended early: ${line}`);
      line += value;
    }
    return line;
  }

  /** Sends an empty line; returns the answer. */
  async ask(): Promise<string> {
    await this.#stdin.write(new Uint8Array([10]));
    return await this.line();
  }

  /** The number of the process. */
  get pid(): number {
    return this.#process.pid;
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }
}
