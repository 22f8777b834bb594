/**
 * The first reads of a stream, which decide how it is sent.
 *
 * They get a few microtask turns to settle. A body that is complete by then is sent whole,
 * with a Content-Length; any other is streamed.
 *
 * @module
 */

import { checkChunk } from "./body_sender.ts";

/** Microtask turns within which a read of an already available body settles. */
const TURNS = 4;
/** One for the chunk of a body, one for its end. */
const MOST_READS = 2;

const EMPTY = new Uint8Array(0);

type Read = ReadableStreamReadResult<Uint8Array>;

export class FirstReads {
  /** Bytes that were read. */
  size = 0;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #reads: Promise<Read>[] = [];

  /** @throws {TypeError} The stream is locked. */
  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /**
   * The whole body if it is available, else `null`: then call `stream`.
   *
   * @throws The stream has failed, or gave something else than bytes.
   */
  async whole(): Promise<Uint8Array | null> {
    let whole: Uint8Array = EMPTY;
    while (this.#reads.length < MOST_READS) {
      const read = this.#reader.read();
      this.#reads.push(read);
      const result = await soon(read);
      if (result === undefined) break;
      if (result.done) return whole;
      whole = checkChunk(result.value);
      this.size += whole.length;
    }
    return null;
  }

  /** A stream of the reads already made, then of the rest. */
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream({
      pull: async (controller) => {
        const { done, value } =
          await (this.#reads.shift() ?? this.#reader.read());
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => this.#reader.cancel(reason),
    }, { highWaterMark: 0 });
  }

  cancel(reason: unknown): void {
    this.#reader.cancel(reason).catch(() => {});
  }
}

/** The result of a read if it settles within `TURNS`, else `undefined`. */
async function soon(read: Promise<Read>): Promise<Read | undefined> {
  let result: Read | undefined;
  let failed = false;
  read.then((settled) => {
    result = settled;
  }, () => {
    failed = true;
  });
  for (let turn = 0; turn < TURNS; turn++) {
    if (failed) return read;
    if (result !== undefined) break;
    await null;
  }
  return result;
}
