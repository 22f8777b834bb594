/**
 * Responses that are encoded once and sent often: head and body in one array.
 *
 * Sending one is a copy. Its Date is written over once a second.
 *
 * @module
 */

import {
  allowsBody,
  checkStatus,
  planFields,
  sizeOfFields,
  statusLine,
  writeFields,
  writeText,
} from "./head_writer.ts";
import { DATE_LINE, dateSecond, refreshDate } from "./date.ts";
import { appendText, type Output } from "./output.ts";

/** What `prepareResponse` is given. */
export interface PreparedResponseInit {
  /**
   * From 200 to 599.
   *
   * @default {200}
   */
  status?: number;
  /** The reason phrase; by default that of RFC 9110 §15. */
  statusText?: string;
  /** The fields. Content-Length and Date are added. */
  headers?: HeadersInit;
  /** Text is sent as UTF-8, with a Content-Type if `headers` has none. */
  body?: string | Uint8Array | null;
}

/**
 * A response made by {@linkcode prepareResponse}, to be given to `send` as often as
 * wanted, on any connection.
 */
export interface PreparedResponse {
  /** The status it answers with. */
  readonly status: number;
  /** What a Fetch `Response`, which cannot be sent as it is, does not have. */
  readonly prepared: true;
}

/** The one implementation of {@linkcode PreparedResponse}. */
export class EncodedResponse implements PreparedResponse {
  readonly status: number;
  readonly prepared = true;
  /** Head and body. */
  readonly bytes: Uint8Array;
  /** Where the head ends, behind its empty line. */
  readonly headEnd: number;
  /** Whether the connection ends with it. */
  readonly close: boolean;
  readonly #dateAt: number;
  #second = -1;

  constructor(init: PreparedResponseInit) {
    const { body = null } = init;
    const status = checkStatus(init.status === undefined ? 200 : init.status);
    if (
      body !== null && typeof body !== "string" && !(body instanceof Uint8Array)
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
   * Puts the response into the output, with a Connection of its own where it needs
   * one; to a HEAD request without the body.
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

  /** Brings the Date up to the second of the last refresh. */
  #stamp(): void {
    if (this.#second === dateSecond) return;
    this.#second = dateSecond;
    if (this.#dateAt >= 0) this.bytes.set(DATE_LINE, this.#dateAt);
  }
}

const encoder = new TextEncoder();
/** The type of a body that is given as text, as Fetch has it. */
export const TEXT_TYPE = "text/plain;charset=UTF-8";

export function bodylessError(status: number): TypeError {
  return new TypeError(`a response of status ${status} has no body`);
}

export function lengthError(declared: number, length: number): TypeError {
  return new TypeError(
    `Content-Length is ${declared}, but the body has ${length} bytes`,
  );
}

/**
 * Encodes a response once, head and body, for handlers that send it often: then a
 * response costs a copy, and allocates nothing.
 *
 * @throws {TypeError} A field is malformed, Content-Length is not the length of the
 * body, or a 204, 205 or 304 has a body.
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
