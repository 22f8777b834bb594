/**
 * The machine for requests.
 *
 * @module
 */

import { Budget } from "../memory/budget.ts";
import type { Slab } from "../memory/slab.ts";
import { Machine } from "./machine.ts";
import type { ParserOptions } from "./pools.ts";
import type { PooledRequest } from "./request.ts";
import { CR, LF } from "../wire/ascii.ts";
import { CHUNKED } from "../wire/body_length.ts";
import { readFraming } from "../wire/framing.ts";
import { faultOffset, faultRefusal } from "../wire/outcome.ts";
import {
  BARE_CR,
  INVALID_REQUEST_LINE,
  REQUEST_LINE_TOO_LONG,
  UNEXPECTED_EOF,
} from "../wire/refusals.ts";
import { readRequestLine } from "../wire/request_line.ts";
import { holdsRequest } from "../wire/whole_request.ts";

/** Maximum empty lines skipped before a request line (RFC 9112 §2.2 asks for one). */
const MAX_EMPTY_LINES = 4;

/** Bytes in, requests out. */
export class RequestMachine extends Machine<PooledRequest> {
  #emptyLines = 0;

  constructor(
    options: ParserOptions = {},
    budget: Budget = new Budget(Infinity),
  ) {
    super(options, budget, ({ requests }) => requests);
  }

  /** Whether the first `received` bytes of the input contain a complete next request. */
  holdsRequest(received: number): boolean {
    const { window, body, limits } = this;
    const { slab } = window;
    // A window is lent only after everything complete in it was parsed.
    if (slab === null || this.lent) return false;
    const start = body.active ? body.decoder.endInWindow : window.start;
    const end = Math.min(window.end, window.positionOf(received));
    return start >= 0 &&
      holdsRequest(slab.bytes, slab.view, start, end, limits);
  }

  /**
   * Returns the next request, or `null` if more bytes are needed. Discards the unread
   * rest of the previous body.
   *
   * @throws {HttpError} The next message is refused. Each later call throws it again.
   */
  // The fast path is a cache hit on the head. Kept within TurboFan's inlining budget:
  // parsing a head and rare paths are separate methods.
  next(): PooledRequest | null {
    const { window } = this;
    const { slab, start, end } = window;
    if (
      slab === null || this.error !== null || window.lent ||
      this.partial !== null || this.body.active
    ) return this.#nextInProgress();
    if (start === end && !this.ended) return null;
    if (start === end || slab.bytes[start] === CR) {
      return this.#nextAfterEmptyLines(slab);
    }
    const request = this.pool.acquire(this.shelf);
    const { headCache } = request;
    if (headCache === null || !headCache.isAt(slab.view, start, end)) {
      return this.readFresh(slab, request);
    }
    this.#emptyLines = 0;
    const section = start + headCache.lineLength;
    this.#open(slab, request, section, start + headCache.length);
    return request;
  }

  /** The slow path of `next`: a head or body is in progress, or no request is possible. */
  #nextInProgress(): PooledRequest | null {
    if (this.error !== null) throw this.error;
    if (this.lent) return null;
    if (this.body.active && !this.body.discard()) return null;
    const { slab } = this.window;
    if (slab === null) return null;
    return this.partial === null
      ? this.#nextAfterEmptyLines(slab)
      : this.resume(slab, this.partial);
  }

  #nextAfterEmptyLines(slab: Slab): PooledRequest | null {
    return this.#skipEmptyLines(slab)
      ? this.readFresh(slab, this.pool.acquire(this.shelf))
      : null;
  }

  /** Skips empty lines. Returns whether the window then starts with a request line. */
  #skipEmptyLines({ bytes }: Slab): boolean {
    const { window } = this;
    const { end } = window;
    let { start } = window;
    while (bytes[start] === CR && start < end) {
      if (start + 1 === end) {
        if (this.ended) throw this.fail(UNEXPECTED_EOF, end);
        return false;
      }
      if (bytes[start + 1] !== LF) throw this.fail(BARE_CR, start);
      if (this.#emptyLines === MAX_EMPTY_LINES) {
        throw this.fail(INVALID_REQUEST_LINE, start);
      }
      this.#emptyLines++;
      window.advance(start += 2);
    }
    if (start < end) return true;
    if (this.ended) window.drop();
    return false;
  }

  protected override readLine(
    slab: Slab,
    request: PooledRequest,
  ): PooledRequest | null {
    this.#emptyLines = 0;
    const { bytes, view } = slab;
    const { start, end } = this.window;
    const outcome = readRequestLine(bytes, view, start, end, request.line);
    const lineEnd = (start + this.maxLine) | 0;
    if (outcome < 0 || outcome > lineEnd) {
      return this.#stopInLine(request, outcome, lineEnd);
    }
    this.fieldsStart = (outcome - start) | 0;
    return this.readFields(slab, request, outcome);
  }

  #stopInLine(request: PooledRequest, outcome: number, lineEnd: number): null {
    const { start } = this.window;
    return this.stopInLine(
      outcome,
      lineEnd,
      REQUEST_LINE_TOO_LONG,
      ({ bytes, view }) =>
        readRequestLine(bytes, view, start, lineEnd, request.line),
    );
  }

  protected override readFraming(
    slab: Slab,
    request: PooledRequest,
    section: number,
    sectionEnd: number,
  ): PooledRequest {
    const refused = readFraming(
      slab.bytes,
      slab.view,
      section,
      request.line,
      request.fields.table,
      sectionEnd - section,
      request.framing,
    );
    if (refused !== 0) {
      throw this.fail(faultRefusal(refused), section + faultOffset(refused));
    }
    this.keepHead(slab, request, section, sectionEnd);
    this.#open(slab, request, section, sectionEnd);
    return request;
  }

  /** Hands out the request of a complete head. */
  #open(
    slab: Slab,
    request: PooledRequest,
    section: number,
    sectionEnd: number,
  ): void {
    const { window } = this;
    slab.refs++;
    request.open(this, slab, window.start, section);
    this.partial = null;
    window.advance(sectionEnd);
    if (request.framing.hasBody) this.#beginBody(request);
  }

  #beginBody(request: PooledRequest): void {
    const { chunked, contentLength } = request.framing;
    this.beginBody(request, chunked ? CHUNKED : contentLength);
  }
}
