/**
 * Body length from Content-Length and Transfer-Encoding (RFC 9112 §6.1 to §6.3).
 * Anything that two recipients could interpret differently is refused.
 *
 * @module
 */

import { CLASS as CLASSES, isSpace } from "./ascii.ts";
import type { FieldTable } from "./field_table.ts";
import { fault } from "./outcome.ts";
import {
  CHUNKED_NOT_LAST,
  CHUNKED_REPEATED,
  CONNECT_WITH_BODY,
  CONTENT_LENGTH_TOO_LARGE,
  INVALID_CONTENT_LENGTH,
  INVALID_TRANSFER_ENCODING,
  LENGTH_AND_TRANSFER_ENCODING,
  REPEATED_CONTENT_LENGTH,
  TRANSFER_ENCODING_IN_HTTP10,
  UNSUPPORTED_TRANSFER_CODING,
} from "./refusals.ts";
import type { RequestLine } from "./request_line.ts";
import { equalsTextIgnoringCase } from "./text.ts";

// Local copies, so V8 can fold them: see ascii.ts.
const CLASS = CLASSES;
const TOKEN = 1;
const DIGIT = 16;
const COMMA = 0x2c;
const NAME_START = 0;
const VALUE_START = 2;
const VALUE_END = 3;
const ROW = 4;
const CONNECT = 6;
const CONTENT_LENGTH = 2;
const TRANSFER_ENCODING = 3;

const CONTENT_LENGTH_BIT = 1 << CONTENT_LENGTH;
const TRANSFER_ENCODING_BIT = 1 << TRANSFER_ENCODING;

// Lengths that are no number of bytes. They are negative, but no faults.
/** A chunked body. */
export const CHUNKED = -1;
/** A body that ends with the input; only a response can have one. */
export const UNTIL_END = -2;

/**
 * Returns the body length of a request in bytes, {@linkcode CHUNKED}, or a fault. The
 * request must have Content-Length, Transfer-Encoding, or both.
 */
export function readBodyLength(
  bytes: Uint8Array,
  base: number,
  line: RequestLine,
  table: FieldTable,
): number {
  return line.method === CONNECT
    ? readConnectLength(bytes, base, line, table)
    : readLength(bytes, base, line.minorVersion, table);
}

/** The length of a CONNECT request. Some clients send a 0, which is harmless. */
function readConnectLength(
  bytes: Uint8Array,
  base: number,
  line: RequestLine,
  table: FieldTable,
): number {
  const length = table.find(CONTENT_LENGTH, 0);
  const coding = table.find(TRANSFER_ENCODING, 0);
  if (length >= 0) {
    const outcome = readLength(bytes, base, line.minorVersion, table);
    if (outcome <= 0) return outcome;
  }
  const row = length >= 0 ? length : coding;
  return fault(CONNECT_WITH_BODY, table.cells[row * ROW + NAME_START]!);
}

/**
 * Returns the body length in bytes, {@linkcode CHUNKED}, or a fault. The message must
 * have Content-Length, Transfer-Encoding, or both.
 */
export function readLength(
  bytes: Uint8Array,
  base: number,
  minorVersion: number,
  table: FieldTable,
): number {
  const { cells, seen, repeated } = table;
  if ((seen & TRANSFER_ENCODING_BIT) !== 0) {
    return (seen & CONTENT_LENGTH_BIT) !== 0
      ? refuseBoth(table)
      : readCodings(bytes, base, minorVersion, table);
  }
  if ((repeated & CONTENT_LENGTH_BIT) !== 0) return refuseRepeated(table);
  const row = table.lengthRow * ROW;
  return readContentLength(
    bytes,
    base,
    cells[row + VALUE_START]!,
    cells[row + VALUE_END]!,
  );
}

/** The fault of the second kind of length. */
function refuseBoth(table: FieldTable): number {
  const later = Math.max(
    table.find(CONTENT_LENGTH, 0),
    table.find(TRANSFER_ENCODING, 0),
  );
  return fault(
    LENGTH_AND_TRANSFER_ENCODING,
    table.cells[later * ROW + NAME_START]!,
  );
}

/** The fault of the second Content-Length. */
function refuseRepeated(table: FieldTable): number {
  const second = table.find(CONTENT_LENGTH, table.find(CONTENT_LENGTH, 0) + 1);
  return fault(
    REPEATED_CONTENT_LENGTH,
    table.cells[second * ROW + NAME_START]!,
  );
}

function readCodings(
  bytes: Uint8Array,
  base: number,
  minorVersion: number,
  table: FieldTable,
): number {
  if (minorVersion === 1) return readTransferEncoding(bytes, base, table);
  const row = table.find(TRANSFER_ENCODING, 0) * ROW;
  return fault(TRANSFER_ENCODING_IN_HTTP10, table.cells[row + NAME_START]!);
}

function readContentLength(
  bytes: Uint8Array,
  base: number,
  start: number,
  end: number,
): number {
  if (start === end) return fault(INVALID_CONTENT_LENGTH, start);
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[base + at]!;
    if ((CLASS[byte]! & DIGIT) === 0) {
      return at > start && byte === COMMA
        ? fault(REPEATED_CONTENT_LENGTH, at)
        : fault(INVALID_CONTENT_LENGTH, at);
    }
    // The parentheses keep every sum up to MAX_SAFE_INTEGER exact.
    length = length * 10 + (byte - 0x30);
    if (length > Number.MAX_SAFE_INTEGER) {
      return fault(CONTENT_LENGTH_TOO_LARGE, start);
    }
  }
  return length;
}

/**
 * Reads all Transfer-Encoding lines as one list. An empty element, which other list
 * fields allow, is refused: implementations disagree on its meaning here.
 */
function readTransferEncoding(
  bytes: Uint8Array,
  base: number,
  table: FieldTable,
): number {
  const cells = table.cells;
  let chunkedAt = -1;
  let otherAt = -1;
  for (
    let row = table.find(TRANSFER_ENCODING, 0);
    row >= 0;
    row = table.find(TRANSFER_ENCODING, row + 1)
  ) {
    const end = base + cells[row * ROW + VALUE_END]!;
    let at = base + cells[row * ROW + VALUE_START]!;
    for (;;) {
      const coding = at;
      while (at < end && (CLASS[bytes[at]!]! & TOKEN) !== 0) at++;
      if (at === coding) return fault(INVALID_TRANSFER_ENCODING, at - base);
      if (chunkedAt >= 0) {
        return equalsTextIgnoringCase(bytes, coding, at, "chunked")
          ? fault(CHUNKED_REPEATED, coding - base)
          : fault(CHUNKED_NOT_LAST, coding - base);
      }
      if (equalsTextIgnoringCase(bytes, coding, at, "chunked")) {
        chunkedAt = coding;
      } else otherAt = coding;
      while (at < end && isSpace(bytes[at]!)) at++;
      if (at === end) break;
      if (bytes[at] !== COMMA) {
        return fault(INVALID_TRANSFER_ENCODING, at - base);
      }
      at++;
      while (at < end && isSpace(bytes[at]!)) at++;
    }
  }
  if (otherAt >= 0) return fault(UNSUPPORTED_TRANSFER_CODING, otherAt - base);
  return CHUNKED;
}
