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
import { type ParserLimits, resolveLimits } from "../limits.ts";
import { Shelf } from "../memory/pool.ts";
import { LAST_TIER, type Slab, SLAB_SIZES } from "../memory/slab.ts";
import { PartialLine } from "./partial_line.ts";
import {
  acquireTable,
  type OpenPools,
  type Pools,
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
  BODY_TOO_LARGE,
  HEADERS_TOO_LARGE,
  INVALID_REQUEST_LINE,
  REQUEST_LINE_TOO_LONG,
  TOO_MANY_HEADERS,
  UNEXPECTED_EOF,
} from "../wire/refusals.ts";
import { readRequestLine } from "../wire/request_line.ts";
import { latin1 } from "../wire/text.ts";
import { holdsRequest } from "../wire/whole_request.ts";

/** What a parser can be given: limits, and the pools to draw from. */
export interface ParserOptions extends ParserLimits {
  /**
   * The pools to draw from.
   *
   * @default {one set that all parsers share}
   */
  pools?: Pools;
}

/** Empty lines before a request line that are skipped (RFC 9112 §2.2 asks for one). */
const MAX_EMPTY_LINES = 4;
/** Less free room than this is not worth a read. */
const SMALLEST_READ = 512;
/** Bytes that a refusal quotes. */
const QUOTED = 24;

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

  /** The window: the bytes `[start, end)` of `slab`. */
  slab: Slab | null = null;
  start = 0;
  end = 0;
  /** Whether the input has ended. */
  ended = false;
  /** The refusal that ended everything, or `null`. */
  error: HttpError | null = null;
  /** Whether that was found in a body, so in a message whose request was handed out. */
  errorInBody = false;
  /** Whether the connection below is secured: the scheme of the target URIs. */
  secure = false;

  readonly #shelf = new Shelf<PooledRequest>();
  /** Offset in the input of the slab's first byte. */
  #origin = 0;
  /** The tier of the next slab. */
  #tier = 0;
  /** Whether the slab's memory, or the array being gathered, is with a reader. */
  #lent: "slab" | "body" | null = null;
  #lentLength = 0;
  #lentBuffer: ArrayBuffer | null = null;
  #emptyLines = 0;
  /** The request whose head is being read. */
  #request: PooledRequest | null = null;
  /** Where the field section of that head begins; 0 while in the request line. */
  #fieldsStart = 0;
  readonly #line = new PartialLine();
  /** Offset in the input of the body that is being read. */
  #bodyOffset = 0;

  constructor(options: ParserOptions = {}) {
    this.limits = resolveLimits(options);
    this.pools = poolsOf(options.pools ?? sharedPools);
    this.body = new BodyReader(this);
  }

  /** Whether a message was refused, or the body of the current one. */
  get refused(): boolean {
    return this.error !== null || this.body.refused !== null;
  }

  /** Whether `error` is what a message of this input was refused with. */
  refusedWith(error: unknown): boolean {
    return error === this.error || error === this.body.refused;
  }

  /** Whether memory is with a reader, so that nothing can be parsed. */
  get lent(): boolean {
    return this.#lent !== null;
  }

  /** Whether the window is empty and no message is under way. */
  get idle(): boolean {
    return this.start === this.end && !this.body.active &&
      this.#request === null;
  }

  /** Whether nothing lies in the slab that is still to be read, of a body either. */
  get drained(): boolean {
    const { decoder } = this.body;
    return this.start === this.end && decoder.start === decoder.end;
  }

  /** Bytes that lie in the slab and are still to be read, of a body too. */
  get unread(): number {
    const { decoder } = this.body;
    return this.end - this.start + decoder.end - decoder.start;
  }

  /** Whether a whole request that is next lies in the first `received` bytes of the input. */
  holdsRequest(received: number): boolean {
    const { slab } = this;
    // What is lent has been parsed as far as it could be.
    if (slab === null || this.#lent !== null) return false;
    const { body, limits } = this;
    const start = body.active ? body.decoder.endInWindow : this.start;
    const end = Math.min(this.end, received - this.#origin);
    return start >= 0 &&
      holdsRequest(slab.bytes, slab.view, start, end, limits);
  }

  /** Bytes of the input so far. */
  get received(): number {
    return this.#origin + this.end;
  }

  /** Whether the input ended and everything in it was handed out. */
  get finished(): boolean {
    return this.ended && this.start === this.end && this.#request === null &&
      !this.body.active;
  }

  // -------------------------------------------------------------- requests out

  /**
   * The next request, or `null` until more bytes come. What was not read of the
   * body before it is discarded.
   *
   * @throws {HttpError} The next message is refused. It is thrown again by each
   * later call.
   */
  // A head that is known is found here; reading one, and all that is rare, stands in
  // functions of its own. Only while this one is so short does TurboFan inline what
  // it calls.
  next(): PooledRequest | null {
    const slab = this.slab;
    if (
      slab === null || this.error !== null || this.#lent !== null ||
      this.#request !== null || this.body.active
    ) return this.#nextUnderWay();
    const { start, end } = this;
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
    if (this.#lent !== null) return null;
    if (this.body.active && !this.body.discard()) return null;
    const { slab } = this;
    if (slab === null) return null;
    const resumed = this.#request;
    if (resumed === null) return this.#nextAfterEmptyLines(slab);
    return this.ended ||
        this.#line.isWorthReading(slab.bytes, this.start, this.end)
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
  #skipEmptyLines(slab: Slab): boolean {
    const { bytes } = slab;
    while (bytes[this.start] === CR && this.start < this.end) {
      if (this.start + 1 === this.end) {
        if (this.ended) throw this.fail(UNEXPECTED_EOF, this.end);
        return false;
      }
      if (bytes[this.start + 1] !== LF) throw this.fail(BARE_CR, this.start);
      if (this.#emptyLines === MAX_EMPTY_LINES) {
        throw this.fail(INVALID_REQUEST_LINE, this.start);
      }
      this.#emptyLines++;
      this.start += 2;
    }
    if (this.start < this.end) return true;
    if (this.ended) this.#dropWindow();
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
      : this.#readFields(slab, request, this.start + this.#line.start);
  }

  #readLine(slab: Slab, request: PooledRequest): PooledRequest | null {
    const { bytes, view } = slab;
    const { start, end } = this;
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
    const { start, end } = this;
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
      known.keep(slab.view, this.start, section, sectionEnd);
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
    slab.refs++;
    request.open(this, slab, this.start, section);
    this.#request = null;
    this.start = sectionEnd;
    if (request.framing.hasBody) this.#beginBody(request);
  }

  #beginBody(request: PooledRequest): void {
    const { chunked, contentLength } = request.framing;
    this.#bodyOffset = this.#origin + this.start;
    this.body.begin(request, chunked ? -1 : contentLength);
  }

  /** The request line is not whole, too long, or at fault. */
  #stopInRequestLine(outcome: number, lineEnd: number): null {
    const { start, end } = this;
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
    const { start } = this;
    const { line } = this.#request!;
    const tooLong = this.#isIncompleteWithin(
      lineEnd,
      ({ bytes, view }) => readRequestLine(bytes, view, start, lineEnd, line),
    );
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
    const { start, end, limits } = this;
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
      this.#isIncompleteWithin(sectionEnd, (slab) =>
        readFieldLines(
          slab.bytes,
          slab.view,
          table.unread,
          sectionEnd,
          section,
          table,
          table.capacity,
        ))
    ) {
      return this.fail(tooLarge, sectionEnd);
    }
    return this.fail(faultRefusal(outcome), section + faultOffset(outcome));
  }

  /**
   * Whether a fault is only found past `limit`: reads again what was at fault, with
   * the window cut there. So a refusal does not depend on how the input was cut.
   */
  #isIncompleteWithin(
    limit: number,
    readAgain: (slab: Slab) => number,
  ): boolean {
    if (this.end <= limit) return false;
    const slab = this.slab!;
    const byte = slab.bytes[limit]!;
    slab.bytes[limit] = 0;
    const outcome = readAgain(slab);
    slab.bytes[limit] = byte;
    return outcome === INCOMPLETE;
  }

  /** Ends everything with a refusal found at position `at` of the slab. */
  fail(refusal: number, at: number): HttpError {
    const error = this.#refuse(refusal, this.#origin + at, this.#quote(at));
    this.#dropRequest();
    this.#dropWindow();
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
   * The refusal of a body that a buffered read may not gather, at the offset where
   * the body begins. It ends nothing.
   */
  bodyTooLarge(): HttpError {
    return new HttpError(
      refusalCode(BODY_TOO_LARGE),
      this.#bodyOffset,
      this.limits.maxBodySize === Infinity
        ? "more than memory holds"
        : `more than ${this.limits.maxBodySize} bytes`,
    );
  }

  /** What stands at `at`, for people. */
  #quote(at: number): string {
    if (this.slab === null || at >= this.end) return "the end of the input";
    const end = Math.min(this.end, at + QUOTED);
    return JSON.stringify(latin1(this.slab.bytes, at, end));
  }

  // ------------------------------------------------------------------ bytes in

  /** Copies a chunk into the window. */
  push(chunk: Uint8Array): void {
    const rest = this.ended || this.error !== null || this.body.active
      ? this.#pushUnderWay(chunk)
      : chunk;
    const count = rest.length;
    if (count === 0) return;
    const { bytes } = this.#makeRoom(count);
    bytes.set(rest, this.end);
    bytes[this.end += count] = 0;
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
    this.#origin += count;
    this.body.directed(direct.buffer, count);
    return chunk.subarray(count);
  }

  /** The input ends here. What is left of it can still be asked for. */
  finish(): void {
    this.ended = true;
    if (this.drained && this.#request === null) this.#dropWindow();
  }

  /**
   * Memory for a BYOB reader to fill: the free tail of the slab, or of the array
   * that a buffered read gathers. Until `adopt` or `lose`, nothing can be parsed.
   */
  lend(): Uint8Array<ArrayBuffer> {
    const direct = this.#direct();
    return direct !== null
      ? this.#lendBody(direct)
      : this.#lendSlab(this.#makeRoomToLend());
  }

  /**
   * The same memory for a reader that fills it where it lies, until `commit` or
   * `lose`. Nothing is detached, so requests may point into the slab.
   */
  offer(): Uint8Array<ArrayBuffer> {
    const direct = this.#direct();
    return direct !== null
      ? this.#lendBody(direct)
      : this.#lendSlab(this.#makeRoomToFill());
  }

  /** Where bytes can go past the window, which has to be empty for that. */
  #direct(): Uint8Array<ArrayBuffer> | null {
    return this.start === this.end ? this.body.direct() : null;
  }

  #lendBody(view: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    this.#lent = "body";
    this.#lentBuffer = view.buffer;
    this.#lentLength = view.length;
    return view;
  }

  #lendSlab(slab: Slab): Uint8Array<ArrayBuffer> {
    this.#lent = "slab";
    this.#lentBuffer = slab.buffer;
    this.#lentLength = slab.capacity - this.end;
    return new Uint8Array(slab.buffer, this.end, this.#lentLength);
  }

  /** Takes the lent memory back, with what was read into it; nothing after `close`. */
  adopt(view: Uint8Array<ArrayBuffer>): void {
    if (this.#lent === null) return;
    this.#lentBuffer = view.buffer;
    if (this.#lent === "slab") this.slab!.adopt(view.buffer);
    this.commit(view.length);
  }

  /** Takes the memory on offer back, `count` bytes filled; nothing after `close`. */
  commit(count: number): void {
    const lent = this.#lent;
    if (lent === null) return;
    this.#lent = null;
    const buffer = this.#lentBuffer!;
    this.#lentBuffer = null;
    if (lent === "body") {
      this.#origin += count;
      this.body.directed(buffer, count);
      return;
    }
    const slab = this.slab!;
    this.end += count;
    slab.bytes[this.end] = 0;
    // Grow while reads fill their slabs, shrink when they hardly do.
    if (count === this.#lentLength) {
      this.#tier = Math.min(this.#tier + 1, LAST_TIER);
    } else if (this.#tier > 0 && count < SLAB_SIZES[this.#tier - 1]! / 2) {
      this.#tier--;
    }
  }

  /** The lent memory will not come back. */
  lose(): void {
    if (this.#lent === "slab") {
      this.pools.slabs.drop(this.slab!);
      this.slab = null;
      this.#origin += this.end;
      this.start = this.end = 0;
    }
    this.#lent = null;
    this.#lentBuffer = null;
  }

  /** The connection goes idle: the next read is into a slab of the smallest tier. */
  rest(): void {
    this.#tier = 0;
  }

  /** The bytes of the window, as far as they fit; they are used up. */
  takeInto(target: Uint8Array): number {
    const count = Math.min(target.length, this.end - this.start);
    if (count === 0) return 0;
    target.set(this.slab!.bytes.subarray(this.start, this.start + count));
    this.start += count;
    return count;
  }

  /** Gives everything back; who still reads a body meets `reason`. */
  close(reason: unknown): void {
    this.ended = true;
    if (this.#lent !== null) this.lose();
    this.body.close(reason);
    this.#dropRequest();
    this.#dropWindow();
    for (let i = 0; i < this.#shelf.count; i++) {
      this.#shelf.items[i]!.forgetHead();
    }
    this.pools.requests.closeShelf(this.#shelf);
  }

  // -------------------------------------------------------------------- window

  /** The slab, with room for `count` more bytes at the end of the window. */
  #makeRoom(count: number): Slab {
    const slab = this.slab;
    if (slab === null) return this.#takeSlab(count);
    if (slab.refs === 1 && this.#low() === this.end) this.#rewind();
    return slab.capacity - this.end >= count
      ? slab
      : this.#moveForRoom(slab, count);
  }

  #moveForRoom(slab: Slab, count: number): Slab {
    const low = this.#low();
    const held = this.end - low;
    if (slab.refs === 1 && held + count <= slab.capacity) {
      this.#moveTo(slab, low);
      return slab;
    }
    // A window past the largest tier doubles, so that its copies stay linear.
    const bytes = held + count > SLAB_SIZES[LAST_TIER]
      ? 2 * held + count
      : held + count;
    return this.#carry(slab, low, bytes);
  }

  /** The slab, referred to by nobody else, with room for a read worth its while. */
  #makeRoomToLend(): Slab {
    const slab = this.slab;
    if (slab === null) return this.#takeSlab(0);
    const low = this.#low();
    const held = this.end - low;
    if (
      slab.refs > 1 || slab.tier < this.#tier ||
      (held === 0 && slab.tier > this.#tier)
    ) {
      return this.#carry(slab, low, held + SMALLEST_READ);
    }
    if (held === 0) this.#rewind();
    if (slab.capacity - this.end >= SMALLEST_READ) return slab;
    if (held <= slab.capacity / 2) {
      this.#moveTo(slab, low);
      return slab;
    }
    return this.#carry(slab, low, 2 * held);
  }

  /** The slab, with room for a read worth its while; requests may point into it. */
  #makeRoomToFill(): Slab {
    const slab = this.slab;
    if (slab === null) return this.#takeSlab(0);
    const low = this.#low();
    const held = this.end - low;
    if (slab.refs === 1 && held === 0 && slab.tier === this.#tier) {
      this.#rewind();
      return slab;
    }
    const room = slab.capacity - this.end;
    // A slab that others point into is shared to its end, unless it is too large
    // for an idle connection or smaller than the reads have come to be.
    return slab.refs > 1 && slab.tier === this.#tier && room >= SMALLEST_READ
      ? slab
      : this.#makeRoomToLend();
  }

  /** Where the bytes begin that must not be lost. */
  #low(): number {
    const { decoder } = this.body;
    return decoder.start < decoder.end ? decoder.start : this.start;
  }

  #takeSlab(bytes: number): Slab {
    const slab = this.slab = this.pools.slabs.acquire(this.#tier, bytes);
    this.#origin += this.start;
    this.start = this.end = 0;
    return slab;
  }

  /** Carries the window to the front of a fresh slab. */
  #carry(slab: Slab, low: number, bytes: number): Slab {
    const fresh = this.pools.slabs.acquire(this.#tier, bytes);
    fresh.bytes.set(slab.bytes.subarray(low, this.end));
    this.#moved(low);
    this.slab = fresh;
    fresh.bytes[this.end] = 0;
    this.pools.slabs.release(slab);
    return fresh;
  }

  /** Moves the window to the front of its own slab. */
  #moveTo(slab: Slab, low: number): void {
    slab.bytes.copyWithin(0, low, this.end);
    this.#moved(low);
    slab.bytes[this.end] = 0;
  }

  #moved(by: number): void {
    this.#origin += by;
    this.start -= by;
    this.end -= by;
    this.body.decoder.shift(-by);
  }

  /** An empty window goes back to the front of its slab. */
  #rewind(): void {
    this.#origin += this.start;
    this.start = this.end = 0;
  }

  #dropWindow(): void {
    if (this.slab === null) return;
    this.pools.slabs.release(this.slab);
    this.slab = null;
    this.#origin += this.end;
    this.start = this.end = 0;
  }

  /** Gives back the request whose head was not read to its end. */
  #dropRequest(): void {
    const request = this.#request;
    if (request === null) return;
    this.#request = null;
    this.release(request);
  }
}
