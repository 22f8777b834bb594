/**
 * A model of a server on connections in memory, all of them on one checked set of
 * pools: it knows what each client sent, what each handler does, and so what the
 * handlers have to read, what the clients have to get, and what the pools may hold.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { assert, assertEquals } from "@std/assert";
import {
  type Duplex,
  type Handler,
  HttpError,
  type HttpRequest,
  type HttpResponse,
  type HttpServer,
  Pools,
  type RequestEnd,
  serve,
} from "@pooled/http1";
import { assertAtRest } from "./at_rest.ts";
import { bytesOf, textOf } from "./bytes.ts";
import { MemoryConn } from "./memory_conn.ts";
import { answersIn } from "./response_reader.ts";
import {
  assertBytes,
  assertReads,
  type Draft,
  send,
  type Sent,
} from "./sent_messages.ts";
import { within } from "./waiting.ts";

/** What a handler does. */
export const WAYS = [
  "answers at once",
  "answers later",
  "releases, then answers later",
  "throws",
  "echoes",
  "reads in part",
  "mirrors the stream",
  "streams",
  "upgrades",
] as const;
export type Way = typeof WAYS[number];

/** The most slabs that a connection may hold: windows, trailers, and its output. */
const SLABS_PER_CONNECTION = 6;

/** What a handler or a stream of the model fails with. */
export class Wanted extends Error {}

/**
 * A connection that uses memory for as long as it may: it reads what it writes when the
 * write ends, and scribbles over what it reads into when it is closed meanwhile.
 */
class LateConn extends MemoryConn {
  constructor(readonly remoteAddr: Deno.NetAddr) {
    super([], { ends: "when told" });
  }

  override async read(into: Uint8Array): Promise<number | null> {
    try {
      return await super.read(into);
    } catch (error) {
      into.fill(0x4c);
      throw error;
    }
  }

  override async write(bytes: Uint8Array): Promise<number> {
    // Of a write that waits, the text is taken before; here it is taken again.
    const count = await super.write(bytes);
    this.writes[this.writes.length - 1] = textOf(bytes.subarray(0, count));
    return count;
  }
}

/** A request in the hands of a handler. */
export class Handled {
  readonly answer = Promise.withResolvers<void>();
  /** Whether the handler has returned. */
  settled = false;
  /** What the response has to begin with; all of it, once it is `whole`. */
  body = "";
  status = 200;
  whole = false;
  stream: ReadableStreamDefaultController<Uint8Array> | null = null;
  /** The signal of the request, where the handler has asked for it. */
  signal: AbortSignal | null = null;
  upgraded: Duplex | null = null;
  written = "";
  writer: WritableStreamDefaultWriter<Uint8Array> | null = null;

  constructor(
    readonly client: Client,
    readonly sent: Sent,
    readonly way: Way,
    readonly request: HttpRequest,
    readonly response: HttpResponse,
  ) {}
}

/** A client, its connection, and what came of it. */
export class Client {
  readonly conn: LateConn;
  readonly messages: { sent: Sent; way: Way }[] = [];
  readonly handled: Handled[] = [];
  /** What `onRequestEnd` was told. */
  readonly ends: RequestEnd[] = [];
  wire = "";
  given = 0;
  ended = false;
  /** Whether the client or the server broke the connection off. */
  broken = false;
  failure = new Wanted("the connection failed");

  constructor(readonly index: number) {
    this.conn = new LateConn({
      transport: "tcp",
      hostname: "127.0.0.1",
      port: index,
    });
  }

  /** Whether another message may be sent. */
  get open(): boolean {
    const last = this.messages.at(-1);
    return !this.ended && !this.broken && last?.way !== "upgrades" &&
      !last?.sent.framing.startsWith("bad");
  }

  send(draft: Draft, way: Way, id: number): void {
    const upgrades = way === "upgrades";
    const sent = send(
      upgrades ? { ...draft, framing: "none" } : draft,
      id,
      this.wire.length,
      upgrades ? [["Connection", "Upgrade"], ["Upgrade", "x"]] : [],
    );
    this.messages.push({ sent, way });
    this.wire += sent.wire;
  }

  give(count: number): void {
    const end = Math.min(this.wire.length, this.given + count);
    if (end > this.given) this.conn.give(this.wire.slice(this.given, end));
    this.given = end;
  }

  end(): void {
    this.ended = true;
    this.conn.end();
  }

  fail(): void {
    this.broken = true;
    this.conn.fail(this.failure);
  }

  /** What the client got has to be the answers to what it sent, in order. */
  checkWire(): void {
    const { wire } = this.conn;
    assert(!wire.includes("\xdb"), "released memory went out");
    const switched = wire.indexOf("HTTP/1.1 101 ");
    const upgrade = this.handled.at(-1);
    let http = wire;
    if (switched >= 0) {
      assertEquals(upgrade?.way, "upgrades");
      const raw = wire.indexOf("\r\n\r\n", switched) + 4;
      assert(upgrade!.written.startsWith(wire.slice(raw)), "other raw bytes");
      http = wire.slice(0, switched);
    }
    // A head may be cut where the connection broke.
    if (this.broken) http = wholeHeads(http);
    const answers = answersIn(http, { mayBeCut: true });
    for (const [i, answer] of answers.entries()) {
      const handled = this.handled[i];
      if (handled === undefined) {
        // The refusal of a message that no handler saw.
        assertEquals(answer.status, 400);
        assertEquals(i, answers.length - 1);
        assertEquals(this.messages[i]!.sent.framing, "bad head");
        continue;
      }
      this.#checkAnswer(handled, answer);
    }
    if (this.broken) return;
    // Nobody is told that a body was cut.
    const answered = this.handled.filter(({ way, sent }) =>
      way !== "upgrades" &&
      (this.given >= sent.end || !READS_BODY.has(way))
    );
    assert(answers.length >= answered.length, "a request was not answered");
  }

  /** Every request that a handler got has ended once, in order, and a refused one too. */
  checkEnds(): void {
    const { ends, handled } = this;
    const known = ends.filter(({ response }) => response !== null);
    assertEquals(known.length, handled.length, "ends of requests");
    for (const [i, { response, sent }] of handled.entries()) {
      const end = known[i]!;
      assert(end.response === response, "the end of another request");
      const { bytesReceived, complete, error, status } = end;
      const head = sent.headEnd - sent.start;
      assert(
        bytesReceived >= head,
        `${bytesReceived} bytes of a head of ${head}`,
      );
      const all = sent.end - sent.start;
      assert(
        sent.framing === "bad chunk" || bytesReceived <= all,
        "more bytes",
      );
      assert(complete ? status !== null : error !== null, "neither nor");
    }
    const refused = ends.slice(known.length);
    assert(refused.length <= 1, "two messages were refused");
    assert(refused.every(({ error }) => error instanceof HttpError));
    // What an upgraded connection sends belongs to no request.
    const { wire } = this.conn;
    const switched = wire.indexOf("HTTP/1.1 101 ");
    const length = switched < 0
      ? wire.length
      : wire.indexOf("\r\n\r\n", switched) + 4;
    const told = ends.reduce((sum, { bytesSent }) => sum + bytesSent, 0);
    assert(
      this.broken ? told <= wire.length : told === length,
      `${told} bytes were told, ${length} sent`,
    );
  }

  #checkAnswer({ sent, way, status, body, whole }: Handled, answer: Got): void {
    if (READS_BODY.has(way)) {
      // A fault may show before or after the head of the response.
      if (sent.framing === "bad chunk" && answer.status === 400) return;
      if (this.given < sent.end || sent.framing === "bad chunk") whole = false;
    }
    assertEquals(answer.status, status, way);
    const { length } = answer.body;
    assertEquals(answer.body, body.slice(0, length), way);
    if (answer.whole && whole) assertEquals(length, body.length, way);
    assert(answer.whole || !whole || this.broken || this.ended, `${way}: cut`);
  }
}

/** What a client got of a response. */
interface Got {
  status: number;
  body: string;
  whole: boolean;
}

const READS_BODY: ReadonlySet<Way> = new Set([
  "echoes",
  "mirrors the stream",
  "reads in part",
]);

/** The part of `wire` before a head that has no end. */
function wholeHeads(wire: string): string {
  try {
    answersIn(wire, { mayBeCut: true });
    return wire;
  } catch (error) {
    const message = String(error);
    if (!message.includes("no end of a head")) throw error;
    return wire.slice(0, wire.lastIndexOf("HTTP/1.1 "));
  }
}

/** A server, its clients, and what its handlers have to do. */
export class ServerModel {
  readonly pools = new Pools({ poison: true });
  readonly clients = [new Client(0), new Client(1)];
  readonly server: HttpServer;
  readonly errors: unknown[] = [];
  /** What went wrong in a handler: a server would answer it with a 500. */
  readonly faults: unknown[] = [];
  readonly aborter = new AbortController();
  #id = 0;
  #ends: Promise<void>[] = [];
  stopped = false;

  constructor() {
    const { clients } = this;
    const source = new ReadableStream<MemoryConn>({
      start(controller) {
        for (const { conn } of clients) controller.enqueue(conn);
      },
    });
    this.server = serve(source, this.#handle, {
      pools: this.pools,
      signal: this.aborter.signal,
      onError: (error) => void this.errors.push(error),
      onRequestEnd: (end, { remoteAddr }) =>
        void clients[(remoteAddr as Deno.NetAddr).port]!.ends.push(end),
    });
  }

  readonly #handle: Handler = (request, response, { remoteAddr }) => {
    const client = this.clients[(remoteAddr as Deno.NetAddr).port]!;
    const message = client.messages[client.handled.length];
    let handled: Handled;
    try {
      assert(message !== undefined, "a request that nobody sent");
      const { sent, way } = message;
      assert(client.given >= sent.headEnd, "a request before its head came");
      assert(
        client.handled.every(({ settled }) => settled),
        "two requests of a connection at a time",
      );
      assertReads(request, sent);
      handled = new Handled(client, sent, way, request, response);
      client.handled.push(handled);
    } catch (error) {
      this.faults.push(error);
      throw error;
    }
    return this.#act(handled, response);
  };

  /** Does what the way of a request says. */
  #act(handled: Handled, response: HttpResponse): void | Promise<void> {
    const { way, request, sent } = handled;
    const text = `answer to ${sent.start}`;
    const answer = (body: string) => {
      handled.body = body;
      handled.whole = true;
      response.send(body);
    };
    switch (way) {
      case "answers at once":
        handled.settled = true;
        return answer(text);
      case "throws":
        handled.settled = handled.whole = true;
        handled.status = 500;
        handled.body = "Internal Server Error";
        throw new Wanted("the handler throws");
      case "streams":
        handled.settled = true;
        return response.send(
          new ReadableStream({
            start: (controller) => void (handled.stream = controller),
            cancel: () => void (handled.stream = null),
          }),
        );
      case "upgrades":
        handled.settled = true;
        handled.upgraded = response.upgrade();
        handled.writer = handled.upgraded.writable.getWriter();
        handled.writer.closed.catch(() => {});
        return;
      case "mirrors the stream":
        handled.settled = true;
        handled.body = sent.body;
        handled.whole = sent.framing !== "bad chunk";
        return response.send(request.body);
    }
    return this.#actLater(handled, response, answer)
      .finally(() => handled.settled = true);
  }

  async #actLater(
    handled: Handled,
    response: HttpResponse,
    send: (body: string) => void,
  ): Promise<void> {
    const { way, request, sent, answer } = handled;
    if (way === "echoes") {
      return send(textOf(await request.bytes()));
    }
    if (way === "reads in part") {
      const reader = request.body?.getReader();
      const part = await reader?.read();
      if (part?.value !== undefined) {
        const text = textOf(part.value);
        if (!sent.body.startsWith(text)) this.faults.push("another body");
      }
      await reader?.cancel();
      return send("read in part");
    }
    if (way === "releases, then answers later") {
      request.release();
      request.release();
    } else handled.signal = request.signal;
    await answer.promise;
    if (response.sent) this.faults.push("somebody else has answered");
    send("answered later");
  }

  client(index: number): Client {
    return this.clients[index]!;
  }

  get handled(): Handled[] {
    return this.clients.flatMap(({ handled }) => handled);
  }

  /** The requests whose handlers are at work. */
  get atWork(): Handled[] {
    return this.handled.filter(({ settled }) => !settled);
  }

  /** One of those that wait to be told to answer. */
  waiting(index: number): Handled | undefined {
    return pick(
      this.atWork.filter(({ way }) => way.endsWith("answers later")),
      index,
    );
  }

  streaming(index: number): Handled | undefined {
    return pick(this.handled.filter(({ stream }) => stream !== null), index);
  }

  upgraded(index: number): Handled | undefined {
    return pick(this.handled.filter(({ writer }) => writer !== null), index);
  }

  send(client: Client, draft: Draft, way: Way): void {
    client.send(draft, way, this.#id++);
  }

  reject(handled: Handled): void {
    handled.status = 500;
    handled.body = "Internal Server Error";
    handled.whole = true;
    handled.answer.reject(new Wanted("the handler rejects"));
  }

  emit(handled: Handled, size: number): void {
    const chunk = "s".repeat(size);
    handled.body += chunk;
    handled.stream!.enqueue(bytesOf(chunk));
  }

  closeStream(handled: Handled): void {
    handled.whole = true;
    handled.stream!.close();
    handled.stream = null;
  }

  failStream(handled: Handled): void {
    // A stream that fails cuts its response.
    handled.client.broken = true;
    handled.stream!.error(new Wanted("the stream fails"));
    handled.stream = null;
  }

  write(handled: Handled, size: number): void {
    const chunk = "r".repeat(size);
    handled.written += chunk;
    handled.writer!.write(bytesOf(chunk)).catch(() => {});
  }

  endRaw(handled: Handled): void {
    handled.upgraded!.readable.cancel().catch(() => {});
    handled.writer!.close().catch(() => {});
    handled.writer = null;
  }

  abortRaw(handled: Handled): void {
    handled.client.broken = true;
    handled.writer!.abort(new Wanted("the program leaves")).catch(() => {});
    handled.writer = null;
  }

  shutDown(): void {
    this.stopped = true;
    this.#ends.push(this.server.shutdown());
  }

  abort(): void {
    this.stopped = true;
    for (const client of this.clients) client.broken = true;
    this.aborter.abort(new Wanted("the server is aborted"));
  }

  /** Lets what is due happen, then checks all that the model knows. */
  async settle(): Promise<void> {
    for (let i = 0; i < 4; i++) {
      await new Promise<void>((resolve) => void setImmediate(() => resolve()));
    }
    const { atWork, clients, pools } = this;
    assertEquals(this.faults, []);
    for (const { request, sent, client, signal } of atWork) {
      if (this.aborter.signal.aborted && signal !== null) {
        assert(signal.aborted, "a handler is not told of the abort");
      }
      if (!request.released) assertBytes(request, sent);
      assert(!client.conn.wire.includes("\xdb"), "released memory went out");
    }
    const { requests, slabs } = pools.stats();
    assert(
      requests.inUse >= atWork.length && requests.inUse <= clients.length,
      `${requests.inUse} requests are in use, ${atWork.length} at work`,
    );
    const used = slabs.reduce((sum, { inUse }) => sum + inUse, 0);
    assert(used <= SLABS_PER_CONNECTION * clients.length, `${used} slabs`);
    for (const { stream, client } of this.handled) {
      assert(
        stream === null || !client.conn.closed,
        "a stream is left whose client is gone",
      );
    }
    for (const error of this.errors) this.#checkError(error);
  }

  #checkError(error: unknown): void {
    if (error instanceof Wanted || error instanceof HttpError) return;
    if (error instanceof DOMException && error.name === "AbortError") return;
    throw error;
  }

  /**
   * Everything is answered, every client leaves, and the server stops; or it is aborted
   * first, with all that is under way.
   */
  async finish(abort: boolean): Promise<void> {
    const { clients, server } = this;
    if (abort && !this.stopped) {
      this.abort();
      await this.settle();
    }
    for (let i = 0; i < 3; i++) {
      for (const { conn } of clients) conn.letGo();
      for (const handled of this.handled) {
        handled.answer.resolve();
        if (handled.stream !== null) this.closeStream(handled);
        if (handled.writer !== null) this.endRaw(handled);
      }
      await this.settle();
    }
    for (const client of clients) if (!client.ended) client.end();
    this.#ends.push(server.shutdown());
    const all = () => this.handled.every(({ settled }) => settled);
    // Each answer may let the next request come.
    for (let i = 0; i < 200 && (!all() || clients.some(isOpen)); i++) {
      for (const handled of this.handled) {
        handled.answer.resolve();
        if (handled.stream !== null) this.closeStream(handled);
        if (handled.writer !== null) this.endRaw(handled);
      }
      await this.settle();
    }
    await within(
      Promise.all([...this.#ends, server.finished]),
      "the end of the server",
    );
    await this.settle();
    for (const { conn } of clients) assert(conn.closed, "a connection is open");
    assertEquals(this.atWork.length, 0, "a handler is at work");
    assertAtRest(this.pools);
    for (const client of clients) {
      client.checkWire();
      client.checkEnds();
    }
    const ends = clients.flatMap(({ ends }) => ends);
    assertEquals(
      ends.filter(({ response }) => response !== null).length,
      server.stats().requests,
    );
  }
}

function isOpen({ conn }: Client): boolean {
  return !conn.closed;
}

function pick<T>(all: T[], index: number): T | undefined {
  return all[index % all.length];
}
