/**
 * Field lines (RFC 9112 §5) of header and trailer sections.
 *
 * A single pass with one cursor. Clients repeat the same fields in the same order, so
 * the scanner first compares the name with the one its row held in the previous
 * message, four bytes a step. On a mismatch it scans the name as a token and looks it
 * up. It skips the value eight bytes a step up to the first byte outside printable
 * ASCII, normally the CR. The window ends in a NUL, which no line may contain, so the
 * scanner stops there and only then checks for the end of the input. It is one flat
 * function because a call per line or a bounds check per byte costs more than the
 * scanning.
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

// Local copies, so V8 can fold them: see ascii.ts.
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

/** Cells of a row. Offsets are relative to the `base` given to the reader. */
const NAME_START = 0;
const NAME_ID = 1;
const VALUE_START = 2;
const VALUE_END = 3;
const ROW = 4;
export { NAME_ID, NAME_START, ROW, VALUE_END, VALUE_START };

/**
 * Positions of a section's field lines: a row of four 16-bit cells per line. The end
 * of the name is not stored, because only the colon and white space separate it from
 * the value.
 */
export class FieldTable {
  readonly cells: Uint16Array;
  readonly capacity: number;
  /** Lines read so far. */
  count = 0;
  /** Bit `1 << id` for each framing field seen (see `names.ts`). */
  seen = 0;
  /** Bit `1 << id` for each framing field seen more than once. */
  repeated = 0;
  /** Buffer position of the first line not read. */
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

  /** The first row at or after `row` with this field id, or -1. */
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
 * Reads field lines from `start` through the empty line that ends the section and adds
 * a row to `table` for each. Offsets are stored relative to `base`; `table` grows to at
 * most `rows` rows.
 *
 * Returns the position after the empty line, or a negative outcome. In that case the
 * rows hold the lines before `table.unread`, where reading can resume.
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

    // Until it is overwritten, the row holds the id from its previous use.
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

    at++;
    if (bytes[at] === SP) at++;
    while (bytes[at] === SP || bytes[at] === HTAB) at++;
    const valueStart = at;

    // Skip to the first byte outside 0x20 to 0x7e. HTAB and obs-text end the word
    // loop too, but not the value.
    for (;;) {
      const low = view.getInt32(at, true);
      const high = view.getInt32(at + 4, true);
      const marks = (low - SPACES) | (low + ONES);
      if (((marks | (high - SPACES) | (high + ONES)) & HIGHS) === 0) {
        at += 8;
        continue;
      }
      // The lowest mark is exact; carries and borrows produce false marks only above it.
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

/** The fault of a line whose name ends at `at` without a colon. */
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
    // The code depends on the byte after the white space; wait for it.
    if (colon >= end) return INCOMPLETE;
    if (bytes[colon] === COLON) return fault(SPACE_BEFORE_COLON, at - base);
  }
  return fault(INVALID_HEADER_NAME, at - base);
}

/** The fault of a value with a forbidden byte at `at`. */
function refuseValue(bytes: Uint8Array, at: number, base: number): number {
  const byte = bytes[at]!;
  if (byte === CR) return fault(BARE_CR, at - base);
  if (byte === LF) return fault(BARE_LF, at - base);
  return fault(INVALID_HEADER_VALUE, at - base);
}

/** The end of the name in `row`, relative to `base`. */
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
