/**
 * Whether bytes begin with a whole request, or with a whole body in chunks.
 *
 * A server asks before an answer that may be its last: at a shutdown, and where the
 * handler left a body unread. That is rare enough to make the objects to read into.
 *
 * @module
 */

import { CR, LF } from "./ascii.ts";
import { ChunkLine, readChunkLine } from "./chunk_line.ts";
import { FieldTable, readFieldLines } from "./field_lines.ts";
import { Framing, readFraming } from "./framing.ts";
import { readRequestLine, RequestLine } from "./request_line.ts";

/** Bounds on the head; a request beyond them counts as none. */
export interface HeadLimits {
  readonly maxHeaders: number;
  readonly maxHeaderBytes: number;
}

/** Whether a whole request that is not at fault lies in `[start, end)`. */
export function holdsWholeRequest(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  limits: HeadLimits,
): boolean {
  let at = start;
  while (at + 1 < end && bytes[at] === CR && bytes[at + 1] === LF) at += 2;
  const line = new RequestLine();
  const section = readRequestLine(bytes, view, at, end, line);
  if (section < 0 || section > end) return false;
  const table = new FieldTable(limits.maxHeaders);
  const body = readSection(bytes, view, section, end, table);
  if (body < 0 || body - section > limits.maxHeaderBytes) return false;
  const framing = new Framing();
  const length = body - section;
  if (readFraming(bytes, view, section, line, table, length, framing) !== 0) {
    return false;
  }
  return framing.chunked
    ? holdsChunks(bytes, view, body, end, table)
    : Math.max(0, framing.contentLength) <= end - body;
}

/** Gives the position behind a section that ends within `end`, or -1. */
function readSection(
  bytes: Uint8Array,
  view: DataView,
  section: number,
  end: number,
  table: FieldTable,
): number {
  table.clear();
  const { capacity } = table;
  const outcome = readFieldLines(
    bytes,
    view,
    section,
    end,
    section,
    table,
    capacity,
  );
  return outcome <= end ? outcome : -1;
}

/** Whether a whole trailer section lies in `[start, end)`. */
export function holdsTrailers(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  table: FieldTable,
): boolean {
  return readSection(bytes, view, start, end, table) >= 0;
}

/** Whether a whole body in chunks, trailers included, lies in `[body, end)`. */
export function holdsChunks(
  bytes: Uint8Array,
  view: DataView,
  body: number,
  end: number,
  table: FieldTable,
): boolean {
  const chunk = new ChunkLine();
  let at = body;
  for (;;) {
    const data = readChunkLine(bytes, at, end, chunk);
    if (data < 0 || data > end) return false;
    if (chunk.size === 0) {
      return holdsTrailers(bytes, view, data, end, table);
    }
    // The data is followed by its CRLF.
    at = data + chunk.size + 2;
    if (at > end) return false;
  }
}
