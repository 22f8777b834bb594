/**
 * The fields that control a response and its connection: body length (RFC 9112 §6.3),
 * Connection and Upgrade (§9).
 *
 * The status and the method of the request decide as much as the fields. The fields of a
 * response without content (to HEAD, or a 304) are checked all the same: they describe
 * the content that a GET would get.
 *
 * @module
 */

import { CHUNKED, readLength, UNTIL_END } from "./body_length.ts";
import type { FieldTable } from "./field_table.ts";
import { Framing, readConnection } from "./framing.ts";
import { fault, isFault } from "./outcome.ts";
import { FORBIDDEN_BODY, MISSING_UPGRADE } from "./refusals.ts";
import type { StatusLine } from "./status_line.ts";

// Local copies, so V8 can fold them: see ascii.ts.
const NAME_START = 0;
const ROW = 4;
const CONTENT_LENGTH = 2;
const TRANSFER_ENCODING = 3;
const CONNECTION = 4;

const LENGTH_BITS = (1 << CONTENT_LENGTH) | (1 << TRANSFER_ENCODING);
const CONNECTION_BIT = 1 << CONNECTION;

/** The methods that matter to the framing of their response. */
export const OTHER_KIND = 0;
export const HEAD_KIND = 1;
export const CONNECT_KIND = 2;

/** The kind of a method. Case matters (RFC 9110 §9.1). */
export function kindOf(method: string): number {
  if (method === "HEAD") return HEAD_KIND;
  return method === "CONNECT" ? CONNECT_KIND : OTHER_KIND;
}

/** The body framing of a response. */
export class ResponseFraming extends Framing {
  /** The kind of the method that the rest was read for. */
  kind = OTHER_KIND;
  /** Whether the body ends with the input; a tunnel's bytes count as such. */
  untilEnd = false;
  /** Whether the bytes after the head are not HTTP: 101, or a 2xx to CONNECT. */
  tunnel = false;
}

/**
 * Fills `framing` from the status and the fields of a response to a method of this
 * `kind`. Returns 0 or a fault. Offsets, `sectionEnd` included, are relative to `base`.
 */
export function readResponseFraming(
  bytes: Uint8Array,
  view: DataView,
  base: number,
  line: StatusLine,
  table: FieldTable,
  sectionEnd: number,
  kind: number,
  framing: ResponseFraming,
): number {
  const { status, minorVersion } = line;
  const { seen } = table;
  framing.kind = kind;
  framing.contentLength = -1;
  framing.chunked = false;
  framing.upgrade = false;
  framing.tunnel = false;
  framing.keepAlive = minorVersion === 1;
  if ((seen & CONNECTION_BIT) !== 0) {
    readConnection(bytes, view, base, line, table, framing);
  }
  let length = UNTIL_END;
  if (kind === CONNECT_KIND && status >= 200 && status < 300) {
    // Its length fields have to be ignored (RFC 9110 §9.3.6).
    framing.tunnel = true;
  } else {
    if ((seen & LENGTH_BITS) !== 0) {
      length = readLength(bytes, base, minorVersion, table);
      if (isFault(length)) return length;
      if (length === CHUNKED) framing.chunked = true;
      else framing.contentLength = length;
    }
    if (status < 200 || status === 204) {
      // No sender may announce content here, and some recipients would wait for it.
      if (length !== UNTIL_END && length !== 0) return refuseBody(table);
      if (status !== 101) length = 0;
      else if (framing.upgrade) framing.tunnel = true;
      else return fault(MISSING_UPGRADE, sectionEnd - 2);
    } else if (status === 304 || kind === HEAD_KIND) length = 0;
  }
  if (framing.tunnel) length = UNTIL_END;
  framing.untilEnd = length === UNTIL_END;
  framing.hasBody = length !== 0;
  if (framing.untilEnd) framing.keepAlive = false;
  return 0;
}

/** The fault of the field that announces content. */
function refuseBody(table: FieldTable): number {
  const length = table.find(CONTENT_LENGTH, 0);
  const row = length >= 0 ? length : table.find(TRANSFER_ENCODING, 0);
  return fault(FORBIDDEN_BODY, table.cells[row * ROW + NAME_START]!);
}
