/**
 * The sans-I/O machine: bytes in, pooled requests out, no await.
 *
 * Drivers fill the window, with `push` or by lending its free tail to a reader, and call
 * `next` until it returns `null`. A head is parsed in place and must be contiguous, so a
 * partial head moves along when the window moves to make room (see `window.ts`).
 *
 * `RequestParser` wraps this class and hides the methods meant for drivers.
 *
 * @module
 */

import { BodyReader } from "./body_reader.ts";
import { HttpError, refusalCode } from "../errors.ts";
import { type ParserLimits, resolveParserLimits } from "../limits.ts";
import { Budget } from "../memory/budget.ts";
import { Shelf } from "../memory/pool.ts";
import type { Slab } from "../memory/slab.ts";
import { Window } from "../memory/window.ts";
import { PartialLine } from "./partial_line.ts";
import {
  acquireTable,
  type OpenPools,
  type ParserOptions,
  poolsOf,
  releaseTable,
  sharedPools,
} from "./pools.ts";
import type { PooledRequest } from "./request.ts";
import { CR, LF } from "../wire/ascii.ts";
import { readFieldLines } from "../wire/field_lines.ts";
import type { FieldTable } from "../wire/field_table.ts";
import { readFraming } from "../wire/framing.ts";
import {
  faultOffset,
  faultRefusal,
  INCOMPLETE,
  isFault,
  TABLE_FULL,
} from "../wire/outcome.ts";
import {
  BARE_CR,
  HEADERS_TOO_LARGE,
  INVALID_REQUEST_LINE,
  REQUEST_LINE_TOO_LONG,
  TOO_MANY_HEADERS,
  UNEXPECTED_EOF,
} from "../wire/refusals.ts";
import { readRequestLine } from "../wire/request_line.ts";
import { holdsRequest } from "../wire/whole_request.ts";

/** Maximum empty lines skipped before a request line (RFC 9112 §2.2 asks for one). */
const MAX_EMPTY_LINES = 4;
const NOTHING = new Uint8Array(0);

/** The machine behind parsers, streams and servers. */
export class Machine {
  readonly limits: Required<ParserLimits>;
  readonly pools: OpenPools;
  /** Counts the arrays of buffered reads; the machines of a server share it. */
  readonly budget: Budget;
  readonly body: BodyReader;
  /**
   * Set by the driver; asks for bytes. Returns true if it has pushed some, else the
   * driver calls `body.progress()` when they arrive.
   */
  demand: () => boolean = () => false;

  readonly window: Window;
  /** Whether the input has ended. */
  ended = false;
  /** The refusal that stopped the machine, or `null`. */
  error: HttpError | null = null;
  /** Whether `error` is in a body, so that its request was already handed out. */
  errorInBody = false;
  /** Whether the connection uses TLS, which sets the scheme of target URIs. */
  secure = false;

  readonly #shelf = new Shelf<PooledRequest>();
  /** The array of a buffered read while it is lent to a reader. */
  #lentArray: ArrayBuffer | null = null;
  #emptyLines = 0;
  /** The request of an incomplete head. */
  #request: PooledRequest | null = null;
  /** Offset of its field section in the head; 0 while in the request line. */
  #fieldsStart = 0;
  readonly #line = new PartialLine();
  /** Input offset of the current body. */
  #bodyOffset = 0;

  constructor(
    options: ParserOptions = {},
    budget: Budget = new Budget(Infinity),
  ) {
    this.budget = budget;
    this.limits = resolveParserLimits(options);
    this.pools = poolsOf(options.pools ?? sharedPools);
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
    return this.empty && !this.body.active && this.#request === null;
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

  /** Whether the first `received` bytes of the input contain a complete next request. */
  holdsRequest(received: number): boolean {
    const { window, body, limits } = this;
    const { slab } = window;
    // A window is lent only after everything complete in it was parsed.
    if (slab === null || this.lent) return false;
    const start = body.active ? body.decoder.endInWindow : window.start;
    const end = Math.min(window.end, window.positionOf(received));
    return start >= 0 &&
      holdsRequest(slab.bytes, slab.view, start, end, limits);
  }

  /** Whether the input has ended and was consumed completely. */
  get finished(): boolean {
    return this.ended && this.idle;
  }

  /**
   * Returns the next request, or `null` if more bytes are needed. Discards the unread
   * rest of the previous body.
   *
   * @throws {HttpError} The next message is refused. Each later call throws it again.
   */
  // The fast path is a cache hit on the head. Kept within TurboFan's inlining budget:
  // parsing a head and rare paths are separate methods.
  next(): PooledRequest | null {
    const { window } = this;
    const { slab, start, end } = window;
    if (
      slab === null || this.error !== null || window.lent ||
      this.#request !== null || this.body.active
    ) return this.#nextInProgress();
    if (start === end && !this.ended) return null;
    if (start === end || slab.bytes[start] === CR) {
      return this.#nextAfterEmptyLines(slab);
    }
    const request = this.pools.requests.acquire(this.#shelf);
    const { headCache } = request;
    if (headCache === null || !headCache.isAt(slab.view, start, end)) {
      return this.#readFresh(slab, request);
    }
    this.#emptyLines = 0;
    const section = start + headCache.lineLength;
    this.#open(slab, request, section, start + headCache.length);
    return request;
  }

  /** The slow path of `next`: a head or body is in progress, or no request is possible. */
  #nextInProgress(): PooledRequest | null {
    if (this.error !== null) throw this.error;
    if (this.lent) return null;
    if (this.body.active && !this.body.discard()) return null;
    const { slab, start, end } = this.window;
    if (slab === null) return null;
    const resumed = this.#request;
    if (resumed === null) return this.#nextAfterEmptyLines(slab);
    return this.ended || this.#line.shouldRetry(slab.bytes, start, end)
      ? this.#resumeHead(slab, resumed)
      : null;
  }

  #nextAfterEmptyLines(slab: Slab): PooledRequest | null {
    return this.#skipEmptyLines(slab)
      ? this.#readFresh(slab, this.pools.requests.acquire(this.#shelf))
      : null;
  }

  /** Returns a request and all memory it holds to the pools. */
  release(request: PooledRequest): void {
    if (this.body.active) this.body.detach(request);
    const { plain } = request;
    if (!plain) request.detachView();
    const { slab } = request.fields;
    if (slab !== null) this.pools.slabs.release(slab);
    if (plain) request.close();
    else this.#reset(request);
    this.pools.requests.release(request, this.#shelf);
  }

  /** Releases what only non-plain requests hold: a larger table, trailers. */
  #reset(request: PooledRequest): void {
    const { fields, openedTrailers, ownTable } = request;
    if (fields.table !== ownTable) releaseTable(this.pools, fields.table);
    if (openedTrailers !== null) {
      releaseTable(this.pools, openedTrailers.table);
      this.pools.slabs.release(openedTrailers.slab!);
    }
    request.reset();
  }

  /** Skips empty lines. Returns whether the window then starts with a request line. */
  #skipEmptyLines({ bytes }: Slab): boolean {
    const { window } = this;
    const { end } = window;
    let { start } = window;
    while (bytes[start] === CR && start < end) {
      if (start + 1 === end) {
        if (this.ended) throw this.fail(UNEXPECTED_EOF, end);
        return false;
      }
      if (bytes[start + 1] !== LF) throw this.fail(BARE_CR, start);
      if (this.#emptyLines === MAX_EMPTY_LINES) {
        throw this.fail(INVALID_REQUEST_LINE, start);
      }
      this.#emptyLines++;
      window.advance(start += 2);
    }
    if (start < end) return true;
    if (this.ended) window.drop();
    return false;
  }

  /** Parses a head from its first byte, on a cache miss. */
  #readFresh(slab: Slab, request: PooledRequest): PooledRequest | null {
    if (request.hasCachedHead) request.forgetHead();
    this.#request = request;
    this.#fieldsStart = 0;
    this.#emptyLines = 0;
    return this.#readLine(slab, request);
  }

  /** Continues an incomplete head at its incomplete line. */
  #resumeHead(slab: Slab, request: PooledRequest): PooledRequest | null {
    return this.#fieldsStart === 0
      ? this.#readLine(slab, request)
      : this.#readFields(slab, request, this.window.start + this.#line.start);
  }

  #readLine(slab: Slab, request: PooledRequest): PooledRequest | null {
    const { bytes, view } = slab;
    const { start, end } = this.window;
    const outcome = readRequestLine(bytes, view, start, end, request.line);
    // The limit does not count the CRLF.
    const lineEnd = start + this.limits.maxRequestLine + 2;
    if (outcome < 0 || outcome > lineEnd) {
      return this.#stopInRequestLine(outcome, lineEnd);
    }
    this.#fieldsStart = outcome - start;
    return this.#readFields(slab, request, outcome);
  }

  /** Reads the field lines from `at` on, then the framing. */
  #readFields(
    slab: Slab,
    request: PooledRequest,
    at: number,
  ): PooledRequest | null {
    const { bytes, view } = slab;
    const { start, end } = this.window;
    const section = start + this.#fieldsStart;
    const table = request.fields.table;
    const outcome = readFieldLines(
      bytes,
      view,
      at,
      end,
      section,
      table,
      Math.min(table.capacity, this.limits.maxHeaders),
    );
    const sectionEnd = section + this.limits.maxHeaderBytes;
    if (outcome < 0 || outcome > sectionEnd) {
      return this.#stopInFields(slab, request, outcome, section, sectionEnd);
    }
    return this.#readFraming(slab, request, section, outcome);
  }

  /** Reads the framing of a complete head and hands out its request. */
  #readFraming(
    slab: Slab,
    request: PooledRequest,
    section: number,
    sectionEnd: number,
  ): PooledRequest {
    const { line, framing, headCache } = request;
    const { table } = request.fields;
    const refused = readFraming(
      slab.bytes,
      slab.view,
      section,
      line,
      table,
      sectionEnd - section,
      framing,
    );
    if (refused !== 0) {
      throw this.fail(faultRefusal(refused), section + faultOffset(refused));
    }
    // A larger table is returned at the release, so its head cannot be cached.
    if (headCache !== null && table === request.ownTable) {
      headCache.keep(slab.view, this.window.start, section, sectionEnd);
    }
    this.#open(slab, request, section, sectionEnd);
    return request;
  }

  /** Hands out the request of a complete head. */
  #open(
    slab: Slab,
    request: PooledRequest,
    section: number,
    sectionEnd: number,
  ): void {
    const { window } = this;
    slab.refs++;
    request.open(this, slab, window.start, section);
    this.#request = null;
    window.advance(sectionEnd);
    if (request.framing.hasBody) this.#beginBody(request);
  }

  #beginBody(request: PooledRequest): void {
    const { chunked, contentLength } = request.framing;
    this.#bodyOffset = this.window.offsetOf(this.window.start);
    this.body.begin(request, chunked ? -1 : contentLength);
  }

  /** Handles a request line that is incomplete, too long, or invalid. */
  #stopInRequestLine(outcome: number, lineEnd: number): null {
    const { start, end } = this.window;
    if (isFault(outcome)) throw this.#refuseLine(outcome, lineEnd);
    if (outcome > lineEnd || end >= lineEnd) {
      throw this.fail(REQUEST_LINE_TOO_LONG, lineEnd - 2);
    }
    if (this.ended) throw this.fail(UNEXPECTED_EOF, end);
    this.#line.wait(0, end - start, lineEnd - start);
    return null;
  }

  /**
   * The refusal of an invalid request line. The length limit takes precedence if the
   * bytes within the limit do not show the fault.
   */
  #refuseLine(outcome: number, lineEnd: number): HttpError {
    const { start } = this.window;
    const { line } = this.#request!;
    const tooLong = this.window.readWithin(
      lineEnd,
      ({ bytes, view }) => readRequestLine(bytes, view, start, lineEnd, line),
    ) === INCOMPLETE;
    return tooLong
      ? this.fail(REQUEST_LINE_TOO_LONG, lineEnd - 2)
      : this.fail(faultRefusal(outcome), start + faultOffset(outcome));
  }

  /** Handles a field section that is incomplete, too large, invalid, or outgrew its table. */
  #stopInFields(
    slab: Slab,
    request: PooledRequest,
    outcome: number,
    section: number,
    sectionEnd: number,
  ): PooledRequest | null {
    const { limits } = this;
    const { start, end } = this.window;
    const table = request.fields.table;
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
      request.fields.table = larger;
      return this.#readFields(slab, request, table.unread);
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
    this.#line.wait(table.unread - start, end - start, sectionEnd - start);
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
    this.#dropRequest();
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
    return this.error = new HttpError(refusalCode(refusal), offset, found);
  }

  /**
   * Creates the refusal of the current body, at the offset of the body. Does not stop
   * the machine.
   */
  bodyRefusal(refusal: number, found: string): HttpError {
    return new HttpError(refusalCode(refusal), this.#bodyOffset, found);
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
    if (this.unread === 0 && this.#request === null) this.window.drop();
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
   * The buffer is not detached, so requests may keep pointing into the slab.
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
    this.#dropRequest();
    this.window.drop();
    for (let i = 0; i < this.#shelf.count; i++) {
      this.#shelf.items[i]!.forgetHead();
    }
    this.pools.requests.closeShelf(this.#shelf);
  }

  /** Releases the request of an incomplete head. */
  #dropRequest(): void {
    const request = this.#request;
    if (request === null) return;
    this.#request = null;
    this.release(request);
  }
}
