/**
 * The line before a chunk's data (RFC 9112 §7.1): `chunk-size [ chunk-ext ] CRLF`.
 * Extensions are validated and dropped; the fast path is a size without any.
 *
 * @module
 */

import { CLASS, CR, HTAB, LF, SP, TOKEN } from "./ascii.ts";
import { fault, INCOMPLETE } from "./outcome.ts";
import {
  BARE_CR,
  BARE_LF,
  CHUNK_SIZE_TOO_LARGE,
  INVALID_CHUNK_EXTENSION,
  INVALID_CHUNK_SIZE,
} from "./refusals.ts";

/** Maximum bytes of a chunk line, with extensions, without CRLF. */
export const MAX_CHUNK_LINE = 256;
/** 13 hexadecimal digits are 52 bits; a 14th could exceed 2^53, the exact range. */
const MAX_SIZE_DIGITS = 13;

const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Output of {@linkcode readChunkLine}. */
export class ChunkLine {
  size = 0;
}

/** The value of each byte as a hexadecimal digit; 255 for any other byte. */
const HEX_VALUE = new Uint8Array(256).fill(255);
for (let value = 0; value < 16; value++) {
  HEX_VALUE[value.toString(16).charCodeAt(0)] = value;
  HEX_VALUE[value.toString(16).toUpperCase().charCodeAt(0)] = value;
}

/**
 * Reads the chunk line at `start`. Returns the position after its CRLF, or a negative
 * outcome with an offset relative to `start`.
 */
export function readChunkLine(
  bytes: Uint8Array,
  start: number,
  end: number,
  line: ChunkLine,
): number {
  let at = start;
  let size = 0;
  for (;; at++) {
    const digit = HEX_VALUE[bytes[at]!]!;
    if (digit === 255) break;
    if (at - start === MAX_SIZE_DIGITS) {
      return fault(CHUNK_SIZE_TOO_LARGE, at - start);
    }
    size = size * 16 + digit;
  }
  if (at >= end) return INCOMPLETE;
  if (at === start) return fault(INVALID_CHUNK_SIZE, 0);
  if (bytes[at] !== CR) {
    const byte = bytes[at]!;
    if (byte === LF) return fault(BARE_LF, at - start);
    if (byte !== SEMICOLON && byte !== SP && byte !== HTAB) {
      return fault(INVALID_CHUNK_SIZE, at - start);
    }
    at = readExtensions(bytes, start, at, end);
    if (at < 0) return at;
  }
  if (bytes[at + 1] !== LF) {
    return at + 1 >= end ? INCOMPLETE : fault(BARE_CR, at - start);
  }
  line.size = size;
  return at + 2;
}

/**
 * Skips `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`. Returns the
 * position of the CR after it, or a negative outcome.
 */
function readExtensions(
  bytes: Uint8Array,
  start: number,
  at: number,
  end: number,
): number {
  for (;;) {
    at = skipSpace(bytes, at);
    if (bytes[at] !== SEMICOLON) return refuse(bytes, start, at, end);
    at = skipSpace(bytes, at + 1);
    let token = at;
    at = skipToken(bytes, at);
    if (at === token) return refuse(bytes, start, at, end);
    if (bytes[at] === CR) return at;
    const afterName = skipSpace(bytes, at);
    if (bytes[afterName] !== EQUALS) {
      if (bytes[afterName] === SEMICOLON) continue;
      return refuse(bytes, start, afterName, end);
    }
    at = skipSpace(bytes, afterName + 1);
    if (bytes[at] === QUOTE) {
      at = skipQuoted(bytes, at + 1);
      if (bytes[at] !== QUOTE) return refuse(bytes, start, at, end);
      at++;
    } else {
      token = at;
      at = skipToken(bytes, at);
      if (at === token) return refuse(bytes, start, at, end);
    }
    if (bytes[at] === CR) return at;
  }
}

function refuse(
  bytes: Uint8Array,
  start: number,
  at: number,
  end: number,
): number {
  if (at >= end) return INCOMPLETE;
  if (bytes[at] === LF) return fault(BARE_LF, at - start);
  return fault(INVALID_CHUNK_EXTENSION, at - start);
}

function skipSpace(bytes: Uint8Array, at: number): number {
  while (bytes[at] === SP || bytes[at] === HTAB) at++;
  return at;
}

function skipToken(bytes: Uint8Array, at: number): number {
  while ((CLASS[bytes[at]!]! & TOKEN) !== 0) at++;
  return at;
}

/** Stops at the closing quote, or at a byte not allowed in a quoted-string. */
function skipQuoted(bytes: Uint8Array, at: number): number {
  for (;;) {
    const byte = bytes[at]!;
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) {
      if (!isText(bytes[at + 1]!)) return at + 1;
      at += 2;
    } else {
      if (!isText(byte)) return at;
      at++;
    }
  }
}

/** Text of a quoted-string: any byte except controls other than HTAB (RFC 9110 §5.6.4). */
function isText(byte: number): boolean {
  return byte === HTAB || (byte >= SP && byte !== 0x7f);
}
