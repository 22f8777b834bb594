/**
 * The request object: a view of the bytes of one message.
 *
 * The parser fills small records of numbers. Strings are created on first access and
 * cached until the release, or longer if the head cache keeps hitting. The object, its
 * records and its field table are reused for later requests of the same connection.
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
import type { Arena } from "../memory/arena.ts";
import { OWN_ROWS } from "../memory/sizes.ts";
import type { Slab } from "../memory/slab.ts";
import { QUESTION_MARK, SLASH } from "../wire/ascii.ts";
import { FieldTable, ROW, VALUE_END } from "../wire/field_lines.ts";
import { Framing } from "../wire/framing.ts";
import { CONNECT, METHODS, OTHER_METHOD } from "../wire/names.ts";
import { RequestLine } from "../wire/request_line.ts";
import { latin1 } from "../wire/text.ts";

/**
 * A request whose memory is reused after its release. Read what you need, then release
 * it; `using` does that at the end of the block, even if the block throws.
 *
 * After the release, every property except {@linkcode HttpRequest.released} throws a
 * `TypeError`. A second release does nothing. Do not keep a reference to a released
 * request: the object is reused for a later request of the same connection.
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
   * The path of the target, without the query: `"*"` for asterisk-form, `""` for
   * authority-form, `"/"` for an absolute-form without a path. Neither decoded nor
   * normalized.
   */
  readonly path: string;
  /** The part of the target after the first `?`, or `""`. Not decoded. */
  readonly query: string;
  /** The HTTP version; higher minor versions count as `"1.1"` (RFC 9110 §2.5). */
  readonly httpVersion: "1.0" | "1.1";
  /** The fields of the header section. */
  readonly headers: HttpHeaders;
  /** The value of Content-Length in bytes, or `null` if the field is absent. */
  readonly contentLength: number | null;
  /** Whether the body uses the chunked transfer coding (RFC 9112 §7.1). */
  readonly chunked: boolean;
  /**
   * Whether the connection may carry another request after this one (RFC 9112 §9.3).
   * The parser does not stop at `false`: leave the loop yourself.
   */
  readonly keepAlive: boolean;
  /**
   * Whether the client waits for a 100 (Continue) before its body (RFC 9110 §10.1.1).
   * The parser does not send it; the owner of the connection must.
   */
  readonly expectContinue: boolean;
  /** The value of Upgrade if Connection lists it, else `null` (RFC 9110 §7.8). */
  readonly upgrade: string | null;
  /**
   * The body as a byte stream, or `null` if the message has none. It reads from the
   * connection only on demand. Asking for the next request or releasing this one
   * discards the unread rest and errors the stream.
   */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
  /** Whether the body was read, even in part, cancelled, or handed on by `toRequest`. */
  readonly bodyUsed: boolean;
  /** The trailer section, once a chunked body was read to its end; `null` if there is none. */
  readonly trailers: HttpHeaders | null;
  /** Whether the request was released. Never throws. */
  readonly released: boolean;
  /**
   * Aborted when a server detects, before the response is complete, that the connection
   * failed or its input ended. A client that half-closes ends its input too and can
   * still receive the response. Never aborted without a server.
   */
  readonly signal: AbortSignal;

  /**
   * Reads the whole body into a new array. A body with Content-Length is read straight
   * into it, without another copy.
   *
   * The promise rejects with these errors:
   *
   * @throws {HttpError} The body is larger than `maxBodySize` (`body-too-large`),
   * incomplete (`unexpected-eof`), or invalid.
   * @throws {TypeError} The body was already used, or the request was released.
   */
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Reads the whole body and decodes it as UTF-8. Rejects like
   * {@linkcode HttpRequest.bytes}.
   */
  text(): Promise<string>;
  /**
   * Reads the whole body and parses it as JSON. Rejects like
   * {@linkcode HttpRequest.bytes}, and with a `SyntaxError` if it is not JSON.
   */
  json(): Promise<unknown>;
  /**
   * Reads the whole body into a new buffer. Rejects like
   * {@linkcode HttpRequest.bytes}.
   */
  arrayBuffer(): Promise<ArrayBuffer>;

  /**
   * Converts to a Fetch `Request` that stays valid after the release. It takes over the
   * body, which remains readable until the next request of the connection is asked for
   * or the stream of requests is cancelled.
   *
   * @throws {TypeError} Fetch cannot represent the request: CONNECT, TRACE or TRACK, a
   * GET or HEAD with a body, or a method such as `get`, which Fetch would change to
   * `GET` although methods are case-sensitive (RFC 9110 §9.1).
   */
  toRequest(): Request;
  /** Returns the memory to the pools and discards the unread rest of the body. */
  release(): void;
  /** Same as {@linkcode HttpRequest.release}. */
  [Symbol.dispose](): void;
}

/** The request's view of its machine. */
export interface RequestOwner {
  /** Whether the connection uses TLS, which sets the scheme of the target URI. */
  readonly secure: boolean;
  readonly limits: Required<ParserLimits>;
  readonly body: RequestBody;
  /** Returns the request and all memory it holds to the pools. */
  release(request: PooledRequest): void;
}

/** An object made from a pooled request, which may outlive it. */
export interface RequestView {
  /** The request is about to be released, and its memory reused. */
  detach(): void;
}

/** The request's view of the body reader. */
export interface RequestBody {
  stream(request: PooledRequest): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Reads the whole body, of at most `most` bytes, into one array. */
  gather(
    request: PooledRequest,
    most: number,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** Keeps the body stream readable after the release of `request`, for a Fetch request. */
  outliveRequest(request: PooledRequest): void;
  /** Handles the release of `request`. */
  detach(request: PooledRequest): void;
}

/** The one implementation of {@linkcode HttpRequest}. */
export class PooledRequest implements HttpRequest, FetchSource {
  readonly line: RequestLine = new RequestLine();
  readonly framing: Framing = new Framing();
  readonly fields: Fields;
  /**
   * The head cache: if it holds a head, then `line`, `framing`, the own table and the
   * cached strings belong to it. Created at the first release only, because many objects
   * serve connections that send a single request.
   */
  headCache: HeadCache | null = null;
  readonly #ownTable = new FieldTable(OWN_ROWS);
  /** The machine, while the request is in use. */
  #owner: RequestOwner | null = null;
  /** Slab position of the request line. */
  #base = 0;
  /**
   * Set by a server: a release by the handler invalidates the request, but the server
   * keeps the memory until it is done with it too.
   */
  held = false;
  /** False once the signal was accessed or aborted. */
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
  /** The abort reason, once the client is gone. */
  #abortReason: unknown = undefined;
  #view: RequestView | null = null;

  constructor() {
    this.fields = new Fields(this.#ownTable);
  }

  /**
   * Opens the request with a head parsed at slab position `base`, its fields at
   * `section`. The caller has incremented the slab's refcount for it.
   */
  open(owner: RequestOwner, slab: Slab, base: number, section: number): void {
    this.#owner = owner;
    this.#base = base;
    this.fields.slab = slab;
    this.fields.base = section;
  }

  /** Adds the trailers. The caller has incremented the slab's refcount for them. */
  openTrailers(slab: Slab, base: number, table: FieldTable): void {
    const trailers = this.#trailers ??= new Fields(table);
    trailers.table = table;
    trailers.slab = slab;
    trailers.base = base;
    this.#hasTrailers = true;
  }

  /** The trailers, for the release of their slab and table; `null` if there are none. */
  get openedTrailers(): Fields | null {
    return this.#hasTrailers ? this.#trailers : null;
  }

  get ownTable(): FieldTable {
    return this.#ownTable;
  }

  /** Whether the head cache holds a head. */
  get hasCachedHead(): boolean {
    return this.headCache !== null && this.headCache.length !== 0;
  }

  /**
   * Whether a release has nothing to reset: the head is cached, and there is no body, so
   * no trailers, no signal, and no larger table.
   */
  get plain(): boolean {
    return this.hasCachedHead && this.#plain && !this.framing.hasBody;
  }

  /** Adds a view; each one of several applications may have its own. */
  set view(view: RequestView) {
    this.#plain = false;
    const before = this.#view;
    this.#view = before === null ? view : {
      detach() {
        before.detach();
        view.detach();
      },
    };
  }

  /** Method and target, for a server, which may ask even after the handler's release. */
  get startLine(): { method: string; target: string } {
    const { method, methodEnd, targetStart, targetEnd } = this.line;
    return {
      method: method === OTHER_METHOD
        ? this.#slice(0, methodEnd)
        : METHODS[method]!,
      target: this.#slice(targetStart, targetEnd),
    };
  }

  /** The offset of the field section in the head. */
  get fieldsStart(): number {
    return this.fields.base - this.#base;
  }

  /** The length of the head without the line ends behind its last field. */
  get headLength(): number {
    const { base, table } = this.fields;
    const { cells, count } = table;
    const end = count === 0
      ? base - 2
      : base + cells[(count - 1) * ROW + VALUE_END]!;
    return end - this.#base;
  }

  /** Copies so much of the head; returns where it begins in the arena's chunk. */
  copyHead(arena: Arena): number {
    const start = this.#base;
    return arena.copy(this.fields.slab!.bytes, start, start + this.headLength);
  }

  /** Called before the memory is given back. */
  detachView(): void {
    this.#view?.detach();
    this.#view = null;
  }

  /** Invalidates the request. A cached head stays. */
  close(): void {
    this.#owner = null;
    this.held = false;
    this.fields.slab = null;
  }

  /** Invalidates the request and resets everything except a cached head. */
  reset(): void {
    this.headCache ??= new HeadCache();
    this.close();
    this.#plain = true;
    this.#bodyUsed = false;
    this.#body = null;
    this.#aborter = null;
    this.#abortReason = undefined;
    this.fields.table = this.#ownTable;
    if (!this.hasCachedHead) this.forgetHead();
    if (this.#hasTrailers) {
      this.#trailers!.slab = null;
      this.#trailers!.clearTexts();
      this.#trailers!.table = this.#ownTable;
      this.#hasTrailers = false;
    }
  }

  /** Drops the head: its cache entry, rows and strings. */
  forgetHead(): void {
    if (this.headCache !== null) this.headCache.length = 0;
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

  /** The body stream, if `body` was accessed. */
  get openedBody(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    return this.#body;
  }

  get bodyUsed(): boolean {
    this.#live();
    return this.#bodyUsed;
  }

  /** Called by the body reader when the stream is first read or cancelled. */
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
      if (this.#abortReason !== undefined) {
        this.#aborter.abort(this.#abortReason);
      }
    }
    return this.#aborter.signal;
  }

  /** Whether the client is gone. */
  get aborted(): boolean {
    return this.#abortReason !== undefined;
  }

  /** Aborts the signal, now or when it is first accessed. */
  abort(reason: unknown): void {
    this.#plain = false;
    this.#abortReason = reason;
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
  fetchRead<T>(read: (bytes: Uint8Array<ArrayBuffer>) => T): Promise<T> {
    return ignoreUnhandled(
      this.#gather((owner) => owner.limits.maxFetchBodySize).then(read),
    );
  }

  // deno-lint-ignore require-await -- async, so that misuse rejects instead of throwing
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
    this.detachView();
    this.#owner = null;
    owner.body.detach(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** Formats the request for the console. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.#owner === null
      ? "HttpRequest (released)"
      : `HttpRequest ${this.method} ${this.target}`;
  }

  /** Keeps internal state out of logs. */
  toJSON(): unknown {
    if (this.#owner === null) return { released: true };
    const { method, target, httpVersion, headers } = this;
    return { method, target, httpVersion, headers };
  }

  /** Splits the target into path and query. */
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
        // Skip the scheme with "//", then the authority.
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
