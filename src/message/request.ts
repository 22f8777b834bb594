/**
 * The request object: a view on the bytes of one message.
 *
 * What the parser found out lies in small records of numbers; strings are made
 * when asked for and kept with the head: until the release, or while the same head
 * comes again. The object, its records and its field table are used again for later
 * requests of the same connection.
 *
 * @module
 */

import type { ParserLimits } from "../limits.ts";
import { HeadCache } from "./head_cache.ts";
import { Fields, type HttpHeaders } from "./headers.ts";
import { releasedError, usedError } from "./misuse.ts";
import { ignoreUnhandled } from "./promises.ts";
import {
  type FetchSource,
  isFetchable,
  requestToFetch,
  unfetchableError,
} from "./request_to_fetch.ts";
import { OWN_ROWS } from "../memory/sizes.ts";
import type { Slab } from "../memory/slab.ts";
import { CR, LF, QUESTION_MARK, SLASH } from "../wire/ascii.ts";
import { FieldTable, ROW, VALUE_END } from "../wire/field_lines.ts";
import { Framing } from "../wire/framing.ts";
import { CONNECT, METHODS, OTHER_METHOD } from "../wire/names.ts";
import { RequestLine } from "../wire/request_line.ts";
import { latin1 } from "../wire/text.ts";

/**
 * A request whose memory is used again after its release. Read what you need,
 * then release it: `using` does so at the end of the block, also when it throws.
 *
 * After the release every property but {@linkcode HttpRequest.released} throws a
 * `TypeError`. A second release does nothing. Do not keep a released request:
 * the object is handed out again for a later request of the same connection.
 *
 * @example
 * ```ts
 * import { readRequests } from "@pooled/http1";
 *
 * const wire = new Blob(["GET /a?b=c HTTP/1.1\r\nHost: example.com\r\n\r\n"]);
 * for await (using request of readRequests(wire.stream())) {
 *   console.log(request.method, request.path, request.query); // GET /a b=c
 *   console.log(request.headers.get("host")); // example.com
 * }
 * ```
 */
export interface HttpRequest extends Disposable {
  /** The method as sent, such as `"GET"`; case matters (RFC 9110 §9.1). */
  readonly method: string;
  /** The request target as sent, in any of its four forms (RFC 9112 §3.2). */
  readonly target: string;
  /**
   * The target up to its query: the path of origin-form and absolute-form, `"*"` of
   * asterisk-form, and `""` of authority-form. Not decoded, not normalized.
   */
  readonly path: string;
  /** What follows the first `?` of the target, or `""`. Not decoded. */
  readonly query: string;
  /** `"1.1"` stands for higher minor versions too (RFC 9110 §2.5). */
  readonly httpVersion: "1.0" | "1.1";
  /** The fields of the header section. */
  readonly headers: HttpHeaders;
  /** The value of Content-Length in bytes, or `null` without one. */
  readonly contentLength: number | null;
  /** Whether the body comes in chunks (RFC 9112 §7.1). */
  readonly chunked: boolean;
  /**
   * Whether the connection may carry another request after this (RFC 9112 §9.3). Where
   * it may not, what follows is parsed all the same: leave the loop.
   */
  readonly keepAlive: boolean;
  /**
   * Whether the client waits for a 100 (Continue) before its body (RFC 9110 §10.1.1).
   * To send it is up to who owns the connection.
   */
  readonly expectContinue: boolean;
  /** The value of Upgrade when Connection confirms it, else `null` (RFC 9110 §7.8). */
  readonly upgrade: string | null;
  /**
   * The body as a byte stream, or `null` when the message has none. It pulls from
   * the connection only as it is read. Asking for the next request, or releasing
   * this one, discards what was not read, and the stream errors.
   */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
  /** Whether the body was read, by any of the ways, in whole or in part. */
  readonly bodyUsed: boolean;
  /** The trailer section, once a chunked body was read to its end; `null` without one. */
  readonly trailers: HttpHeaders | null;
  /** Whether the request was released. The one property that never throws. */
  readonly released: boolean;
  /**
   * Aborted when a server that answers this request finds its client gone: the
   * connection failed, or its input ended, before the response was done. A client that
   * merely has nothing more to send ends its input too, and can still be answered.
   * Never aborted where there is no server.
   */
  readonly signal: AbortSignal;

  /**
   * The whole body in one array of its own. A body of known length is read straight
   * into it.
   *
   * @throws {HttpError} `body-too-large` over `maxBodySize`, `unexpected-eof`, or
   * what is wrong with the body. The promise rejects.
   * @throws {TypeError} The body was already used, or the request released.
   */
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  /** The whole body, decoded as UTF-8. Rejects as {@linkcode HttpRequest.bytes} does. */
  text(): Promise<string>;
  /**
   * The whole body, parsed as JSON. Rejects as {@linkcode HttpRequest.bytes} does, and
   * with a `SyntaxError` when it is no JSON.
   */
  json(): Promise<unknown>;
  /** The whole body in a buffer of its own. Rejects as {@linkcode HttpRequest.bytes} does. */
  arrayBuffer(): Promise<ArrayBuffer>;

  /**
   * A Fetch `Request` that outlives this one. The body goes with it: it can be read
   * after the release, until the next request of the connection is asked for or its
   * stream is left.
   *
   * @throws {TypeError} Fetch has no such request: CONNECT, TRACE and TRACK, a GET or
   * HEAD with a body, or a method such as `get`, which Fetch would turn into GET.
   * Methods are case-sensitive (RFC 9110 §9.1), so that would be another one.
   */
  toRequest(): Request;
  /** Gives the memory back, and discards what was not read of the body. */
  release(): void;
  /** The same as {@linkcode HttpRequest.release}. */
  [Symbol.dispose](): void;
}

/** What a request asks of the machine that made it. */
export interface RequestOwner {
  /** Whether the connection below is secured: the scheme of the target URI. */
  readonly secure: boolean;
  readonly limits: Required<ParserLimits>;
  readonly body: RequestBody;
  /** Takes the request back, with all that it holds. */
  release(request: PooledRequest): void;
}

/** An object that was made of a pooled request and may outlive it. */
export interface RequestView {
  /** The request is about to be released: its memory serves others from here on. */
  detach(): void;
}

/** The body of a request, which whoever reads the connection has. */
export interface RequestBody {
  stream(request: PooledRequest): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** All of it in one array, of at most `most` bytes. */
  gather(
    request: PooledRequest,
    most: number,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** The stream of the body went to a Fetch request, which may outlive this one. */
  outliveRequest(request: PooledRequest): void;
  /** The request is released. */
  leave(request: PooledRequest): void;
}

/** The one implementation of {@linkcode HttpRequest}. */
export class PooledRequest implements HttpRequest, FetchSource {
  readonly line: RequestLine = new RequestLine();
  readonly framing: Framing = new Framing();
  readonly fields: Fields;
  /**
   * The head that this object knows, if it knows one: its line, its framing, the rows of
   * its own table and its strings are those of these bytes. There is none before the
   * first release: many objects are made for connections that send one request.
   */
  known: HeadCache | null = null;
  readonly #ownTable = new FieldTable(OWN_ROWS);
  /** What made this request, while it is in use. */
  #owner: RequestOwner | null = null;
  /** Where the request line lies in the slab. */
  #base = 0;
  /**
   * Whether a server answers this request: a release by its handler ends the use of
   * it, but the memory stays until the server is done with it as well.
   */
  held = false;
  /** Whether nobody asked for its signal, or had it aborted. */
  #plain = true;
  #method: string | null = null;
  #target: string | null = null;
  #path: string | null = null;
  #query: string | null = null;
  #bodyUsed = false;
  #body: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #trailers: Fields | null = null;
  #hasTrailers = false;
  #aborter: AbortController | null = null;
  /** Why the client is gone, once it is. */
  #gone: unknown = undefined;
  #view: RequestView | null = null;

  constructor() {
    this.fields = new Fields(this.#ownTable);
  }

  /**
   * Makes the parsed head visible, whose line begins at `base` and whose field
   * section at `section`. The slab must hold a reference for it.
   */
  open(owner: RequestOwner, slab: Slab, base: number, section: number): void {
    this.#owner = owner;
    this.#base = base;
    this.fields.slab = slab;
    this.fields.base = section;
  }

  /** Makes the trailers visible. The slab must hold a reference for them. */
  openTrailers(slab: Slab, base: number, table: FieldTable): void {
    const trailers = this.#trailers ??= new Fields(table);
    trailers.table = table;
    trailers.slab = slab;
    trailers.base = base;
    this.#hasTrailers = true;
  }

  /** The slab and table of the trailers, for their release; `null` without any. */
  get openedTrailers(): Fields | null {
    return this.#hasTrailers ? this.#trailers : null;
  }

  get ownTable(): FieldTable {
    return this.#ownTable;
  }

  /** Whether the head last read is known, so that it need not be read again. */
  get knowsHead(): boolean {
    return this.known !== null && this.known.length !== 0;
  }

  /**
   * Whether there is nothing to forget at a release: the head is known, and there is no
   * body, no trailers, no signal, no larger table besides.
   */
  get plain(): boolean {
    return this.knowsHead && this.#plain && !this.framing.hasBody;
  }

  set view(view: RequestView) {
    this.#plain = false;
    this.#view = view;
  }

  /** Where the field section begins, in bytes from the start of the head. */
  get fieldsStart(): number {
    return this.fields.base - this.#base;
  }

  /** A copy of the head, with the empty line that ends it. */
  copyHead(): Uint8Array<ArrayBuffer> {
    const { slab, base, table } = this.fields;
    const { cells, count } = table;
    const end = count === 0
      ? base - 2
      : base + cells[(count - 1) * ROW + VALUE_END]!;
    const length = end - this.#base;
    const head = new Uint8Array(length + 4);
    head.set(slab!.bytes.subarray(this.#base, end));
    head[length] = head[length + 2] = CR;
    head[length + 1] = head[length + 3] = LF;
    return head;
  }

  /** Called before the memory goes. */
  detachView(): void {
    this.#view?.detach();
    this.#view = null;
  }

  /** Ends the use of this object. A known head stays. */
  close(): void {
    this.#owner = null;
    this.held = false;
    this.fields.slab = null;
  }

  /** The same, and forgets whatever there was besides a known head. */
  reset(): void {
    this.known ??= new HeadCache();
    this.close();
    this.#plain = true;
    this.#bodyUsed = false;
    this.#body = null;
    this.#aborter = null;
    this.#gone = undefined;
    this.fields.table = this.#ownTable;
    if (!this.knowsHead) this.forgetHead();
    if (this.#hasTrailers) {
      this.#trailers!.slab = null;
      this.#trailers!.clearTexts();
      this.#trailers!.table = this.#ownTable;
      this.#hasTrailers = false;
    }
  }

  /** Forgets the head, known or not: its rows and its strings. */
  forgetHead(): void {
    if (this.known !== null) this.known.length = 0;
    this.#method = null;
    this.#target = null;
    this.#path = null;
    this.#query = null;
    this.fields.table.clear();
    this.fields.clearTexts();
  }

  get method(): string {
    this.#live();
    const id = this.line.method;
    return id !== OTHER_METHOD
      ? METHODS[id]!
      : this.#method ??= this.#slice(0, this.line.methodEnd);
  }

  get target(): string {
    this.#live();
    const { targetStart, targetEnd } = this.line;
    return this.#target ??= this.#slice(targetStart, targetEnd);
  }

  get path(): string {
    this.#live();
    if (this.#path === null) this.#split();
    return this.#path!;
  }

  get query(): string {
    this.#live();
    if (this.#query === null) this.#split();
    return this.#query!;
  }

  get httpVersion(): "1.0" | "1.1" {
    this.#live();
    return this.line.minorVersion === 1 ? "1.1" : "1.0";
  }

  get headers(): HttpHeaders {
    this.#live();
    return this.fields;
  }

  get contentLength(): number | null {
    this.#live();
    const length = this.framing.contentLength;
    return length < 0 ? null : length;
  }

  get chunked(): boolean {
    this.#live();
    return this.framing.chunked;
  }

  get keepAlive(): boolean {
    this.#live();
    return this.framing.keepAlive;
  }

  get expectContinue(): boolean {
    this.#live();
    return this.framing.expectContinue;
  }

  get upgrade(): string | null {
    this.#live();
    return this.framing.upgrade ? this.fields.get("upgrade") : null;
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    const owner = this.#live();
    if (!this.framing.hasBody) return null;
    return this.#body ??= owner.body.stream(this);
  }

  /** The body's stream, if somebody has it. */
  get openedBody(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    return this.#body;
  }

  get bodyUsed(): boolean {
    this.#live();
    return this.#bodyUsed;
  }

  /** The body tells that a consumer has begun to read it. */
  useBody(): void {
    this.#bodyUsed = true;
  }

  get trailers(): HttpHeaders | null {
    this.#live();
    return this.#hasTrailers ? this.#trailers : null;
  }

  get released(): boolean {
    return this.#owner === null;
  }

  get signal(): AbortSignal {
    this.#live();
    if (this.#aborter === null) {
      this.#plain = false;
      this.#aborter = new AbortController();
      if (this.#gone !== undefined) this.#aborter.abort(this.#gone);
    }
    return this.#aborter.signal;
  }

  /** The client is gone. */
  abort(reason: unknown): void {
    this.#plain = false;
    this.#gone = reason;
    this.#aborter?.abort(reason);
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return ignoreUnhandled(this.#gather());
  }

  text(): Promise<string> {
    return ignoreUnhandled(
      this.#gather().then((bytes) => new TextDecoder().decode(bytes)),
    );
  }

  json(): Promise<unknown> {
    return ignoreUnhandled(
      this.#gather().then((bytes) =>
        JSON.parse(new TextDecoder().decode(bytes))
      ),
    );
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return ignoreUnhandled(this.#gather().then((bytes) => bytes.buffer));
  }

  /** The body for a Fetch request, which has a limit of its own. */
  fetchBytes(): Promise<Uint8Array<ArrayBuffer>> {
    return ignoreUnhandled(
      this.#gather((owner) => owner.limits.maxFetchBodySize),
    );
  }

  // deno-lint-ignore require-await -- async, so that misuse rejects and does not throw
  async #gather(
    limit: (owner: RequestOwner) => number = (owner) =>
      owner.limits.maxBodySize,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const owner = this.#live();
    if (!this.framing.hasBody) return new Uint8Array(0);
    if (this.#bodyUsed || this.#body?.locked) {
      throw usedError();
    }
    this.#bodyUsed = true;
    return owner.body.gather(this, limit(owner));
  }

  toRequest(): Request {
    const { secure } = this.#live();
    if (!isFetchable(this.method)) throw unfetchableError(this.method);
    return requestToFetch(this, secure, this.framing.hasBody);
  }

  giveBody(): void {
    const owner = this.#live();
    this.#bodyUsed = true;
    owner.body.outliveRequest(this);
  }

  release(): void {
    const owner = this.#owner;
    if (owner === null) return;
    if (!this.held) return owner.release(this);
    this.#owner = null;
    owner.body.leave(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** How a console shows it. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.#owner === null
      ? "HttpRequest (released)"
      : `HttpRequest ${this.method} ${this.target}`;
  }

  /** What a logger may show: nothing of the memory behind it. */
  toJSON(): unknown {
    if (this.#owner === null) return { released: true };
    const { method, target, httpVersion, headers } = this;
    return { method, target, httpVersion, headers };
  }

  /** Finds where path and query lie in the target. */
  #split(): void {
    const { line } = this;
    const bytes = this.fields.slab!.bytes;
    const base = this.#base;
    let start = base + line.targetStart;
    const end = base + line.targetEnd;
    let mark = start;
    while (mark < end && bytes[mark] !== QUESTION_MARK) mark++;
    this.#query = mark < end ? latin1(bytes, mark + 1, end) : "";
    if (line.method === CONNECT) {
      this.#path = "";
    } else {
      if (line.absolute) {
        // Behind the two slashes that every absolute-form has.
        while (bytes[start] !== SLASH) start++;
        start += 2;
        while (start < mark && bytes[start] !== SLASH) start++;
      }
      this.#path = start < mark ? latin1(bytes, start, mark) : "/";
    }
  }

  #slice(start: number, end: number): string {
    const bytes = this.fields.slab!.bytes;
    return latin1(bytes, this.#base + start, this.#base + end);
  }

  #live(): RequestOwner {
    if (this.#owner === null) throw releasedError();
    return this.#owner;
  }
}
