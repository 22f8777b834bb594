/**
 * The end of HTTP on a connection: the head of the last response, and the two streams
 * that `upgrade()` hands over.
 *
 * The readable starts with the bytes already read. The machine's window remains the
 * buffer between the connection and the reader.
 *
 * @module
 */

import { LARGEST_STREAMED } from "../memory/sizes.ts";
import { endStream } from "../message/body_reader.ts";
import type { Machine } from "../message/machine.ts";
import type { PooledRequest } from "../message/request.ts";
import { CONNECT } from "../wire/names.ts";
import {
  checkStatus,
  type FieldPair,
  planFields,
  statusLine,
} from "./head_writer.ts";
import type { Output } from "./output.ts";
import type { HttpResponseInit } from "./response.ts";
import type { Duplex, Transport } from "./transport.ts";

/** The head of the response to an accepted upgrade. */
interface UpgradeHead {
  /** The status line. */
  line: string;
  fields: FieldPair[];
}

/**
 * Plans that head: 101 for Upgrade, 2xx for CONNECT (RFC 9110 §7.8, §9.3.6).
 *
 * @throws {TypeError} The init asks for something else.
 */
export function planUpgrade(
  request: PooledRequest,
  init: Omit<HttpResponseInit, "trailers"> = {},
): UpgradeHead {
  const connect = request.line.method === CONNECT;
  const status = checkStatus(init.status ?? (connect ? 200 : 101));
  if (connect ? status < 200 || status > 299 : status !== 101) {
    throw new TypeError(
      `the status of an upgrade is ${connect ? "2xx" : "101"}, not ${status}`,
    );
  }
  const line = statusLine(
    status,
    init.statusText ?? (connect ? "Connection Established" : undefined),
  );
  const plan = planFields(init.headers);
  if (plan.contentLength >= 0) {
    throw new TypeError("an upgrade has no body, and no Content-Length");
  }
  const fields = [...plan.lines];
  if (connect) {
    // A 101 is an interim response, and has no Date.
    if (!plan.hasDate) fields.unshift(["Date", new Date().toUTCString()]);
    return { line, fields };
  }
  fields.push(["Connection", `Upgrade${plan.options}`]);
  if (plan.upgrade === null) {
    const offered = request.fields.get("upgrade")!;
    fields.push(["Upgrade", offered.split(",")[0]!.trim()]);
  }
  return { line, fields };
}

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
        if (!(chunk instanceof Uint8Array)) {
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
