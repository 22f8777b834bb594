/**
 * The response to one request: what the handler says, put into the output as
 * RFC 9112 wants it.
 *
 * Everything is checked before the first byte is put there, so that a mistake
 * throws in the handler's face and can still be answered with a 500. The object is
 * used again for the next request only when nobody can have kept it: see
 * `Connection`.
 *
 * @module
 */

import type { PooledRequest } from "../request.ts";
import { CONNECT, HEAD } from "../wire/names.ts";
import {
  allowsBody,
  type FieldPlan,
  planFields,
  statusLine,
  writeDecimal,
  writeFields,
  writeText,
} from "../wire/response_head.ts";
import type { Connection } from "./connection.ts";
import { DATE_LINE, refreshDate } from "./date.ts";
import {
  bodylessError,
  EncodedResponse,
  lengthError,
  type PreparedResponse,
  TEXT_TYPE,
} from "./prepared.ts";
import { appendFields, appendText } from "./output.ts";
import { BodySender, type TrailerSource } from "./response_body.ts";
import type { Duplex } from "./transport.ts";

/** What a response can be given besides its body. */
export interface HttpResponseInit {
  /**
   * From 200 to 599 for the response; 100, 102 and 103 send an interim response
   * without a body, and the response follows (RFC 9110 §15.2).
   *
   * @default {200}
   */
  status?: number;
  /** The reason phrase; by default that of RFC 9110 §15. */
  statusText?: string;
  /**
   * The fields. The server adds Date, and what frames the body; a Content-Length
   * given here has to be that of the body. `Connection: close` ends the connection
   * after this response.
   */
  headers?: HeadersInit;
  /**
   * Gives the trailer fields once the body was sent (RFC 9110 §6.5). The body goes
   * out in chunks then; an HTTP/1.0 client gets no trailers.
   */
  trailers?: TrailerSource;
}

/** What can be sent as a body. */
export type HttpResponseBody =
  | string
  | Uint8Array
  | ReadableStream<Uint8Array>
  | PreparedResponse
  | null;

/**
 * Answers one request. Every handler calls one of the three, once, before it
 * returns or before its promise resolves; a handler that does not has failed, and a
 * 500 is sent.
 *
 * The object is good for this request only: do not keep it. Handlers that answer
 * before they return share it within their turn.
 *
 * What is wrong with the arguments throws before anything was sent. What goes wrong
 * later (a stream that fails) ends the connection and is reported to `onError`.
 * When the client is gone, all of this does nothing.
 *
 * @example
 * ```ts
 * import { serve } from "@pooled/http1";
 *
 * await using server = serve({ port: 0, hostname: "127.0.0.1" }, (req, res) => {
 *   if (req.path === "/data") return res.json({ hello: "world" });
 *   res.send("not found", { status: 404 });
 * });
 * ```
 */
export interface HttpResponse {
  /** Whether a response was sent, or begun. */
  readonly sent: boolean;
  /**
   * Sends a response: text as UTF-8, bytes, a stream, a prepared response, or
   * nothing.
   *
   * Bytes must stay as they are until the response is done: many are sent from
   * where they lie. A stream is read no faster than the client takes it, and
   * cancelled when a write finds that the client has left. One that has nothing to
   * say should end on `req.signal`: a client may end its side and still read, so
   * silence is cut only after `bodyTimeout`. A stream goes out in chunks, or ends with the
   * connection for an HTTP/1.0 client, unless `headers` has its Content-Length.
   * A HEAD request gets the head alone.
   *
   * @throws {TypeError} A response was already sent; a field is malformed; the
   * status allows no body; Content-Length is not that of the body; a 2xx to CONNECT,
   * for which there is {@linkcode HttpResponse.upgrade}.
   * @throws {RangeError} The status is no whole number from 100 to 599.
   */
  send(body?: HttpResponseBody, init?: HttpResponseInit): void;
  /**
   * Sends a value as JSON, as `application/json` unless `headers` says otherwise.
   * Throws as {@linkcode HttpResponse.send} does.
   *
   * @throws {TypeError} The value has no JSON: `undefined`, a function, a cycle.
   */
  json(value: unknown, init?: HttpResponseInit): void;
  /**
   * Accepts an Upgrade with a 101, or a CONNECT with a 200, and hands over the
   * connection: the bytes that were already read come out first. From here on it is
   * the caller's: no timeouts, no limits, and `shutdown()` does not wait for it.
   * Cancelling `readable` and closing `writable` closes the connection.
   *
   * For an Upgrade the field Upgrade names the first protocol that the client
   * offers, unless `headers` names another.
   *
   * @throws {TypeError} The request asks for neither; its body was not read to its
   * end; a response was already sent; a field is malformed.
   */
  upgrade(init?: Omit<HttpResponseInit, "trailers">): Duplex;
}

/** Nothing was sent yet. */
const OPEN = 0;
/** The head was sent, and the body is on its way. */
const STREAMING = 1;
const DONE = 2;

/** How the head frames the body, besides by a length: not at all, … */
const UNFRAMED = -1;
/** … or in chunks. */
const CHUNKED = -2;

const encoder = new TextEncoder();

const NO_LINE = new Uint8Array(0);
const TEXT_LINE = encoder.encode(`Content-Type: ${TEXT_TYPE}\r\n`);
const JSON_LINE = encoder.encode("Content-Type: application/json\r\n");
const LENGTH = encoder.encode("Content-Length: ");
/** The status lines that were sent so far, by status. */
const STATUS_LINES: (Uint8Array | undefined)[] = new Array(600);

/** Room for the lines of the server's own, but for the type and a program's options. */
const OWN_LINES = 128;
/** ASCII text up to this length is written a character at a time. */
const SHORT_TEXT = 256;

/** The one implementation of {@linkcode HttpResponse}. */
export class ServerResponse implements HttpResponse {
  readonly #connection: Connection;
  #request!: PooledRequest;
  #state = DONE;
  #sender: BodySender | null = null;
  #completed: PromiseWithResolvers<void> | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** A new request is to be answered. */
  begin(request: PooledRequest): void {
    this.#request = request;
    this.#state = OPEN;
    this.#completed = null;
  }

  /** Nothing can be sent any more. */
  retire(): void {
    this.#state = DONE;
  }

  /** Resolves when the response was sent; rejects when it could not be. */
  get completed(): Promise<void> {
    if (this.#completed === null) {
      this.#completed = Promise.withResolvers<void>();
      // Who does not wait for it has not missed anything.
      this.#completed.promise.catch(() => {});
      if (this.#state === DONE) this.#awaitOutput();
    }
    return this.#completed.promise;
  }

  get sent(): boolean {
    return this.#state !== OPEN;
  }

  /** Whether the response was sent to its end. */
  get done(): boolean {
    return this.#state === DONE;
  }

  /** Whether the body is on its way. */
  get streaming(): boolean {
    return this.#state === STREAMING;
  }

  /** The client is gone: a body that is on its way is stopped. */
  abort(reason: unknown): void {
    this.#completed?.reject(reason);
    this.#sender?.cancel(reason);
  }

  send(body: HttpResponseBody = null, init?: HttpResponseInit): void {
    if (this.#state !== OPEN) throw sentError();
    if (body instanceof EncodedResponse) {
      if (init !== undefined) {
        throw new TypeError("a prepared response takes no further init");
      }
      this.#sendPrepared(body);
    } else if (typeof body === "string") this.#sendText(body, init, TEXT_LINE);
    else if (body === null) this.#sendWhole(null, null, init, NO_LINE);
    else if (body instanceof Uint8Array) {
      this.#sendWhole(null, body, init, NO_LINE);
    } else if (body instanceof ReadableStream) this.#sendStream(body, init);
    else {
      throw new TypeError(
        "a body is text, a Uint8Array, a ReadableStream, a prepared response or null",
      );
    }
  }

  json(value: unknown, init?: HttpResponseInit): void {
    if (this.#state !== OPEN) throw sentError();
    const text = JSON.stringify(value);
    if (this.#state !== OPEN) throw sentError();
    if (text === undefined) {
      throw new TypeError(`a value of type ${typeof value} has no JSON`);
    }
    this.#sendText(text, init, JSON_LINE);
  }

  upgrade(init: Omit<HttpResponseInit, "trailers"> = {}): Duplex {
    if (this.#state !== OPEN) throw sentError();
    const request = this.#request;
    const connect = request.line.method === CONNECT;
    if (!connect && !request.framing.upgrade) {
      throw new TypeError("the request asks for no other protocol");
    }
    if (this.#connection.machine.body.active) {
      throw new TypeError("the body of the request was not read to its end");
    }
    const { status = connect ? 200 : 101 } = init;
    if (connect ? status < 200 || status > 299 : status !== 101) {
      throw new TypeError(
        `the status of an upgrade is ${connect ? "2xx" : "101"}, not ${status}`,
      );
    }
    const line = statusLine(
      status,
      init.statusText ?? (connect ? "Connection Established" : undefined),
    );
    const plan = this.#plan(init);
    if (plan.contentLength >= 0) {
      throw new TypeError("an upgrade has no body, and no Content-Length");
    }
    const lines = [...plan.lines];
    if (!connect) {
      lines.push(["Connection", `Upgrade${plan.options}`]);
      if (plan.upgrade === null) {
        const offered = request.fields.get("upgrade")!;
        lines.push(["Upgrade", offered.split(",")[0]!.trim()]);
      }
    }
    const { output } = this.#connection;
    this.#state = DONE;
    if (!output.closed) {
      appendText(output, `${line}\r\n`);
      // What switches protocols is an interim response, and has none.
      refreshDate();
      if (connect && !plan.hasDate) output.append(DATE_LINE);
      appendFields(output, lines);
    }
    return this.#connection.handOver();
  }

  #sendPrepared(prepared: EncodedResponse): void {
    const connection = this.#connection;
    const { output } = connection;
    const { line } = this.#request;
    if (line.method === CONNECT) refuseTunnel(prepared.status);
    this.#state = DONE;
    if (output.closed) return this.#complete();
    const persists = connection.persists(prepared.close);
    const keepAlive = line.minorVersion === 0 ? "keep-alive" : null;
    prepared.appendTo(
      output,
      persists ? keepAlive : "close",
      line.method === HEAD,
    );
    this.#complete();
  }

  #sendText(
    text: string,
    init: HttpResponseInit | undefined,
    type: Uint8Array,
  ): void {
    // What is short is written without a copy in between.
    if (text.length <= SHORT_TEXT && isAscii(text)) {
      this.#sendWhole(text, null, init, type);
    } else this.#sendWhole(null, encoder.encode(text), init, type);
  }

  /** Sends ASCII text, or bytes, or no body at all. */
  #sendWhole(
    text: string | null,
    bytes: Uint8Array | null,
    init: HttpResponseInit | undefined,
    type: Uint8Array,
  ): void {
    const status = init?.status ?? 200;
    const content = text ?? bytes;
    if (status < 200) return this.#sendInterim(status, content, init!);
    const line = lineOf(status, init);
    const plan = this.#plan(init);
    this.#check(status, content);
    const isHead = this.#request.line.method === HEAD;
    const length = content?.length ?? 0;
    let framing = length;
    if (status === 204) framing = UNFRAMED;
    else if (status === 304 || (isHead && content === null)) {
      framing = plan.contentLength;
    } else if (plan.contentLength >= 0 && plan.contentLength !== length) {
      throw lengthError(plan.contentLength, length);
    }
    if (init?.trailers !== undefined && this.#takesTrailers(status)) {
      const whole = text === null ? bytes ?? NO_LINE : encoder.encode(text);
      return this.#sendStream(streamOf(whole), init, type);
    }
    const connection = this.#connection;
    const { output } = connection;
    this.#state = DONE;
    if (output.closed) return this.#complete();
    this.#writeHead(line, plan, type, framing, connection.persists(plan.close));
    if (!isHead) {
      if (text !== null) appendText(output, text);
      else if (bytes !== null) output.append(bytes);
    }
    this.#complete();
  }

  #sendStream(
    stream: ReadableStream<Uint8Array>,
    init: HttpResponseInit | undefined,
    type: Uint8Array = NO_LINE,
  ): void {
    if (stream.locked) throw new TypeError("the stream of the body is locked");
    const status = init?.status ?? 200;
    if (status < 200) return this.#sendInterim(status, stream, init!);
    const line = lineOf(status, init);
    const plan = this.#plan(init);
    this.#check(status, stream);
    const connection = this.#connection;
    const { output } = connection;
    const request = this.#request;
    const trailers = this.#takesTrailers(status) ? init?.trailers : undefined;
    const length = plan.contentLength;
    const chunked = (length < 0 || trailers !== undefined) &&
      request.line.minorVersion === 1;
    const isHead = request.line.method === HEAD;
    if (output.closed || isHead) {
      stream.cancel(output.closed ? goneError() : undefined).catch(() => {});
      this.#state = DONE;
    } else {
      // A client that waits before it sends what this response is made of.
      const { openedBody } = request;
      if (openedBody !== null && (openedBody === stream || openedBody.locked)) {
        connection.sendContinue();
      }
      this.#state = STREAMING;
    }
    if (!output.closed) {
      const endsWithBody = length < 0 && !chunked && !isHead;
      const persists = connection.persists(plan.close || endsWithBody);
      this.#writeHead(
        line,
        plan,
        type,
        chunked && !isHead ? CHUNKED : length,
        persists,
      );
    }
    if (this.#state === DONE) return this.#complete();
    connection.flushSoon();
    const sender = this.#sender = new BodySender(stream, output, {
      chunked,
      length,
      trailers,
    });
    sender.run().then(
      () => this.#streamed(),
      (error) => {
        this.#completed?.reject(error);
        connection.bodyFailed(error);
        this.#streamed();
      },
    );
  }

  #streamed(): void {
    this.#sender = null;
    this.#state = DONE;
    this.#complete();
  }

  #complete(): void {
    if (this.#completed !== null) this.#awaitOutput();
    this.#connection.responded();
  }

  #awaitOutput(): void {
    const { resolve, reject } = this.#completed!;
    this.#connection.output.empty().then(resolve, reject);
  }

  /** Sends a response that another follows (RFC 9110 §15.2). */
  #sendInterim(
    status: number,
    body: unknown,
    init: HttpResponseInit,
  ): void {
    const line = lineOf(status, init);
    const plan = this.#plan(init);
    if (status === 101) {
      throw new TypeError("to switch protocols there is upgrade()");
    }
    if (body !== null) throw bodylessError(status);
    const connection = this.#connection;
    // An HTTP/1.0 client would take it for the response.
    if (connection.output.closed || this.#request.line.minorVersion === 0) {
      return;
    }
    if (status === 100) return connection.sendContinue();
    const { output } = connection;
    output.append(line);
    appendFields(output, plan.lines);
    connection.flushSoon();
  }

  /** Checks the fields. They come from the program, which may have sent meanwhile. */
  #plan(init: HttpResponseInit | undefined): FieldPlan {
    const plan = planFields(init?.headers);
    if (this.#state !== OPEN) throw sentError();
    return plan;
  }

  #check(status: number, content: unknown): void {
    if (content !== null && !allowsBody(status)) throw bodylessError(status);
    if (this.#request.line.method === CONNECT) refuseTunnel(status);
  }

  #takesTrailers(status: number): boolean {
    const { line } = this.#request;
    return line.minorVersion === 1 && line.method !== HEAD &&
      allowsBody(status);
  }

  #writeHead(
    line: Uint8Array,
    plan: FieldPlan,
    type: Uint8Array,
    framing: number,
    persists: boolean,
  ): void {
    const { output } = this.#connection;
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
    } else if (this.#request.line.minorVersion === 0) {
      at = writeText(bytes, at, `Connection: keep-alive${plan.options}\r\n`);
    } else if (plan.options !== "") {
      at = writeText(bytes, at, `Connection: ${plan.options.slice(2)}\r\n`);
    }
    output.end = writeText(bytes, at, "\r\n");
  }
}

/** The status line with its CRLF, as bytes. */
function lineOf(
  status: number,
  init: HttpResponseInit | undefined,
): Uint8Array {
  const text = init?.statusText;
  if (text) return latin1Bytes(`${statusLine(status, text)}\r\n`);
  return STATUS_LINES[status] ??= latin1Bytes(`${statusLine(status)}\r\n`);
}

function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  writeText(bytes, 0, text);
  return bytes;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return false;
  }
  return true;
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
}

function sentError(): TypeError {
  return new TypeError("the response was already sent, or its handler is done");
}

function goneError(): DOMException {
  return new DOMException("the client is gone", "AbortError");
}

/** A 2xx to CONNECT would make the client send whatever it wants (RFC 9110 §9.3.6). */
function refuseTunnel(status: number): void {
  if (status >= 200 && status <= 299) {
    throw new TypeError("a CONNECT is accepted with upgrade()");
  }
}
