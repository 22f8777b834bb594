/**
 * The record of each request of a connection, from its complete head to the last byte of
 * its response. Exists only for a server with `onRequestEnd`.
 *
 * Responses are written in order, so a request has ended once the output has written past
 * the position at which its response ends. What closes the connection ends the others.
 * The program is told in a microtask, where it may shut down or abort the server without
 * interfering with a write or a close that is under way.
 *
 * @module
 */

import type { HttpError } from "../errors.ts";
import type { Machine } from "../message/machine.ts";
import type { PooledRequest } from "../message/request.ts";
import type { Output } from "../io/output.ts";
import type { RequestEnd } from "./request_end.ts";
import type { HttpResponse } from "./response.ts";

/**
 * The most bytes of records and their heads that wait for a write. A record keeps strings
 * of its head alive, and a small response may answer a large head.
 */
const MOST_HELD = 65536;
/** What a record takes itself, in bytes. */
const RECORD = 300;

/** A request that has not ended. */
interface Entry {
  readonly request: Pick<
    RequestEnd,
    "method" | "target" | "httpVersion" | "response"
  >;
  /** When its head was complete. */
  readonly began: number;
  /** What it counts towards `MOST_HELD`. */
  readonly size: number;
  /** Where it begins in the input, and its response in the output. */
  readonly inputStart: number;
  readonly outputStart: number;
  outputEnd: number;
  status: number | null;
  bytesReceived: number;
  failed: boolean;
  error: unknown;
  /** Whether the response was broken off. */
  cut: boolean;
}

/** What is known of a message without a complete head. */
const UNKNOWN: Entry["request"] = {
  method: null,
  target: null,
  httpVersion: null,
  response: null,
};

/** The requests of one connection that have begun and not ended. */
export class Ledger {
  readonly #machine: Machine;
  readonly #output: Output;
  readonly #tell: (end: RequestEnd) => void;
  /** The request of the exchange under way. */
  #current: Entry | null = null;
  /** Requests whose responses are in the output, in order. */
  readonly #waiting: Entry[] = [];
  /** The sizes of those. */
  #held = 0;
  /** What the program is to be told. */
  #ended: RequestEnd[] = [];
  /** Where the last request ended in the input. */
  #inputEnd = 0;

  /** @param tell Must not throw. */
  constructor(
    machine: Machine,
    output: Output,
    tell: (end: RequestEnd) => void,
  ) {
    this.#machine = machine;
    this.#output = output;
    this.#tell = tell;
  }

  /** Backpressure: whether too many heads wait for their responses to be written. */
  get full(): boolean {
    return this.#held > MOST_HELD;
  }

  /** A request goes to its handler; the machine stands right behind its head. */
  begin(request: PooledRequest, response: HttpResponse): void {
    const { window } = this.#machine;
    const start = request.fields.base - request.fieldsStart;
    const { method, target, httpVersion } = request;
    this.#open(
      { method, target, httpVersion, response },
      window.offsetOf(start),
      window.start - start,
    );
  }

  /** A message was refused before it became a request, and may now be answered. */
  refuse(error: HttpError): void {
    this.#open(UNKNOWN, this.#inputEnd, 0);
    this.fail(error);
  }

  #open(request: Entry["request"], inputStart: number, head: number): void {
    this.#current = {
      request,
      began: performance.now(),
      size: head + RECORD,
      inputStart,
      outputStart: this.#appended,
      outputEnd: Infinity,
      status: null,
      bytesReceived: 0,
      failed: false,
      error: null,
      cut: false,
    };
  }

  /** The exchange under way failed. The first error counts; others follow from it. */
  fail(error: unknown): void {
    const entry = this.#current;
    if (entry === null || entry.failed) return;
    entry.failed = true;
    entry.error = error;
  }

  /** The response under way was broken off. */
  cut(error: unknown): void {
    this.fail(error);
    if (this.#current !== null) this.#current.cut = true;
  }

  /**
   * Handler and response are done, or the connection was handed over. `status` is 0 if
   * nothing was sent.
   */
  finish(status: number): void {
    const entry = this.#current;
    if (entry === null) return;
    this.#current = null;
    this.#seal(entry, status);
    entry.outputEnd = this.#appended;
    this.#held += entry.size;
    this.#waiting.push(entry);
    this.written();
  }

  /** Bytes were written: ends the requests whose responses are out. */
  written(): void {
    const { sent } = this.#output;
    const left = this.#waiting.findIndex(({ outputEnd }) => outputEnd > sent);
    const count = left < 0 ? this.#waiting.length : left;
    if (count === 0) return;
    const now = performance.now();
    for (const entry of this.#waiting.splice(0, count)) {
      this.#held -= entry.size;
      this.#end(entry, entry.outputEnd, now);
    }
  }

  /** The connection is about to close: what has not ended, ends now. */
  close(
    reason: unknown,
    exchange: { readonly status: number; readonly answered: boolean },
  ): void {
    // A whole response is complete once it is written, though its handler still runs.
    if (!exchange.answered) this.cut(reason);
    this.finish(exchange.status);
    // A write that is under way may have taken some responses to their end.
    this.written();
    const now = performance.now();
    for (const entry of this.#waiting.splice(0)) {
      entry.cut = true;
      if (!entry.failed) entry.error = reason;
      this.#end(entry, this.#output.sent, now);
    }
  }

  /** What is final once an exchange is over. */
  #seal(entry: Entry, status: number): void {
    this.#inputEnd = entry.request === UNKNOWN
      ? this.#machine.received
      : this.#consumed();
    entry.bytesReceived = this.#inputEnd - entry.inputStart;
    entry.status = status === 0 ? null : status;
  }

  /** Where the current request ends in the input, or what arrived of it. */
  #consumed(): number {
    const { body, received, window } = this.#machine;
    if (!body.active) return window.offsetOf(window.start);
    const end = body.decoder.endInWindow;
    return end < 0 ? received : window.offsetOf(end);
  }

  /** The output position behind all bytes appended so far. */
  get #appended(): number {
    return this.#output.sent + this.#output.pending;
  }

  #end(entry: Entry, outputEnd: number, now: number): void {
    this.#ended.push({
      ...entry.request,
      status: entry.status,
      bytesReceived: entry.bytesReceived,
      bytesSent: Math.max(0, outputEnd - entry.outputStart),
      duration: entry.request === UNKNOWN ? 0 : now - entry.began,
      error: entry.error,
      complete: entry.status !== null && !entry.cut,
    });
    if (this.#ended.length === 1) queueMicrotask(this.#deliver);
  }

  readonly #deliver = (): void => {
    const ended = this.#ended;
    this.#ended = [];
    for (const end of ended) this.#tell(end);
  };
}
