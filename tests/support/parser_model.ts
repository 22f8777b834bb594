/**
 * A model of parsers that share one checked set of pools: it knows what was sent and
 * pushed, which requests are live and who reads which body, and so what every request
 * and every count of the pools has to be.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  HttpError,
  type HttpMessage,
  type HttpRequest,
  Pools,
  type PoolStats,
  type ReceivedResponse,
  RequestParser,
  ResponseParser,
} from "@pooled/http1";
import { assertAtRest } from "./at_rest.ts";
import { bytesOf, textOf } from "./bytes.ts";
import {
  assertBytes,
  assertReads,
  assertResponseReads,
  type Draft,
  send,
  sendResponse,
  type Sent,
} from "./sent_messages.ts";

/** A promise whose outcome can be looked at. */
class Tracked<T> {
  settled: "not yet" | "resolved" | "rejected" = "not yet";
  value: T | undefined;
  error: unknown;

  constructor(promise: Promise<T>) {
    promise.then(
      (value) => (this.settled = "resolved", this.value = value),
      (error) => (this.settled = "rejected", this.error = error),
    );
  }
}

/** Which parser is modelled, and what it is sent. */
export interface Side {
  what: string;
  open(pools: Pools): RequestParser | ResponseParser;
  send(draft: Draft, id: number, start: number): Sent;
  assertReads(message: HttpMessage, sent: Sent): void;
  /** The counts of the pool of the messages. */
  stats(pools: Pools): PoolStats;
}

export const REQUESTS: Side = {
  what: "requests",
  open: (pools) => new RequestParser({ pools }),
  send,
  assertReads: (message, sent) => assertReads(message as HttpRequest, sent),
  stats: (pools) => pools.stats().requests,
};

export const RESPONSES: Side = {
  what: "responses",
  open: (pools) => new ResponseParser({ pools }),
  send: sendResponse,
  assertReads: (message, sent) =>
    assertResponseReads(message as ReceivedResponse, sent),
  stats: (pools) => pools.stats().responses,
};

/** How a body is read: at once, as a stream, or not at all any more. */
type Use = "unused" | "gathered" | "streamed" | "cancelled" | "lost";

/** A request that was handed out, with what has to be read from it. */
export class Given {
  use: Use = "unused";
  /** Whether the read of the body was stopped before its end. */
  stopped = false;
  /** What a stream gave so far. */
  text = "";
  ended = false;
  gathered: Tracked<string> | null = null;
  /** The reads of the stream so far, one after the other. */
  reads: Tracked<void> | null = null;
  reader: ReadableStreamDefaultReader<Uint8Array> | null = null;

  constructor(
    readonly feed: Feed,
    readonly request: HttpMessage,
    readonly sent: Sent,
  ) {}

  get hasBody(): boolean {
    return this.sent.framing !== "none" && this.request.body !== null;
  }

  /** Whether every byte of the message has come. */
  get whole(): boolean {
    return this.feed.pushed >= this.sent.end &&
      this.sent.framing !== "bad chunk";
  }

  /** The body will not be read any further. */
  stop(): void {
    if (this.use === "gathered" && this.whole) return;
    this.stopped = true;
    if (this.use === "unused") this.use = "lost";
  }

  check(): void {
    if (this.gathered !== null) this.#checkGathered(this.gathered);
    assert(this.sent.body.startsWith(this.text), "a stream gave other bytes");
    // A cancel ends a stream as well.
    if (this.ended && this.use === "streamed") {
      assertEquals(this.text.length, this.sent.body.length);
    }
    const { reads, feed } = this;
    if (reads === null) return;
    if (reads.settled === "not yet") {
      assert(
        !this.whole && !this.stopped && !feed.over,
        "a read of a stream hangs",
      );
    } else if (reads.settled === "rejected") {
      if (!this.stopped) feed.met(reads.error);
    }
  }

  #checkGathered(gathered: Tracked<string>): void {
    const { feed } = this;
    if (this.stopped) {
      assertEquals(gathered.settled, "rejected");
      if (!(gathered.error instanceof HttpError)) {
        assertInstanceOf(gathered.error, TypeError);
      }
    } else if (this.whole) {
      assertEquals(gathered.settled, "resolved");
      assertEquals(gathered.value, this.sent.body);
    } else if (gathered.settled === "rejected") feed.met(gathered.error);
    else assert(gathered.settled === "not yet" && !feed.over, "a read hangs");
  }
}

/** One parser and its input. */
export class Feed {
  readonly parser: RequestParser | ResponseParser;
  readonly messages: Sent[] = [];
  wire = "";
  pushed = 0;
  /** The message that `next` gives next. */
  at = 0;
  /** The request given last, until its body is behind the parser. */
  current: Given | null = null;
  /** Whether the head of the next message is being read. */
  partial = false;
  ended = false;
  disposed = false;
  refusal: HttpError | null = null;

  constructor(readonly pools: Pools, readonly side: Side) {
    this.parser = side.open(pools);
  }

  /** Whether no more bytes come to whoever reads a body. */
  get over(): boolean {
    return this.ended || this.disposed || this.refusal !== null;
  }

  /** Whether a message at fault was sent, which nothing may follow. */
  get faulty(): boolean {
    return this.messages.at(-1)?.framing.startsWith("bad") ?? false;
  }

  /** A message failed with `error`: every later failure is the same. */
  met(error: unknown): void {
    if (!(error instanceof HttpError)) throw error;
    const { refusal } = this;
    assert(refusal === null || refusal === error, "there are two refusals");
    if (refusal !== null) return;
    assert(this.ended || this.faulty, `a good input was refused: ${error}`);
    assert(this.faulty || error.code === "unexpected-eof", error.code);
    this.refusal = error;
    this.partial = false;
  }

  send(draft: Draft, id: number): void {
    const sent = this.side.send(draft, id, this.wire.length);
    this.messages.push(sent);
    this.wire += sent.wire;
  }

  push(count: number): void {
    const end = Math.min(this.wire.length, this.pushed + count);
    this.parser.push(bytesOf(this.wire.slice(this.pushed, end)));
    this.pushed = end;
  }

  /** What `next` has to do, given what was pushed. */
  next(): Given | null {
    let request: HttpMessage | null;
    const { current } = this;
    try {
      request = this.parser.next();
    } catch (error) {
      this.met(error);
      this.#discard();
      return null;
    }
    assertEquals(this.refusal, null, "a refused parser goes on");
    if (this.disposed) {
      assertEquals(request, null);
      return null;
    }
    const bodyComes = current !== null && !current.whole;
    this.#discard();
    const sent = this.messages[this.at];
    if (bodyComes) {
      assertEquals(request, null);
      assert(!this.ended, "a cut body was not refused");
      return null;
    }
    this.current = null;
    if (sent === undefined || this.pushed < sent.headEnd) {
      assertEquals(request, null, "a request came before its head");
      this.partial = sent !== undefined && this.pushed > sent.start;
      assert(!this.ended || !this.partial, "a cut head was not refused");
      return null;
    }
    assert(sent.framing !== "bad head", "a bad head was not refused");
    assert(request !== null, `the request ${sent.target} does not come`);
    this.partial = false;
    this.at++;
    return this.current = new Given(this, request, sent);
  }

  /** The body of the request given last is wanted by nobody any more. */
  #discard(): void {
    const { current } = this;
    if (current !== null && current.use !== "gathered") current.stop();
  }

  end(): void {
    this.parser.end();
    this.ended = true;
  }

  dispose(): void {
    this.current?.stop();
    this.parser[Symbol.dispose]();
    this.disposed = this.ended = true;
    this.partial = false;
  }
}

/** Two parsers on the same pools, and the requests that they gave. */
export class ParserModel {
  readonly pools = new Pools({ poison: true });
  readonly feeds: readonly Feed[];
  /** Those that are not released. */
  readonly live: Given[] = [];
  readonly released: Given[] = [];
  #id = 0;

  constructor(readonly side: Side) {
    this.feeds = [new Feed(this.pools, side), new Feed(this.pools, side)];
  }

  feed(index: number): Feed {
    return this.feeds[index]!;
  }

  /** One of the live requests; undefined without any. */
  given(index: number): Given | undefined {
    return this.live[index % this.live.length];
  }

  send(feed: Feed, draft: Draft): void {
    feed.send(draft, this.#id++);
  }

  next(feed: Feed): void {
    const given = feed.next();
    if (given !== null) this.live.push(given);
  }

  release(given: Given): void {
    // A body that has come is finished when it is asked for, not before.
    if (given.feed.current === given) given.stop();
    given.request.release();
    assertEquals(given.request.released, true);
    this.live.splice(this.live.indexOf(given), 1);
    this.released.push(given);
  }

  /** Releases what was released, unless the object serves another request by now. */
  releaseAgain(index: number): void {
    const { request } = this.released[index % this.released.length]!;
    if (this.live.some((other) => other.request === request)) return;
    const before = this.pools.stats();
    request.release();
    assertEquals(this.pools.stats(), before);
  }

  gather(given: Given): void {
    const promise = given.request.bytes().then(textOf);
    if (!given.hasBody || given.use !== "unused") {
      const other = new Tracked(promise);
      this.#later.push(() => {
        if (!given.hasBody) assertEquals(other.value, "");
        else assertInstanceOf(other.error, TypeError);
      });
      return;
    }
    given.use = "gathered";
    given.gathered = new Tracked(promise);
  }

  stream(given: Given, times: number): void {
    if (given.use === "unused") {
      given.use = "streamed";
      given.reader = given.request.body!.getReader();
    }
    const reader = given.reader!;
    given.reads = new Tracked((async () => {
      for (let i = 0; i < times; i++) {
        const { done, value } = await reader.read();
        if (done) return void (given.ended = true);
        given.text += textOf(value);
      }
    })());
  }

  cancel(given: Given): void {
    given.use = "cancelled";
    given.stop();
    given.reader!.cancel().catch(() => {});
  }

  /** What is to be checked once everything that is due has happened. */
  #later: (() => void)[] = [];

  /** Lets everything happen that is due, then checks all that the model knows. */
  async settle(): Promise<void> {
    await new Promise<void>((resolve) => void setImmediate(() => resolve()));
    for (const given of [...this.live, ...this.released]) given.check();
    const later = this.#later;
    this.#later = [];
    // A release meanwhile would be a command of its own.
    for (const check of later) check();
    for (const { request, sent } of this.live) assertBytes(request, sent);
    this.#checkCounts();
  }

  #checkCounts(): void {
    const { tables, slabs } = this.pools.stats();
    const messages = this.side.stats(this.pools);
    const { live, feeds } = this;
    const partial = feeds.filter((feed) => feed.partial).length;
    assertEquals(messages.inUse, live.length + partial, "messages in use");
    const large = live.filter(({ sent }) => sent.fields.length > 32).length;
    const trailers = live.filter(({ request }) => request.trailers).length;
    const open = feeds.filter(({ disposed }) => !disposed).length;
    assertBetween(
      "tables",
      tables.inUse,
      large + trailers,
      // The head and the trailers that are being read.
      large + trailers + 2 * open,
    );
    const used = slabs.reduce((sum, { inUse }) => sum + inUse, 0);
    assertBetween(
      "slabs",
      used,
      Math.min(live.length, 1),
      live.length + trailers + open,
    );
  }

  read(given: Given): void {
    this.side.assertReads(given.request, given.sent);
    const { trailers } = given.request;
    if (trailers === null) return;
    assertEquals(given.sent.framing, "trailers");
    assertEquals([...trailers].length, 1);
    assert(
      given.sent.wire.endsWith(
        `X-Trailer: ${trailers.get("x-trailer")}\r\n\r\n`,
      ),
    );
  }

  /** Everything is given back, in this order or the other. */
  async finish(parsersFirst: boolean): Promise<void> {
    const release = () => {
      for (const given of [...this.live]) this.release(given);
    };
    if (!parsersFirst) release();
    for (const feed of this.feeds) feed.dispose();
    await this.settle();
    release();
    await this.settle();
    assertAtRest(this.pools);
  }
}

function assertBetween(
  what: string,
  found: number,
  least: number,
  most: number,
): void {
  assert(
    found >= least && found <= most,
    `${found} ${what} are in use; expected ${least} to ${most}`,
  );
}
