/**
 * The request line (RFC 9112 §3): `method SP request-target SP HTTP-version CRLF`.
 *
 * GET and `HTTP/1.1` are compared as 32-bit words, and the target is skipped four bytes
 * a step. Everything else is in separate functions, which keeps `readRequestLine` short
 * enough to be inlined. As in `field_lines.ts`, the scanner stops at the NUL after the
 * window.
 *
 * @module
 */

import { CLASS as CLASSES } from "./ascii.ts";
import { readAuthority } from "./host.ts";
import { METHODS } from "./names.ts";
import { fault, faultRefusal, isFault } from "./outcome.ts";
import {
  BARE_CR,
  BARE_LF,
  INVALID_AUTHORITY,
  INVALID_METHOD,
  INVALID_REQUEST_LINE,
  INVALID_TARGET,
  INVALID_VERSION,
  TARGET_FORM,
  TARGET_FRAGMENT,
  UNSUPPORTED_VERSION,
} from "./refusals.ts";
import { equalsText } from "./text.ts";

// Local copies, so V8 can fold them: see ascii.ts.
const CLASS = CLASSES;
const TOKEN = 1;
const DIGIT = 16;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const HASH = 0x23;
const ASTERISK = 0x2a;
const SLASH = 0x2f;
const COLON = 0x3a;
/** CR LF as a little-endian word. */
const CRLF = 0x0a0d;
const QUESTION_MARK = 0x3f;
const OTHER_METHOD = 0;
const GET = 1;
const POST = 3;
const CONNECT = 6;
const OPTIONS = 7;
const INCOMPLETE = -1;

/** A parsed request line. Offsets are relative to the start of the line. */
export class RequestLine {
  /** The id of the method in `METHODS`, or 0. */
  method = OTHER_METHOD;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  /** True if the target is in absolute-form, with its path after an authority. */
  absolute = false;
  /** 1 for HTTP/1.1 and higher minor versions, 0 for HTTP/1.0. */
  minorVersion = 1;
}

const ONES = 0x01010101;
const HIGHS = 0x80808080 | 0;
const HASHES = 0x23232323;
const ABOVE_SP = 0x21212121;

// Little-endian words.
const WORD_GET = 0x20544547; // "GET "
const WORD_POST = 0x54534f50; // "POST"
const WORD_HTTP = 0x50545448; // "HTTP"
const WORD_1_1 = 0x312e312f; // "/1.1"

/**
 * Reads the request line at `start`. Returns the position after its CRLF, or a negative
 * outcome.
 */
export function readRequestLine(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  line: RequestLine,
): number {
  start |= 0;
  let at = start;
  if (view.getInt32(at, true) === WORD_GET) {
    line.method = GET;
    at = (at + 3) | 0;
  } else {
    at = readOtherMethod(bytes, view, start, end, line) | 0;
    if (at < 0) return at;
  }
  line.methodEnd = (at - start) | 0;

  // Skip the target up to the first "#" or byte outside visible ASCII.
  at = (at + 1) | 0;
  const target = at;
  for (;;) {
    const four = view.getInt32(at, true);
    const hash = four ^ HASHES;
    const marked = (((four - ABOVE_SP) & ~four) | four | (four + ONES) |
      ((hash - ONES) & ~hash)) & HIGHS;
    if (marked !== 0) {
      at = (at + ((31 - Math.clz32(marked & -marked)) >>> 3)) | 0;
      break;
    }
    at = (at + 4) | 0;
  }
  line.targetStart = (target - start) | 0;
  line.targetEnd = (at - start) | 0;
  line.absolute = false;
  if (
    view.getUint8(at) !== SP || view.getUint8(target) !== SLASH ||
    line.method === CONNECT
  ) {
    const refused = readOtherTarget(bytes, start, target, at, end, line);
    if (refused !== 0) return refused;
  }

  at = (at + 1) | 0;
  if (
    view.getInt32(at, true) === WORD_HTTP &&
    view.getInt32((at + 4) | 0, true) === WORD_1_1 &&
    view.getUint16((at + 8) | 0, true) === CRLF
  ) {
    line.minorVersion = 1;
    return (at + 10) | 0;
  }
  return readOtherVersion(bytes, start, at, end, line);
}

/** Any method except GET. Returns the position of the SP after it, or a negative outcome. */
function readOtherMethod(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  line: RequestLine,
): number {
  let at = start;
  if (view.getInt32(at, true) === WORD_POST && bytes[at + 4] === SP) {
    line.method = POST;
    return at + 4;
  }
  while ((CLASS[bytes[at]!]! & TOKEN) !== 0) at++;
  if (bytes[at] === SP && at > start) {
    line.method = methodId(bytes, start, at);
    return at;
  }
  if (at >= end) return INCOMPLETE;
  return at === start && bytes[at] === LF
    ? fault(BARE_LF, 0)
    : fault(INVALID_METHOD, at - start);
}

function methodId(bytes: Uint8Array, start: number, end: number): number {
  for (let id = 1; id < METHODS.length; id++) {
    if (equalsText(bytes, start, end, METHODS[id]!)) return id;
  }
  return OTHER_METHOD;
}

/** A target that is incomplete, invalid, or not in origin-form. Returns 0 or an outcome. */
function readOtherTarget(
  bytes: Uint8Array,
  start: number,
  target: number,
  at: number,
  end: number,
  line: RequestLine,
): number {
  if (bytes[at] === SP && at > target) {
    return readOtherForm(bytes, start, target, at, end, line);
  }
  return at >= end ? INCOMPLETE : refuseTarget(bytes, start, target, at);
}

/** The fault of a target that is empty or has a forbidden byte at `at`. */
function refuseTarget(
  bytes: Uint8Array,
  start: number,
  target: number,
  at: number,
): number {
  const byte = bytes[at]!;
  if (byte === HASH) return fault(TARGET_FRAGMENT, at - start);
  if (byte === CR || byte === LF || (byte === SP && at === target)) {
    return fault(INVALID_REQUEST_LINE, at - start);
  }
  return fault(INVALID_TARGET, at - start);
}

/** Every form except origin-form. Returns 0 or a negative outcome. */
function readOtherForm(
  bytes: Uint8Array,
  start: number,
  target: number,
  end: number,
  windowEnd: number,
  line: RequestLine,
): number {
  // authority-form: only for CONNECT, and the port is required.
  if (line.method === CONNECT) {
    return readAuthority(bytes, target, end) > 0
      ? 0
      : fault(INVALID_AUTHORITY, target - start);
  }
  // asterisk-form: only for OPTIONS.
  if (bytes[target] === ASTERISK && end - target === 1) {
    return line.method === OPTIONS
      ? 0
      : refuseAsterisk(bytes, start, target, windowEnd, line);
  }
  // absolute-form: "http://" or "https://", authority, then an optional path and query.
  // Other schemes have no meaning in HTTP (RFC 9110 §4.2).
  let at = readScheme(bytes, target);
  if (
    at === target || bytes[at] !== COLON || bytes[at + 1] !== SLASH ||
    bytes[at + 2] !== SLASH
  ) {
    return fault(TARGET_FORM, target - start);
  }
  const authority = at + 3;
  at = authority;
  while (at < end && bytes[at] !== SLASH && bytes[at] !== QUESTION_MARK) at++;
  if (readAuthority(bytes, authority, at) < 0) {
    return fault(INVALID_AUTHORITY, authority - start);
  }
  line.absolute = true;
  return 0;
}

/** The end of `http` or `https` in any case, or `start` if neither is there. */
function readScheme(bytes: Uint8Array, start: number): number {
  const name = "https";
  let at = start;
  while ((bytes[at]! | 0x20) === name.charCodeAt(at - start)) at++;
  return at - start >= 4 ? at : start;
}

/**
 * An asterisk with a method other than OPTIONS. The HTTP/2 preface, `PRI * HTTP/2.0`
 * (RFC 9113 §3.4), is refused for its version instead, which tells the sender why.
 */
function refuseAsterisk(
  bytes: Uint8Array,
  start: number,
  target: number,
  end: number,
  line: RequestLine,
): number {
  if (equalsText(bytes, start, start + line.methodEnd, "PRI")) {
    const outcome = readOtherVersion(bytes, start, target + 2, end, line);
    if (
      outcome === INCOMPLETE ||
      (isFault(outcome) && faultRefusal(outcome) === UNSUPPORTED_VERSION)
    ) return outcome;
  }
  return fault(TARGET_FORM, target - start);
}

/** Any version except a complete `HTTP/1.1` with CRLF. */
function readOtherVersion(
  bytes: Uint8Array,
  start: number,
  version: number,
  end: number,
  line: RequestLine,
): number {
  const name = "HTTP/";
  for (let i = 0; i < name.length; i++) {
    if (version + i >= end) return INCOMPLETE;
    if (bytes[version + i] !== name.charCodeAt(i)) {
      return fault(INVALID_VERSION, version + i - start);
    }
  }
  const major = version + name.length;
  if (major >= end) return INCOMPLETE;
  if ((CLASS[bytes[major]!]! & DIGIT) === 0) {
    return fault(INVALID_VERSION, major - start);
  }
  if (major + 1 >= end) return INCOMPLETE;
  if (bytes[major + 1] !== 0x2e) {
    return fault(INVALID_VERSION, major + 1 - start);
  }
  const minor = major + 2;
  if (minor >= end) return INCOMPLETE;
  if ((CLASS[bytes[minor]!]! & DIGIT) === 0) {
    return fault(INVALID_VERSION, minor - start);
  }
  const cr = minor + 1;
  if (cr >= end) return INCOMPLETE;
  if (bytes[cr] !== CR) {
    return bytes[cr] === LF
      ? fault(BARE_LF, cr - start)
      : fault(INVALID_VERSION, cr - start);
  }
  if (cr + 1 >= end) return INCOMPLETE;
  if (bytes[cr + 1] !== LF) return fault(BARE_CR, cr - start);
  if (bytes[major] !== 0x31) {
    return fault(UNSUPPORTED_VERSION, version - start);
  }
  // A higher minor version is treated as the highest known one (RFC 9110 §2.5).
  line.minorVersion = bytes[minor] === 0x30 ? 0 : 1;
  return cr + 2;
}
