/**
 * The machine for responses.
 *
 * The length of a response depends on the method of its request, so `next` takes the
 * method. If it is a function, it is asked once for each final response, as soon as a
 * head is complete; interim responses do not use it up.
 *
 * @module
 */

import { HttpError, type HttpErrorCode } from "../errors.ts";
import { Budget } from "../memory/budget.ts";
import type { Slab } from "../memory/slab.ts";
import { Machine } from "./machine.ts";
import type { ParserOptions } from "./pools.ts";
import type { PooledResponse } from "./response.ts";
import { CHUNKED, UNTIL_END } from "../wire/body_length.ts";
import { faultOffset, faultRefusal } from "../wire/outcome.ts";
import { STATUS_LINE_TOO_LONG } from "../wire/refusals.ts";
import { kindOf, readResponseFraming } from "../wire/response_framing.ts";
import { readStatusLine } from "../wire/status_line.ts";

/** The method of the next response, or a function that tells it. */
export type MethodSource = string | (() => string);

const SWITCHING_PROTOCOLS = 101;

/** Bytes in, responses out. */
export class ResponseMachine extends Machine<PooledResponse> {
  #source: MethodSource = "GET";
  /** The answer of the source, until the final response. */
  #asked: string | null = null;
  #asking = false;

  constructor(
    options: ParserOptions = {},
    budget: Budget = new Budget(Infinity),
  ) {
    super(options, budget, ({ responses }) => responses);
  }

  /**
   * Returns the next response, or `null` if more bytes are needed. Discards the unread
   * rest of the previous body.
   *
   * @param source The method of its request. If it throws, so does `next`.
   * @throws {HttpError} The next message is refused. Each later call throws it again.
   */
  next(source: MethodSource): PooledResponse | null {
    this.#source = source;
    const { window } = this;
    const { slab, start, end } = window;
    if (
      slab === null || this.error !== null || window.lent ||
      this.partial !== null || this.body.active
    ) return this.#nextInProgress();
    return start === end ? this.#nextOfNothing() : this.#begin(slab);
  }

  /** The slow path of `next`: a head or body is in progress, or no response is possible. */
  #nextInProgress(): PooledResponse | null {
    if (this.error !== null) throw this.error;
    if (this.lent) return null;
    if (this.body.active && !this.body.discard()) return null;
    const { slab } = this.window;
    if (slab === null) return null;
    if (this.partial !== null) return this.resume(slab, this.partial);
    return this.empty ? this.#nextOfNothing() : this.#begin(slab);
  }

  #nextOfNothing(): null {
    if (this.ended) this.window.drop();
    return null;
  }

  // The fast path is a cache hit on the head, as in `RequestMachine.next`. Most responses
  // have a body, so it is taken behind one as well.
  #begin(slab: Slab): PooledResponse | null {
    const { start, end } = this.window;
    const response = this.pool.acquire(this.shelf);
    const { headCache, framing } = response;
    if (headCache === null || !headCache.isAt(slab.view, start, end)) {
      return this.readFresh(slab, response);
    }
    this.partial = response;
    if (framing.kind !== this.#kind()) return this.readFresh(slab, response);
    const section = start + headCache.lineLength;
    this.#open(slab, response, section, start + headCache.length);
    return response;
  }

  /** The kind of the method that the response belongs to. */
  #kind(): number {
    const source = this.#source;
    return kindOf(
      typeof source === "string" ? source : this.#asked ??= this.#ask(source),
    );
  }

  /** Asks the source, in the middle of a head: it must leave the machine alone. */
  #ask(source: () => string): string {
    if (this.#asking) throw busyError();
    this.#asking = true;
    try {
      const method = source();
      if (typeof method !== "string") throw noMethodError();
      // A machine that was closed has dropped the head.
      if (this.partial === null) throw busyError();
      return method;
    } finally {
      this.#asking = false;
    }
  }

  protected override readLine(
    slab: Slab,
    response: PooledResponse,
  ): PooledResponse | null {
    const { bytes, view } = slab;
    const { start, end } = this.window;
    const outcome = readStatusLine(bytes, view, start, end, response.line);
    const lineEnd = (start + this.maxLine) | 0;
    if (outcome < 0 || outcome > lineEnd) {
      return this.#stopInLine(response, outcome, lineEnd);
    }
    this.fieldsStart = (outcome - start) | 0;
    return this.readFields(slab, response, outcome);
  }

  #stopInLine(
    response: PooledResponse,
    outcome: number,
    lineEnd: number,
  ): null {
    const { start } = this.window;
    return this.stopInLine(
      outcome,
      lineEnd,
      STATUS_LINE_TOO_LONG,
      ({ bytes, view }) =>
        readStatusLine(bytes, view, start, lineEnd, response.line),
    );
  }

  protected override readFraming(
    slab: Slab,
    response: PooledResponse,
    section: number,
    sectionEnd: number,
  ): PooledResponse {
    const refused = readResponseFraming(
      slab.bytes,
      slab.view,
      section,
      response.line,
      response.fields.table,
      sectionEnd - section,
      this.#kind(),
      response.framing,
    );
    if (refused !== 0) {
      throw this.fail(faultRefusal(refused), section + faultOffset(refused));
    }
    this.keepHead(slab, response, section, sectionEnd);
    this.#open(slab, response, section, sectionEnd);
    return response;
  }

  /** Hands out the response of a complete head. */
  #open(
    slab: Slab,
    response: PooledResponse,
    section: number,
    sectionEnd: number,
  ): void {
    const { window } = this;
    const { status } = response.line;
    slab.refs++;
    response.open(this, slab, window.start, section);
    this.partial = null;
    if (status >= 200 || status === SWITCHING_PROTOCOLS) this.#asked = null;
    window.advance(sectionEnd);
    if (response.framing.hasBody) this.#beginBody(response);
  }

  #beginBody(response: PooledResponse): void {
    const { chunked, untilEnd, contentLength } = response.framing;
    const length = chunked ? CHUNKED : contentLength;
    this.beginBody(response, untilEnd ? UNTIL_END : length);
  }

  protected override errorOf(
    code: HttpErrorCode,
    offset: number,
    found: string,
  ): HttpError {
    return new HttpError(code, offset, found, "response");
  }
}

/** The source of the methods gave none: the response answers no known request. */
function noMethodError(): TypeError {
  return new TypeError("a response has no request: its method is no string");
}

/** The source of the methods used the stream that asked it. */
function busyError(): TypeError {
  return new TypeError(
    "the method function read, left or ended the responses that asked it",
  );
}
