/**
 * One exchange: a request, the handler that works on it, and the response to it.
 *
 * A connection has one of these and uses it for one request after the other. The
 * response object that a handler holds names its exchange; a call on any but the
 * current one throws, so a late answer never reaches another request.
 *
 * Everything a program gives is read once and checked before the first byte is put
 * into the output, so that a mistake throws in the handler's face and can still be
 * answered with a 500.
 *
 * @module
 */

import type { HttpError } from "../errors.ts";
import { LARGEST_UNCOUNTED, LONGEST_LOOPED_TEXT } from "../memory/sizes.ts";
import type { Machine } from "../message/machine.ts";
import { ignoreUnhandled } from "../message/promises.ts";
import type { PooledRequest } from "../message/request.ts";
import { CONNECT, HEAD } from "../wire/names.ts";
import { isAscii } from "../wire/text.ts";
import { allowsBody } from "./head_writer.ts";
import type { ConnectionInfo, Handler } from "./handler.ts";
import { appendFields, appendText, type Output } from "./output.ts";
import {
  bodylessError,
  EncodedResponse,
  lengthError,
  TEXT_TYPE,
} from "./prepared_response.ts";
import {
  type Answering,
  type HttpResponse,
  type HttpResponseBody,
  type HttpResponseInit,
  ServerResponse,
} from "./response.ts";
import { BodySender } from "./response_body.ts";
import {
  appendHead,
  CHUNKED,
  type HeadInit,
  NO_INIT,
  readInit,
  UNFRAMED,
} from "./response_head.ts";
import { goneError, shedError } from "./reasons.ts";
import type { Duplex } from "./transport.ts";
import { planUpgrade } from "./upgrade.ts";

/** What an exchange asks of its connection. */
export interface ExchangeOwner {
  readonly handler: Handler;
  readonly info: ConnectionInfo;
  readonly machine: Machine;
  readonly output: Output;
  /**
   * Decides whether the connection survives the response whose head is about to be
   * written: once no, always no. `whole` says that the response is written with its
   * head.
   */
  decidePersistence(close: boolean, whole: boolean): boolean;
  /** The connection is to end after this exchange. */
  forbidNext(): void;
  /** Writes what has gathered, soon. */
  flushSoon(): void;
  /** A refusal that the client is answerable for. */
  count(error: HttpError): void;
  /** Something went wrong in the program, unless it only says that the client is gone. */
  report(error: unknown, res: HttpResponse | null): void;
  /** Makes room for a response in the budget, and gives whether there is any. */
  makeRoom(bytes: number): boolean;
  /** The connection speaks another protocol from here on. */
  handOver(): Duplex;
  /** Ends the connection that was handed over: its handler failed. */
  takeBack(error: unknown): void;
  /** Handler and response are done; `bodyComes` as in {@linkcode Exchange.bodyComes}. */
  exchanged(request: PooledRequest, bodyComes: boolean): void;
}

/**
 * How far the response is: nothing was sent; the head was sent and a stream follows;
 * all of it was put into the output; the connection was handed over.
 */
type ResponseState = "open" | "streaming" | "done" | "upgraded";

const encoder = new TextEncoder();

const NO_LINE = new Uint8Array(0);
const TEXT_LINE = encoder.encode(`Content-Type: ${TEXT_TYPE}\r\n`);
const JSON_LINE = encoder.encode("Content-Type: application/json\r\n");
/** What the streams of responses failed with, for those who ask later. */
const FAILED = new WeakMap<ServerResponse, unknown>();

/** Interim responses that a handler may send (RFC 9110 §15.2, RFC 8297). */
const INTERIM: ReadonlySet<number> = new Set([100, 102, 103, 104]);

/** What a 2xx to CONNECT becomes: it would open a tunnel that nobody serves. */
const NO_TUNNEL = new EncodedResponse({
  status: 501,
  body: "Not Implemented\n",
});

/** What a large body becomes while the server's buffers are full. */
const UNAVAILABLE = new EncodedResponse({
  status: 503,
  headers: { connection: "close" },
  body: "Service Unavailable\n",
});

/** A request, its handler and its response. */
export class Exchange implements Answering {
  /** The request, until handler and response are both done. */
  request: PooledRequest | null = null;
  readonly #owner: ExchangeOwner;
  /** The one response object that may answer. */
  #response: ServerResponse | null = null;
  #state: ResponseState = "done";
  /** Whether the handler is not done. */
  #handling = false;
  /** Whether a 100 (Continue) was sent. */
  #continued = false;
  #sender: BodySender | null = null;
  #completed: PromiseWithResolvers<void> | null = null;

  constructor(owner: ExchangeOwner) {
    this.#owner = owner;
  }

  /** Whether the body of the response is on its way. */
  get streaming(): boolean {
    return this.#state === "streaming";
  }

  /** Gives a request to the handler. */
  begin(request: PooledRequest): void {
    const owner = this.#owner;
    const response = new ServerResponse(this);
    this.#response = response;
    this.request = request;
    this.#state = "open";
    this.#handling = true;
    this.#continued = false;
    this.#completed = null;
    request.held = true;
    try {
      const result = owner.handler(request, response, owner.info);
      if (result !== undefined && typeof result?.then === "function") {
        // A thenable of another make may settle twice.
        Promise.resolve(result).then(this.#settled, this.#failed);
        return;
      }
    } catch (error) {
      return this.#failed(error);
    }
    this.#settled();
  }

  /** The handler is done. */
  readonly #settled = (): void => {
    if (this.#state === "open") {
      return this.#failed(
        new TypeError("the handler ended without a response"),
      );
    }
    this.#handling = false;
    this.#finish();
  };

  /** The handler failed. */
  readonly #failed = (error: unknown): void => {
    const owner = this.#owner;
    const response = this.#response!;
    const open = this.#state === "open";
    // An error of another parser's, that a proxy lets pass, is no fault of this client.
    if (owner.machine.refusedWith(error)) this.#refuse(error as HttpError);
    else owner.report(error, open ? response : null);
    if (this.#state === "upgraded") owner.takeBack(error);
    else if (this.#state === "open") {
      this.send(response, "Internal Server Error", { status: 500 });
    }
    this.#handling = false;
    this.#finish();
  };

  /** Answers a refusal that the handler let pass: that of the body, as a rule. */
  #refuse(error: HttpError): void {
    this.#owner.count(error);
    if (this.#state !== "open") return;
    if (error.code === "unexpected-eof") {
      this.#owner.forbidNext();
      this.#state = "done";
      return;
    }
    this.send(this.#response!, `${error.message}\n`, {
      status: error.status,
      headers: { connection: "close" },
    });
  }

  /** Ends the exchange where handler and response are both done. */
  #finish(): void {
    const { request } = this;
    if (request === null || this.#handling || this.#state === "streaming") {
      return;
    }
    const { bodyComes } = this;
    this.request = null;
    this.#response = null;
    this.#owner.exchanged(request, bodyComes);
  }

  /**
   * The connection is closed: nothing of the response goes out any more, and a body
   * that is on its way is stopped.
   */
  abort(reason: unknown): void {
    this.#completed?.reject(reason);
    this.#sender?.cancel(reason);
  }

  /** Tells a client that waits for it to send its body (RFC 9110 §10.1.1). */
  sendContinue(): void {
    if (this.#continued || !this.request!.framing.expectContinue) return;
    this.#continued = true;
    appendText(this.#owner.output, "HTTP/1.1 100 Continue\r\n\r\n");
    this.#owner.flushSoon();
  }

  /** Whether a 100 may still be sent: the response has not begun. */
  get mayContinue(): boolean {
    return this.request !== null && this.#state === "open";
  }

  /** Whether the client was told to send its body, or did not wait for that. */
  get bodyComes(): boolean {
    return this.#continued || !this.request!.framing.expectContinue;
  }

  /** Whether `response` is the current one, and nothing was sent yet. */
  awaits(response: ServerResponse): boolean {
    return this.#response === response && this.#state === "open";
  }

  #claim(response: ServerResponse): void {
    if (!this.awaits(response)) {
      throw new TypeError(
        "the response was already sent, or its handler is done",
      );
    }
  }

  /** What `info.completed` of a Fetch application is. */
  completed(response: ServerResponse): Promise<void> {
    const { output } = this.#owner;
    if (FAILED.has(response)) {
      return ignoreUnhandled(Promise.reject(FAILED.get(response)));
    }
    // Of an exchange that is over, all that is left to know is the output's fate.
    if (this.#response !== response) {
      return output.closed && !output.lost
        ? Promise.resolve()
        : ignoreUnhandled(output.empty());
    }
    if (this.#completed === null) {
      this.#completed = Promise.withResolvers<void>();
      ignoreUnhandled(this.#completed.promise);
      if (this.#state === "done") this.#awaitOutput();
    }
    return this.#completed.promise;
  }

  send(
    response: ServerResponse,
    body: HttpResponseBody = null,
    init?: HttpResponseInit,
  ): void {
    this.#claim(response);
    if (body instanceof EncodedResponse) {
      if (init !== undefined) {
        throw new TypeError("a prepared response takes no further init");
      }
      this.#sendPrepared(body);
    } else if (typeof body === "string") {
      this.#sendText(response, body, init, TEXT_LINE);
    } else if (body === null || body instanceof Uint8Array) {
      if (isDetached(body)) {
        throw new TypeError("the bytes of the body were transferred");
      }
      const read = this.#read(response, init);
      if (body === null || this.#hasRoom(body.length, body.buffer)) {
        this.#sendWhole(read, null, body, NO_LINE);
      }
    } else if (body instanceof ReadableStream) {
      this.#sendStream(this.#read(response, init), body, NO_LINE);
    } else {
      throw new TypeError(
        "a body is text, a Uint8Array, a ReadableStream, a prepared response or null",
      );
    }
  }

  json(
    response: ServerResponse,
    value: unknown,
    init: HttpResponseInit | undefined,
  ): void {
    this.#claim(response);
    const text = JSON.stringify(value);
    if (text === undefined) {
      throw new TypeError(`a value of type ${typeof value} has no JSON`);
    }
    this.#sendText(response, text, init, JSON_LINE);
  }

  upgrade(
    response: ServerResponse,
    init: Omit<HttpResponseInit, "trailers"> | undefined,
  ): Duplex {
    this.#claim(response);
    const owner = this.#owner;
    const request = this.request!;
    const connect = request.line.method === CONNECT;
    if (!connect && !request.framing.upgrade) {
      throw new TypeError("the request asks for no other protocol");
    }
    if (owner.machine.body.active || owner.machine.error !== null) {
      throw new TypeError("the body of the request was not read to its end");
    }
    const { line, fields } = planUpgrade(request, init);
    this.#claim(response);
    const { output } = owner;
    this.#state = "upgraded";
    if (!output.closed) {
      appendText(output, `${line}\r\n`);
      appendFields(output, fields);
    }
    return owner.handOver();
  }

  /** Reads and checks an init. Its getters, or a `toJSON`, may have sent meanwhile. */
  #read(
    response: ServerResponse,
    init: HttpResponseInit | undefined,
  ): HeadInit {
    const read = init === undefined ? NO_INIT : readInit(init);
    this.#claim(response);
    return read;
  }

  #sendText(
    response: ServerResponse,
    text: string,
    init: HttpResponseInit | undefined,
    type: Uint8Array,
  ): void {
    const read = this.#read(response, init);
    // Short text is written without a copy in between.
    if (text.length <= LONGEST_LOOPED_TEXT && isAscii(text)) {
      this.#sendWhole(read, text, null, type);
    } else if (this.#hasRoom(text.length, null)) {
      this.#sendWhole(read, null, encoder.encode(text), type);
    }
  }

  /**
   * Whether the server may hold a body of `bytes` for its client. Where it may not, a 503
   * was sent instead.
   *
   * @throws {RangeError} It may never hold so many.
   */
  #hasRoom(bytes: number, memory: ArrayBufferLike | null): boolean {
    const owner = this.#owner;
    const { budget } = owner.machine;
    if (
      bytes <= LARGEST_UNCOUNTED || owner.output.closed ||
      this.request!.line.method === HEAD ||
      (memory !== null && budget.holds(memory))
    ) return true;
    if (bytes > budget.most) {
      throw new RangeError(
        `the body has ${bytes} bytes, more than maxBuffered (${budget.most}): stream it`,
      );
    }
    if (owner.makeRoom(bytes)) return true;
    FAILED.set(this.#response!, shedError());
    this.#sendPrepared(UNAVAILABLE);
    return false;
  }

  #sendPrepared(prepared: EncodedResponse): void {
    const owner = this.#owner;
    const { output } = owner;
    const { line } = this.request!;
    if (line.method === CONNECT && isSuccess(prepared.status)) {
      prepared = NO_TUNNEL;
    }
    this.#state = "done";
    if (output.closed) return this.#complete();
    const persists = owner.decidePersistence(prepared.close, true);
    const keepAlive = line.minorVersion === 0 ? "keep-alive" : null;
    prepared.appendTo(
      output,
      persists ? keepAlive : "close",
      line.method === HEAD,
    );
    this.#complete();
  }

  /** Sends ASCII text, or bytes, or no body at all. */
  #sendWhole(
    init: HeadInit,
    text: string | null,
    bytes: Uint8Array | null,
    type: Uint8Array,
  ): void {
    const { status, plan } = init;
    const content = text ?? bytes;
    if (status < 200) return this.#sendInterim(init, content);
    if (content !== null && !allowsBody(status)) throw bodylessError(status);
    const { line } = this.request!;
    const isHead = line.method === HEAD;
    const length = content?.length ?? 0;
    let framing = length;
    if (status === 204) framing = UNFRAMED;
    else if (status === 304 || (isHead && content === null)) {
      framing = plan.contentLength;
    } else if (plan.contentLength >= 0 && plan.contentLength !== length) {
      throw lengthError(plan.contentLength, length);
    }
    if (line.method === CONNECT && isSuccess(status)) {
      return this.#sendPrepared(NO_TUNNEL);
    }
    if (init.trailers !== undefined && this.#takesTrailers(status)) {
      const whole = text === null ? bytes ?? NO_LINE : encoder.encode(text);
      return this.#sendStream(init, streamOf(whole), type);
    }
    const owner = this.#owner;
    const { output } = owner;
    this.#state = "done";
    if (output.closed) return this.#complete();
    const persists = owner.decidePersistence(plan.close, true);
    const { minorVersion } = line;
    appendHead(output, init, type, framing, persists, minorVersion);
    if (!isHead) {
      if (text !== null) appendText(output, text);
      else if (bytes !== null) output.append(bytes);
    }
    this.#complete();
  }

  #sendStream(
    init: HeadInit,
    stream: ReadableStream<Uint8Array>,
    type: Uint8Array,
  ): void {
    if (stream.locked) throw new TypeError("the stream of the body is locked");
    const { status, plan } = init;
    if (status < 200) return this.#sendInterim(init, stream);
    if (!allowsBody(status)) throw bodylessError(status);
    const owner = this.#owner;
    const { output } = owner;
    const request = this.request!;
    if (request.line.method === CONNECT && isSuccess(status)) {
      this.#sendPrepared(NO_TUNNEL);
      return void stream.cancel().catch(() => {});
    }
    const trailers = this.#takesTrailers(status) ? init.trailers : undefined;
    const length = plan.contentLength;
    const chunked = (length < 0 || trailers !== undefined) &&
      request.line.minorVersion === 1;
    const isHead = request.line.method === HEAD;
    let sender: BodySender | null = null;
    if (output.closed || isHead) {
      // The cancel may run a program's code, which must find the response sent.
      this.#state = "done";
      stream.cancel(output.closed ? goneError() : undefined).catch(() => {});
    } else {
      sender = new BodySender(stream, output, { chunked, length, trailers });
      // The client may wait for its 100 before it sends what this response is made of.
      const { openedBody } = request;
      if (openedBody !== null && (openedBody === stream || openedBody.locked)) {
        this.sendContinue();
      }
      this.#state = "streaming";
    }
    if (!output.closed) {
      const endsWithBody = length < 0 && !chunked && !isHead;
      const persists = owner.decidePersistence(
        plan.close || endsWithBody,
        isHead,
      );
      const framing = chunked && !isHead ? CHUNKED : length;
      appendHead(
        output,
        init,
        type,
        framing,
        persists,
        request.line.minorVersion,
      );
    }
    if (sender === null) return this.#complete();
    owner.flushSoon();
    const response = this.#response!;
    this.#sender = sender;
    sender.run().then(
      () => this.#streamed(),
      (error) => {
        this.#completed?.reject(error);
        owner.forbidNext();
        // A stream that was made of the request's body fails as that does.
        FAILED.set(response, error);
        if (owner.machine.refusedWith(error)) owner.count(error as HttpError);
        else if (!output.closed) owner.report(error, null);
        this.#streamed();
      },
    );
  }

  #streamed(): void {
    this.#sender = null;
    this.#state = "done";
    this.#complete();
  }

  /** The response was put into the output to its end. */
  #complete(): void {
    const response = this.#response!;
    if (this.#owner.output.closed && !FAILED.has(response)) {
      FAILED.set(response, goneError());
    }
    if (this.#completed !== null) this.#awaitOutput();
    this.#owner.flushSoon();
    this.#finish();
  }

  #awaitOutput(): void {
    const { resolve, reject } = this.#completed!;
    this.#owner.output.empty().then(resolve, reject);
  }

  /** Sends a response that another follows (RFC 9110 §15.2). */
  #sendInterim(init: HeadInit, body: unknown): void {
    const { status } = init;
    if (status === 101) {
      throw new TypeError("to switch protocols there is upgrade()");
    }
    if (!INTERIM.has(status)) {
      throw new RangeError(
        `the status is ${status}; an interim response has 100, 102, 103 or 104`,
      );
    }
    if (body !== null) throw bodylessError(status);
    const { output } = this.#owner;
    // An HTTP/1.0 client would take it for the response.
    if (output.closed || this.request!.line.minorVersion === 0) return;
    if (status === 100) return this.sendContinue();
    output.append(init.line);
    appendFields(output, init.plan.lines);
    this.#owner.flushSoon();
  }

  #takesTrailers(status: number): boolean {
    const { line } = this.request!;
    return line.minorVersion === 1 && line.method !== HEAD &&
      allowsBody(status);
  }
}

/** Whether an array has lost its memory; a shared one cannot. */
function isDetached(bytes: Uint8Array | null): boolean {
  return bytes !== null && bytes.length === 0 &&
    bytes.buffer instanceof ArrayBuffer && bytes.buffer.detached;
}

function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
}
