/**
 * Body framing (RFC 9112 §6, §7.1): which bytes of the window are payload.
 *
 * `next()` finds the next run of payload bytes and `take()` uses some of it up.
 * Small chunks are moved together in place, so that a run is as long as the window
 * allows, whatever the sizes of the chunks. What stands before a fault is handed
 * out before the fault is.
 *
 * @module
 */

import type { Machine } from "./machine.ts";
import { PartialLine } from "./partial_line.ts";
import { acquireTable, releaseTable } from "./pools.ts";
import type { PooledRequest } from "./request.ts";
import { CR, LF } from "../wire/ascii.ts";
import {
  ChunkLine,
  MAX_CHUNK_LINE,
  readChunkLine,
} from "../wire/chunk_line.ts";
import {
  type FieldTable,
  NAME_START,
  readFieldLines,
  ROW,
} from "../wire/field_lines.ts";
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

/** What `next()` finds: payload in `[start, end)` of the slab, … */
export const DATA = 0;
/** … nothing until more bytes come, … */
export const STARVED = 1;
/** … or the end of the message. */
export const FINISHED = 2;

const IN_LENGTH = 0;
const AT_CHUNK_LINE = 1;
const IN_CHUNK = 2;
const AT_CHUNK_END = 3;
const IN_TRAILERS = 4;
const AT_END = 5;

/** A chunk of more bytes than this is not moved: it makes a run of its own. */
const LARGEST_MOVED_CHUNK = 512;

/** The payload of the one message whose body is being read. */
export class BodyDecoder {
  /** The run of payload bytes that is not yet used up. */
  start = 0;
  end = 0;
  readonly #machine: Machine;
  #state = AT_END;
  /** Bytes of the message, or of the chunk, that have not come yet. */
  #remaining = 0;
  readonly #chunk = new ChunkLine();
  readonly #trailerLine = new PartialLine();
  #trailers: FieldTable | null = null;
  #request: PooledRequest | null = null;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** A body of `length` bytes, or in chunks where `length` is negative. */
  begin(request: PooledRequest, length: number): void {
    this.#request = request;
    this.#remaining = length;
    this.#state = length < 0 ? AT_CHUNK_LINE : IN_LENGTH;
    this.start = this.end = 0;
  }

  /** The request is gone; its trailers have nowhere to go. */
  forgetRequest(): void {
    this.#request = null;
  }

  /** Gives back what an unfinished body holds. */
  close(): void {
    this.#request = null;
    this.start = this.end = 0;
    this.#state = AT_END;
    if (this.#trailers !== null) {
      releaseTable(this.#machine.pools, this.#trailers);
      this.#trailers = null;
    }
  }

  /** Bytes still to come of a body of known length; 0 when that is not known. */
  get knownRemaining(): number {
    return this.#state === IN_LENGTH ? this.#remaining : 0;
  }

  /**
   * The most bytes that may still have to be read to the end of the body: what is left
   * of a known length; 0 for chunks whose end lies in the window; else Infinity.
   */
  get mostRemaining(): number {
    if (this.#state === IN_LENGTH) return this.#remaining;
    return this.endInWindow >= 0 ? 0 : Infinity;
  }

  /** Where the body ends, if that lies in the window; else -1. */
  get endInWindow(): number {
    const { slab, start, end, limits, lent } = this.#machine;
    if (slab === null || lent) return -1;
    const { bytes, view } = slab;
    let at = start;
    switch (this.#state) {
      case AT_END:
        return start;
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

  /** `count` bytes of a body of known length went past the window. */
  bypass(count: number): void {
    this.#remaining -= count;
  }

  /** Whether a body of known length is wholly used up. */
  get isComplete(): boolean {
    return this.#state === IN_LENGTH && this.#remaining === 0 &&
      this.start === this.end;
  }

  /** The window moved by `delta`, and the run with it. */
  shift(delta: number): void {
    this.start += delta;
    this.end += delta;
  }

  /** Uses up `count` bytes of the run. */
  take(count: number): void {
    this.start += count;
  }

  /**
   * Finds the next run.
   *
   * @throws {HttpError} The body is at fault, or the input ended inside it.
   */
  next(): number {
    if (this.start < this.end) return DATA;
    const machine = this.#machine;
    if (this.#state === AT_END) return FINISHED;
    // The window is with a reader; what it holds cannot be looked at.
    if (machine.lent) return STARVED;
    const found = this.#state === IN_LENGTH
      ? this.#nextOfLength()
      : this.#nextOfChunks();
    if (found === STARVED && machine.ended) {
      throw machine.fail(UNEXPECTED_EOF, machine.end);
    }
    return found;
  }

  #nextOfLength(): number {
    const machine = this.#machine;
    if (this.#remaining === 0) {
      this.#state = AT_END;
      return FINISHED;
    }
    const count = Math.min(this.#remaining, machine.end - machine.start);
    if (count === 0) return STARVED;
    this.start = machine.start;
    this.end = machine.start += count;
    this.#remaining -= count;
    return DATA;
  }

  // Flat, with the cursor in a local: a call for each chunk would cost more than
  // a small chunk itself. `machine.start` and the state are only moved past what
  // was good, so that a fault is met again by the next call.
  #nextOfChunks(): number {
    const machine = this.#machine;
    const slab = machine.slab;
    if (slab === null) return STARVED;
    const bytes = slab.bytes;
    const end = machine.end;
    let at = machine.start;
    let state = this.#state;
    let remaining = this.#remaining;
    // Where the run ends so far; below zero, there is none.
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
          this.start = at;
          out = at + count;
        } else {
          if (count > LARGEST_MOVED_CHUNK) break;
          if (count > 32) bytes.copyWithin(out, at, at + count);
          else for (let i = 0; i < count; i++) bytes[out + i] = bytes[at + i]!;
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

    machine.start = at;
    if (state === IN_TRAILERS && this.#state !== IN_TRAILERS) {
      this.#trailerLine.begin(0);
    }
    this.#state = state;
    this.#remaining = remaining;
    if (out >= 0) {
      this.end = out;
      return DATA;
    }
    if (refusal > 0) throw machine.fail(refusal, at);
    if (refusal < 0) {
      throw machine.fail(faultRefusal(refusal), at + faultOffset(refusal));
    }
    return state === IN_TRAILERS ? this.#readTrailers() : STARVED;
  }

  /** The trailer section (RFC 9112 §7.1.2) begins where the window does. */
  #readTrailers(): number {
    const machine = this.#machine;
    const { bytes, view } = machine.slab!;
    const { start, end, limits, pools } = machine;
    const line = this.#trailerLine;
    if (bytes[start] === CR && bytes[start + 1] === LF) {
      machine.start = start + 2;
      this.#state = AT_END;
      return FINISHED;
    }
    if (!machine.ended && !line.isWorthReading(bytes, start, end)) {
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
      throw machine.fail(TRAILERS_TOO_LARGE, Math.min(at, sectionEnd));
    }
    if (outcome === INCOMPLETE) {
      line.wait(table.unread - start, end - start, limits.maxHeaderBytes);
      return STARVED;
    }
    if (outcome < 0) {
      throw machine.refuseFields(
        outcome,
        table,
        start,
        sectionEnd,
        TRAILERS_TOO_LARGE,
      );
    }
    if (table.seen !== 0) {
      throw machine.fail(FORBIDDEN_TRAILER, start + firstFramingField(table));
    }
    this.#trailers = null;
    if (this.#request === null) {
      releaseTable(pools, table);
    } else {
      machine.slab!.refs++;
      this.#request.openTrailers(machine.slab!, start, table);
    }
    machine.start = outcome;
    this.#state = AT_END;
    return FINISHED;
  }
}

/** The offset of the first line that frames or routes a message. */
function firstFramingField(table: FieldTable): number {
  let first = table.count;
  for (let id = 1; id <= LAST_FRAMING_FIELD; id++) {
    const row = table.find(id, 0);
    if (row >= 0 && row < first) first = row;
  }
  return table.cells[first * ROW + NAME_START]!;
}
