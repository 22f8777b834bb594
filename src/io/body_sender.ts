/**
 * Sends a stream as a body: framed as declared in the head, with backpressure from the
 * peer, and cancelled when the peer disconnects.
 *
 * @module
 */

import { isBytes } from "../message/bytes.ts";
import { planTrailers } from "./field_writer.ts";
import { appendFields, appendText, type Output } from "./output.ts";

/** How a streamed body is framed. */
export interface StreamFraming {
  /** Whether to use chunked coding (RFC 9112 §7.1). */
  chunked: boolean;
  /** The declared length in bytes, or -1. */
  length: number;
  /** Called for the trailers at the end of the body. */
  trailers: TrailerSource | undefined;
}

/** Returns the trailer fields of a message; called after the end of its body. */
export type TrailerSource = () => HeadersInit | Promise<HeadersInit>;

/** Sends one stream as a body. */
export class BodySender {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #output: Output;
  readonly #framing: StreamFraming;
  /** Whether `stop` was called: the owner wants to hear nothing more. */
  stopped = false;
  #sent = 0;

  constructor(
    stream: ReadableStream<Uint8Array>,
    output: Output,
    framing: StreamFraming,
  ) {
    this.#reader = stream.getReader();
    this.#output = output;
    this.#framing = framing;
  }

  /**
   * Sends the whole stream. Rejects and cancels the stream if it fails, misses its
   * declared length, or the peer is gone. Resolves early after `stop`.
   *
   * @param whole Called once a body without chunks has its declared length: only the end of
   * the stream is awaited then.
   */
  async run(whole: () => void = () => {}): Promise<void> {
    const { chunked, length } = this.#framing;
    const output = this.#output;
    const isWhole = () => !chunked && this.#sent === length;
    try {
      if (isWhole()) whole();
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (this.stopped) return;
        if (output.closed) return await output.room();
        if (done) break;
        const chunk = checkChunk(value);
        output.admit(chunk);
        if (output.closed) return await output.room();
        this.#send(chunk, chunked, length);
        output.flush();
        if (chunk.length > 0 && isWhole()) whole();
        if (output.full) await output.room();
        if (this.stopped) return;
      }
      if (length >= 0 && this.#sent < length) {
        throw new TypeError(
          `the body ended after ${this.#sent} of the ${length} bytes declared`,
        );
      }
      if (chunked) {
        const { trailers } = this.#framing;
        const fields = trailers ? await trailers() : {};
        if (!this.stopped) writeLastChunk(output, fields);
      }
    } catch (error) {
      this.cancel(error);
      throw error;
    }
  }

  /** Sends nothing any more, so that the body remains incomplete. */
  stop(reason: unknown): void {
    this.stopped = true;
    this.cancel(reason);
  }

  cancel(reason: unknown): void {
    this.#reader.cancel(reason).catch(() => {});
  }

  #send(chunk: Uint8Array, chunked: boolean, length: number): void {
    if (chunk.length === 0) return;
    this.#sent += chunk.length;
    if (length >= 0 && this.#sent > length) {
      throw new TypeError(
        `the body has more than the ${length} bytes declared`,
      );
    }
    const output = this.#output;
    if (!chunked) return output.append(chunk);
    appendText(output, `${chunk.length.toString(16)}\r\n`);
    output.append(chunk);
    appendText(output, "\r\n");
  }
}

/** Checks the type of a chunk. Streams of untyped programs can hold any value. */
export function checkChunk(chunk: unknown): Uint8Array {
  if (isBytes(chunk)) return chunk;
  throw new TypeError("a chunk of the body is no Uint8Array");
}

/** Ends a chunked body, with its trailers (RFC 9112 §7.1.2). */
function writeLastChunk(output: Output, trailers: HeadersInit): void {
  const fields = planTrailers(trailers);
  if (output.closed) return;
  appendText(output, "0\r\n");
  appendFields(output, fields);
}

/** A stream of one chunk. */
export function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
}

/** Whether the buffer of an array was transferred. A shared one cannot be. */
export function isDetached({ length, buffer }: Uint8Array): boolean {
  return length === 0 && buffer instanceof ArrayBuffer && buffer.detached;
}
