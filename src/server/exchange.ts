/**
 * One exchange: a request, its handler and its response.
 *
 * Each connection reuses one `Exchange` for all its requests. Every request gets a new
 * response object, and only the current one may answer: a call on a stale one throws,
 * so a late answer never reaches another request.
 *
 * The arguments of a handler are read once and validated before the first byte is
 * appended to the output. A mistake thus throws inside the handler and can still be
 * answered with a 500.
 *
 * @module
 */

import type { HttpError } from "../errors.ts";
import {
  LARGEST_UNCOUNTED,
  LONGEST_LOOPED_TEXT,
  LONGEST_SCRATCH_TEXT,
} from "../memory/sizes.ts";
import { isBytes } from "../message/bytes.ts";
import type { Machine } from "../message/machine.ts";
import type { PooledRequest } from "../message/request.ts";
import { CONNECT, HEAD } from "../wire/names.ts";
import { isAscii } from "../wire/text.ts";
import { TEXT_TYPE } from "../io/field_writer.ts";
import { awaitOutput, completed, failCompletion } from "./completion.ts";
import type { ConnectionInfo, Handler } from "./handler.ts";
import type { Ledger } from "./ledger.ts";
import { appendFields, appendText, type Output } from "../io/output.ts";
import {
  bodylessError,
  EncodedResponse,
  lengthError,
  NO_TUNNEL,
  UNAVAILABLE,
} from "./prepared_response.ts";
import {
  type Answering,
  type HttpResponse,
  type HttpResponseBody,
  type HttpResponseInit,
  ServerResponse,
} from "./response.ts";
import { BodySender, isDetached, streamOf } from "../io/body_sender.ts";
import {
  appendHead,
  CHUNKED,
  type HeadInit,
  NO_INIT,
  readInit,
  UNFRAMED,
} from "./response_head.ts";
import { allowsBody } from "./response_plan.ts";
import {
  goneError,
  noResponseError,
  shedError,
  unsentError,
} from "./reasons.ts";
import type { Duplex } from "../io/transport.ts";
import { planUpgrade } from "./upgrade.ts";

/** The connection, as its exchange sees it. */
export interface ExchangeOwner {
  readonly handler: Handler;
  readonly info: ConnectionInfo;
  readonly machine: Machine;
  readonly output: Output;
  /** Records the requests, if the program wants to be told of their ends. */
  readonly ledger: Ledger | null;
  /**
   * Decides whether the connection persists after the response whose head is about to
   * be written. Sticky: once false, stays false. `whole` means that the entire response
   * is written now, not streamed.
   */
  decidePersistence(close: boolean, whole: boolean): boolean;
  /** Closes the connection after this exchange. */
  forbidNext(): void;
  /** Flushes the output within a few microtasks. */
  flushSoon(): void;
  /** Counts a refusal caused by the client. */
  count(error: HttpError): void;
  /** Reports a failure of the program, unless it is the abort reason of the request. */
  report(error: unknown, res: HttpResponse | null): void;
  /** Makes room in the budget. Returns whether `bytes` fit. */
  makeRoom(bytes: number): boolean;
  /** Hands the connection over to another protocol. */
  handOver(): Duplex;
  /** Closes a connection that was handed over, because its handler failed. */
  takeBack(error: unknown): void;
  /** Handler and response are done; `bodyComes` as in {@linkcode Exchange.bodyComes}. */
  exchanged(request: PooledRequest, bodyComes: boolean): void;
}

/**
 * - open: nothing was sent
 * - streaming: the head was sent, and a stream follows
 * - done: the whole response is in the output
 * - upgraded: the connection was handed over
 */
type ResponseState = "open" | "streaming" | "done" | "upgraded";

const encoder = new TextEncoder();
/** Holds encoded text until the output has copied it. */
const scratch = new Uint8Array(3 * LONGEST_SCRATCH_TEXT);
const NO_LINE = new Uint8Array(0);
const TEXT_LINE = encoder.encode(`Content-Type: ${TEXT_TYPE}\r\n`);
const JSON_LINE = encoder.encode("Content-Type: application/json\r\n");
/** Interim responses that a handler may send (RFC 9110 §15.2, RFC 8297). */
const INTERIM: ReadonlySet<number> = new Set([100, 102, 103, 104]);

export class Exchange implements Answering {
  /** The request, until handler and response are both done. */
  request: PooledRequest | null = null;
  /** The status of the final response; 0 before it was sent. */
  status = 0;
  readonly #owner: ExchangeOwner;
  /** The response object that may answer. */
  #response: ServerResponse | null = null;
  #state: ResponseState = "done";
  /** Whether the handler is still running. */
  #handling = false;
  /** Whether a 100 (Continue) was sent. */
  #continued = false;
  #sender: BodySender | null = null;
  /** The response, if the program asked when it is complete. */
  #asked: ServerResponse | null = null;

  constructor(owner: ExchangeOwner) {
    this.#owner = owner;
  }

  /** Whether a response body is being streamed. */
  get streaming(): boolean {
    return this.#state === "streaming";
  }

  /** Whether the whole response is in the output. */
  get answered(): boolean {
    return this.#state === "done" && this.status !== 0;
  }

  /** Passes a request to the handler. */
  begin(request: PooledRequest): void {
    const owner = this.#owner;
    const response = new ServerResponse(this);
    this.#response = response;
    this.request = request;
    this.status = 0;
    this.#state = "open";
    this.#handling = true;
    this.#continued = false;
    this.#asked = null;
    request.held = true;
    if (owner.ledger !== null) owner.ledger.begin(request, response);
    let result: void | Promise<void>;
    try {
      result = owner.handler(request, response, owner.info);
      if (result !== undefined && typeof result?.then === "function") {
        // A foreign thenable may settle twice; a native promise does not.
        Promise.resolve(result).then(this.#settled, this.#failed);
        return;
      }
    } catch (error) {
      return this.#failed(error);
    }
    this.#settled(result);
  }

  readonly #settled = (result?: unknown): void => {
    if (this.#state === "open") {
      return this.#failed(noResponseError(result));
    }
    this.#handling = false;
    this.#finish();
  };

  readonly #failed = (error: unknown): void => {
    const owner = this.#owner;
    const response = this.#response!;
    const open = this.#state === "open";
    owner.ledger?.fail(error);
    // Only errors of this parser are the client's fault. A proxy may rethrow another's.
    if (owner.machine.refusedWith(error)) this.#refuse(error as HttpError);
    else owner.report(error, open ? response : null);
    if (this.#state === "upgraded") owner.takeBack(error);
    else if (this.#state === "open") {
      this.send(response, "Internal Server Error", { status: 500 });
    }
    this.#handling = false;
    this.#finish();
  };

  /** Answers a refusal that the handler rethrew, usually one of the body. */
  #refuse(error: HttpError): void {
    this.#owner.count(error);
    if (this.#state !== "open") return;
    if (error.code === "unexpected-eof") {
      this.#owner.forbidNext();
      failCompletion(this.#response!, error);
      this.#state = "done";
      return;
    }
    this.send(this.#response!, `${error.message}\n`, {
      status: error.status,
      headers: { connection: "close" },
    });
  }

  /** Ends the exchange once handler and response are both done. */
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

  /** Called when the connection closes: cancels the stream of the response, if any. */
  abort(reason: unknown): void {
    if (this.#asked !== null) failCompletion(this.#asked, reason);
    this.#sender?.cancel(reason);
  }

  /** Sends a 100 (Continue) if the client expects one (RFC 9110 §10.1.1). */
  sendContinue(): void {
    if (this.#continued || !this.request!.framing.expectContinue) return;
    this.#continued = true;
    appendText(this.#owner.output, "HTTP/1.1 100 Continue\r\n\r\n");
    this.#owner.flushSoon();
  }

  /** Whether a 100 may still be sent, because the response has not begun. */
  get mayContinue(): boolean {
    return this.request !== null && this.#state === "open";
  }

  /** Whether the client sends its body: it expected no 100, or got one. */
  get bodyComes(): boolean {
    return this.#continued || !this.request!.framing.expectContinue;
  }

  /** Whether `response` is the current one and nothing was sent yet. */
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

  /** Backs `info.completed` of Fetch applications. */
  completed(response: ServerResponse): Promise<void> {
    const isCurrent = this.#response === response;
    if (isCurrent) this.#asked = response;
    const isWhole = !isCurrent || this.#state === "done";
    return completed(response, this.#owner.output, isWhole);
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
    } else if (body === null || isBytes(body)) {
      if (body !== null && isDetached(body)) {
        throw new TypeError("the bytes of the body were transferred");
      }
      const read = this.#read(response, init);
      if (body === null || this.#hasRoom(body)) {
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

  sendText(response: ServerResponse, text: string, isJson: boolean): void {
    this.#claim(response);
    this.#sendText(response, text, undefined, isJson ? JSON_LINE : TEXT_LINE);
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
    const { line, fields, status } = planUpgrade(request, init);
    this.#claim(response);
    const { output } = owner;
    this.status = status;
    this.#state = "upgraded";
    if (!output.closed) {
      appendText(output, `${line}\r\n`);
      appendFields(output, fields);
    }
    return owner.handOver();
  }

  /**
   * Reads and checks an init. Claims the response again, because getters of the init or
   * a `toJSON` may have sent a response.
   */
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
    // Short ASCII text is written straight into the slab, without an encoded copy.
    if (text.length <= LONGEST_LOOPED_TEXT && isAscii(text)) {
      this.#sendWhole(read, text, null, type);
    } else if (
      text.length <= LONGEST_SCRATCH_TEXT && read.trailers === undefined
    ) {
      const { written } = encoder.encodeInto(text, scratch);
      this.#sendWhole(read, null, scratch.subarray(0, written), type);
    } else {
      const bytes = encoder.encode(text);
      if (this.#hasRoom(bytes)) this.#sendWhole(read, null, bytes, type);
    }
  }

  /**
   * Whether the budget has room for a body. If not, a 503 was sent instead.
   *
   * @throws {RangeError} The body alone exceeds the budget.
   */
  #hasRoom({ length, buffer }: Uint8Array): boolean {
    const owner = this.#owner;
    const { budget } = owner.machine;
    if (
      length <= LARGEST_UNCOUNTED || owner.output.closed ||
      this.request!.line.method === HEAD || budget.holds(buffer)
    ) return true;
    if (length > budget.most) {
      throw new RangeError(
        `the body has ${length} bytes, more than maxBuffered (${budget.most}): stream it`,
      );
    }
    const fits = owner.makeRoom(length);
    // An abort listener of a dropped connection may have sent this response.
    this.#claim(this.#response!);
    if (fits) return true;
    const error = shedError();
    owner.ledger?.fail(error);
    failCompletion(this.#response!, error);
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
    this.status = prepared.status;
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

  /** Sends ASCII text, bytes or no body. */
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
    this.status = status;
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
      return void stream.cancel(unsentError()).catch(() => {});
    }
    const trailers = this.#takesTrailers(status) ? init.trailers : undefined;
    const length = plan.contentLength;
    const chunked = (length < 0 || trailers !== undefined) &&
      request.line.minorVersion === 1;
    const isHead = request.line.method === HEAD;
    let sender: BodySender | null = null;
    this.status = status;
    if (output.closed || isHead) {
      // `cancel` may run user code, which must see the response as sent.
      this.#state = "done";
      stream.cancel(output.closed ? goneError() : unsentError()).catch(
        () => {},
      );
    } else {
      sender = new BodySender(stream, output, { chunked, length, trailers });
      // The response may be made of the request body, which may still await a 100.
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
        owner.forbidNext();
        owner.ledger?.cut(error);
        // A stream made of the request body fails with the refusal of that body.
        failCompletion(response, error);
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

  /** Called once the whole response is in the output. */
  #complete(): void {
    const { output } = this.#owner;
    if (output.closed) failCompletion(this.#response!, goneError());
    else if (this.#asked !== null) awaitOutput(this.#asked, output);
    this.#owner.flushSoon();
    this.#finish();
  }

  /** Sends an interim response (RFC 9110 §15.2). */
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
    // An HTTP/1.0 client would take an interim response for the final one.
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

function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}
