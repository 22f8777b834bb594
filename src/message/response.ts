/**
 * The response object that parsers make. (The one that a server's handler sends is
 * `HttpResponse`.)
 *
 * @module
 */

import { usedError } from "./misuse.ts";
import { type HttpMessage, PooledMessage } from "./pooled_message.ts";
import { BODY_AHEAD } from "../memory/sizes.ts";
import { ResponseFraming } from "../wire/response_framing.ts";
import { StatusLine } from "../wire/status_line.ts";

/**
 * A response that was received. Its memory is reused after its release: read what you
 * need, then release it; `using` does that at the end of the block, even if the block
 * throws.
 *
 * After the release, every property except {@linkcode HttpMessage.released} throws a
 * `TypeError`. Do not keep a reference to a released response, and release it either by
 * `using` or by `release()`: the object is reused for a later response of the same
 * connection, which a second release would then end.
 *
 * Interim responses (1xx, such as 103 Early Hints) are responses of their own, ahead of
 * the final one. After a 101, or a 2xx to CONNECT, the bytes of the connection are not
 * HTTP any more; `body` delivers them, until the end of the input, and no response
 * follows.
 *
 * A body without Content-Length that is not chunked lasts until the end of the input
 * (RFC 9112 §6.3), so a truncated one looks like a complete one. Every other truncation
 * is an `unexpected-eof`.
 *
 * @example
 * ```ts
 * import { readResponses } from "@pooled/http1";
 *
 * const wire = new Blob(["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"]);
 * for await (using response of readResponses(wire.stream())) {
 *   console.log(response.status, response.statusText); // 200 OK
 *   console.log(await response.text()); // hi
 * }
 * ```
 */
export interface ReceivedResponse extends HttpMessage {
  /** The status code, from 100 to 999 (RFC 9110 §15). Treat 600 and above like a 5xx. */
  readonly status: number;
  /** The reason phrase as sent; often empty. */
  readonly statusText: string;

  /**
   * Converts to a Fetch `Response` that stays valid after the release. It takes over the
   * body, which remains readable until the next response of the connection is asked for
   * or the stream of responses is cancelled. Up to 64 KiB of the body arrive before it is
   * read, so a short one that nobody reads does not hold the connection of a client.
   * Reading more than `maxFetchBodySize` of it fails. A 204, 205 or 304 has no body in
   * Fetch. Set-Cookie lines stay apart. A coded body (Content-Encoding) is not decoded.
   *
   * @throws {TypeError} Fetch cannot represent the response: its status is not one of 200
   * to 599. Or the body was already used.
   */
  toResponse(): Response;
}

/** The statuses whose `Response` has no body (Fetch, "null body status"). */
const BODYLESS: ReadonlySet<number> = new Set([204, 205, 304]);

/** The one implementation of {@linkcode ReceivedResponse}. */
export class PooledResponse extends PooledMessage<ResponseFraming>
  implements ReceivedResponse {
  override readonly line: StatusLine = new StatusLine();
  #statusText: string | null = null;

  constructor() {
    super(new ResponseFraming());
  }

  override get plain(): boolean {
    return this.hasCachedHead && !this.framing.hasBody;
  }

  /** Nothing made of a response outlives it but its body, which the reader owns. */
  override detachView(): void {}

  override forgetHead(): void {
    super.forgetHead();
    this.#statusText = null;
  }

  get status(): number {
    this.live();
    return this.line.status;
  }

  get statusText(): string {
    this.live();
    const { reasonStart, reasonEnd } = this.line;
    return this.#statusText ??= this.slice(reasonStart, reasonEnd);
  }

  toResponse(): Response {
    const { status, statusText, headers } = this;
    if (status < 200 || status > 599) {
      throw new TypeError(`a Fetch Response cannot have the status ${status}`);
    }
    const hasBody = this.framing.hasBody && !BODYLESS.has(status);
    if (hasBody && this.bodyUsed) throw usedError();
    const response = new Response(hasBody ? this.openBody(BODY_AHEAD) : null, {
      status,
      statusText,
      headers: [...headers],
    });
    if (hasBody) this.giveBody();
    return response;
  }

  /** Formats the response for the console. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.released
      ? "ReceivedResponse (released)"
      : `ReceivedResponse ${this.status} ${this.statusText}`;
  }

  /** Keeps internal state out of logs. */
  toJSON(): unknown {
    if (this.released) return { released: true };
    const { status, statusText, httpVersion, headers } = this;
    return { status, statusText, httpVersion, headers };
  }
}
