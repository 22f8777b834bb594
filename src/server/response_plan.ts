/**
 * Checks the status and the fields of a response, before any byte of it is written.
 *
 * @module
 */

import {
  checkName,
  checkValue,
  type FieldPair,
  pairsOf,
  readLength,
} from "../io/field_writer.ts";
import {
  CONNECTION,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  DATE,
  fieldId,
  TRANSFER_ENCODING,
  UPGRADE,
} from "../wire/names.ts";
import { listElements, trimSpace } from "../wire/text.ts";

/** Reason phrases of RFC 9110 §15 and the IANA status code registry. */
const REASONS: Readonly<Record<number, string>> = {
  100: "Continue",
  101: "Switching Protocols",
  102: "Processing",
  103: "Early Hints",
  200: "OK",
  201: "Created",
  202: "Accepted",
  203: "Non-Authoritative Information",
  204: "No Content",
  205: "Reset Content",
  206: "Partial Content",
  207: "Multi-Status",
  208: "Already Reported",
  226: "IM Used",
  300: "Multiple Choices",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  305: "Use Proxy",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  423: "Locked",
  424: "Failed Dependency",
  425: "Too Early",
  426: "Upgrade Required",
  428: "Precondition Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  451: "Unavailable For Legal Reasons",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  506: "Variant Also Negotiates",
  507: "Insufficient Storage",
  508: "Loop Detected",
  510: "Not Extended",
  511: "Network Authentication Required",
};

/**
 * Checks that an init is one: a status in its place would be ignored.
 *
 * @throws {TypeError} It is no object.
 */
export function checkInit(init: unknown): void {
  if (typeof init !== "object" || init === null) {
    throw new TypeError("an init is an object such as { status: 404 }");
  }
}

/**
 * Checks a status at run time, since untyped programs can pass any value.
 *
 * @throws {RangeError} It is no whole number from 100 to 599.
 */
export function checkStatus(status: unknown): number {
  // The type check comes first, because "204" and [204] would compare as numbers.
  if (
    typeof status !== "number" || !Number.isInteger(status) || status < 100 ||
    status > 599
  ) {
    throw new RangeError(
      `the status is ${
        typeof status === "number" ? status : `of type ${typeof status}`
      }; expected a whole number from 100 to 599`,
    );
  }
  return status;
}

/**
 * The status line (RFC 9112 §4) as text, without its CRLF.
 *
 * @throws {RangeError} The status is no whole number from 100 to 599.
 * @throws {TypeError} The reason phrase is no string, or contains a control character
 * or one above U+00FF.
 */
export function statusLine(status: number, statusText?: unknown): string {
  checkStatus(status);
  if (statusText === undefined || statusText === "") {
    return `HTTP/1.1 ${status} ${REASONS[status] ?? ""}`;
  }
  if (typeof statusText !== "string") {
    throw new TypeError(
      `the reason phrase is of type ${typeof statusText}; expected text`,
    );
  }
  checkValue("the reason phrase", statusText);
  return `HTTP/1.1 ${status} ${statusText}`;
}

/** Whether a response of this status may have a body (RFC 9110 §6.4.1, §15.3.6). */
export function allowsBody(status: number): boolean {
  return status >= 200 && status !== 204 && status !== 205 && status !== 304;
}

/** The checked fields of a response: lines to write as given, and framing details. */
export interface FieldPlan {
  /** The fields to write, without those that the server generates. */
  lines: readonly FieldPair[];
  /** The size of their lines in bytes. */
  size: number;
  /** The value of Content-Length, or -1 without one. */
  contentLength: number;
  /** Whether Connection contains `close`. */
  close: boolean;
  /** Other Connection options except `keep-alive`, each prefixed with `, `. */
  options: string;
  hasType: boolean;
  hasDate: boolean;
  upgrade: string | null;
}

/** The plan of a response without fields. */
export const NO_FIELDS: FieldPlan = {
  lines: [],
  size: 0,
  contentLength: -1,
  close: false,
  options: "",
  hasType: false,
  hasDate: false,
  upgrade: null,
};

/**
 * Checks the fields of a response and separates those that frame it.
 *
 * @throws {TypeError} A name is no token, a value contains a character not allowed in
 * field values (RFC 9110 §5.5), Content-Length is invalid or contradictory, or
 * Transfer-Encoding is anything but `chunked`.
 */
export function planFields(headers: HeadersInit | undefined): FieldPlan {
  if (headers === undefined) return NO_FIELDS;
  const pairs = pairsOf(headers);
  if (pairs.length === 0) return NO_FIELDS;
  const lines: FieldPair[] = [];
  const plan = { ...NO_FIELDS, lines };
  for (const pair of pairs) {
    const [name, value] = pair;
    checkName(name);
    checkValue(name, value);
    switch (fieldId(name)) {
      case CONTENT_LENGTH:
        planLength(plan, value);
        continue;
      case TRANSFER_ENCODING:
        if (trimSpace(value).toLowerCase() === "chunked") continue;
        throw new TypeError(
          `Transfer-Encoding is ${JSON.stringify(value)}; ` +
            `expected "chunked", or none: the server frames the body`,
        );
      case CONNECTION:
        planConnection(plan, value);
        continue;
      case CONTENT_TYPE:
        plan.hasType = true;
        break;
      case DATE:
        plan.hasDate = true;
        break;
      case UPGRADE:
        plan.upgrade = value;
        break;
    }
    lines.push(pair);
    plan.size += name.length + value.length + 4;
  }
  return plan;
}

function planLength(plan: FieldPlan, value: string): void {
  const length = readLength(value);
  if (plan.contentLength >= 0 && plan.contentLength !== length) {
    throw new TypeError("Content-Length is given twice");
  }
  plan.contentLength = length;
}

function planConnection(plan: FieldPlan, value: string): void {
  for (const option of listElements(value.toLowerCase())) {
    if (option === "close") plan.close = true;
    else if (option !== "keep-alive") plan.options += `, ${option}`;
  }
}
