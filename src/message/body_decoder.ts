/**
 * Body framing (RFC 9112 §6, §7.1): finds the payload in the window.
 *
 * `next()` finds the next run of payload; consumers use it up with `Window.takeRun`.
 * Small chunks are compacted in place, so a run is as long as the window allows even
 * if the chunks are short. Payload before a fault is delivered before the fault is
 * reported.
 *
 * @module
 */

import type { HttpError } from "../errors.ts";
import type { ParserLimits } from "../limits.ts";
import { LARGEST_LOOPED_MOVE, LARGEST_MOVED_CHUNK } from "../memory/sizes.ts";
import type { Window } from "../memory/window.ts";
import { PartialLine } from "./partial_line.ts";
import { acquireTable, type OpenPools, releaseTable } from "./pools.ts";
import type { PooledMessage } from "./pooled_message.ts";
import { CR, LF } from "../wire/ascii.ts";
import { CHUNKED, UNTIL_END } from "../wire/body_length.ts";
import {
  ChunkLine,
  MAX_CHUNK_LINE,
  readChunkLine,
} from "../wire/chunk_line.ts";
import { readFieldLines } from "../wire/field_lines.ts";
import { type FieldTable, NAME_START, ROW } from "../wire/field_table.ts";
import { LAST_FRAMING_FIELD } from "../wire/names.ts";
import {
  endOfChunks,
  endOfData,
  endOfTrailers,
} from "../wire/whole_request.ts";
import {
  faultOffset,
  faultRefusal,
  INCOMPLETE,
  TABLE_FULL,
} from "../wire/outcome.ts";
import {
  CHUNK_DATA_END,
  CHUNK_LINE_TOO_LONG,
  FORBIDDEN_TRAILER,
  TRAILERS_TOO_LARGE,
  UNEXPECTED_EOF,
} from "../wire/refusals.ts";

/** Result of `next()`: the window's run holds payload. */
export const DATA = 0;
/** Result of `next()`: more input is needed. */
export const STARVED = 1;
/** Result of `next()`: the message has ended. */
export const FINISHED = 2;

const IN_LENGTH = 0;
const AT_CHUNK_LINE = 1;
const IN_CHUNK = 2;
const AT_CHUNK_END = 3;
const IN_TRAILERS = 4;
const AT_END = 5;
const UNTIL_END_OF_INPUT = 6;

/** The decoder's view of its machine. */
export interface DecoderHost {
  readonly window: Window;
  readonly limits: Required<ParserLimits>;
  readonly pools: OpenPools;
  /** Whether the input has ended. */
  readonly ended: boolean;
  /** True while a reader holds the memory; nothing can be parsed meanwhile. */
  readonly lent: boolean;
  /** Stops the machine with a refusal at slab position `at`. Returns the error. */
  fail(refusal: number, at: number): HttpError;
  /** Stops the machine with the refusal of a field section. Returns the error. */
  refuseFields(
    outcome: number,
    table: FieldTable,
    section: number,
    sectionEnd: number,
    tooLarge: number,
  ): HttpError;
}

/** Decodes the body of the current message. */
export class BodyDecoder {
  readonly #host: DecoderHost;
  readonly #window: Window;
  #state = AT_END;
  /** Bytes of the body, or of the current chunk, not decoded yet. */
  #remaining = 0;
  readonly #chunk = new ChunkLine();
  readonly #trailerLine = new PartialLine();
  #trailers: FieldTable | null = null;
  #message: PooledMessage | null = null;

  constructor(host: DecoderHost) {
    this.#host = host;
    this.#window = host.window;
  }

  /** Starts a body of `length` bytes, or one that is `CHUNKED` or lasts `UNTIL_END`. */
  begin(message: PooledMessage, length: number): void {
    this.#message = message;
    this.#remaining = length;
    if (length === CHUNKED) this.#state = AT_CHUNK_LINE;
    else this.#state = length === UNTIL_END ? UNTIL_END_OF_INPUT : IN_LENGTH;
    this.#window.setRun(0, 0);
  }

  /** Detaches the message; its trailers will be dropped. */
  forgetMessage(): void {
    this.#message = null;
  }

  /** Ends an unfinished body and releases its memory. */
  close(): void {
    this.#message = null;
    this.#window.setRun(0, 0);
    this.#state = AT_END;
    if (this.#trailers !== null) {
      releaseTable(this.#host.pools, this.#trailers);
      this.#trailers = null;
    }
  }

  /** Bytes not yet decoded of a body with Content-Length; 0 for a chunked body. */
  get knownRemaining(): number {
    return this.#state === IN_LENGTH ? this.#remaining : 0;
  }

  /**
   * Upper bound on the bytes left until the end of the body: the rest of a known
   * length, 0 for chunks that end inside the window, else Infinity.
   */
  get mostRemaining(): number {
    if (this.#state === IN_LENGTH) return this.#remaining;
    return this.endInWindow >= 0 ? 0 : Infinity;
  }

  /** The slab position where the body ends, or -1 if that is not in the window. */
  get endInWindow(): number {
    const { limits, lent, ended } = this.#host;
    const { slab, start, end } = this.#window;
    if (slab === null || lent) return -1;
    const { bytes, view } = slab;
    let at = start;
    switch (this.#state) {
      case AT_END:
        return start;
      case UNTIL_END_OF_INPUT:
        return ended ? end : -1;
      case IN_LENGTH:
        return start + this.#remaining <= end ? start + this.#remaining : -1;
      case IN_TRAILERS:
        return endOfTrailers(bytes, view, start, end, limits);
      case IN_CHUNK:
        at = endOfData(bytes, start, this.#remaining, end);
        break;
      case AT_CHUNK_END:
        at = endOfData(bytes, start, 0, end);
        break;
    }
    return at < 0 ? -1 : endOfChunks(bytes, view, at, end, limits);
  }

  /** Counts `count` bytes of a body of known length that bypassed the window. */
  bypass(count: number): void {
    this.#remaining -= count;
  }

  /** Whether a body of known length has been consumed completely. */
  get isComplete(): boolean {
    const { runStart, runEnd } = this.#window;
    return this.#state === IN_LENGTH && this.#remaining === 0 &&
      runStart === runEnd;
  }

  /**
   * Finds the next run. Returns {@linkcode DATA}, {@linkcode STARVED} or
   * {@linkcode FINISHED}.
   *
   * @throws {HttpError} The body is invalid, or the input ended inside it.
   */
  next(): number {
    const window = this.#window;
    if (window.runStart < window.runEnd) return DATA;
    const host = this.#host;
    if (this.#state === AT_END) return FINISHED;
    if (host.lent) return STARVED;
    if (this.#state === UNTIL_END_OF_INPUT) return this.#nextUntilEnd();
    const found = this.#state === IN_LENGTH
      ? this.#nextOfLength()
      : this.#nextOfChunks();
    if (found === STARVED && host.ended) {
      throw host.fail(UNEXPECTED_EOF, window.end);
    }
    return found;
  }

  #nextOfLength(): number {
    const window = this.#window;
    if (this.#remaining === 0) {
      this.#state = AT_END;
      return FINISHED;
    }
    const { start } = window;
    const count = Math.min(this.#remaining, window.end - start);
    if (count === 0) return STARVED;
    window.setRun(start, start + count);
    window.advance(start + count);
    this.#remaining -= count;
    return DATA;
  }

  /** Skips the rest of a body of known length, if all of it is in the window. */
  skip(): boolean {
    const window = this.#window;
    const { start, end, runStart, runEnd } = window;
    const remaining = this.#remaining;
    if (
      this.#state !== IN_LENGTH || runStart < runEnd || this.#host.lent ||
      remaining > end - start
    ) return false;
    window.advance((start + remaining) | 0);
    this.#remaining = 0;
    this.#state = AT_END;
    return true;
  }

  #nextUntilEnd(): number {
    const window = this.#window;
    const { start, end } = window;
    if (start < end) {
      window.setRun(start, end);
      window.advance(end);
      return DATA;
    }
    if (!this.#host.ended) return STARVED;
    this.#state = AT_END;
    return FINISHED;
  }

  // One flat function with the cursor in locals: a call per chunk would cost more than
  // decoding a small chunk. Window and state only advance past valid bytes, so a call
  // after the payload has been delivered finds the fault again and reports it.
  #nextOfChunks(): number {
    const window = this.#window;
    const slab = window.slab;
    if (slab === null) return STARVED;
    const bytes = slab.bytes;
    const end = window.end;
    let at = window.start;
    let state = this.#state;
    let remaining = this.#remaining;
    // The run found so far is [run, out); -1 if there is none.
    let run = -1;
    let out = -1;
    let refusal = 0;

    while (state !== IN_TRAILERS) {
      if (state === AT_CHUNK_LINE) {
        const outcome = readChunkLine(bytes, at, end, this.#chunk);
        if (
          outcome > at + MAX_CHUNK_LINE + 2 ||
          (outcome === INCOMPLETE && end - at >= MAX_CHUNK_LINE + 2) ||
          (outcome < INCOMPLETE && faultOffset(outcome) > MAX_CHUNK_LINE)
        ) {
          refusal = CHUNK_LINE_TOO_LONG;
          break;
        }
        if (outcome < 0) {
          if (outcome !== INCOMPLETE) refusal = outcome;
          break;
        }
        at = outcome;
        remaining = this.#chunk.size;
        state = remaining === 0 ? IN_TRAILERS : IN_CHUNK;
      } else if (state === IN_CHUNK) {
        const count = Math.min(remaining, end - at);
        if (count === 0) break;
        if (out < 0) {
          run = at;
          out = at + count;
        } else {
          if (count > LARGEST_MOVED_CHUNK) break;
          if (count > LARGEST_LOOPED_MOVE) {
            bytes.copyWithin(out, at, at + count);
          } else {for (let i = 0; i < count; i++) {
              bytes[out + i] = bytes[at + i]!;
            }}
          out += count;
        }
        at += count;
        remaining -= count;
        if (remaining === 0) state = AT_CHUNK_END;
      } else {
        if (at >= end) break;
        if (bytes[at] !== CR || (at + 1 < end && bytes[at + 1] !== LF)) {
          refusal = CHUNK_DATA_END;
          break;
        }
        if (at + 1 >= end) break;
        at += 2;
        state = AT_CHUNK_LINE;
      }
    }

    window.advance(at);
    if (state === IN_TRAILERS && this.#state !== IN_TRAILERS) {
      this.#trailerLine.begin(0);
    }
    this.#state = state;
    this.#remaining = remaining;
    if (out >= 0) {
      window.setRun(run, out);
      return DATA;
    }
    if (refusal > 0) throw this.#host.fail(refusal, at);
    if (refusal < 0) {
      throw this.#host.fail(faultRefusal(refusal), at + faultOffset(refusal));
    }
    return state === IN_TRAILERS ? this.#readTrailers() : STARVED;
  }

  /** Reads the trailer section (RFC 9112 §7.1.2) at the start of the window. */
  #readTrailers(): number {
    const host = this.#host;
    const window = this.#window;
    const slab = window.slab!;
    const { bytes, view } = slab;
    const { start, end } = window;
    const { limits, pools } = host;
    const line = this.#trailerLine;
    if (bytes[start] === CR && bytes[start + 1] === LF) {
      window.advance(start + 2);
      this.#state = AT_END;
      return FINISHED;
    }
    if (!host.ended && !line.shouldRetry(bytes, start, end)) {
      return STARVED;
    }
    const table = this.#trailers ??= acquireTable(pools, limits.maxHeaders);
    const outcome = readFieldLines(
      bytes,
      view,
      start + line.start,
      end,
      start,
      table,
      limits.maxHeaders,
    );
    const sectionEnd = start + limits.maxHeaderBytes;
    if (
      outcome > sectionEnd || outcome === TABLE_FULL ||
      (outcome === INCOMPLETE && end >= sectionEnd)
    ) {
      const at = outcome === TABLE_FULL ? table.unread : sectionEnd;
      throw host.fail(TRAILERS_TOO_LARGE, Math.min(at, sectionEnd));
    }
    if (outcome === INCOMPLETE) {
      line.wait(table.unread - start, end - start, limits.maxHeaderBytes);
      return STARVED;
    }
    if (outcome < 0) {
      throw host.refuseFields(
        outcome,
        table,
        start,
        sectionEnd,
        TRAILERS_TOO_LARGE,
      );
    }
    if (table.seen !== 0) {
      throw host.fail(FORBIDDEN_TRAILER, start + firstFramingField(table));
    }
    this.#trailers = null;
    if (this.#message === null) {
      releaseTable(pools, table);
    } else {
      slab.refs++;
      this.#message.openTrailers(slab, start, table);
    }
    window.advance(outcome);
    this.#state = AT_END;
    return FINISHED;
  }
}

/** The offset of the first framing or routing field. */
function firstFramingField(table: FieldTable): number {
  let first = table.count;
  for (let id = 1; id <= LAST_FRAMING_FIELD; id++) {
    const row = table.find(id, 0);
    if (row >= 0 && row < first) first = row;
  }
  return table.cells[first * ROW + NAME_START]!;
}
