/**
 * Responses encoded once and sent often, with head and body in one array.
 *
 * Sending copies the array into the output. The Date is updated in place once a second.
 *
 * @module
 */

import type { HttpError } from "../errors.ts";
import {
  sizeOfFields,
  TEXT_TYPE,
  writeFields,
  writeText,
} from "../io/field_writer.ts";
import { isBytes } from "../message/bytes.ts";
import { DATE_LINE, dateSecond, refreshDate } from "./date.ts";
import { appendText, type Output } from "../io/output.ts";
import {
  allowsBody,
  checkInit,
  checkStatus,
  planFields,
  statusLine,
} from "./response_plan.ts";

/** Options of `prepareResponse`. */
export interface PreparedResponseInit {
  /**
   * A whole number from 200 to 599.
   *
   * @default {200}
   */
  status?: number;
  /** The reason phrase; defaults to that of RFC 9110 §15. */
  statusText?: string;
  /** The header fields. Content-Length and Date are added. */
  headers?: HeadersInit;
  /**
   * The body. Text is sent as UTF-8, as `text/plain;charset=UTF-8` unless `headers` has
   * a Content-Type.
   *
   * @default {null}
   */
  body?: string | Uint8Array | null;
}

/**
 * A response made by {@linkcode prepareResponse}. It can be passed to `send` any number
 * of times, on any connection.
 */
export interface PreparedResponse {
  /** The status code. */
  readonly status: number;
  /** Distinguishes the type from a Fetch `Response`, which `send` does not accept. */
  readonly prepared: true;
}

/** The only implementation of {@linkcode PreparedResponse}. */
export class EncodedResponse implements PreparedResponse {
  readonly status: number;
  readonly prepared = true;
  /** Head and body. */
  readonly bytes: Uint8Array;
  /** The end offset of the head, after its empty line. */
  readonly headEnd: number;
  /** Whether the connection closes after it. */
  readonly close: boolean;
  readonly #dateAt: number;
  #second = -1;

  constructor(init: PreparedResponseInit) {
    checkInit(init);
    const { body = null } = init;
    const status = checkStatus(init.status === undefined ? 200 : init.status);
    if (
      body !== null && typeof body !== "string" && !isBytes(body)
    ) {
      throw new TypeError("a prepared body is text, a Uint8Array or null");
    }
    if (status < 200) {
      throw new RangeError(`a response of status ${status} can't be prepared`);
    }
    const line = statusLine(status, init.statusText);
    const plan = planFields(init.headers);
    const content = typeof body === "string" ? encoder.encode(body) : body;
    const length = content?.length ?? 0;
    if (!allowsBody(status)) {
      if (content !== null) throw bodylessError(status);
    } else if (plan.contentLength >= 0 && plan.contentLength !== length) {
      throw lengthError(plan.contentLength, length);
    }
    const lines = [...plan.lines];
    if (typeof body === "string" && !plan.hasType) {
      lines.push(["Content-Type", TEXT_TYPE]);
    }
    if (status === 304) {
      if (plan.contentLength >= 0) {
        lines.push(["Content-Length", String(plan.contentLength)]);
      }
    } else if (status !== 204) lines.push(["Content-Length", String(length)]);
    if (plan.options !== "") lines.push(["Connection", plan.options.slice(2)]);
    const size = sizeOfFields(lines);
    const bytes = new Uint8Array(
      line.length + 2 + (plan.hasDate ? 0 : DATE_LINE.length) + size + 2 +
        length,
    );
    let at = writeText(bytes, 0, `${line}\r\n`);
    this.#dateAt = plan.hasDate ? -1 : at;
    if (!plan.hasDate) at += DATE_LINE.length;
    at = writeFields(bytes, at, lines);
    at = writeText(bytes, at, "\r\n");
    if (content !== null) bytes.set(content, at);
    this.bytes = bytes;
    this.headEnd = at;
    this.close = plan.close;
    this.status = status;
    refreshDate();
    this.#stamp();
  }

  /**
   * Appends the response to the output, with a Connection field unless `connection` is
   * `null`, and without the body for a HEAD request.
   */
  appendTo(
    output: Output,
    connection: "close" | "keep-alive" | null,
    isHead: boolean,
  ): void {
    this.#stamp();
    const { bytes, headEnd } = this;
    if (connection === null) {
      return output.append(isHead ? bytes.subarray(0, headEnd) : bytes);
    }
    output.append(bytes.subarray(0, headEnd - 2));
    appendText(output, `Connection: ${connection}\r\n\r\n`);
    if (!isHead) output.append(bytes.subarray(headEnd));
  }

  /** Copies the current `DATE_LINE` into the head if the second has changed. */
  #stamp(): void {
    if (this.#second === dateSecond) return;
    this.#second = dateSecond;
    if (this.#dateAt >= 0) this.bytes.set(DATE_LINE, this.#dateAt);
  }
}

const encoder = new TextEncoder();
/** Replaces a 2xx to CONNECT, which would open a tunnel without a handler for it. */
export const NO_TUNNEL: EncodedResponse = new EncodedResponse({
  status: 501,
  body: "Not Implemented\n",
});

/** Replaces a large response while the server's buffers are full. */
export const UNAVAILABLE: EncodedResponse = new EncodedResponse({
  status: 503,
  headers: { connection: "close" },
  body: "Service Unavailable\n",
});

/** The answer to a message that was refused. */
export function refusal({ status, message }: HttpError): EncodedResponse {
  return new EncodedResponse({ status, body: `${message}\n` });
}

export function bodylessError(status: number): TypeError {
  return new TypeError(`a response of status ${status} has no body`);
}

export function lengthError(declared: number, length: number): TypeError {
  return new TypeError(
    `Content-Length is ${declared}, but the body has ${length} bytes`,
  );
}

/**
 * Encodes a response once, head and body, for handlers that send it often. Sending it
 * costs one copy and no allocation.
 *
 * @throws {TypeError} A field is malformed, Content-Length differs from the length of
 * the body, or a 204, 205 or 304 has a body.
 * @throws {RangeError} The status is not from 200 to 599.
 *
 * @example
 * ```ts
 * import { prepareResponse, serve } from "@pooled/http1";
 *
 * const hello = prepareResponse({
 *   headers: { "content-type": "text/html" },
 *   body: "<h1>hello</h1>",
 * });
 * await using server = serve({ port: 0, hostname: "127.0.0.1" }, (_req, res) => {
 *   res.send(hello);
 * });
 * ```
 */
export function prepareResponse(init: PreparedResponseInit): PreparedResponse {
  return new EncodedResponse(init);
}
