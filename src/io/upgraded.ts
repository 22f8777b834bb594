/**
 * The two streams of a connection that left HTTP behind: after a 101, or a 2xx to CONNECT.
 *
 * The readable starts with the bytes already read. The machine's window remains the
 * buffer between the connection and the reader.
 *
 * @module
 */

import { LARGEST_STREAMED } from "../memory/sizes.ts";
import { endStream } from "../message/body_reader.ts";
import { isBytes } from "../message/bytes.ts";
import type { Machine } from "../message/machine.ts";
import type { Output } from "./output.ts";
import type { Duplex, Transport } from "./transport.ts";

export class UpgradedConnection implements Duplex {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<Uint8Array>;
  readonly #machine: Machine;
  readonly #transport: Transport;
  readonly #output: Output;
  readonly #closed: (reason: unknown) => void;
  #reader!: ReadableByteStreamController;
  #writer!: WritableStreamDefaultController;
  #asked = false;
  /** Resolves when the connection fails: nothing of it is waited for then. */
  readonly #lost = Promise.withResolvers<void>();
  #readableDone = false;
  #writableDone = false;

  /** @param closed Called when both directions have ended, or with a reason on failure. */
  constructor(
    machine: Machine,
    transport: Transport,
    output: Output,
    closed: (reason: unknown) => void,
  ) {
    this.#machine = machine;
    this.#transport = transport;
    this.#output = output;
    this.#closed = closed;
    this.readable = new ReadableStream({
      type: "bytes",
      start: (controller) => {
        this.#reader = controller;
      },
      pull: () => {
        this.#asked = true;
        this.wake();
      },
      cancel: () => this.#endReadable(),
    });
    this.writable = new WritableStream({
      start: (controller) => {
        this.#writer = controller;
        // The `abort` callback waits for a pending write, which may stall forever. Bun has
        // nothing else.
        controller.signal?.addEventListener("abort", () => {
          this.fail(controller.signal.reason);
        });
      },
      write: (chunk) => {
        if (!isBytes(chunk)) {
          const error = new TypeError("a chunk is no Uint8Array");
          this.fail(error);
          throw error;
        }
        output.append(chunk);
        // The caller may reuse the chunk once the promise resolves.
        return output.empty();
      },
      close: async () => {
        await output.empty();
        // Fails only if the peer is gone, and then there is nothing to half-close.
        await Promise.race([
          transport.end().catch(() => {}),
          this.#lost.promise,
        ]);
        this.#endWritable();
      },
      abort: (reason) => this.fail(reason),
    });
  }

  /** Called when bytes arrived or the input ended. */
  wake(): void {
    while (this.#asked && !this.#readableDone) {
      if (!this.#machine.empty) {
        this.#asked = false;
        this.#enqueue();
      } else if (this.#transport.ended) {
        endStream(this.#reader);
        this.#endReadable();
      } else if (!this.#transport.demand()) return;
    }
  }

  /** Errors both streams: the connection failed, or the writable was aborted. */
  fail(reason: unknown): void {
    if (!this.#readableDone) this.#reader.error(reason);
    if (!this.#writableDone) this.#writer.error(reason);
    this.#readableDone = this.#writableDone = true;
    this.#lost.resolve();
    this.#closed(reason);
  }

  #enqueue(): void {
    const request = this.#reader.byobRequest;
    const view = request?.view;
    if (request && view) {
      request.respond(this.#machine.window.takeInto(
        new Uint8Array(view.buffer, view.byteOffset, view.byteLength),
      ));
      return;
    }
    const waiting = this.#machine.unread;
    const chunk = new Uint8Array(Math.min(LARGEST_STREAMED, waiting));
    this.#machine.window.takeInto(chunk);
    this.#reader.enqueue(chunk);
  }

  #endReadable(): void {
    this.#readableDone = true;
    if (this.#writableDone) this.#closed(undefined);
  }

  #endWritable(): void {
    this.#writableDone = true;
    if (this.#readableDone) this.#closed(undefined);
  }
}
