/**
 * Streams for tests.
 *
 * @module
 */

import { toText } from "@std/streams";
import type { Duplex } from "@pooled/http1";
import { bytesOf } from "./bytes.ts";
import { turn, within } from "./waiting.ts";

/**
 * A stream of `chunks`, which are pulled one by one and never read ahead. Strings are
 * encoded as Latin-1. With `type` it is a byte stream and supports BYOB readers.
 */
export function streamOf(
  chunks: Iterable<string | Uint8Array>,
  type?: "bytes",
  cancel: (reason: unknown) => void = () => {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const iterator = chunks[Symbol.iterator]();
  return new ReadableStream({
    type: type as "bytes",
    pull(controller) {
      const { done, value } = iterator.next();
      if (!done) {
        const chunk = typeof value === "string" ? bytesOf(value) : value;
        return controller.enqueue(chunk as Uint8Array<ArrayBuffer>);
      }
      controller.close();
      controller.byobRequest?.respond(0);
    },
    cancel,
  }, { highWaterMark: 0 });
}

/** A stream that stays open after `first`, and a promise of its cancel reason. */
export function cancellable(first?: string): {
  stream: ReadableStream<Uint8Array>;
  cancelled: Promise<unknown>;
} {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      if (first !== undefined) controller.enqueue(bytesOf(first));
    },
    cancel: resolve,
  });
  return { stream, cancelled: promise };
}

/** A `Blob` whose bytes never come, and a promise of the reason it is cancelled for. */
export function pendingBlob(): { blob: Blob; cancelled: Promise<unknown> } {
  const { stream, cancelled } = cancellable();
  return {
    blob: Object.assign(new Blob(["x"]), { stream: () => stream }),
    cancelled,
  };
}

/** Two connected stream pairs: one reads what the other writes. */
export function pipe(): [server: Duplex, client: Duplex] {
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const down = new TransformStream<Uint8Array, Uint8Array>();
  return [
    { readable: up.readable, writable: down.writable },
    { readable: down.readable, writable: up.writable },
  ];
}

/** Writes `text` to a stream pair and returns the answer up to the end of the stream. */
export async function askPipe(
  { readable, writable }: Duplex,
  text: string,
): Promise<string> {
  const writer = writable.getWriter();
  writer.write(bytesOf(text)).catch(() => {});
  const answer = await within(toText(readable), "an answer");
  await writer.close().catch(() => {});
  return answer;
}

/** A stream with external controls: the test enqueues, closes or errors it. */
export function controlled(cancel: (reason: unknown) => void = () => {}) {
  let controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (given) => {
      controller = given;
    },
    cancel,
  });
  return {
    stream,
    put: (text: string) => controller.enqueue(new TextEncoder().encode(text)),
    close: () => controller.close(),
    fail: (error: unknown) => controller.error(error),
  };
}

/** A stream that yields one piece per turn of the event loop. */
export function slowly(
  ...pieces: string[]
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from((async function* () {
    for (const piece of pieces) {
      await turn();
      yield new TextEncoder().encode(piece);
    }
  })());
}
