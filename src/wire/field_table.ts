/**
 * The table of a section's field lines, filled by `field_lines.ts`.
 *
 * @module
 */

import { COLON } from "./ascii.ts";

/** Cells of a row. Offsets are relative to the `base` given to the reader. */
export const NAME_START = 0;
export const NAME_ID = 1;
export const VALUE_START = 2;
export const VALUE_END = 3;
export const ROW = 4;

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
  /** The last row of Host, if one was seen. */
  hostRow = 0;
  /** The last row of Connection, if one was seen. */
  connectionRow = 0;
  /** The last row of Content-Length, if one was seen. */
  lengthRow = 0;
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
    this.hostRow = other.hostRow;
    this.connectionRow = other.connectionRow;
    this.lengthRow = other.lengthRow;
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
