/**
 * Checks a request completely and encodes its head, before any byte of it is sent.
 *
 * The parser of this module reads the request line and the authority back: what it would
 * refuse as a server is not sent. Mistakes of the program throw.
 *
 * @module
 */

import { refusalCode } from "../errors.ts";
import { isDetached, type TrailerSource } from "../io/body_sender.ts";
import {
  checkName,
  checkValue,
  pairsOf,
  readLength,
  TEXT_TYPE,
  writeText,
} from "../io/field_writer.ts";
import { SLAB_PADDING } from "../memory/sizes.ts";
import { isBytes } from "../message/bytes.ts";
import { readAuthority } from "../wire/host.ts";
import {
  CONNECTION,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  EXPECT,
  fieldId,
  HOST,
  METHODS,
  TRANSFER_ENCODING,
  UPGRADE,
} from "../wire/names.ts";
import { faultRefusal, isFault } from "../wire/outcome.ts";
import { readRequestLine, RequestLine } from "../wire/request_line.ts";
import { listElements, trimSpace } from "../wire/text.ts";
import type { HttpRequestInit } from "./options.ts";

/** Methods of RFC 9110 §9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(
  ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"],
);
/** Methods whose request has a Content-Length without a body, too (RFC 9110 §8.6). */
const ANTICIPATES_BODY: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/** Methods that take a target in origin-form. */
const USUAL: ReadonlySet<string> = new Set(
  METHODS.filter((method) => method !== "" && method !== "CONNECT"),
);
/** A target in origin-form, the usual one, which needs no further check. */
const ORIGIN_FORM = /^\/[!"$-~]*$/;
/** The authority of a target in absolute-form. */
const ABSOLUTE_FORM = /^https?:\/\/([^/?]*)/i;

const encoder = new TextEncoder();

/** A request that is ready to be sent. */
export interface RequestPlan {
  readonly method: string;
  /** The request line and the fields, with the empty line. */
  readonly head: string;
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
  /** The length of the body; -1 if it is not known. */
  readonly length: number;
  /** Whether the body is sent in chunks. */
  readonly chunked: boolean;
  readonly trailers: TrailerSource | undefined;
  /** Whether the body waits for a 100 (Continue). */
  readonly expectsContinue: boolean;
  /** Whether the connection closes after the response. */
  readonly close: boolean;
  /** Whether the response may hand the connection over to another protocol. */
  readonly upgrades: boolean;
  /** The protocols that Upgrade offers, in lower case. */
  readonly protocols: readonly string[];
  readonly idempotent: boolean;
}

/** The fields of a request, and what they say of its body and connection. */
interface FieldsPlan {
  lines: string;
  host: string | null;
  contentLength: number;
  chunked: boolean;
  close: boolean;
  /** Whether Connection lists `upgrade`. */
  listsUpgrade: boolean;
  /** The protocols in Upgrade; `null` without the field. */
  protocols: string[] | null;
  expectsContinue: boolean;
  hasType: boolean;
}

/**
 * Plans a request.
 *
 * @param authority The value for a missing Host, or `null`.
 * @param upgrades Whether the request asks for an upgrade or a tunnel.
 * @throws {TypeError} A part of the request is malformed or contradicts another.
 */
export function planRequest(
  init: HttpRequestInit,
  authority: string | null,
  upgrades: boolean,
): RequestPlan {
  const { method = "GET", target, trailers, onInterim } = init;
  for (const callback of [trailers, onInterim]) {
    if (callback !== undefined && typeof callback !== "function") {
      throw new TypeError("trailers and onInterim of a request are functions");
    }
  }
  const line = checkLine(method, target);
  const connect = method === "CONNECT";
  const fields = planFields(init.headers);
  if (upgrades) {
    if (!connect && fields.protocols === null) {
      throw new TypeError("an upgrade needs the field Upgrade");
    }
    if ((init.body ?? null) !== null) {
      throw new TypeError("a request made by upgrade() has no body");
    }
    if (!connect && !fields.listsUpgrade) {
      fields.lines += "Connection: Upgrade\r\n";
    }
  } else if (connect || fields.protocols !== null) {
    throw new TypeError(
      `${connect ? "CONNECT" : "a request with Upgrade"} is made by upgrade()`,
    );
  }
  const body = planBody(init.body ?? null, method, fields, trailers);
  if (fields.expectsContinue && body.length === 0) {
    throw new TypeError("100-continue is expected without a body");
  }
  const host = hostLine(fields.host, target, connect, authority);
  return {
    method,
    head: `${line}\r\n${host}${fields.lines}${body.lines}\r\n`,
    body: body.content,
    length: body.length,
    chunked: body.chunked,
    trailers,
    expectsContinue: fields.expectsContinue,
    close: fields.close,
    upgrades,
    protocols: fields.protocols ?? [],
    idempotent: init.idempotent ?? IDEMPOTENT.has(method),
  };
}

/** The request line, without its CRLF. */
function checkLine(method: string, target: string): string {
  if (typeof method !== "string" || typeof target !== "string") {
    throw new TypeError(
      'the method and the target of a request are texts, as in { target: "/a?b=c" }',
    );
  }
  const line = `${method} ${target} HTTP/1.1`;
  if (USUAL.has(method) && ORIGIN_FORM.test(target)) return line;
  const text = `${line}\r\n`;
  // A character above U+00FF would become another byte.
  // deno-lint-ignore no-control-regex -- the bytes of a line
  const outcome = /^[\x00-\xff]*$/.test(text) ? readLine(text) : 0;
  if (outcome === text.length) return line;
  // To the parser, what follows a space of the target is the version.
  const code = isFault(outcome) && !/ /.test(method + target)
    ? refusalCode(faultRefusal(outcome))
    : "invalid-request-line";
  throw new TypeError(
    `${JSON.stringify(`${method} ${target}`)} is no request line: ${code}; ` +
      (method === "CONNECT"
        ? 'expected a host and a port such as "example.com:443"'
        : 'expected a method and a percent-encoded target such as "/a?b=c"'),
  );
}

function readLine(text: string): number {
  const { bytes, view } = scannable(text);
  return readRequestLine(bytes, view, 0, text.length, new RequestLine());
}

/** Whether it is a `host[:port]` (RFC 9110 §7.2). */
export function isAuthority(text: string): boolean {
  return /^[!-~]+$/.test(text) &&
    readAuthority(scannable(text).bytes, 0, text.length) >= 0;
}

/** @throws {TypeError} It is no `host[:port]`. */
export function checkAuthority(authority: string): string {
  if (!isAuthority(authority)) {
    throw new TypeError(`${JSON.stringify(authority)} is no host[:port]`);
  }
  return authority;
}

/** Latin-1 text as the scanners want it: followed by NULs. */
function scannable(text: string): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(text.length + SLAB_PADDING);
  writeText(bytes, 0, text);
  return { bytes, view: new DataView(bytes.buffer) };
}

function planFields(headers: HeadersInit = []): FieldsPlan {
  const plan: FieldsPlan = {
    lines: "",
    host: null,
    contentLength: -1,
    chunked: false,
    close: false,
    listsUpgrade: false,
    protocols: null,
    expectsContinue: false,
    hasType: false,
  };
  for (const [name, value] of pairsOf(headers)) {
    checkName(name);
    checkValue(name, value);
    plan.lines += `${name}: ${value}\r\n`;
    readField(plan, fieldId(name), trimSpace(value));
  }
  return plan;
}

function readField(plan: FieldsPlan, id: number, value: string): void {
  switch (id) {
    case HOST:
      if (plan.host !== null) throw new TypeError("Host is given twice");
      plan.host = value === "" ? value : checkAuthority(value);
      break;
    case CONTENT_LENGTH:
      if (plan.contentLength >= 0) {
        throw new TypeError("Content-Length is given twice");
      }
      plan.contentLength = readLength(value);
      break;
    case TRANSFER_ENCODING:
      if (value.toLowerCase() !== "chunked" || plan.chunked) {
        throw new TypeError(
          'Transfer-Encoding is at most one "chunked": the client frames the body',
        );
      }
      plan.chunked = true;
      break;
    case CONNECTION:
      for (const option of listElements(value.toLowerCase())) {
        if (option === "close") plan.close = true;
        if (option === "upgrade") plan.listsUpgrade = true;
      }
      break;
    case UPGRADE:
      (plan.protocols ??= []).push(...listElements(value.toLowerCase()));
      break;
    case EXPECT:
      if (value.toLowerCase() === "100-continue") plan.expectsContinue = true;
      break;
    case CONTENT_TYPE:
      plan.hasType = true;
      break;
  }
}

/** The body, its length or -1 for chunks, and the fields to add. */
function planBody(
  body: NonNullable<HttpRequestInit["body"]> | null,
  method: string,
  fields: FieldsPlan,
  trailers: TrailerSource | undefined,
) {
  const { contentLength } = fields;
  if (body === null) return noBody(method, fields, trailers);
  if (method === "CONNECT" || method === "TRACE") {
    throw new TypeError(`a ${method} request has no body (RFC 9110 §9.3)`);
  }
  const isStream = body instanceof ReadableStream;
  if (!isStream && typeof body !== "string" && !isBytes(body)) {
    throw new TypeError(
      "a body is text, a Uint8Array, a ReadableStream or null; fetch() of the client " +
        "takes other kinds",
    );
  }
  if (
    isStream ? body.locked : body instanceof Uint8Array && isDetached(body)
  ) {
    throw new TypeError("the body was already used");
  }
  const content = typeof body === "string" ? encoder.encode(body) : body;
  let lines = typeof body === "string" && !fields.hasType
    ? `Content-Type: ${TEXT_TYPE}\r\n`
    : "";
  const known = content instanceof Uint8Array ? content.length : contentLength;
  if (contentLength >= 0 && contentLength !== known) {
    throw new TypeError(
      `Content-Length is ${contentLength}, but the body has ${known} bytes`,
    );
  }
  const chunked = fields.chunked || known < 0 || trailers !== undefined;
  if (chunked && contentLength >= 0) {
    throw new TypeError("a body in chunks has no Content-Length");
  }
  if (chunked && !fields.chunked) lines += "Transfer-Encoding: chunked\r\n";
  if (!chunked && contentLength < 0) lines += `Content-Length: ${known}\r\n`;
  return { content, lines, length: known, chunked };
}

function noBody(
  method: string,
  { contentLength, chunked }: FieldsPlan,
  trailers: TrailerSource | undefined,
) {
  if (contentLength > 0 || chunked || trailers !== undefined) {
    throw new TypeError(
      "the fields or trailers announce a body, but there is none",
    );
  }
  const lines = contentLength < 0 && ANTICIPATES_BODY.has(method)
    ? "Content-Length: 0\r\n"
    : "";
  return { content: null, lines, length: 0, chunked: false };
}

/** The line of a missing Host, or nothing. */
function hostLine(
  given: string | null,
  target: string,
  connect: boolean,
  authority: string | null,
): string {
  const inTarget = connect ? target : ABSOLUTE_FORM.exec(target)?.[1] ?? null;
  if (given !== null) {
    // RFC 9112 §3.2.2: two different hosts would let two recipients disagree.
    if (
      inTarget !== null && !connect &&
      inTarget.toLowerCase() !== given.toLowerCase()
    ) {
      throw new TypeError(`Host is ${given}, but the target has ${inTarget}`);
    }
    return "";
  }
  const host = inTarget ?? authority;
  if (host === null) {
    throw new TypeError(
      "the request has no Host: give it in `headers`, or `authority` to connect()",
    );
  }
  return `Host: ${host}\r\n`;
}
