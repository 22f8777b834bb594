/**
 * Checks, measures and encodes the fields of a program (RFC 9112 §5).
 *
 * All fields are checked before one is written, so an invalid last field leaves nothing
 * to roll back. Errors here are mistakes of the program, not of a peer, and throw.
 *
 * @module
 */

import {
  CLASS,
  COLON,
  CR,
  LF,
  SP,
  TOKEN,
  VALUE as VALUE_BYTE,
} from "../wire/ascii.ts";
import { fieldId, LAST_FRAMING_FIELD } from "../wire/names.ts";
import { trimSpace } from "../wire/text.ts";

/** A field as given by the program. */
export type FieldPair = readonly [name: string, value: string];

/** The default Content-Type of text, as in Fetch. */
export const TEXT_TYPE = "text/plain;charset=UTF-8";

/** Fields on the format of the content, which a recipient needs before the body. */
const FORMAT_FIELDS: ReadonlySet<number> = new Set(
  ["content-type", "content-encoding", "content-range"].map(fieldId),
);

/** Checks the fields of a trailer section (RFC 9110 §6.5.1). */
export function planTrailers(trailers: HeadersInit): FieldPair[] {
  const pairs = pairsOf(trailers);
  for (const [name, value] of pairs) {
    checkName(name);
    checkValue(name, value);
    const id = fieldId(name);
    if (id !== 0 && (id <= LAST_FRAMING_FIELD || FORMAT_FIELDS.has(id))) {
      throw new TypeError(`${name} may not stand in a trailer section`);
    }
  }
  return pairs;
}

/** The fields as pairs, in the order given. */
export function pairsOf(headers: HeadersInit): FieldPair[] {
  if (headers instanceof Headers) {
    const pairs: FieldPair[] = [];
    // A third of the cost of the iterator.
    headers.forEach((value, name) => pairs.push([name, value]));
    return pairs;
  }
  const pairs = Symbol.iterator in headers
    ? [...headers as Iterable<FieldPair>]
    : Object.entries(headers as Record<string, string>);
  return pairs.map((pair) => {
    if (pair.length !== 2) {
      throw new TypeError("a field is a pair of a name and a value");
    }
    return [String(pair[0]), String(pair[1])];
  });
}

/** @throws {TypeError} It is no token (RFC 9110 §5.1). */
export function checkName(name: string): void {
  let good = name.length > 0;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code > 0x7f || (CLASS[code]! & TOKEN) === 0) good = false;
  }
  if (!good) {
    throw new TypeError(`${JSON.stringify(name)} is no field name`);
  }
}

/** @throws {TypeError} The value holds a character not allowed in one (RFC 9110 §5.5). */
export function checkValue(name: string, value: string): void {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code > 0xff || (CLASS[code]! & VALUE_BYTE) === 0) {
      throw new TypeError(
        `the value of ${name} holds ${
          JSON.stringify(value[i])
        } at character ${i}, which no field value may hold`,
      );
    }
  }
}

/**
 * The number in a Content-Length.
 *
 * @throws {TypeError} It is no number of bytes.
 */
export function readLength(value: string): number {
  const digits = trimSpace(value);
  const length = /^\d{1,16}$/.test(digits) ? Number(digits) : NaN;
  if (!Number.isSafeInteger(length)) {
    throw new TypeError(
      `Content-Length is ${JSON.stringify(value)}; expected a number of bytes`,
    );
  }
  return length;
}

/** Writes the lines of `fields` at `at` and returns the end offset. */
export function writeFields(
  bytes: Uint8Array,
  at: number,
  fields: readonly FieldPair[],
): number {
  for (let i = 0; i < fields.length; i++) {
    const [name, value] = fields[i]!;
    at = writeText(bytes, at, name);
    bytes[at++] = COLON;
    bytes[at++] = SP;
    at = writeText(bytes, at, value);
    bytes[at++] = CR;
    bytes[at++] = LF;
  }
  return at;
}

/** The number of bytes that `writeFields` writes for `fields`. */
export function sizeOfFields(fields: readonly FieldPair[]): number {
  return fields.reduce(
    (size, [name, value]) => size + name.length + value.length + 4,
    0,
  );
}

/** Writes Latin-1 text and returns the end offset. */
export function writeText(
  bytes: Uint8Array,
  at: number,
  text: string,
): number {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  return at + text.length;
}

/** Writes a non-negative integer in decimal and returns the end offset. */
export function writeDecimal(
  bytes: Uint8Array,
  at: number,
  value: number,
): number {
  if (value > 0x7fffffff) return writeText(bytes, at, String(value));
  let end = at + 1;
  for (let rest = value; rest >= 10; rest = (rest / 10) | 0) end++;
  let rest = value;
  for (let i = end - 1; i >= at; i--) {
    const tenth = (rest / 10) | 0;
    bytes[i] = 0x30 + rest - tenth * 10;
    rest = tenth;
  }
  return end;
}
