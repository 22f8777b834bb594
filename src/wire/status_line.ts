/**
 * The status line (RFC 9112 §4): `HTTP-version SP status-code SP [ reason-phrase ] CRLF`.
 *
 * Version and code are compared as 32-bit words. As in `field_lines.ts`, the scanner stops
 * at the NUL after the window, and is written for few instructions.
 *
 * One deviation from the grammar is accepted, because it has a single reading and is
 * common: a line without reason phrase that also lacks the space before it. curl, Go,
 * hyper and browsers accept it as well.
 *
 * @module
 */

import { CLASS as CLASSES } from "./ascii.ts";
import { fault, INCOMPLETE } from "./outcome.ts";
import {
  BARE_CR,
  BARE_LF,
  INVALID_REASON,
  INVALID_STATUS,
  INVALID_STATUS_LINE,
  UNSUPPORTED_VERSION,
} from "./refusals.ts";

// Local copies, so V8 can fold them: see ascii.ts.
const CLASS = CLASSES;
const VALUE = 2;
const DIGIT = 16;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const ZERO = 0x30;

/** A parsed status line. Offsets are relative to the start of the line. */
export class StatusLine {
  status = 0;
  reasonStart = 0;
  reasonEnd = 0;
  /** 1 for HTTP/1.1 and higher minor versions, 0 for HTTP/1.0. */
  minorVersion = 1;
}

// Little-endian words.
const WORD_HTTP = 0x50545448; // "HTTP"
const WORD_1_1 = 0x312e312f; // "/1.1"
// A word is SP and three digits if it has these high nibbles, also after the addition.
const SP_AND_NIBBLES = 0xf0f0f0ff | 0;
const SP_AND_DIGITS = 0x30303020;
const SIXES = 0x06060600;
/** CR LF as a little-endian word. */
const CRLF = 0x0a0d;
/** The length of `HTTP/1.1`. */
const VERSION = 8;
/** The length of `HTTP/1.1 200`. */
const CODE_END = 12;

/**
 * Reads the status line at `start`. Returns the position after its CRLF, or a negative
 * outcome.
 *
 * The status is any number from 100 to 999. RFC 9110 §15 calls 600 to 999 invalid, but
 * asks a client to treat such a response like one with a 5xx status, and all clients
 * frame it that way.
 */
export function readStatusLine(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  line: StatusLine,
): number {
  start |= 0;
  const code = view.getInt32((start + VERSION) | 0, true);
  if (
    view.getInt32(start, true) === WORD_HTTP &&
    view.getInt32((start + 4) | 0, true) === WORD_1_1 &&
    (code & SP_AND_NIBBLES) === SP_AND_DIGITS &&
    ((code + SIXES) & SP_AND_NIBBLES) === SP_AND_DIGITS
  ) {
    line.minorVersion = 1;
    line.status = (((code >>> 8) & 15) * 100 + ((code >>> 16) & 15) * 10 +
      ((code >>> 24) & 15)) | 0;
  } else {
    const outcome = readVersionAndCode(bytes, start, end, line);
    if (outcome !== 0) return outcome;
  }
  let at = (start + CODE_END) | 0;
  if (view.getUint8(at) === SP) at = (at + 1) | 0;
  line.reasonStart = (at - start) | 0;
  while ((CLASS[view.getUint8(at)]! & VALUE) !== 0) at = (at + 1) | 0;
  line.reasonEnd = (at - start) | 0;
  return line.status >= 100 && view.getUint16(at, true) === CRLF &&
      (line.reasonStart > CODE_END || line.reasonEnd === CODE_END)
    ? at + 2
    : refuseRest(bytes, start, at, end, line);
}

/** The outcome of a line that ends at `at`, after three digits, without a valid end. */
function refuseRest(
  bytes: Uint8Array,
  start: number,
  at: number,
  end: number,
  line: StatusLine,
): number {
  const code = start + VERSION + 1;
  const afterCode = code + 3;
  if (line.status < 100) return fault(INVALID_STATUS, code - start);
  if (afterCode >= end) return INCOMPLETE;
  const next = bytes[afterCode]!;
  if (next !== SP && next !== CR && next !== LF) {
    return (CLASS[next]! & DIGIT) !== 0
      ? fault(INVALID_STATUS, code - start)
      : fault(INVALID_STATUS_LINE, afterCode - start);
  }
  if (at >= end) return INCOMPLETE;
  if (bytes[at] === LF) return fault(BARE_LF, at - start);
  if (bytes[at] !== CR) return fault(INVALID_REASON, at - start);
  return at + 1 >= end ? INCOMPLETE : fault(BARE_CR, at - start);
}

/** Reads any version and code, byte by byte. Returns 0 or a negative outcome. */
function readVersionAndCode(
  bytes: Uint8Array,
  start: number,
  end: number,
  line: StatusLine,
): number {
  const expected = "HTTP/d.d ";
  for (let i = 0; i < expected.length; i++) {
    if (start + i >= end) return INCOMPLETE;
    const byte = bytes[start + i]!;
    const fits = expected[i] === "d"
      ? (CLASS[byte]! & DIGIT) !== 0
      : byte === expected.charCodeAt(i);
    if (!fits) return fault(INVALID_STATUS_LINE, i);
  }
  if (bytes[start + 5] !== ZERO + 1) {
    return fault(UNSUPPORTED_VERSION, 0);
  }
  // A higher minor version is treated as the highest known one (RFC 9110 §2.5).
  line.minorVersion = bytes[start + 7] === ZERO ? 0 : 1;
  line.status = 0;
  for (let at = VERSION + 1; at < CODE_END; at++) {
    if (start + at >= end) return INCOMPLETE;
    const byte = bytes[start + at]!;
    if ((CLASS[byte]! & DIGIT) === 0) {
      return fault(INVALID_STATUS, VERSION + 1);
    }
    line.status = line.status * 10 + byte - ZERO;
  }
  return 0;
}
