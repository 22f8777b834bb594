/**
 * {@linkcode HttpError}, and the table of all causes: code, response status, RFC section,
 * and the expected input.
 *
 * @module
 */

import {
  BARE_CR,
  BARE_LF,
  BODY_TIMEOUT,
  BODY_TOO_LARGE,
  BUFFERS_FULL,
  CHUNK_DATA_END,
  CHUNK_LINE_TOO_LONG,
  CHUNK_SIZE_TOO_LARGE,
  CHUNKED_NOT_LAST,
  CHUNKED_REPEATED,
  CONNECT_WITH_BODY,
  CONTENT_LENGTH_TOO_LARGE,
  EMPTY_HEADER_NAME,
  FORBIDDEN_BODY,
  FORBIDDEN_TRAILER,
  HEAD_TIMEOUT,
  HEADERS_TOO_LARGE,
  INVALID_AUTHORITY,
  INVALID_CHUNK_EXTENSION,
  INVALID_CHUNK_SIZE,
  INVALID_CONTENT_LENGTH,
  INVALID_HEADER_NAME,
  INVALID_HEADER_VALUE,
  INVALID_HOST,
  INVALID_METHOD,
  INVALID_REASON,
  INVALID_REQUEST_LINE,
  INVALID_STATUS,
  INVALID_STATUS_LINE,
  INVALID_TARGET,
  INVALID_TRANSFER_ENCODING,
  INVALID_VERSION,
  LENGTH_AND_TRANSFER_ENCODING,
  MISSING_HOST,
  MISSING_UPGRADE,
  OBS_FOLD,
  REPEATED_CONTENT_LENGTH,
  REPEATED_HOST,
  REQUEST_LINE_TOO_LONG,
  SPACE_BEFORE_COLON,
  STATUS_LINE_TOO_LONG,
  TARGET_FORM,
  TARGET_FRAGMENT,
  TOO_MANY_HEADERS,
  TOO_MANY_INTERIM,
  TRAILERS_TOO_LARGE,
  TRANSFER_ENCODING_IN_HTTP10,
  UNASKED_RESPONSE,
  UNASKED_UPGRADE,
  UNEXPECTED_EOF,
  UNSUPPORTED_TRANSFER_CODING,
  UNSUPPORTED_VERSION,
} from "./wire/refusals.ts";

/** A row of the table. `refusal` is the number that the wire functions use. */
type Cause = readonly [
  refusal: number,
  status: number,
  section: string,
  expected: string,
];

/**
 * The cause of an {@linkcode HttpError}, one code per cause, with the status of the
 * response to it.
 *
 * | code | status | refused because |
 * |---|---|---|
 * | `invalid-request-line` | 400 | not `method SP target SP HTTP/1.x` (RFC 9112 §3) |
 * | `invalid-method` | 400 | the method is empty or not a token (RFC 9110 §9.1) |
 * | `invalid-target` | 400 | a byte outside visible ASCII in the target (RFC 9112 §3.2) |
 * | `target-fragment` | 400 | `#` in the target (RFC 9112 §3.2) |
 * | `target-form` | 400 | the form of the target does not fit the method, or its scheme is neither `http` nor `https` (RFC 9112 §3.2, RFC 9110 §4.2) |
 * | `invalid-authority` | 400 | the authority in the target is not `host[:port]` (RFC 9112 §3.2.3, RFC 9110 §4.2.4) |
 * | `invalid-version` | 400 | not `HTTP/` digit `.` digit (RFC 9112 §2.3) |
 * | `unsupported-version` | 505 | a major version other than 1 (RFC 9110 §15.6.6) |
 * | `request-line-too-long` | 414 | over `maxRequestLine` (RFC 9112 §3) |
 * | `bare-lf` | 400 | LF without CR (RFC 9112 §2.2) |
 * | `bare-cr` | 400 | CR without LF (RFC 9112 §2.2) |
 * | `empty-header-name` | 400 | a field line that begins with its colon (RFC 9112 §5) |
 * | `invalid-header-name` | 400 | a field name that is not a token, or a line without a colon (RFC 9112 §5) |
 * | `space-before-colon` | 400 | white space between field name and colon (RFC 9112 §5.1) |
 * | `obs-fold` | 400 | a field line that begins with white space (RFC 9112 §5.2) |
 * | `invalid-header-value` | 400 | a control byte in a field value (RFC 9110 §5.5) |
 * | `headers-too-large` | 431 | header section over `maxHeaderBytes` (RFC 6585 §5) |
 * | `too-many-headers` | 431 | more field lines than `maxHeaders` (RFC 6585 §5) |
 * | `missing-host` | 400 | HTTP/1.1 without Host (RFC 9112 §3.2) |
 * | `repeated-host` | 400 | more than one Host line (RFC 9112 §3.2) |
 * | `invalid-host` | 400 | Host is not `host[:port]` (RFC 9110 §7.2) |
 * | `invalid-content-length` | 400 | Content-Length is not all digits (RFC 9112 §6.3) |
 * | `repeated-content-length` | 400 | Content-Length twice, or a list (RFC 9112 §6.3) |
 * | `content-length-too-large` | 400 | Content-Length above 2^53-1 (RFC 9110 §8.6) |
 * | `length-and-transfer-encoding` | 400 | both Content-Length and Transfer-Encoding (RFC 9112 §6.1) |
 * | `transfer-encoding-in-http10` | 400 | Transfer-Encoding in HTTP/1.0 (RFC 9112 §6.1) |
 * | `invalid-transfer-encoding` | 400 | Transfer-Encoding is not a list of codings (RFC 9112 §6.1) |
 * | `chunked-not-last` | 400 | a coding after chunked (RFC 9112 §6.1) |
 * | `chunked-repeated` | 400 | chunked more than once (RFC 9112 §6.1) |
 * | `unsupported-transfer-coding` | 501 | a coding other than chunked (RFC 9112 §6.1) |
 * | `connect-with-body` | 400 | CONNECT that announces content (RFC 9110 §9.3.6) |
 * | `invalid-chunk-size` | 400 | a chunk size that is not hexadecimal (RFC 9112 §7.1) |
 * | `chunk-size-too-large` | 400 | a chunk size of more than 13 digits (RFC 9112 §7.1) |
 * | `invalid-chunk-extension` | 400 | a malformed chunk extension (RFC 9112 §7.1.1) |
 * | `chunk-line-too-long` | 400 | chunk size and extensions over 256 bytes (RFC 9112 §7.1.1) |
 * | `chunk-data-end` | 400 | no CRLF after the data of a chunk (RFC 9112 §7.1) |
 * | `trailers-too-large` | 400 | trailers over `maxHeaderBytes` or `maxHeaders` (RFC 9112 §7.1.2) |
 * | `forbidden-trailer` | 400 | a trailer that frames or routes the message (RFC 9110 §6.5.1) |
 * | `body-too-large` | 413 | a buffered read over `maxBodySize`, or a Fetch body over `maxFetchBodySize` (RFC 9110 §15.5.14) |
 * | `unexpected-eof` | 400 | the input ended inside a message; no response is sent (RFC 9112 §8) |
 * | `head-timeout` | 408 | the head was not complete within `headTimeout` (RFC 9110 §15.5.9) |
 * | `body-timeout` | 408 | a body arrived slower than `bodyTimeout`, `minBodyRate` or `totalBodyTimeout` allows (RFC 9110 §15.5.9) |
 * | `buffers-full` | 503 | a buffered read would exceed `maxBuffered` (RFC 9110 §15.6.4) |
 * | `invalid-status-line` | 502 | not `HTTP/1.x SP status SP [reason]` (RFC 9112 §4) |
 * | `invalid-status` | 502 | the status is not three digits, or below 100 (RFC 9110 §15) |
 * | `invalid-reason` | 502 | a control byte in the reason phrase (RFC 9112 §4) |
 * | `status-line-too-long` | 502 | over `maxRequestLine` (RFC 9112 §4) |
 * | `forbidden-body` | 502 | a 1xx or 204 response that announces content (RFC 9112 §6.1, RFC 9110 §8.6) |
 * | `missing-upgrade` | 502 | a 101 response without Upgrade, or with one that Connection does not list (RFC 9110 §15.2.2) |
 * | `too-many-interim` | 502 | more than 32 interim responses to one request of a client (RFC 9110 §15.2) |
 * | `unasked-upgrade` | 502 | a 101 response that names a protocol which the client's request did not, or to a request for a tunnel (RFC 9110 §7.8) |
 * | `unasked-response` | 502 | bytes from the server while a client awaits no response (RFC 9112 §9.2) |
 *
 * The last nine concern responses only. A refused response has the status that a gateway
 * sends its own client instead: 502 whatever the cause (RFC 9110 §15.6.3), except 504 for
 * the two timeouts (§15.6.5) and 503 for `buffers-full`.
 */
export type HttpErrorCode =
  | "invalid-request-line"
  | "invalid-method"
  | "invalid-target"
  | "target-fragment"
  | "target-form"
  | "invalid-authority"
  | "invalid-version"
  | "unsupported-version"
  | "request-line-too-long"
  | "bare-lf"
  | "bare-cr"
  | "empty-header-name"
  | "invalid-header-name"
  | "space-before-colon"
  | "obs-fold"
  | "invalid-header-value"
  | "headers-too-large"
  | "too-many-headers"
  | "missing-host"
  | "repeated-host"
  | "invalid-host"
  | "invalid-content-length"
  | "repeated-content-length"
  | "content-length-too-large"
  | "length-and-transfer-encoding"
  | "transfer-encoding-in-http10"
  | "invalid-transfer-encoding"
  | "chunked-not-last"
  | "chunked-repeated"
  | "unsupported-transfer-coding"
  | "connect-with-body"
  | "invalid-chunk-size"
  | "chunk-size-too-large"
  | "invalid-chunk-extension"
  | "chunk-line-too-long"
  | "chunk-data-end"
  | "trailers-too-large"
  | "forbidden-trailer"
  | "body-too-large"
  | "unexpected-eof"
  | "head-timeout"
  | "body-timeout"
  | "buffers-full"
  | "invalid-status-line"
  | "invalid-status"
  | "invalid-reason"
  | "status-line-too-long"
  | "forbidden-body"
  | "missing-upgrade"
  | "too-many-interim"
  | "unasked-upgrade"
  | "unasked-response";

const HOST_PORT = "host or host:port";
const BAD_GATEWAY = 502;
const GATEWAY_TIMEOUT = 504;

/** The causes by code. The type makes the compiler check that none is missing. */
const CAUSES: Readonly<Record<HttpErrorCode, Cause>> = {
  "invalid-request-line": [
    INVALID_REQUEST_LINE,
    400,
    "RFC 9112 §3",
    "method, one space, target, one space, HTTP/1.1",
  ],
  "invalid-method": [
    INVALID_METHOD,
    400,
    "RFC 9110 §9.1",
    "a token as method, then one space",
  ],
  "invalid-target": [
    INVALID_TARGET,
    400,
    "RFC 9112 §3.2",
    "visible ASCII in the request target",
  ],
  "target-fragment": [
    TARGET_FRAGMENT,
    400,
    "RFC 9112 §3.2",
    "a request target without a fragment",
  ],
  "target-form": [
    TARGET_FORM,
    400,
    "RFC 9112 §3.2",
    "a path, an http or https URI, host:port with CONNECT only, or * with OPTIONS only",
  ],
  "invalid-authority": [INVALID_AUTHORITY, 400, "RFC 9112 §3.2.3", HOST_PORT],
  "invalid-version": [
    INVALID_VERSION,
    400,
    "RFC 9112 §2.3",
    "HTTP/1.1 or HTTP/1.0 and the end of the line",
  ],
  "unsupported-version": [
    UNSUPPORTED_VERSION,
    505,
    "RFC 9110 §15.6.6",
    "HTTP/1.1 or HTTP/1.0",
  ],
  "request-line-too-long": [
    REQUEST_LINE_TOO_LONG,
    414,
    "RFC 9112 §3",
    "a request line within maxRequestLine",
  ],
  "bare-lf": [BARE_LF, 400, "RFC 9112 §2.2", "CR before LF"],
  "bare-cr": [BARE_CR, 400, "RFC 9112 §2.2", "LF after CR"],
  "empty-header-name": [EMPTY_HEADER_NAME, 400, "RFC 9112 §5", "a field name"],
  "invalid-header-name": [
    INVALID_HEADER_NAME,
    400,
    "RFC 9112 §5",
    "a token as field name, then a colon",
  ],
  "space-before-colon": [
    SPACE_BEFORE_COLON,
    400,
    "RFC 9112 §5.1",
    "the colon right after the field name",
  ],
  "obs-fold": [
    OBS_FOLD,
    400,
    "RFC 9112 §5.2",
    "a field line that begins with its name",
  ],
  "invalid-header-value": [
    INVALID_HEADER_VALUE,
    400,
    "RFC 9110 §5.5",
    "visible characters, spaces and tabs in a field value",
  ],
  "headers-too-large": [
    HEADERS_TOO_LARGE,
    431,
    "RFC 6585 §5",
    "a header section within maxHeaderBytes",
  ],
  "too-many-headers": [
    TOO_MANY_HEADERS,
    431,
    "RFC 6585 §5",
    "no more field lines than maxHeaders",
  ],
  "missing-host": [
    MISSING_HOST,
    400,
    "RFC 9112 §3.2",
    "a Host field in HTTP/1.1",
  ],
  "repeated-host": [REPEATED_HOST, 400, "RFC 9112 §3.2", "one Host field only"],
  "invalid-host": [INVALID_HOST, 400, "RFC 9110 §7.2", HOST_PORT],
  "invalid-content-length": [
    INVALID_CONTENT_LENGTH,
    400,
    "RFC 9112 §6.3",
    "digits only",
  ],
  "repeated-content-length": [
    REPEATED_CONTENT_LENGTH,
    400,
    "RFC 9112 §6.3",
    "one Content-Length only",
  ],
  "content-length-too-large": [
    CONTENT_LENGTH_TOO_LARGE,
    400,
    "RFC 9110 §8.6",
    "a length of 2^53-1 at most",
  ],
  "length-and-transfer-encoding": [
    LENGTH_AND_TRANSFER_ENCODING,
    400,
    "RFC 9112 §6.1",
    "either Content-Length or Transfer-Encoding",
  ],
  "transfer-encoding-in-http10": [
    TRANSFER_ENCODING_IN_HTTP10,
    400,
    "RFC 9112 §6.1",
    "no Transfer-Encoding in HTTP/1.0",
  ],
  "invalid-transfer-encoding": [
    INVALID_TRANSFER_ENCODING,
    400,
    "RFC 9112 §6.1",
    "a list of codings without parameters",
  ],
  "chunked-not-last": [
    CHUNKED_NOT_LAST,
    400,
    "RFC 9112 §6.1",
    "chunked as the last coding",
  ],
  "chunked-repeated": [CHUNKED_REPEATED, 400, "RFC 9112 §6.1", "chunked once"],
  "unsupported-transfer-coding": [
    UNSUPPORTED_TRANSFER_CODING,
    501,
    "RFC 9112 §6.1",
    "no transfer coding but chunked",
  ],
  "connect-with-body": [
    CONNECT_WITH_BODY,
    400,
    "RFC 9110 §9.3.6",
    "CONNECT without content",
  ],
  "invalid-chunk-size": [
    INVALID_CHUNK_SIZE,
    400,
    "RFC 9112 §7.1",
    "a hexadecimal chunk size",
  ],
  "chunk-size-too-large": [
    CHUNK_SIZE_TOO_LARGE,
    400,
    "RFC 9112 §7.1",
    "a chunk size of 13 digits at most",
  ],
  "invalid-chunk-extension": [
    INVALID_CHUNK_EXTENSION,
    400,
    "RFC 9112 §7.1.1",
    "a semicolon and name[=value], or the end of the line",
  ],
  "chunk-line-too-long": [
    CHUNK_LINE_TOO_LONG,
    400,
    "RFC 9112 §7.1.1",
    "a chunk line of 256 bytes at most",
  ],
  "chunk-data-end": [
    CHUNK_DATA_END,
    400,
    "RFC 9112 §7.1",
    "CRLF after the data of a chunk",
  ],
  "trailers-too-large": [
    TRAILERS_TOO_LARGE,
    400,
    "RFC 9112 §7.1.2",
    "trailers within maxHeaderBytes and maxHeaders",
  ],
  "forbidden-trailer": [
    FORBIDDEN_TRAILER,
    400,
    "RFC 9110 §6.5.1",
    "no trailer that frames or routes the message",
  ],
  "body-too-large": [
    BODY_TOO_LARGE,
    413,
    "RFC 9110 §15.5.14",
    "a body within maxBodySize, or maxFetchBodySize through Fetch",
  ],
  "unexpected-eof": [
    UNEXPECTED_EOF,
    400,
    "RFC 9112 §8",
    "the rest of the message",
  ],
  "head-timeout": [
    HEAD_TIMEOUT,
    408,
    "RFC 9110 §15.5.9",
    "a whole head within headTimeout",
  ],
  "body-timeout": [
    BODY_TIMEOUT,
    408,
    "RFC 9110 §15.5.9",
    "a body at minBodyRate, within bodyTimeout and totalBodyTimeout",
  ],
  "buffers-full": [
    BUFFERS_FULL,
    503,
    "RFC 9110 §15.6.4",
    "room for the body within maxBuffered",
  ],
  "invalid-status-line": [
    INVALID_STATUS_LINE,
    BAD_GATEWAY,
    "RFC 9112 §4",
    "HTTP/1.x, one space, three digits, one space, a reason or none",
  ],
  "invalid-status": [
    INVALID_STATUS,
    BAD_GATEWAY,
    "RFC 9110 §15",
    "a status from 100 to 999",
  ],
  "invalid-reason": [
    INVALID_REASON,
    BAD_GATEWAY,
    "RFC 9112 §4",
    "visible characters, spaces and tabs in the reason phrase",
  ],
  "status-line-too-long": [
    STATUS_LINE_TOO_LONG,
    BAD_GATEWAY,
    "RFC 9112 §4",
    "a status line within maxRequestLine",
  ],
  "forbidden-body": [
    FORBIDDEN_BODY,
    BAD_GATEWAY,
    "RFC 9112 §6.1",
    "no content in a 1xx or 204 response",
  ],
  "missing-upgrade": [
    MISSING_UPGRADE,
    BAD_GATEWAY,
    "RFC 9110 §15.2.2",
    "Upgrade, listed in Connection, in a 101 response",
  ],
  "too-many-interim": [
    TOO_MANY_INTERIM,
    BAD_GATEWAY,
    "RFC 9110 §15.2",
    "a final response after at most 32 interim ones",
  ],
  "unasked-upgrade": [
    UNASKED_UPGRADE,
    BAD_GATEWAY,
    "RFC 9110 §7.8",
    "a 101 only to protocols that the request names",
  ],
  "unasked-response": [
    UNASKED_RESPONSE,
    BAD_GATEWAY,
    "RFC 9112 §9.2",
    "no bytes before the next request",
  ],
};

/** Error codes indexed by refusal number. */
const CODES: HttpErrorCode[] = [];
for (const [code, [refusal]] of Object.entries(CAUSES)) {
  CODES[refusal] = code as HttpErrorCode;
}

/** The status of a gateway that got a response with this fault. */
function gatewayStatus(code: HttpErrorCode): number {
  if (code === "buffers-full") return CAUSES[code][1];
  return code.endsWith("-timeout") ? GATEWAY_TIMEOUT : BAD_GATEWAY;
}

/** The error code of a refusal number. */
export function refusalCode(refusal: number): HttpErrorCode {
  return CODES[refusal]!;
}

/**
 * The error for a refused message. Its text says what was found, where, and what was
 * expected.
 *
 * @example Answering a refusal
 * ```ts
 * import { HttpError, RequestParser } from "@pooled/http1";
 *
 * using parser = new RequestParser();
 * parser.push(new TextEncoder().encode("GET / HTTP/1.1\nHost: a\n\n"));
 * try {
 *   parser.next();
 * } catch (error) {
 *   if (!(error instanceof HttpError)) throw error;
 *   console.log(error.status, error.code, error.offset); // 400 bare-lf 14
 * }
 * ```
 */
export class HttpError extends Error {
  /** The cause; see {@linkcode HttpErrorCode}. */
  readonly code: HttpErrorCode;
  /**
   * The status of the response, such as 400 or 431. If a response was refused, that of a
   * gateway, such as 502.
   */
  readonly status: number;
  /** The position of the fault, in bytes from the start of the input. */
  readonly offset: number;

  /**
   * Creates the error.
   *
   * @param code The cause.
   * @param offset The position of the fault, in bytes from the start of the input.
   * @param found The offending input, as a phrase for the error message.
   * @param message The kind of the refused message, which decides the status.
   */
  constructor(
    code: HttpErrorCode,
    offset: number,
    found: string,
    message: "request" | "response" = "request",
  ) {
    const [, status, section, expected] = CAUSES[code];
    super(
      `${code}: found ${found} at byte ${offset}, expected ${expected} (${section})`,
    );
    this.name = "HttpError";
    this.code = code;
    this.status = message === "request" ? status : gatewayStatus(code);
    this.offset = offset;
  }
}
