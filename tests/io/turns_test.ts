/**
 * A connection whose reads and writes never wait, as over TLS to a fast peer, leaves turns
 * of the event loop to everything else.
 */

import { setImmediate } from "node:timers";
import { assert, assertEquals } from "@std/assert";
import { stub } from "@std/testing/mock";
import {
  connect,
  type Handler,
  type HttpMessage,
  Pools,
  readRequests,
  RequestStream,
  serveConnection,
} from "@pooled/http1";
import { untilAtRest } from "../support/at_rest.ts";
import { ok, scripted } from "../support/clients.ts";
import { asker } from "../support/in_memory.ts";
import { MemoryConn } from "../support/memory_conn.ts";
import { bytesOf } from "../support/bytes.ts";
import { settle, test, until, within } from "../support/waiting.ts";

/** The length of the long body in each test: 64 MiB. */
const LENGTH = 1 << 26;
/** The fewest turns while it passes. */
const FEWEST = 4;
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LONG = `Content-Length: ${LENGTH}\r\n\r\n`;
const POST = `POST / HTTP/1.1\r\nHost: a\r\n${LONG}`;

/** Counts the turns of the event loop while `LENGTH` bytes pass. */
class Passage {
  /** The turns between the first and the last byte. */
  readonly turns: Promise<number>;
  readonly #whole = Promise.withResolvers<number>();
  #left = LENGTH;
  #turns = 0;

  constructor() {
    this.turns = this.#whole.promise;
  }

  get over(): boolean {
    return this.#left <= 0;
  }

  /** Lets at most this many bytes pass, and gives their number. */
  pass(most: number): number {
    if (this.#left === LENGTH) this.#turn();
    const count = Math.min(most, Math.max(this.#left, 1));
    this.#left -= count;
    if (this.over) this.#whole.resolve(this.#turns);
    return count;
  }

  #turn(): void {
    setImmediate(() => {
      this.#turns++;
      if (!this.over) this.#turn();
    });
  }

  async assertTurns(doing: string): Promise<void> {
    const turns = await within(this.turns, doing);
    assert(turns >= FEWEST, `${turns} turns while ${doing}`);
  }
}

/** A test on a slow machine: each look at the clock finds it 1 ms later. */
function bounded(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    let now = performance.now();
    using _clock = stub(Performance.prototype, "now", () => now += 1);
    await run();
  });
}

/** Makes writes take up to `most` bytes at once. */
function writeAtOnce(conn: MemoryConn, most: number): Passage {
  const passage = new Passage();
  conn.write = (bytes) =>
    Promise.resolve(passage.pass(Math.min(bytes.length, most)));
  return passage;
}

/** Makes reads give zeros at once, as a socket does, until they have passed. */
function readAtOnce(conn: MemoryConn): Passage {
  const passage = new Passage();
  const read = conn.read.bind(conn);
  conn.read = (into) => {
    if (passage.over) return read(into);
    const count = passage.pass(Math.min(into.length, 65_536));
    into.fill(0, 0, count);
    return Promise.resolve(count);
  };
  return passage;
}

/** A stream of `LENGTH` zeros. */
function zeros(size: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = LENGTH;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(Math.min(size, left)));
      if ((left -= size) <= 0) controller.close();
    },
  }, { highWaterMark: 0 });
}

async function lengthOf(stream: ReadableStream<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const chunk of stream) length += chunk.length;
  return length;
}

/** Bodies of `LENGTH` bytes, and the most that a write takes of them. */
const BODIES: [
  body: () => Uint8Array | ReadableStream<Uint8Array>,
  most: number,
][] = [
  [() => new Uint8Array(LENGTH), 16_384],
  [() => zeros(60_000), Infinity],
  [() => zeros(1000), Infinity],
];

bounded("a client that sends, bytes or a stream", async () => {
  for (const [body, most] of BODIES) {
    await scripted(async ({ client, conn }) => {
      const passage = writeAtOnce(conn, most);
      const asked = client.request({
        method: "POST",
        target: "/",
        body: body(),
      });
      await passage.assertTurns("sending");
      await settle();
      conn.give(ok());
      (await within(asked, "the response")).release();
    });
  }
});

bounded("a client that reads, streams, discards", async () => {
  for (const kind of ["bytes", "stream", "discard"]) {
    await scripted(async ({ client, conn, sent }) => {
      const asked = client.request({ target: "/" });
      await sent("/ ");
      const passage = readAtOnce(conn);
      conn.give(`HTTP/1.1 200 OK\r\n${LONG}`);
      using response = await asked;
      const read = kind === "bytes"
        ? response.bytes().then(({ length }) => length)
        : kind === "stream"
        ? lengthOf(response.body!)
        : Promise.resolve(LENGTH);
      if (kind === "discard") response.release();
      await passage.assertTurns(kind);
      assertEquals(await read, LENGTH);
      await until(() => client.state === "idle", "the client to be idle");
    }, { maxBodySize: LENGTH, maxDrain: LENGTH });
  }
});

/** Serves the one request of a connection. */
async function serveOne(
  conn: MemoryConn,
  handler: Handler,
  check: () => Promise<void>,
): Promise<void> {
  const pools = new Pools();
  const served = serveConnection(conn, handler, {
    pools,
    maxBodySize: LENGTH,
    maxDrain: LENGTH,
  });
  await check();
  await settle();
  conn.end();
  await within(served, "the end");
  await untilAtRest(pools);
}

bounded("a server that sends, bytes or a stream", async () => {
  for (const [body, most] of BODIES) {
    const conn = new MemoryConn([GET], { ends: "when told" });
    const passage = writeAtOnce(conn, most);
    await serveOne(
      conn,
      (_req, res) => res.send(body()),
      () => passage.assertTurns("sending"),
    );
  }
});

bounded("a server that reads, streams, discards", async () => {
  for (const kind of ["bytes", "stream", "discard"]) {
    const conn = new MemoryConn([POST], { ends: "when told" });
    const begun = Promise.withResolvers<Passage>();
    await serveOne(conn, async (req, res) => {
      begun.resolve(readAtOnce(conn));
      if (kind === "bytes") await req.bytes();
      if (kind === "stream") await lengthOf(req.body!);
      res.send("done");
    }, async () => (await begun.promise).assertTurns(kind));
    assert(conn.wire.endsWith("done"));
  }
});

/** From `begin` on gives `head`, then zeros without ever waiting; waits for `end`. */
function readyStream(
  head: string,
  passage: Passage,
  type: "bytes" | undefined,
  end: Promise<void>,
  begin = Promise.resolve(),
): ReadableStream<Uint8Array<ArrayBuffer>> {
  async function* chunks() {
    await begin;
    yield bytesOf(head);
    while (!passage.over) yield new Uint8Array(passage.pass(65_536));
    await end;
  }
  const source = chunks();
  return new ReadableStream({
    type: type as undefined,
    async pull(controller) {
      const { done, value } = await source.next();
      if (!done) return controller.enqueue(value);
      controller.close();
      if (controller instanceof ReadableByteStreamController) {
        controller.byobRequest?.respond(0);
      }
    },
  }, { highWaterMark: 0 });
}

/** How a message is read; the last one discards its body. */
const READINGS: ((message: HttpMessage) => Promise<unknown>)[] = [
  (message) => message.bytes(),
  (message) => lengthOf(message.body!),
  (message) => Promise.resolve(message.release()),
];

/** Reads the messages of a stream while `passage` counts the turns. */
async function readAll(
  messages: ReadableStream<HttpMessage>,
  read: (message: HttpMessage) => Promise<unknown>,
  passage: Passage,
  pools: Pools,
): Promise<void> {
  const reading = (async () => {
    for await (using message of messages) await read(message);
  })();
  await passage.assertTurns("reading");
  await within(reading, "the end");
  await untilAtRest(pools);
}

for (const type of [undefined, "bytes"] as const) {
  const name = type === undefined ? "a stream" : "a byte stream";
  const limits = { maxBodySize: LENGTH, maxDrain: LENGTH };

  bounded(`${name} that a server reads`, async () => {
    for (const read of READINGS) {
      const pools = new Pools();
      const passage = new Passage();
      const end = Promise.withResolvers<void>();
      const readable = readyStream(POST, passage, type, end.promise);
      const writable = new WritableStream<Uint8Array>();
      const served = serveConnection(
        { readable, writable },
        async (req, res) => {
          await read(req);
          res.send("done");
        },
        { pools, ...limits },
      );
      await passage.assertTurns("reading");
      end.resolve();
      await within(served, "the end");
      await untilAtRest(pools);
    }
  });

  bounded(`${name} that a client reads`, async () => {
    for (const read of READINGS) {
      const pools = new Pools();
      const passage = new Passage();
      const end = Promise.withResolvers<void>();
      const head = `HTTP/1.1 200 OK\r\n${LONG}`;
      const asked = Promise.withResolvers<void>();
      const client = connect({
        readable: readyStream(head, passage, type, end.promise, asked.promise),
        writable: new WritableStream({ write: () => asked.resolve() }),
      }, { pools, authority: "a", ...limits });
      const response = await client.request({ target: "/" });
      const reading = read(response);
      await passage.assertTurns("reading");
      await reading;
      response.release();
      end.resolve();
      await within(client.close(), "the end");
      await untilAtRest(pools);
    }
  });

  bounded(`${name} of requests`, async () => {
    for (const read of READINGS) {
      const pools = new Pools();
      const passage = new Passage();
      const readable = readyStream(POST, passage, type, Promise.resolve());
      const requests = readRequests(readable, { pools, ...limits });
      await readAll(requests, read, passage, pools);
    }
  });
}

bounded("a transform stream of requests", async () => {
  for (const read of READINGS) {
    const pools = new Pools();
    const limits = { maxBodySize: LENGTH, maxDrain: LENGTH };
    const passage = new Passage();
    const source = readyStream(POST, passage, undefined, Promise.resolve());
    const requests = source.pipeThrough(
      new RequestStream({ pools, ...limits }),
    );
    await readAll(requests, read, passage, pools);
  }
});

bounded("one long chunk of a stream", async () => {
  for (const read of READINGS) {
    const pools = new Pools();
    const limits = { maxBodySize: LENGTH, maxDrain: LENGTH };
    const chunk = new Uint8Array(POST.length + LENGTH);
    chunk.set(bytesOf(POST));
    const source = ReadableStream.from([chunk]);
    let isOver = false;
    let turns = 0;
    const turn = () => {
      turns++;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    for await (using req of readRequests(source, { pools, ...limits })) {
      await within(read(req), "reading");
    }
    isOver = true;
    assert(turns >= FEWEST, `${turns} turns`);
    await untilAtRest(pools);
  }
});

test("short requests that take long", async () => {
  const most = 65_536;
  const requests = Math.floor(most / GET.length);
  const chunk = bytesOf(GET.repeat(requests));
  let now = performance.now();
  using _clock = stub(Performance.prototype, "now", () => now);
  let chunks = 64;
  const source = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (chunks-- > 0) controller.enqueue(chunk);
      else controller.close();
    },
  }, { highWaterMark: 0 });
  let left = chunks * requests;
  let turnedAt = now;
  let longest = 0;
  const turn = () => {
    longest = Math.max(longest, now - turnedAt);
    turnedAt = now;
    if (left > 0) setImmediate(turn);
  };
  setImmediate(turn);
  for await (using _ of readRequests(source)) {
    left--;
    now += 0.02;
  }
  assertEquals(left, 0);
  // 25 ms, and what a few chunks take.
  assert(longest > 0 && longest < 25 + 4 * requests * 0.02, `${longest} ms`);
});

test("a connection that closes while it waits for a turn leaves no memory behind", async () => {
  for (const step of [5, 13]) {
    let now = performance.now();
    using _clock = stub(Performance.prototype, "now", () => now += step);
    for (let length = 100_000; length < 4_000_000; length += 78_000) {
      const { ask, atRest } = asker();
      const handler: Handler = (_req, res) => res.send(new Uint8Array(length));
      const body = await (await ask(handler, "/")).bytes();
      assertEquals(body.length, length);
      atRest();
    }
  }
});
