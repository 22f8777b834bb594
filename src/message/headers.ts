/**
 * The header fields of a pooled request, read lazily from the slab.
 *
 * Known names are found by id, others by their bytes. A value becomes a string on first
 * access, and the string is cached together with the head.
 *
 * @module
 */

import { releasedError } from "./misuse.ts";
import type { Slab } from "../memory/slab.ts";
import { COLON } from "../wire/ascii.ts";
import {
  type FieldTable,
  NAME_ID,
  NAME_START,
  nameEnd,
  ROW,
  VALUE_END,
  VALUE_START,
} from "../wire/field_table.ts";
import { fieldId, OTHER_FIELD } from "../wire/names.ts";
import { equalsText, equalsTextIgnoringCase, latin1 } from "../wire/text.ts";

/**
 * The fields of a header or trailer section. Names are case-insensitive; every line is
 * kept, in wire order and with its original spelling. Values are strings with one
 * character per byte (ISO-8859-1), without surrounding white space.
 *
 * The fields are valid until the request is released; later use throws a `TypeError`.
 *
 * @example
 * ```ts
 * import { RequestParser } from "@pooled/http1";
 *
 * using parser = new RequestParser();
 * parser.push(new TextEncoder().encode(
 *   "GET / HTTP/1.1\r\nHost: a\r\nX-Tag: one\r\nx-tag: two\r\n\r\n",
 * ));
 * using request = parser.next()!;
 * console.log(request.headers.get("x-tag")); // "one, two"
 * console.log(request.headers.getAll("X-TAG")); // ["one", "two"]
 * console.log([...request.headers][1]); // ["X-Tag", "one"]
 * ```
 */
export interface HttpHeaders extends Iterable<[name: string, value: string]> {
  /** The number of field lines. */
  readonly size: number;
  /**
   * The value of the field, or `null` if it is absent. Repeated lines are joined with
   * `", "` (RFC 9110 §5.3), Cookie lines with `"; "`.
   */
  get(name: string): string | null;
  /** Whether the field is present. Allocates nothing. */
  has(name: string): boolean;
  /** The values of all lines with this name, in wire order. */
  getAll(name: string): string[];
  /**
   * Whether the field is present exactly once, with exactly this value. Allocates
   * nothing, unlike a comparison with the result of `get`.
   */
  equals(name: string, value: string): boolean;
  /** Each line as `[name, value]`, in wire order, with the name as spelled on the wire. */
  [Symbol.iterator](): IterableIterator<[name: string, value: string]>;
}

/** The one implementation of {@linkcode HttpHeaders}. */
export class Fields implements HttpHeaders {
  /** The slab that holds the section; `null` after release. */
  slab: Slab | null = null;
  /** The slab position of offset 0 of the table. */
  base = 0;
  table: FieldTable;
  readonly #texts: (string | undefined)[] = [];

  constructor(table: FieldTable) {
    this.table = table;
  }

  /** Drops the cached strings of all rows. */
  clearTexts(): void {
    const texts = this.#texts;
    for (let row = 0; row < texts.length; row++) texts[row] = undefined;
  }

  get size(): number {
    this.#bytes();
    return this.table.count;
  }

  get(name: string): string | null {
    const id = fieldId(name);
    let row = this.#find(name, id, 0);
    if (row < 0) return null;
    let text = this.#text(row);
    while ((row = this.#find(name, id, row + 1)) >= 0) {
      text += (name.toLowerCase() === "cookie" ? "; " : ", ") + this.#text(row);
    }
    return text;
  }

  has(name: string): boolean {
    return this.#find(name, fieldId(name), 0) >= 0;
  }

  getAll(name: string): string[] {
    const id = fieldId(name);
    const values: string[] = [];
    let row = -1;
    while ((row = this.#find(name, id, row + 1)) >= 0) {
      values.push(this.#text(row));
    }
    return values;
  }

  equals(name: string, value: string): boolean {
    const id = fieldId(name);
    const row = this.#find(name, id, 0);
    if (row < 0) return false;
    const cells = this.table.cells;
    return equalsText(
      this.#bytes(),
      this.base + cells[row * ROW + VALUE_START]!,
      this.base + cells[row * ROW + VALUE_END]!,
      value,
    ) && this.#find(name, id, row + 1) < 0;
  }

  *[Symbol.iterator](): IterableIterator<[name: string, value: string]> {
    for (let row = 0; row < this.size; row++) {
      const name = latin1(
        this.#bytes(),
        this.base + this.table.cells[row * ROW + NAME_START]!,
        this.base + nameEnd(this.#bytes(), this.base, this.table, row),
      );
      yield [name, this.#text(row)];
    }
  }

  /** Keeps internal state out of logs. */
  toJSON(): unknown {
    return this.slab === null ? { released: true } : [...this];
  }

  /** Formats the fields for the console. */
  [Symbol.for("Deno.customInspect")](
    inspect: (value: unknown, options: unknown) => string,
    options: unknown,
  ): string {
    return `HttpHeaders ${
      this.slab === null ? "(released)" : inspect([...this], options)
    }`;
  }

  /** The value of a row as a string, from the cache after the first call. */
  #text(row: number): string {
    const bytes = this.#bytes();
    const known = this.#texts[row];
    if (known !== undefined) return known;
    const cells = this.table.cells;
    const text = latin1(
      bytes,
      this.base + cells[row * ROW + VALUE_START]!,
      this.base + cells[row * ROW + VALUE_END]!,
    );
    while (this.#texts.length <= row) this.#texts.push(undefined);
    this.#texts[row] = text;
    return text;
  }

  /** The first row at or after `row` with this name, or -1. */
  #find(name: string, id: number, row: number): number {
    const bytes = this.#bytes();
    const table = this.table;
    if (id !== OTHER_FIELD) return table.find(id, row);
    const cells = table.cells;
    for (; row < table.count; row++) {
      if (cells[row * ROW + NAME_ID] !== OTHER_FIELD) continue;
      const start = this.base + cells[row * ROW + NAME_START]!;
      const end = start + name.length;
      // A name contains no colon, so a colon right after it means equal lengths.
      if (
        end < bytes.length && bytes[end] === COLON &&
        equalsTextIgnoringCase(bytes, start, end, name)
      ) {
        return row;
      }
    }
    return -1;
  }

  #bytes(): Uint8Array {
    if (this.slab === null) throw releasedError();
    return this.slab.bytes;
  }
}
