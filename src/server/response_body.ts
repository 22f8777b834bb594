/**
 * A response body that comes as a stream: framed as its head said, no faster than
 * the client takes it, and stopped when the client is gone.
 *
 * @module
 */

import { planTrailers } from "./head_writer.ts";
import { appendFields, appendText, type Output } from "./output.ts";

/** How a streamed body is framed. */
export interface StreamFraming {
  /** In chunks (RFC 9112 §7.1), or as it is. */
  chunked: boolean;
  /** The declared length in bytes, or -1. */
  length: number;
  /** Asked for the trailers when the body is at its end. */
  trailers: TrailerSource | undefined;
}

/** Gives the trailer fields of a response once its body is at its end. */
export type TrailerSource = () => HeadersInit | Promise<HeadersInit>;

/** Sends a stream as the body of a message. */
export class BodySender {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #output: Output;
  readonly #framing: StreamFraming;
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
   * Sends all of it. Rejects when the stream fails or does not keep to its declared
   * length, and when the client is gone; the stream is cancelled then.
   */
  async run(): Promise<void> {
    const { chunked, length } = this.#framing;
    const output = this.#output;
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (output.closed) return await output.room();
        if (done) break;
        this.#send(checkChunk(value), chunked, length);
        output.flush();
        if (output.full) await output.room();
      }
      if (length >= 0 && this.#sent < length) {
        throw new TypeError(
          `the body ended after ${this.#sent} of the ${length} bytes declared`,
        );
      }
      if (chunked) {
        const { trailers } = this.#framing;
        writeLastChunk(output, trailers ? await trailers() : {});
      }
    } catch (error) {
      this.cancel(error);
      throw error;
    }
  }

  /** The client is gone. */
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

/** A chunk as a body stream gave it, if it is one. */
export function checkChunk(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError("a chunk of the body is no Uint8Array");
}

/** The end of a body in chunks, with its trailers (RFC 9112 §7.1.2). */
export function writeLastChunk(output: Output, trailers: HeadersInit): void {
  const fields = planTrailers(trailers);
  if (output.closed) return;
  appendText(output, "0\r\n");
  appendFields(output, fields);
}
