/**
 * What requests and responses have in common: a view of the bytes of one message.
 *
 * The parser fills small records of numbers. Strings are created on first access and
 * cached until the release, or longer if the head cache keeps hitting. The object, its
 * records and its field table are reused for later messages of the same connection.
 *
 * @module
 */

import type { ParserLimits } from "../limits.ts";
import { HeadCache } from "./head_cache.ts";
import { Fields, type HttpHeaders } from "./headers.ts";
import { releasedError, usedError } from "./misuse.ts";
import { ignoreUnhandled } from "./promises.ts";
import { OWN_ROWS } from "../memory/sizes.ts";
import type { Slab } from "../memory/slab.ts";
import { FieldTable } from "../wire/field_table.ts";
import type { Framing } from "../wire/framing.ts";
import { latin1 } from "../wire/text.ts";

/**
 * The part that requests and responses share.
 *
 * Memory is reused after the release: read what you need, then release the message;
 * `using` does that at the end of the block, even if the block throws. After the
 * release, every property except {@linkcode HttpMessage.released} throws a `TypeError`.
 * Do not keep a reference to a released message, and release it either by `using` or by
 * `release()`: the object is reused for a later one of the same connection, which a second
 * release would then end.
 */
export interface HttpMessage extends Disposable {
  /** The HTTP version; higher minor versions count as `"1.1"` (RFC 9110 §2.5). */
  readonly httpVersion: "1.0" | "1.1";
  /** The fields of the header section. */
  readonly headers: HttpHeaders;
  /** The value of Content-Length in bytes, or `null` if the field is absent. */
  readonly contentLength: number | null;
  /** Whether the body uses the chunked transfer coding (RFC 9112 §7.1). */
  readonly chunked: boolean;
  /**
   * Whether the connection may carry another message after this one (RFC 9112 §9.3).
   * The parser does not stop at `false`: leave the loop yourself.
   */
  readonly keepAlive: boolean;
  /** The value of Upgrade if Connection lists it, else `null` (RFC 9110 §7.8). */
  readonly upgrade: string | null;
  /**
   * The body as a byte stream, or `null` if the message has none. It reads from the
   * connection only on demand. Asking for the next message or releasing this one
   * discards the unread rest and errors the stream.
   */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
  /** Whether the body was read, even in part, cancelled, or handed on to Fetch. */
  readonly bodyUsed: boolean;
  /** The trailer section, once a chunked body was read to its end; `null` if there is none. */
  readonly trailers: HttpHeaders | null;
  /** Whether the message was released. Never throws. */
  readonly released: boolean;

  /**
   * Reads the whole body into a new array. A body with Content-Length is read straight
   * into it, without another copy.
   *
   * The promise rejects with these errors:
   *
   * @throws {HttpError} The body is larger than `maxBodySize` (`body-too-large`),
   * incomplete (`unexpected-eof`), or invalid.
   * @throws {TypeError} The body was already used, or the message was released.
   */
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Reads the whole body and decodes it as UTF-8. Rejects like
   * {@linkcode HttpMessage.bytes}.
   */
  text(): Promise<string>;
  /**
   * Reads the whole body and parses it as JSON. Rejects like
   * {@linkcode HttpMessage.bytes}, and with a `SyntaxError` if it is not JSON.
   */
  json(): Promise<unknown>;
  /**
   * Reads the whole body into a new buffer. Rejects like
   * {@linkcode HttpMessage.bytes}.
   */
  arrayBuffer(): Promise<ArrayBuffer>;

  /**
   * Returns the memory to the pools and discards the unread rest of the body. Call it
   * once, and not on a message of `using`.
   */
  release(): void;
  /** Same as {@linkcode HttpMessage.release}. */
  [Symbol.dispose](): void;
}

/** The message's view of its machine. */
export interface MessageOwner {
  /** Whether the connection uses TLS, which sets the scheme of the target URI. */
  readonly secure: boolean;
  readonly limits: Required<ParserLimits>;
  readonly body: MessageBody;
  /** Whether `error` is the refusal of this input, or of the body under way. */
  refusedWith(error: unknown): boolean;
  /** Returns the message and all memory it holds to the pools. */
  release(message: PooledMessage): void;
}

/** The message's view of the body reader. */
export interface MessageBody {
  /** The body as a byte stream, which reads `ahead` bytes by itself. */
  stream(
    message: PooledMessage,
    ahead: number,
  ): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Reads the whole body, of at most `most` bytes, into one array. */
  gather(
    message: PooledMessage,
    most: number,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** Keeps the body stream readable after the release of `message`, for Fetch. */
  outliveMessage(message: PooledMessage): void;
  /** Handles the release of `message`. */
  detach(message: PooledMessage): void;
}

/** The start line, as far as all messages share it. */
interface StartLine {
  readonly minorVersion: number;
}

/** The base of the pooled messages. */
export abstract class PooledMessage<F extends Framing = Framing>
  implements HttpMessage {
  abstract readonly line: StartLine;
  readonly framing: F;
  readonly fields: Fields;
  readonly ownTable: FieldTable = new FieldTable(OWN_ROWS);
  /**
   * The head cache: if it holds a head, then `line`, `framing`, the own table and the
   * cached strings belong to it. Created at the first release only, because many objects
   * serve connections that carry a single message.
   */
  headCache: HeadCache | null = null;
  /**
   * Set by a server: a release by the handler invalidates the message, but the server
   * keeps the memory until it is done with it too.
   */
  held = false;
  /** The machine, while the message is in use. */
  protected owner: MessageOwner | null = null;
  /** Slab position of the start line. */
  protected base = 0;
  #bodyUsed = false;
  #body: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #trailers: Fields | null = null;
  #hasTrailers = false;

  constructor(framing: F) {
    this.framing = framing;
    this.fields = new Fields(this.ownTable);
  }

  /**
   * Opens the message with a head parsed at slab position `base`, its fields at
   * `section`. The caller has incremented the slab's refcount for it.
   */
  open(owner: MessageOwner, slab: Slab, base: number, section: number): void {
    this.owner = owner;
    this.base = base;
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

  /** Whether the head cache holds a head. */
  get hasCachedHead(): boolean {
    return this.headCache !== null && this.headCache.length !== 0;
  }

  /**
   * Whether a release has nothing to reset: the head is cached, and there is no body, so
   * no trailers and no larger table.
   */
  abstract get plain(): boolean;

  /** Detaches what may outlive the message. Called before the memory is given back. */
  abstract detachView(): void;

  /** Invalidates the message. A cached head stays. */
  close(): void {
    this.owner = null;
    this.held = false;
    this.fields.slab = null;
  }

  /** Invalidates the message and resets everything except a cached head. */
  reset(): void {
    this.headCache ??= new HeadCache();
    this.close();
    this.#bodyUsed = false;
    this.#body = null;
    this.fields.table = this.ownTable;
    if (!this.hasCachedHead) this.forgetHead();
    if (this.#hasTrailers) {
      this.#trailers!.slab = null;
      this.#trailers!.clearTexts();
      this.#trailers!.table = this.ownTable;
      this.#hasTrailers = false;
    }
  }

  /** Drops the head: its cache entry, rows and strings. */
  forgetHead(): void {
    if (this.headCache !== null) this.headCache.length = 0;
    this.fields.table.clear();
    this.fields.clearTexts();
  }

  get httpVersion(): "1.0" | "1.1" {
    this.live();
    return this.line.minorVersion === 1 ? "1.1" : "1.0";
  }

  get headers(): HttpHeaders {
    this.live();
    return this.fields;
  }

  get contentLength(): number | null {
    this.live();
    const length = this.framing.contentLength;
    return length < 0 ? null : length;
  }

  get chunked(): boolean {
    this.live();
    return this.framing.chunked;
  }

  get keepAlive(): boolean {
    this.live();
    return this.framing.keepAlive;
  }

  get upgrade(): string | null {
    this.live();
    return this.framing.upgrade ? this.fields.get("upgrade") : null;
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    return this.openBody(0);
  }

  /** The body stream; it reads `ahead` bytes before it is read, unless it was open before. */
  openBody(ahead: number): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    const owner = this.live();
    if (!this.framing.hasBody) return null;
    return this.#body ??= owner.body.stream(this, ahead);
  }

  /** The body stream, if `body` was accessed. */
  get openedBody(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    return this.#body;
  }

  get bodyUsed(): boolean {
    this.live();
    return this.#bodyUsed;
  }

  /** Called by the body reader when the stream is first read or cancelled. */
  useBody(): void {
    this.#bodyUsed = true;
  }

  get trailers(): HttpHeaders | null {
    this.live();
    return this.#hasTrailers ? this.#trailers : null;
  }

  get released(): boolean {
    return this.owner === null;
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return ignoreUnhandled(this.gather());
  }

  text(): Promise<string> {
    return ignoreUnhandled(
      this.gather().then((bytes) => new TextDecoder().decode(bytes)),
    );
  }

  json(): Promise<unknown> {
    return ignoreUnhandled(
      this.gather().then((bytes) =>
        JSON.parse(new TextDecoder().decode(bytes))
      ),
    );
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return ignoreUnhandled(this.gather().then((bytes) => bytes.buffer));
  }

  /** The body for Fetch, which has a limit of its own. */
  fetchRead<T>(read: (bytes: Uint8Array<ArrayBuffer>) => T): Promise<T> {
    return ignoreUnhandled(
      this.gather((owner) => owner.limits.maxFetchBodySize).then(read),
    );
  }

  // deno-lint-ignore require-await -- async, so that misuse rejects instead of throwing
  protected async gather(
    limit: (owner: MessageOwner) => number = (owner) =>
      owner.limits.maxBodySize,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const owner = this.live();
    if (!this.framing.hasBody) return new Uint8Array(0);
    if (this.#bodyUsed || this.#body?.locked) {
      throw usedError();
    }
    this.#bodyUsed = true;
    return owner.body.gather(this, limit(owner));
  }

  /** Hands the body stream to a Fetch object, which may outlive the message. */
  giveBody(): void {
    const owner = this.live();
    this.#bodyUsed = true;
    owner.body.outliveMessage(this);
  }

  release(): void {
    const owner = this.owner;
    if (owner === null) return;
    if (!this.held) return owner.release(this);
    this.detachView();
    this.owner = null;
    owner.body.detach(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** The bytes `[start, end)` of the start line as a string. */
  protected slice(start: number, end: number): string {
    const bytes = this.fields.slab!.bytes;
    return latin1(bytes, this.base + start, this.base + end);
  }

  /** Whether this message, or its body, was refused with `error`. */
  refusedWith(error: unknown): boolean {
    return this.owner !== null && this.owner.refusedWith(error);
  }

  /** The machine. Throws after the release. */
  protected live(): MessageOwner {
    if (this.owner === null) throw releasedError();
    return this.owner;
  }
}
