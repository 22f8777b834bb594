/**
 * The fields that control the message and its connection: Host (RFC 9112 §3.2), body
 * length (§6, in `body_length.ts`), Connection and Upgrade (§9), Expect.
 *
 * Runs on the field table once the section is complete. Most requests have only Host
 * and perhaps Connection; everything else is in separate functions.
 *
 * @module
 */

import { isSpace } from "./ascii.ts";
import { CHUNKED, readBodyLength } from "./body_length.ts";
import { readAuthority } from "./host.ts";
import type { FieldTable } from "./field_table.ts";
import { fault, isFault } from "./outcome.ts";
import { INVALID_HOST, MISSING_HOST, REPEATED_HOST } from "./refusals.ts";
import type { RequestLine } from "./request_line.ts";
import { equalsTextIgnoringCase } from "./text.ts";

// Local copies, so V8 can fold them: see ascii.ts.
const COMMA = 0x2c;
const NAME_START = 0;
const VALUE_START = 2;
const VALUE_END = 3;
const ROW = 4;
const HOST = 1;
const CONTENT_LENGTH = 2;
const TRANSFER_ENCODING = 3;
const CONNECTION = 4;
const UPGRADE = 5;
const EXPECT = 6;

// Little-endian words. Among the bytes allowed in a field value, ORing with LOWER
// yields a given lower-case letter or "-" only from that character, in either case.
const LOWER = 0x20202020;
const WORD_KEEP = 0x7065656b;
const WORD_ALI = 0x696c612d;
const WORD_LIVE = 0x6576696c;
const WORD_CLOS = 0x736f6c63;

/** The body framing of a message and its connection options. */
export class Framing {
  /** The value of Content-Length, or -1 without one. */
  contentLength = -1;
  chunked = false;
  /** True for a chunked body or a Content-Length above 0. */
  hasBody = false;
  keepAlive = true;
  expectContinue = false;
  /** True if Upgrade names a protocol and is listed in Connection. */
  upgrade = false;
}

const HOST_BIT = 1 << HOST;
const CONTENT_LENGTH_BIT = 1 << CONTENT_LENGTH;
const TRANSFER_ENCODING_BIT = 1 << TRANSFER_ENCODING;
const CONNECTION_BIT = 1 << CONNECTION;
const UPGRADE_BIT = 1 << UPGRADE;
const EXPECT_BIT = 1 << EXPECT;
/** The fields besides Host to read. Upgrade is missing: it counts only with Connection. */
const OTHER_BITS = CONTENT_LENGTH_BIT | TRANSFER_ENCODING_BIT |
  CONNECTION_BIT | EXPECT_BIT;

/**
 * Fills `framing` from the fields of a request. Returns 0 or a fault. Offsets,
 * `sectionEnd` included, are relative to `base`.
 */
export function readFraming(
  bytes: Uint8Array,
  view: DataView,
  base: number,
  line: RequestLine,
  table: FieldTable,
  sectionEnd: number,
  framing: Framing,
): number {
  const seen = table.seen;
  framing.contentLength = -1;
  framing.chunked = false;
  framing.hasBody = false;
  framing.expectContinue = false;
  framing.upgrade = false;
  framing.keepAlive = line.minorVersion === 1;

  if ((seen & HOST_BIT) !== 0) {
    const refused = checkHost(bytes, base, table);
    if (refused !== 0) return refused;
  } else if (line.minorVersion === 1) {
    // Reported at the empty line, the last position where Host could have appeared.
    return fault(MISSING_HOST, sectionEnd - 2);
  }
  if ((seen & OTHER_BITS) !== 0) {
    return readOtherFields(bytes, view, base, line, table, framing);
  }
  return 0;
}

/** The fields that most requests lack. Returns 0 or a fault. */
function readOtherFields(
  bytes: Uint8Array,
  view: DataView,
  base: number,
  line: RequestLine,
  table: FieldTable,
  framing: Framing,
): number {
  const seen = table.seen;
  if ((seen & (CONTENT_LENGTH_BIT | TRANSFER_ENCODING_BIT)) !== 0) {
    const length = readBodyLength(bytes, base, line, table);
    if (isFault(length)) return length;
    if (length === CHUNKED) framing.chunked = true;
    else framing.contentLength = length;
    framing.hasBody = length !== 0;
  }
  if ((seen & CONNECTION_BIT) !== 0) {
    readConnection(bytes, view, base, line, table, framing);
  }
  if ((seen & EXPECT_BIT) !== 0 && line.minorVersion === 1) {
    const cells = table.cells;
    const row = table.find(EXPECT, 0) * ROW;
    framing.expectContinue = equalsTextIgnoringCase(
      bytes,
      base + cells[row + VALUE_START]!,
      base + cells[row + VALUE_END]!,
      "100-continue",
    );
  }
  return 0;
}

function checkHost(bytes: Uint8Array, base: number, table: FieldTable): number {
  const cells = table.cells;
  if ((table.repeated & HOST_BIT) !== 0) {
    const first = table.find(HOST, 0);
    const second = table.find(HOST, first + 1);
    return fault(REPEATED_HOST, cells[second * ROW + NAME_START]!);
  }
  const row = table.hostRow * ROW;
  const start = cells[row + VALUE_START]!;
  const end = cells[row + VALUE_END]!;
  return readAuthority(bytes, base + start, base + end) < 0
    ? fault(INVALID_HOST, start)
    : 0;
}

/** Reads the options of all Connection lines (RFC 9110 §7.6.1) and ignores unknown ones. */
export function readConnection(
  bytes: Uint8Array,
  view: DataView,
  base: number,
  line: { readonly minorVersion: number },
  table: FieldTable,
  framing: Framing,
): void {
  const cells = table.cells;
  if ((table.repeated & CONNECTION_BIT) === 0) {
    // Fast path: nearly every client sends just "keep-alive" or "close".
    const row = table.connectionRow * ROW;
    const start = base + cells[row + VALUE_START]!;
    const length = base + cells[row + VALUE_END]! - start;
    const four = view.getInt32(start, true) | LOWER;
    if (
      length === 10 && four === WORD_KEEP &&
      (view.getInt32(start + 4, true) | LOWER) === WORD_ALI &&
      (view.getInt32(start + 6, true) | LOWER) === WORD_LIVE
    ) {
      framing.keepAlive = true;
      return;
    }
    if (
      length === 5 && four === WORD_CLOS && (bytes[start + 4]! | 0x20) === 0x65
    ) {
      framing.keepAlive = false;
      return;
    }
  }
  let close = false;
  let keepAlive = false;
  let upgrade = false;
  for (
    let row = table.find(CONNECTION, 0);
    row >= 0;
    row = table.find(CONNECTION, row + 1)
  ) {
    const end = base + cells[row * ROW + VALUE_END]!;
    let at = base + cells[row * ROW + VALUE_START]!;
    while (at < end) {
      while (at < end && (bytes[at] === COMMA || isSpace(bytes[at]!))) at++;
      const option = at;
      while (at < end && bytes[at] !== COMMA) at++;
      let optionEnd = at;
      while (optionEnd > option && isSpace(bytes[optionEnd - 1]!)) optionEnd--;
      // The three options differ in length.
      const length = optionEnd - option;
      if (length === 5) {
        close ||= equalsTextIgnoringCase(bytes, option, optionEnd, "close");
      } else if (length === 10) {
        keepAlive ||= equalsTextIgnoringCase(
          bytes,
          option,
          optionEnd,
          "keep-alive",
        );
      } else if (length === 7) {
        upgrade ||= equalsTextIgnoringCase(bytes, option, optionEnd, "upgrade");
      }
    }
  }
  framing.keepAlive = !close && (line.minorVersion === 1 || keepAlive);
  framing.upgrade = upgrade && line.minorVersion === 1 &&
    (table.seen & UPGRADE_BIT) !== 0 && namesProtocol(bytes, base, table);
}

/** Whether Upgrade lists anything: the list may be empty (RFC 9110 §5.6.1). */
function namesProtocol(
  bytes: Uint8Array,
  base: number,
  table: FieldTable,
): boolean {
  const cells = table.cells;
  for (
    let row = table.find(UPGRADE, 0);
    row >= 0;
    row = table.find(UPGRADE, row + 1)
  ) {
    const end = base + cells[row * ROW + VALUE_END]!;
    let at = base + cells[row * ROW + VALUE_START]!;
    while (at < end && (bytes[at] === COMMA || isSpace(bytes[at]!))) at++;
    if (at < end) return true;
  }
  return false;
}
