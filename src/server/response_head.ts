/**
 * The head of a response: reads and checks the init, and encodes the head.
 *
 * @module
 */

import { DATE_LINE } from "./date.ts";
import { writeDecimal, writeFields, writeText } from "../io/field_writer.ts";
import type { Output } from "../io/output.ts";
import type { HttpResponseInit } from "./response.ts";
import {
  checkInit,
  checkStatus,
  type FieldPlan,
  NO_FIELDS,
  planFields,
  statusLine,
} from "./response_plan.ts";
import type { TrailerSource } from "../io/body_sender.ts";

/** The framing of a response without Content-Length or Transfer-Encoding. */
export const UNFRAMED = -1;
/** The framing of a response with `Transfer-Encoding: chunked`. */
export const CHUNKED = -2;

const LENGTH = new TextEncoder().encode("Content-Length: ");

/** A cache of status lines with the default phrase. Index it only after `checkStatus`. */
const STATUS_LINES: (Uint8Array | undefined)[] = new Array(600);

/** Bytes reserved for generated lines, without Content-Type and Connection options. */
const OWN_LINES = 128;

/** A checked init. Each property is read only once, because getters may run user code. */
export interface HeadInit {
  readonly status: number;
  /** The status line with its CRLF. */
  readonly line: Uint8Array;
  readonly plan: FieldPlan;
  readonly trailers: TrailerSource | undefined;
}

/**
 * Reads and checks an init.
 *
 * @throws {TypeError} It is no object, or a field or the reason phrase is malformed.
 * @throws {RangeError} The status is no whole number from 100 to 599.
 */
export function readInit(init: HttpResponseInit): HeadInit {
  checkInit(init);
  const status = checkStatus(init.status === undefined ? 200 : init.status);
  const { statusText, headers, trailers } = init;
  if (trailers !== undefined && typeof trailers !== "function") {
    throw new TypeError("trailers are given by a function");
  }
  return {
    status,
    line: lineOf(status, statusText),
    plan: planFields(headers),
    trailers,
  };
}

/** The status line with its CRLF, as bytes. `status` was checked. */
function lineOf(status: number, statusText: unknown): Uint8Array {
  if (statusText !== undefined && statusText !== "") {
    return latin1Bytes(`${statusLine(status, statusText)}\r\n`);
  }
  return STATUS_LINES[status] ??= latin1Bytes(`${statusLine(status)}\r\n`);
}

function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  writeText(bytes, 0, text);
  return bytes;
}

/** The init of a response sent without one. */
export const NO_INIT: HeadInit = {
  status: 200,
  line: lineOf(200, undefined),
  plan: NO_FIELDS,
  trailers: undefined,
};

/**
 * Appends a head. `framing` is the body length, `UNFRAMED` or `CHUNKED`; `minorVersion`
 * is that of the request.
 */
export function appendHead(
  output: Output,
  init: HeadInit,
  type: Uint8Array,
  framing: number,
  persists: boolean,
  minorVersion: number,
): void {
  const { line, plan } = init;
  const slab = output.reserve(
    line.length + plan.size + type.length + plan.options.length + OWN_LINES,
  );
  const { bytes } = slab;
  let at = output.end;
  bytes.set(line, at);
  at += line.length;
  if (!plan.hasDate) {
    bytes.set(DATE_LINE, at);
    at += DATE_LINE.length;
  }
  if (plan.lines.length > 0) at = writeFields(bytes, at, plan.lines);
  if (!plan.hasType) {
    bytes.set(type, at);
    at += type.length;
  }
  if (framing >= 0) {
    bytes.set(LENGTH, at);
    at = writeDecimal(bytes, at + LENGTH.length, framing);
    at = writeText(bytes, at, "\r\n");
  } else if (framing === CHUNKED) {
    at = writeText(bytes, at, "Transfer-Encoding: chunked\r\n");
  }
  if (!persists) {
    at = writeText(bytes, at, `Connection: close${plan.options}\r\n`);
  } else if (minorVersion === 0) {
    at = writeText(bytes, at, `Connection: keep-alive${plan.options}\r\n`);
  } else if (plan.options !== "") {
    at = writeText(bytes, at, `Connection: ${plan.options.slice(2)}\r\n`);
  }
  output.end = writeText(bytes, at, "\r\n");
}
