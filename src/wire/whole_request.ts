/**
 * Finds the end of a complete request or chunked body in a window.
 *
 * A server calls this before a response that may be the last on its connection: at
 * shutdown, and when the handler left a body unread. That is rare, so these functions
 * allocate.
 *
 * @module
 */

import { CR, LF } from "./ascii.ts";
import { ChunkLine, MAX_CHUNK_LINE, readChunkLine } from "./chunk_line.ts";
import { readFieldLines } from "./field_lines.ts";
import { FieldTable } from "./field_table.ts";
import { Framing, readFraming } from "./framing.ts";
import { readRequestLine, RequestLine } from "./request_line.ts";

/** Bounds on a section of field lines. */
export interface SectionLimits {
  readonly maxHeaders: number;
  readonly maxHeaderBytes: number;
}

/** Whether a complete, valid request begins at `start` and ends by `end`. */
export function holdsRequest(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  limits: SectionLimits,
): boolean {
  let at = start;
  while (at + 1 < end && bytes[at] === CR && bytes[at + 1] === LF) at += 2;
  const line = new RequestLine();
  const section = readRequestLine(bytes, view, at, end, line);
  if (section < 0 || section > end) return false;
  const table = new FieldTable(limits.maxHeaders);
  const body = endOfSection(bytes, view, section, end, limits, table);
  if (body < 0) return false;
  const framing = new Framing();
  const length = body - section;
  if (readFraming(bytes, view, section, line, table, length, framing) !== 0) {
    return false;
  }
  return framing.chunked
    ? endOfChunks(bytes, view, body, end, limits) >= 0
    : Math.max(0, framing.contentLength) <= end - body;
}

/** The position after the chunks and trailers that begin at `start`, or -1. */
export function endOfChunks(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  limits: SectionLimits,
): number {
  const chunk = new ChunkLine();
  let at = start;
  for (;;) {
    const data = readChunkLine(bytes, at, end, chunk);
    if (data < 0 || data > end || data > at + MAX_CHUNK_LINE + 2) return -1;
    if (chunk.size === 0) return endOfTrailers(bytes, view, data, end, limits);
    at = endOfData(bytes, data, chunk.size, end);
    if (at < 0) return -1;
  }
}

/** The position after `count` bytes of chunk data and their CRLF, or -1. */
export function endOfData(
  bytes: Uint8Array,
  start: number,
  count: number,
  end: number,
): number {
  const at = start + count;
  return at + 2 <= end && bytes[at] === CR && bytes[at + 1] === LF
    ? at + 2
    : -1;
}

/** The position after the trailer section that begins at `start`, or -1. */
export function endOfTrailers(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  limits: SectionLimits,
): number {
  const table = new FieldTable(limits.maxHeaders);
  const at = endOfSection(bytes, view, start, end, limits, table);
  // Framing and routing fields are forbidden in trailers.
  return table.seen === 0 ? at : -1;
}

function endOfSection(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  limits: SectionLimits,
  table: FieldTable,
): number {
  const { maxHeaders, maxHeaderBytes } = limits;
  const outcome = readFieldLines(
    bytes,
    view,
    start,
    end,
    start,
    table,
    maxHeaders,
  );
  return outcome <= end && outcome - start <= maxHeaderBytes ? outcome : -1;
}
