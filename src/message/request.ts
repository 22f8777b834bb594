/**
 * The request object.
 *
 * @module
 */

import { type HttpMessage, PooledMessage } from "./pooled_message.ts";
import {
  type FetchSource,
  isFetchable,
  requestToFetch,
  unfetchableError,
} from "./request_to_fetch.ts";
import type { Arena } from "../memory/arena.ts";
import { QUESTION_MARK, SLASH } from "../wire/ascii.ts";
import { ROW, VALUE_END } from "../wire/field_table.ts";
import { Framing } from "../wire/framing.ts";
import { CONNECT, METHODS, OTHER_METHOD } from "../wire/names.ts";
import { RequestLine } from "../wire/request_line.ts";
import { latin1 } from "../wire/text.ts";

/**
 * A request whose memory is reused after its release. Read what you need, then release
 * it; `using` does that at the end of the block, even if the block throws.
 *
 * After the release, every property except {@linkcode HttpMessage.released} throws a
 * `TypeError`. Do not keep a reference to a released request, and release it either by
 * `using` or by `release()`: the object is reused for a later request of the same
 * connection, which a second release would then end.
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
export interface HttpRequest extends HttpMessage {
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
  /**
   * Whether the client waits for a 100 (Continue) before its body (RFC 9110 §10.1.1).
   * The parser does not send it; the owner of the connection must.
   */
  readonly expectContinue: boolean;
  /**
   * Aborted when a server detects, before the response is complete, that the connection
   * failed or its input ended. A client that half-closes ends its input too and can
   * still receive the response. A handler that gives up then still has to answer; to a
   * client that is gone, `res.send()` sends nothing. Never aborted without a server.
   */
  readonly signal: AbortSignal;

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
}

/** An object made from a pooled request, which may outlive it. */
export interface RequestView {
  /** The request is about to be released, and its memory reused. */
  detach(): void;
}

/** The one implementation of {@linkcode HttpRequest}. */
export class PooledRequest extends PooledMessage
  implements HttpRequest, FetchSource {
  override readonly line: RequestLine = new RequestLine();
  /** False once the signal was accessed or aborted. */
  #plain = true;
  #method: string | null = null;
  #target: string | null = null;
  #path: string | null = null;
  #query: string | null = null;
  #aborter: AbortController | null = null;
  /** The abort reason, once the client is gone. */
  #abortReason: unknown = undefined;
  #view: RequestView | null = null;

  constructor() {
    super(new Framing());
  }

  /** Like a message, and without a signal or a view. */
  override get plain(): boolean {
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
        ? this.slice(0, methodEnd)
        : METHODS[method]!,
      target: this.slice(targetStart, targetEnd),
    };
  }

  /** The offset of the field section in the head. */
  get fieldsStart(): number {
    return this.fields.base - this.base;
  }

  /** The length of the head without the line ends behind its last field. */
  get headLength(): number {
    const { base, table } = this.fields;
    const { cells, count } = table;
    const end = count === 0
      ? base - 2
      : base + cells[(count - 1) * ROW + VALUE_END]!;
    return end - this.base;
  }

  /** Copies so much of the head; returns where it begins in the arena's chunk. */
  copyHead(arena: Arena): number {
    const start = this.base;
    return arena.copy(this.fields.slab!.bytes, start, start + this.headLength);
  }

  override detachView(): void {
    this.#view?.detach();
    this.#view = null;
  }

  override reset(): void {
    super.reset();
    this.#plain = true;
    this.#aborter = null;
    this.#abortReason = undefined;
  }

  override forgetHead(): void {
    super.forgetHead();
    this.#method = null;
    this.#target = null;
    this.#path = null;
    this.#query = null;
  }

  get method(): string {
    this.live();
    const id = this.line.method;
    return id !== OTHER_METHOD
      ? METHODS[id]!
      : this.#method ??= this.slice(0, this.line.methodEnd);
  }

  get target(): string {
    this.live();
    const { targetStart, targetEnd } = this.line;
    return this.#target ??= this.slice(targetStart, targetEnd);
  }

  get path(): string {
    this.live();
    if (this.#path === null) this.#split();
    return this.#path!;
  }

  get query(): string {
    this.live();
    if (this.#query === null) this.#split();
    return this.#query!;
  }

  get expectContinue(): boolean {
    this.live();
    return this.framing.expectContinue;
  }

  get signal(): AbortSignal {
    this.live();
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

  toRequest(): Request {
    const { secure } = this.live();
    if (!isFetchable(this.method)) throw unfetchableError(this.method);
    return requestToFetch(this, secure, this.framing.hasBody);
  }

  /** Formats the request for the console. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.owner === null
      ? "HttpRequest (released)"
      : `HttpRequest ${this.method} ${this.target}`;
  }

  /** Keeps internal state out of logs. */
  toJSON(): unknown {
    if (this.owner === null) return { released: true };
    const { method, target, httpVersion, headers } = this;
    return { method, target, httpVersion, headers };
  }

  /** Splits the target into path and query. */
  #split(): void {
    const { line } = this;
    const bytes = this.fields.slab!.bytes;
    const base = this.base;
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
}
