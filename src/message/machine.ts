/**
 * The sans-I/O machine: bytes in, pooled messages out, no await.
 *
 * Drivers fill the window, with `push` or by lending its free tail to a reader, and call
 * `next` until it returns `null`. A head is parsed in place and must be contiguous, so a
 * partial head moves along when the window moves to make room (see `window.ts`).
 *
 * This class holds what all messages share: the input, field sections, bodies, refusals.
 * `RequestMachine` and `ResponseMachine` add their start line, their framing, and a
 * `next` of their own, since that is the hot path. `RequestParser` and `ResponseParser`
 * wrap them and hide the methods meant for drivers.
 *
 * @module
 */

import { BodyReader } from "./body_reader.ts";
import { HttpError, type HttpErrorCode, refusalCode } from "../errors.ts";
import { type ParserLimits, resolveParserLimits } from "../limits.ts";
import type { Budget } from "../memory/budget.ts";
import { type Pool, Shelf } from "../memory/pool.ts";
import type { Slab } from "../memory/slab.ts";
import { Window } from "../memory/window.ts";
import { PartialLine } from "./partial_line.ts";
import type { PooledMessage } from "./pooled_message.ts";
import {
  acquireTable,
  type OpenPools,
  type ParserOptions,
  poolsOf,
  releaseTable,
  sharedPools,
} from "./pools.ts";
import { readFieldLines } from "../wire/field_lines.ts";
import type { FieldTable } from "../wire/field_table.ts";
import {
  faultOffset,
  faultRefusal,
  INCOMPLETE,
  isFault,
  TABLE_FULL,
} from "../wire/outcome.ts";
import {
  HEADERS_TOO_LARGE,
  TOO_MANY_HEADERS,
  UNEXPECTED_EOF,
} from "../wire/refusals.ts";

const NOTHING = new Uint8Array(0);
/** One for all machines, so that a machine does not pay for what it may not need. */
const ignore = () => {};

/** The machine behind parsers, streams and servers. */
export abstract class Machine<M extends PooledMessage = PooledMessage> {
  readonly limits: Required<ParserLimits>;
  // The limits of a head as small integers, since V8 keeps those in `limits` as doubles.
  /** Maximum length of a start line with its CRLF, which `maxRequestLine` excludes. */
  protected readonly maxLine: number;
  protected readonly maxSection: number;
  protected readonly maxRows: number;
  readonly pools: OpenPools;
  /** Counts the arrays of buffered reads; the machines of a server share it. */
  readonly budget: Budget;
  readonly body: BodyReader;
  /**
   * Set by the driver; asks for bytes. Returns true if it has pushed some, else the
   * driver calls `body.progress()` when they arrive.
   */
  demand: () => boolean = () => false;
  /**
   * Set by a driver that hands out the next message only once nobody reads the body
   * before it. Called amid the body's own steps: act in a later microtask.
   */
  bodyLeft: () => void = ignore;

  readonly window: Window;
  /** Whether the input has ended. */
  ended = false;
  /** The refusal that stopped the machine, or `null`. */
  error: HttpError | null = null;
  /** Whether `error` is in a body, so that its message was already handed out. */
  errorInBody = false;
  /** Whether the connection uses TLS, which sets the scheme of target URIs. */
  secure = false;

  protected readonly pool: Pool<M>;
  /** Released messages, for reuse by this machine only. */
  protected readonly shelf: Shelf<M> = new Shelf<M>();
  /** The message of an incomplete head. */
  protected partial: M | null = null;
  /** Offset of its field section in the head; 0 while in the start line. */
  protected fieldsStart = 0;
  protected readonly line: PartialLine = new PartialLine();
  /** The array of a buffered read while it is lent to a reader. */
  #lentArray: ArrayBuffer | null = null;
  /** Input offset of the current body. */
  #bodyOffset = 0;

  /**
   * @param budget Counts the arrays of buffered reads.
   * @param poolOf The pool of the messages.
   */
  constructor(
    options: ParserOptions,
    budget: Budget,
    poolOf: (pools: OpenPools) => Pool<M>,
  ) {
    this.budget = budget;
    this.limits = resolveParserLimits(options);
    this.maxLine = (this.limits.maxRequestLine + 2) | 0;
    this.maxSection = this.limits.maxHeaderBytes | 0;
    this.maxRows = this.limits.maxHeaders | 0;
    this.pools = poolsOf(options.pools ?? sharedPools);
    this.pool = poolOf(this.pools);
    this.window = new Window(this.pools.slabs);
    this.body = new BodyReader(this);
  }

  /** Whether a message, or the current body, was refused. */
  get refused(): boolean {
    return this.error !== null || this.body.refused !== null;
  }

  /** Whether `error` is that refusal. */
  refusedWith(error: unknown): boolean {
    return error !== null &&
      (error === this.error || error === this.body.refused);
  }

  /** True while a reader holds the memory; nothing can be parsed meanwhile. */
  get lent(): boolean {
    return this.window.lent || this.#lentArray !== null;
  }

  // How much of the input has been consumed, from weak to strong:
  //   empty         no bytes left to parse
  //   unread === 0  empty, and no decoded payload left
  //   idle          empty, and no head or body in progress
  //   finished      idle, and the input has ended

  /** Whether the window is empty and no message is in progress. */
  get idle(): boolean {
    return this.empty && !this.body.active && this.partial === null;
  }

  /** Whether no bytes are left to parse. */
  get empty(): boolean {
    const { start, end } = this.window;
    return start === end;
  }

  /** Bytes in the slab that are not parsed yet, plus decoded payload not consumed. */
  get unread(): number {
    return this.window.unread;
  }

  /** Bytes of the input received so far. */
  get received(): number {
    return this.window.received;
  }

  /** Whether the input has ended and was consumed completely. */
  get finished(): boolean {
    return this.ended && this.idle;
  }

  /**
   * Reads the start line at the beginning of the window, then the fields. Returns the
   * message, or `null` if more bytes are needed.
   */
  protected abstract readLine(slab: Slab, message: M): M | null;

  /** Reads the framing of a complete head and hands out its message. */
  protected abstract readFraming(
    slab: Slab,
    message: M,
    section: number,
    sectionEnd: number,
  ): M;

  /** Returns a message and all memory it holds to the pools. */
  release(message: M): void {
    const { body } = this;
    if (body.active && !body.skipUnused(message)) body.detach(message);
    const { plain } = message;
    if (!plain) message.detachView();
    const { slab } = message.fields;
    if (slab !== null) this.pools.slabs.release(slab);
    if (plain) message.close();
    else this.#reset(message);
    this.pool.release(message, this.shelf);
  }

  /** Releases what only non-plain messages hold: a larger table, trailers. */
  #reset(message: M): void {
    const { fields, openedTrailers, ownTable } = message;
    if (fields.table !== ownTable) releaseTable(this.pools, fields.table);
    if (openedTrailers !== null) {
      releaseTable(this.pools, openedTrailers.table);
      this.pools.slabs.release(openedTrailers.slab!);
    }
    message.reset();
  }

  /** Parses a head from its first byte, on a cache miss. */
  protected readFresh(slab: Slab, message: M): M | null {
    if (message.hasCachedHead) message.forgetHead();
    this.partial = message;
    this.fieldsStart = 0;
    return this.readLine(slab, message);
  }

  /** Continues an incomplete head at its incomplete line, if that is worth a try. */
  protected resume(slab: Slab, message: M): M | null {
    const { start, end } = this.window;
    if (!this.ended && !this.line.shouldRetry(slab.bytes, start, end)) {
      return null;
    }
    return this.fieldsStart === 0
      ? this.readLine(slab, message)
      : this.readFields(slab, message, start + this.line.start);
  }

  /** Reads the field lines from `at` on, then the framing. */
  protected readFields(
    slab: Slab,
    message: M,
    at: number,
  ): M | null {
    const { bytes, view } = slab;
    const { start, end } = this.window;
    const section = (start + this.fieldsStart) | 0;
    const { table } = message.fields;
    const { capacity } = table;
    const { maxRows } = this;
    const outcome = readFieldLines(
      bytes,
      view,
      at,
      end,
      section,
      table,
      capacity < maxRows ? capacity : maxRows,
    );
    const sectionEnd = (section + this.maxSection) | 0;
    if (outcome < 0 || outcome > sectionEnd) {
      return this.#stopInFields(slab, message, outcome, section, sectionEnd);
    }
    return this.readFraming(slab, message, section, outcome);
  }

  /** Starts a body of `length` bytes, or one that is `CHUNKED` or lasts `UNTIL_END`. */
  protected beginBody(message: M, length: number): void {
    this.#bodyOffset = this.window.offsetOf(this.window.start);
    this.body.begin(message, length);
  }

  /** Caches the head of `message`, which was read from the start of the window. */
  protected keepHead(
    slab: Slab,
    message: M,
    section: number,
    sectionEnd: number,
  ): void {
    const { headCache } = message;
    // A larger table is returned at the release, so its head cannot be cached.
    if (headCache !== null && message.fields.table === message.ownTable) {
      headCache.keep(slab.view, this.window.start, section, sectionEnd);
    }
  }

  /** Handles a start line that is incomplete, too long, or invalid. */
  protected stopInLine(
    outcome: number,
    lineEnd: number,
    tooLong: number,
    read: (slab: Slab) => number,
  ): null {
    const { start, end } = this.window;
    if (isFault(outcome)) {
      // The length limit takes precedence if the bytes within it do not show the fault.
      throw this.window.readWithin(lineEnd, read) === INCOMPLETE
        ? this.fail(tooLong, lineEnd - 2)
        : this.fail(faultRefusal(outcome), start + faultOffset(outcome));
    }
    if (outcome > lineEnd || end >= lineEnd) {
      throw this.fail(tooLong, lineEnd - 2);
    }
    if (this.ended) throw this.fail(UNEXPECTED_EOF, end);
    this.line.wait(0, end - start, lineEnd - start);
    return null;
  }

  /** Handles a field section that is incomplete, too large, invalid, or outgrew its table. */
  #stopInFields(
    slab: Slab,
    message: M,
    outcome: number,
    section: number,
    sectionEnd: number,
  ): M | null {
    const { limits } = this;
    const { start, end } = this.window;
    const table = message.fields.table;
    if (
      outcome > sectionEnd || (outcome === INCOMPLETE && end >= sectionEnd) ||
      (outcome === TABLE_FULL && table.unread >= sectionEnd)
    ) {
      throw this.fail(HEADERS_TOO_LARGE, sectionEnd);
    }
    if (outcome === TABLE_FULL) {
      if (table.count === limits.maxHeaders) {
        throw this.fail(TOO_MANY_HEADERS, table.unread);
      }
      const larger = acquireTable(this.pools, limits.maxHeaders);
      larger.copyFrom(table);
      message.fields.table = larger;
      return this.readFields(slab, message, table.unread);
    }
    if (isFault(outcome)) {
      throw this.refuseFields(
        outcome,
        table,
        section,
        sectionEnd,
        HEADERS_TOO_LARGE,
      );
    }
    if (this.ended) throw this.fail(UNEXPECTED_EOF, end);
    this.line.wait(table.unread - start, end - start, sectionEnd - start);
    return null;
  }

  /**
   * The refusal of an invalid field section. The size limit takes precedence if the
   * bytes within the limit do not show the fault.
   */
  refuseFields(
    outcome: number,
    table: FieldTable,
    section: number,
    sectionEnd: number,
    tooLarge: number,
  ): HttpError {
    if (
      table.unread >= sectionEnd ||
      this.window.readWithin(sectionEnd, ({ bytes, view }) =>
          readFieldLines(
            bytes,
            view,
            table.unread,
            sectionEnd,
            section,
            table,
            table.capacity,
          )) === INCOMPLETE
    ) {
      return this.fail(tooLarge, sectionEnd);
    }
    return this.fail(faultRefusal(outcome), section + faultOffset(outcome));
  }

  /** Stops the machine with a refusal at slab position `at`. Returns the error. */
  fail(refusal: number, at: number): HttpError {
    const { window } = this;
    const error = this.#refuse(refusal, window.offsetOf(at), window.quote(at));
    this.#dropPartial();
    window.drop();
    return error;
  }

  /**
   * Stops the machine because the peer timed out. Memory lent to a reader stays lent
   * until `close`.
   */
  timeOut(refusal: number): HttpError {
    const error = this.#refuse(refusal, this.received, "no more bytes");
    this.body.close(error);
    return error;
  }

  #refuse(refusal: number, offset: number, found: string): HttpError {
    this.errorInBody = this.body.active;
    return this.error = this.errorOf(refusalCode(refusal), offset, found);
  }

  /** The error for a refused message. */
  protected errorOf(
    code: HttpErrorCode,
    offset: number,
    found: string,
  ): HttpError {
    return new HttpError(code, offset, found);
  }

  /**
   * Creates the refusal of the current body, at the offset of the body. Does not stop
   * the machine.
   */
  bodyRefusal(refusal: number, found: string): HttpError {
    return this.errorOf(refusalCode(refusal), this.#bodyOffset, found);
  }

  // ------------------------------------------------------------------ bytes in

  /** Appends a copy of `chunk` to the input. */
  push(chunk: Uint8Array): void {
    const rest = this.ended || this.error !== null || this.body.active
      ? this.#pushInProgress(chunk)
      : chunk;
    this.window.push(rest);
  }

  /** The slow path of `push`. Returns the part of the chunk left for the window. */
  #pushInProgress(chunk: Uint8Array): Uint8Array {
    if (this.ended) throw new TypeError("bytes were pushed after the end");
    return this.error !== null ? NOTHING : this.#pushDirect(chunk);
  }

  /** Copies bytes straight into the array of a buffered read. Returns the rest. */
  #pushDirect(chunk: Uint8Array): Uint8Array {
    const direct = this.#directMemory();
    if (direct === null) return chunk;
    const count = Math.min(direct.length, chunk.length);
    direct.set(chunk.subarray(0, count));
    this.#commitDirect(direct.buffer, count);
    return chunk.subarray(count);
  }

  /** Ends the input. Bytes already received can still be parsed. */
  finish(): void {
    this.ended = true;
    if (this.unread === 0 && this.partial === null) this.window.drop();
  }

  /**
   * Lends memory to a BYOB reader: the free tail of the slab, or of the array that a
   * buffered read is filling. Until `adopt` or `lose`, nothing can be parsed.
   */
  lend(): Uint8Array<ArrayBuffer> {
    const direct = this.#directMemory();
    return direct !== null ? this.#lendArray(direct) : this.window.lend();
  }

  /**
   * Lends the same memory to a reader that fills it in place, until `commit` or `lose`.
   * The buffer is not detached, so messages may keep pointing into the slab.
   */
  offer(): Uint8Array<ArrayBuffer> {
    const direct = this.#directMemory();
    return direct !== null ? this.#lendArray(direct) : this.window.offer();
  }

  /** Memory for reading past the window, which must be empty for that, or `null`. */
  #directMemory(): Uint8Array<ArrayBuffer> | null {
    return this.empty ? this.body.directMemory() : null;
  }

  #commitDirect(buffer: ArrayBuffer, count: number): void {
    this.window.bypass(count);
    this.body.commitDirect(buffer, count);
  }

  #lendArray(view: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    this.#lentArray = view.buffer;
    return view;
  }

  /** Takes back memory from `lend`, with the bytes read into it. Ignored after `close`. */
  adopt(view: Uint8Array<ArrayBuffer>): void {
    if (this.window.lent) this.window.adopt(view);
    else if (this.#lentArray !== null) {
      this.#lentArray = null;
      this.#commitDirect(view.buffer, view.length);
    }
  }

  /** Takes back memory from `offer`, with `count` bytes read. Ignored after `close`. */
  commit(count: number): void {
    const array = this.#lentArray;
    if (this.window.lent) this.window.commit(count);
    else if (array !== null) {
      this.#lentArray = null;
      this.#commitDirect(array, count);
    }
  }

  /** Writes off lent memory that the reader will not return. */
  lose(): void {
    this.window.lose();
    this.#lentArray = null;
  }

  /** Returns all memory to the pools. A pending read of a body fails with `reason`. */
  close(reason: unknown): void {
    this.ended = true;
    this.lose();
    this.body.close(reason);
    this.#dropPartial();
    this.window.drop();
    for (let i = 0; i < this.shelf.count; i++) {
      this.shelf.items[i]!.forgetHead();
    }
    this.pool.closeShelf(this.shelf);
  }

  /** Releases the message of an incomplete head. */
  #dropPartial(): void {
    const message = this.partial;
    if (message === null) return;
    this.partial = null;
    this.release(message);
  }
}
