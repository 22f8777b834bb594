/**
 * Field lines (RFC 9112 §5) of header and trailer sections.
 *
 * A single pass with one cursor. Clients send their fields in a fixed order, so the
 * scanner first compares the name with the one that last followed the name before it,
 * four bytes a step. On a mismatch it scans the name as a token and looks it up. It
 * skips the value eight bytes a step up to the first byte outside printable ASCII,
 * normally the CR. The window ends in a NUL, which no line may contain, so the scanner
 * stops there and only then checks for the end of the input.
 *
 * What costs here is the number of instructions, so the code is written for what V8
 * makes of it: one flat function; every byte read through the `DataView`, whose bounds
 * stay in registers; `| 0` after additions, which spares the overflow checks; constants
 * and functions of other modules as local copies, since V8 loads an import or an
 * exported constant anew at each use.
 *
 * @module
 */

import { CLASS as CLASSES } from "./ascii.ts";
import type { FieldTable } from "./field_table.ts";
import * as names from "./names.ts";
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

// Local copies, so V8 can fold them.
const isFieldName = names.isFieldName;
const knownNameLength = names.knownNameLength;
const matchFieldName = names.matchFieldName;
const CLASS = CLASSES;
const TOKEN = 1;
const VALUE = 2;
const HTAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const COLON = 0x3a;
/** CR LF as a little-endian word. */
const CRLF = 0x0a0d;
const LAST_FRAMING_FIELD = 8;
const INCOMPLETE = -1;
const TABLE_FULL = -2;

const HOST = 1;
const CONTENT_LENGTH = 2;
const CONNECTION = 4;
const NAME_ID = 1;
const VALUE_START = 2;
const VALUE_END = 3;
const ROW = 4;

/**
 * The name that last followed each name, by ids; at 0 the one after the start of a
 * section or an unknown name. A hint: it only decides which name is compared first.
 */
const LIKELY_NEXT = new Uint8Array(256);

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
  end |= 0;
  base |= 0;
  rows |= 0;
  let count = table.count | 0;
  let line = start | 0;
  let before = 0;
  let outcome = 0;

  lines: for (;;) {
    if (view.getUint8(line) === CR) {
      if (view.getUint8((line + 1) | 0) === LF) {
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

    let id = LIKELY_NEXT[before]!;
    let at = (line + knownNameLength(id)) | 0;
    if (view.getUint8(at) !== COLON || !isFieldName(view, line, id)) {
      at = line;
      while ((CLASS[view.getUint8(at)]! & TOKEN) !== 0) at = (at + 1) | 0;
      if (view.getUint8(at) !== COLON || at === line) {
        outcome = at >= end
          ? INCOMPLETE
          : refuseName(bytes, line, at, end, base);
        break;
      }
      id = matchFieldName(view, line, at);
      LIKELY_NEXT[before] = id;
    }
    before = id;

    at = (at + 1) | 0;
    if (view.getUint8(at) === SP) at = (at + 1) | 0;
    while (view.getUint8(at) === SP || view.getUint8(at) === HTAB) {
      at = (at + 1) | 0;
    }
    const valueStart = at;

    // Skip to the first byte outside 0x20 to 0x7e. HTAB and obs-text end the word
    // loop too, but not the value.
    for (;;) {
      const low = view.getInt32(at, true);
      const high = view.getInt32((at + 4) | 0, true);
      const marks = (low - SPACES) | (low + ONES);
      if (((marks | (high - SPACES) | (high + ONES)) & HIGHS) === 0) {
        at = (at + 8) | 0;
        continue;
      }
      // The lowest mark is exact; carries and borrows produce false marks only above it.
      const lowMarks = marks & HIGHS;
      if (lowMarks !== 0) {
        at = (at + ((31 - Math.clz32(lowMarks & -lowMarks)) >>> 3)) | 0;
      } else {
        const highMarks = ((high - SPACES) | (high + ONES)) & HIGHS;
        at = (at + 4 + ((31 - Math.clz32(highMarks & -highMarks)) >>> 3)) | 0;
      }
      if (view.getUint16(at, true) === CRLF) break;
      if ((CLASS[view.getUint8(at)]! & VALUE) === 0) {
        outcome = at >= end || (view.getUint8(at) === CR && at + 1 >= end)
          ? INCOMPLETE
          : refuseValue(bytes, at, base);
        break lines;
      }
      at = (at + 1) | 0;
    }

    let valueEnd = at;
    // No other byte of a value is this low.
    while (valueEnd > valueStart && view.getUint8((valueEnd - 1) | 0) <= SP) {
      valueEnd = (valueEnd - 1) | 0;
    }

    if ((id - 1) >>> 0 < LAST_FRAMING_FIELD) {
      const bit = 1 << id;
      table.repeated |= table.seen & bit;
      table.seen |= bit;
      if (id === HOST) table.hostRow = count;
      else if (id === CONTENT_LENGTH) table.lengthRow = count;
      else if (id === CONNECTION) table.connectionRow = count;
    }
    const row = count * ROW;
    count = (count + 1) | 0;
    cells[row] = line - base;
    cells[(row + NAME_ID) | 0] = id;
    cells[(row + VALUE_START) | 0] = (valueStart - base) | 0;
    cells[(row + VALUE_END) | 0] = (valueEnd - base) | 0;
    line = (at + 2) | 0;
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
