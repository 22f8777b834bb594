/**
 * The sans-I/O machine: bytes in, pooled requests out, no await.
 *
 * The window is the unparsed part of one slab. Drivers fill it, by `push` or by
 * lending its free tail to a reader, and call `next` until it gives `null`. A head
 * is parsed where it lies and must be contiguous: when the slab is full, what is
 * left of the window is carried to the front of another, or of the same one where
 * no request points into it any more. Everything before the window belongs to
 * requests that were handed out.
 *
 * `RequestParser` is this machine with the drivers' side hidden.
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
import { type FieldTable, readFieldLines } from "../wire/field_lines.ts";
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

/** Empty lines before a request line that are skipped (RFC 9112 §2.2 asks for one). */
const MAX_EMPTY_LINES = 4;
const NOTHING = new Uint8Array(0);

/** The machine behind parsers and streams. */
export class Machine {
  readonly limits: Required<ParserLimits>;
  readonly pools: OpenPools;
  readonly body: BodyReader;
  /**
   * How a consumer that ran dry asks the driver for bytes. True means that some
   * were put in at once; else they come later, and `body.progress()` is called.
   */
  demand: () => boolean = () => false;

  readonly window: Window;
  /** Whether the input has ended. */
  ended = false;
  /** The refusal that ended everything, or `null`. */
  error: HttpError | null = null;
  /** Whether that was found in a body, so in a message whose request was handed out. */
  errorInBody = false;
  /** Whether the connection below is secured: the scheme of the target URIs. */
  secure = false;

  readonly #shelf = new Shelf<PooledRequest>();
  /** The array of a buffered read while it is with a reader. */
  #lentArray: ArrayBuffer | null = null;
  #emptyLines = 0;
  /** The request whose head is being read. */
  #request: PooledRequest | null = null;
  /** Where the field section of that head begins; 0 while in the request line. */
  #fieldsStart = 0;
  readonly #line = new PartialLine();
  /** Offset in the input of the body that is being read. */
  #bodyOffset = 0;

  /** @param budget Counts the arrays of buffered reads, with those of other machines. */
  constructor(
    options: ParserOptions = {},
    readonly budget: Budget = new Budget(Infinity),
  ) {
    this.limits = resolveParserLimits(options);
    this.pools = poolsOf(options.pools ?? sharedPools);
    this.window = new Window(this.pools.slabs);
    this.body = new BodyReader(this);
  }

  /** Whether a message was refused, or the body of the current one. */
  get refused(): boolean {
    return this.error !== null || this.body.refused !== null;
  }

  /** Whether `error` is what a message of this input was refused with. */
  refusedWith(error: unknown): boolean {
    return error !== null &&
      (error === this.error || error === this.body.refused);
  }

  /** Whether memory is with a reader, so that nothing can be parsed. */
  get lent(): boolean {
    return this.window.lent || this.#lentArray !== null;
  }

  // How far the input was read, from weak to strong:
  //   empty         nothing in the window is left to parse
  //   unread === 0  nor is there payload that nobody has taken
  //   idle          empty, and no head or body is under way
  //   finished      idle, and the input has ended

  /** Whether the window is empty and no message is under way. */
  get idle(): boolean {
    return this.empty && !this.body.active && this.#request === null;
  }

  /** Whether nothing is left to be parsed. */
  get empty(): boolean {
    const { start, end } = this.window;
    return start === end;
  }

  /** Bytes that lie in the slab and are still to be read, of a body too. */
  get unread(): number {
    return this.window.unread;
  }

  /** Bytes of the input so far. */
  get received(): number {
    return this.window.received;
  }

  /** Whether a whole request that is next lies in the first `received` bytes of the input. */
  holdsRequest(received: number): boolean {
    const { window, body, limits } = this;
    const { slab } = window;
    // What is lent has been parsed as far as it could be.
    if (slab === null || this.lent) return false;
    const start = body.active ? body.decoder.endInWindow : window.start;
    const end = Math.min(window.end, window.positionOf(received));
    return start >= 0 &&
      holdsRequest(slab.bytes, slab.view, start, end, limits);
  }

  /** Whether the input ended and everything in it was handed out. */
  get finished(): boolean {
    return this.ended && this.idle;
  }

  /**
   * The next request, or `null` until more bytes come. What was not read of the
   * body before it is discarded.
   *
   * @throws {HttpError} The next message is refused. It is thrown again by each
   * later call.
   */
  // The fast path: a cache hit on the head. Kept within TurboFan's inlining budget;
  // reading a head, and rare paths, are separate methods.
  next(): PooledRequest | null {
    const { window } = this;
    const { slab, start, end } = window;
    if (
      slab === null || this.error !== null || window.lent ||
      this.#request !== null || this.body.active
    ) return this.#nextUnderWay();
    if (start === end && !this.ended) return null;
    if (start === end || slab.bytes[start] === CR) {
      return this.#nextAfterEmptyLines(slab);
    }
    const request = this.pools.requests.acquire(this.#shelf);
    const { known } = request;
    if (known === null || !known.isAt(slab.view, start, end)) {
      return this.#readFresh(slab, request);
    }
    this.#emptyLines = 0;
    const section = start + known.lineLength;
    this.#open(slab, request, section, start + known.length);
    return request;
  }

  /** The next request, where a head or a body was under way, or none can be had. */
  #nextUnderWay(): PooledRequest | null {
    if (this.error !== null) throw this.error;
    if (this.lent) return null;
    if (this.body.active && !this.body.discard()) return null;
    const { slab, start, end } = this.window;
    if (slab === null) return null;
    const resumed = this.#request;
    if (resumed === null) return this.#nextAfterEmptyLines(slab);
    return this.ended || this.#line.isWorthReading(slab.bytes, start, end)
      ? this.#resumeHead(slab, resumed)
      : null;
  }

  #nextAfterEmptyLines(slab: Slab): PooledRequest | null {
    return this.#skipEmptyLines(slab)
      ? this.#readFresh(slab, this.pools.requests.acquire(this.#shelf))
      : null;
  }

  /** Takes a request back, with all that it holds. */
  release(request: PooledRequest): void {
    if (this.body.active) this.body.leave(request);
    const { slab } = request.fields;
    if (slab !== null) this.pools.slabs.release(slab);
    if (request.plain) request.close();
    else this.#reset(request);
    this.pools.requests.release(request, this.#shelf);
  }

  /** Takes from a request what a plain one does not have. */
  #reset(request: PooledRequest): void {
    const { fields, openedTrailers, ownTable } = request;
    if (fields.table !== ownTable) releaseTable(this.pools, fields.table);
    if (openedTrailers !== null) {
      releaseTable(this.pools, openedTrailers.table);
      this.pools.slabs.release(openedTrailers.slab!);
    }
    request.reset();
  }

  /** Whether a request line may begin at the start of the window. */
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

  /** Reads a head from its first byte, with nothing kept of the one before. */
  #readFresh(slab: Slab, request: PooledRequest): PooledRequest | null {
    if (request.knowsHead) request.forgetHead();
    this.#request = request;
    this.#fieldsStart = 0;
    this.#emptyLines = 0;
    return this.#readLine(slab, request);
  }

  /** Goes on with a head that was cut, at the line where it was. */
  #resumeHead(slab: Slab, request: PooledRequest): PooledRequest | null {
    return this.#fieldsStart === 0
      ? this.#readLine(slab, request)
      : this.#readFields(slab, request, this.window.start + this.#line.start);
  }

  #readLine(slab: Slab, request: PooledRequest): PooledRequest | null {
    const { bytes, view } = slab;
    const { start, end } = this.window;
    const outcome = readRequestLine(bytes, view, start, end, request.line);
    // A line of the full length has two more bytes, its CRLF.
    const lineEnd = start + this.limits.maxRequestLine + 2;
    if (outcome < 0 || outcome > lineEnd) {
      return this.#stopInRequestLine(outcome, lineEnd);
    }
    this.#fieldsStart = outcome - start;
    return this.#readFields(slab, request, outcome);
  }

  /** The field lines from `at` on, and what they say of the message. */
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

  /** What the fields say of the message, and the request with it. */
  #readFraming(
    slab: Slab,
    request: PooledRequest,
    section: number,
    sectionEnd: number,
  ): PooledRequest {
    const { line, framing, known } = request;
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
    // A larger table goes back at the release, so what lies in it cannot stay known.
    if (known !== null && table === request.ownTable) {
      known.keep(slab.view, this.window.start, section, sectionEnd);
    }
    this.#open(slab, request, section, sectionEnd);
    return request;
  }

  /** Hands a request out whose head is read. */
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

  /** The request line is not whole, too long, or at fault. */
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

  /** The refusal of a request line at fault, unless it was too long before that. */
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

  /** The field section is not whole, too large, or at fault, or needs a larger table. */
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
   * The refusal of a field section at fault: what is wrong with the line, unless
   * the section passed its limit before that could be known.
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

  /** Ends everything with a refusal found at position `at` of the slab. */
  fail(refusal: number, at: number): HttpError {
    const { window } = this;
    const error = this.#refuse(refusal, window.offsetOf(at), window.quote(at));
    this.#dropRequest();
    window.drop();
    return error;
  }

  /**
   * Ends everything because the peer took too long. Memory that is with a reader
   * stays there until `close`.
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
   * The refusal of a body that may not be read, at the offset where the body begins.
   * It ends nothing.
   */
  bodyRefusal(refusal: number, found: string): HttpError {
    return new HttpError(refusalCode(refusal), this.#bodyOffset, found);
  }

  // ------------------------------------------------------------------ bytes in

  /** Copies a chunk into the window. */
  push(chunk: Uint8Array): void {
    const rest = this.ended || this.error !== null || this.body.active
      ? this.#pushUnderWay(chunk)
      : chunk;
    this.window.push(rest);
  }

  /** What of a chunk is left for the window. */
  #pushUnderWay(chunk: Uint8Array): Uint8Array {
    if (this.ended) throw new TypeError("bytes were pushed after the end");
    return this.error !== null ? NOTHING : this.#pushDirect(chunk);
  }

  /** Puts what it can of a chunk where a buffered read gathers it; gives the rest. */
  #pushDirect(chunk: Uint8Array): Uint8Array {
    const direct = this.#direct();
    if (direct === null) return chunk;
    const count = Math.min(direct.length, chunk.length);
    direct.set(chunk.subarray(0, count));
    this.#directed(direct.buffer, count);
    return chunk.subarray(count);
  }

  /** The input ends here. What is left of it can still be asked for. */
  finish(): void {
    this.ended = true;
    if (this.unread === 0 && this.#request === null) this.window.drop();
  }

  /**
   * Memory for a BYOB reader to fill: the free tail of the slab, or of the array
   * that a buffered read gathers. Until `adopt` or `lose`, nothing can be parsed.
   */
  lend(): Uint8Array<ArrayBuffer> {
    const direct = this.#direct();
    return direct !== null ? this.#lendArray(direct) : this.window.lend();
  }

  /**
   * The same memory for a reader that fills it where it lies, until `commit` or
   * `lose`. Nothing is detached, so requests may point into the slab.
   */
  offer(): Uint8Array<ArrayBuffer> {
    const direct = this.#direct();
    return direct !== null ? this.#lendArray(direct) : this.window.offer();
  }

  /** Where bytes can go past the window, which has to be empty for that. */
  #direct(): Uint8Array<ArrayBuffer> | null {
    return this.empty ? this.body.direct() : null;
  }

  #directed(buffer: ArrayBuffer, count: number): void {
    this.window.bypass(count);
    this.body.directed(buffer, count);
  }

  #lendArray(view: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    this.#lentArray = view.buffer;
    return view;
  }

  /** Takes the lent memory back, with what was read into it; nothing after `close`. */
  adopt(view: Uint8Array<ArrayBuffer>): void {
    if (this.window.lent) this.window.adopt(view);
    else if (this.#lentArray !== null) {
      this.#lentArray = null;
      this.#directed(view.buffer, view.length);
    }
  }

  /** Takes the memory on offer back, `count` bytes filled; nothing after `close`. */
  commit(count: number): void {
    const array = this.#lentArray;
    if (this.window.lent) this.window.commit(count);
    else if (array !== null) {
      this.#lentArray = null;
      this.#directed(array, count);
    }
  }

  /** The lent memory will not come back. */
  lose(): void {
    this.window.lose();
    this.#lentArray = null;
  }

  /** Gives everything back; who still reads a body meets `reason`. */
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

  /** Gives back the request whose head was not read to its end. */
  #dropRequest(): void {
    const request = this.#request;
    if (request === null) return;
    this.#request = null;
    this.release(request);
  }
}
