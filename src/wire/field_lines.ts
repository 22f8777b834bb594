/**
 * Field lines (RFC 9112 §5): the header section and the trailer section.
 *
 * One pass with one cursor. A client sends the same fields in the same order
 * again and again, so the name that the row had in the message before is tried
 * first, four bytes a step; only when it is another is the name walked through the
 * token table and looked up. The value is skipped eight bytes a step until a byte
 * that is no plain ASCII, which in a good line is its CR. The window ends in a
 * NUL, which no part of a line may contain: the scanner stops on it and only then
 * asks whether the input went on. All of it is one flat function: a call for each
 * line, or a bounds test for each byte, costs more than the work itself.
 *
 * @module
 */

import { CLASS as CLASSES } from "./ascii.ts";
import { isFieldName, knownNameLength, matchFieldName } from "./names.ts";
import { fault } from "./outcome.ts";
import {
  BARE_CR,
  BARE_LF,
  EMPTY_HEADER_NAME,
  INVALID_HEADER_NAME,
  INVALID_HEADER_VALUE,
  OBS_FOLD,
  SPACE_BEFORE_COLON,
} from "./refusals.ts";

// Copies of the shared constants, which V8 then folds: see ascii.ts.
const CLASS = CLASSES;
const TOKEN = 1;
const VALUE = 2;
const HTAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const COLON = 0x3a;
const OTHER_FIELD = 0;
const LAST_FRAMING_FIELD = 8;
const INCOMPLETE = -1;
const TABLE_FULL = -2;

/** Cells of a row: offsets count from the start of the section's message. */
const NAME_START = 0;
const NAME_ID = 1;
const VALUE_START = 2;
const VALUE_END = 3;
const ROW = 4;
export { NAME_ID, NAME_START, ROW, VALUE_END, VALUE_START };

/**
 * Where the field lines of a section lie: a row of four 16-bit cells a line. The
 * end of a name is not kept: only white space and the colon lie between it and
 * the value.
 */
export class FieldTable {
  readonly cells: Uint16Array;
  readonly capacity: number;
  /** Lines read so far. */
  count = 0;
  /** A bit for each framing field (see `names.ts`) that was seen, by its id. */
  seen = 0;
  /** A bit for each framing field that was seen more than once. */
  repeated = 0;
  /** Where the first line begins that was not read, in the buffer. */
  unread = 0;

  constructor(capacity: number) {
    this.cells = new Uint16Array(capacity * ROW);
    this.capacity = capacity;
  }

  clear(): void {
    this.count = 0;
    this.seen = 0;
    this.repeated = 0;
  }

  copyFrom(other: FieldTable): void {
    this.cells.set(other.cells);
    this.count = other.count;
    this.seen = other.seen;
    this.repeated = other.repeated;
  }

  /** The row of the first line with this known name from `row` on, or -1. */
  find(id: number, row: number): number {
    const { cells, count } = this;
    for (; row < count; row++) {
      if (cells[row * ROW + NAME_ID] === id) return row;
    }
    return -1;
  }
}

const ONES = 0x01010101;
const HIGHS = 0x80808080 | 0;
const SPACES = 0x20202020;

/**
 * Reads field lines from `start`, adding a row to `table` for each, up to and with
 * the empty line that ends the section. Offsets are written relative to `base`;
 * no more than `rows` rows are used.
 *
 * Gives the position after the empty line, or a negative outcome; then
 * `table.unread` is where to go on, and the rows hold what came before it.
 */
export function readFieldLines(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  base: number,
  table: FieldTable,
  rows: number,
): number {
  const cells = table.cells;
  let count = table.count;
  let line = start;
  let outcome = 0;

  for (;;) {
    // The empty line, or a line that cannot be a field.
    const first = bytes[line]!;
    if (first === CR) {
      if (bytes[line + 1] === LF) {
        table.count = count;
        return line + 2;
      }
      outcome = line + 1 >= end ? INCOMPLETE : fault(BARE_CR, line - base);
      break;
    }
    if (count >= rows) {
      outcome = line >= end ? INCOMPLETE : TABLE_FULL;
      break;
    }

    // The name. Until the row is written, it still has the id of its last use.
    const row = count * ROW;
    let id = cells[row + NAME_ID]!;
    let at = line + knownNameLength(id);
    if (bytes[at] !== COLON || !isFieldName(view, line, id)) {
      at = line;
      while ((CLASS[bytes[at]!]! & TOKEN) !== 0) at++;
      if (bytes[at] !== COLON || at === line) {
        outcome = at >= end
          ? INCOMPLETE
          : refuseName(bytes, line, at, end, base);
        break;
      }
      id = matchFieldName(view, line, at);
    }

    // White space before the value.
    at++;
    if (bytes[at] === SP) at++;
    while (bytes[at] === SP || bytes[at] === HTAB) at++;
    const valueStart = at;

    // The value, up to a byte outside 0x20 to 0x7e. A tab and obs-text stop the
    // words as well, but not the value.
    for (;;) {
      const low = view.getInt32(at, true);
      const high = view.getInt32(at + 4, true);
      const marks = (low - SPACES) | (low + ONES);
      if (((marks | (high - SPACES) | (high + ONES)) & HIGHS) === 0) {
        at += 8;
        continue;
      }
      // The lowest mark is exact; a carry or borrow can only mark above it.
      const lowMarks = marks & HIGHS;
      if (lowMarks !== 0) {
        at += (31 - Math.clz32(lowMarks & -lowMarks)) >>> 3;
      } else {
        const highMarks = ((high - SPACES) | (high + ONES)) & HIGHS;
        at += 4 + ((31 - Math.clz32(highMarks & -highMarks)) >>> 3);
      }
      if ((CLASS[bytes[at]!]! & VALUE) === 0) break;
      at++;
    }

    if (bytes[at] !== CR || bytes[at + 1] !== LF) {
      outcome = at >= end || (bytes[at] === CR && at + 1 >= end)
        ? INCOMPLETE
        : refuseValue(bytes, at, base);
      break;
    }
    let valueEnd = at;
    while (
      valueEnd > valueStart &&
      (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)
    ) {
      valueEnd--;
    }

    if (id <= LAST_FRAMING_FIELD && id !== OTHER_FIELD) {
      const bit = 1 << id;
      table.repeated |= table.seen & bit;
      table.seen |= bit;
    }
    count++;
    cells[row + NAME_START] = line - base;
    cells[row + NAME_ID] = id;
    cells[row + VALUE_START] = valueStart - base;
    cells[row + VALUE_END] = valueEnd - base;
    line = at + 2;
  }

  table.count = count;
  table.unread = line;
  return outcome;
}

/** The fault of a line whose name stops being a token at `at`. */
function refuseName(
  bytes: Uint8Array,
  line: number,
  at: number,
  end: number,
  base: number,
): number {
  const byte = bytes[at]!;
  const space = byte === SP || byte === HTAB;
  if (at === line) {
    if (space) return fault(OBS_FOLD, at - base);
    if (byte === COLON) return fault(EMPTY_HEADER_NAME, at - base);
    if (byte === LF) return fault(BARE_LF, at - base);
  } else if (space) {
    let colon = at;
    while (bytes[colon] === SP || bytes[colon] === HTAB) colon++;
    // The cause depends on the byte after the white space; wait for it.
    if (colon >= end) return INCOMPLETE;
    if (bytes[colon] === COLON) return fault(SPACE_BEFORE_COLON, at - base);
  }
  return fault(INVALID_HEADER_NAME, at - base);
}

/** The fault of a value that stops being text at `at`. */
function refuseValue(bytes: Uint8Array, at: number, base: number): number {
  const byte = bytes[at]!;
  if (byte === CR) return fault(BARE_CR, at - base);
  if (byte === LF) return fault(BARE_LF, at - base);
  return fault(INVALID_HEADER_VALUE, at - base);
}

/** Where the name of `row` ends, as an offset from the start of the message. */
export function nameEnd(
  bytes: Uint8Array,
  base: number,
  table: FieldTable,
  row: number,
): number {
  let at = base + table.cells[row * ROW + VALUE_START]! - 1;
  while (bytes[at] !== COLON) at--;
  return at - base;
}
