/**
 * The rules of a connection: how long it is kept, in which order and how many
 * writes its answers leave, what becomes of what nobody reads, and how it ends.
 *
 * Most of it is seen by a client that speaks bytes over TCP. Where reads and writes
 * are counted, or have to wait, the connection is an object in memory; and a table
 * of exchanges is run over TCP and over three kinds of stream pairs, which all have
 * to give the same bytes.
 */

import { connect } from "node:net";
import { setImmediate } from "node:timers";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type Conn,
  type ConnectionInfo,
  type Duplex,
  type Handler,
  HttpError,
  type HttpRequest,
  Pools,
  prepareResponse,
  serveConnection,
  type ServeConnectionOptions,
} from "@pooled/http1";
import {
  answerTo,
  assertPoolsAtRest,
  RawClient,
  test,
  within,
  withServer,
} from "./serving.ts";
import { bytesOf, textOf } from "./support.ts";

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Lets everything that is due happen. */
const settle = () => sleep(5);

/** Resolves in a later turn of the event loop, as reads and writes of sockets do. */
function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(() => resolve()));
}

/** A response as a client takes it apart. */
interface Answer {
  status: number;
  /** The fields by their names in lower case. */
  fields: Map<string, string>;
  body: string;
  /** Whether the end of the body was told, and came. */
  whole: boolean;
}

/** The responses that `wire` consists of; only the last may be cut. */
function answersIn(wire: string, methods: string[] = []): Answer[] {
  const answers: Answer[] = [];
  let at = 0;
  let finals = 0;
  while (at < wire.length) {
    const end = wire.indexOf("\r\n\r\n", at);
    if (end < 0) {
      throw new Error(`no end of a head in ${JSON.stringify(wire.slice(at))}`);
    }
    const [line, ...lines] = wire.slice(at, end).split("\r\n");
    const match = /^HTTP\/1\.1 (\d{3}) /.exec(line!);
    assert(match !== null, `${JSON.stringify(line)} is no status line`);
    const fields = new Map<string, string>();
    for (const field of lines) {
      const colon = field.indexOf(": ");
      assert(colon > 0, `${JSON.stringify(field)} is no field line`);
      const name = field.slice(0, colon).toLowerCase();
      assert(!fields.has(name), `${name} stands there twice`);
      fields.set(name, field.slice(colon + 2));
    }
    at = end + 4;
    const status = Number(match[1]);
    const answer: Answer = { status, fields, body: "", whole: true };
    answers.push(answer);
    if (status < 200) continue;
    const method = methods[finals++];
    if (method === "HEAD" || status === 204 || status === 304) continue;
    const length = fields.get("content-length");
    if (length !== undefined) {
      answer.body = wire.slice(at, at + Number(length));
      answer.whole = answer.body.length === Number(length);
      at += Number(length);
    } else if (fields.get("transfer-encoding") === "chunked") {
      for (;;) {
        const sizeEnd = wire.indexOf("\r\n", at);
        if (sizeEnd < 0) {
          assertEquals(at, wire.length, "a chunk is cut");
          answer.whole = false;
          break;
        }
        const size = parseInt(wire.slice(at, sizeEnd), 16);
        answer.body += wire.slice(sizeEnd + 2, sizeEnd + 2 + size);
        at = sizeEnd + 4 + size;
        if (size === 0) break;
      }
    } else {
      answer.body = wire.slice(at);
      at = wire.length;
    }
  }
  return answers;
}

const statusesOf = (wire: string) =>
  answersIn(wire).map((answer) => answer.status);
const bodiesOf = (wire: string) => answersIn(wire).map((answer) => answer.body);

function get(target: string, ...lines: string[]): string {
  return [`GET ${target} HTTP/1.1`, "Host: a", ...lines, "", ""].join("\r\n");
}

/** The last request of a connection. */
const last = (target = "/last") => get(target, "Connection: close");

function post(target: string, body: string, ...lines: string[]): string {
  return [
    `POST ${target} HTTP/1.1`,
    "Host: a",
    `Content-Length: ${body.length}`,
    ...lines,
    "",
    body,
  ].join("\r\n");
}

function chunked(target: string, ...chunks: string[]): string {
  const wire = chunks.map((chunk) =>
    `${chunk.length.toString(16)}\r\n${chunk}\r\n`
  );
  return `POST ${target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${
    wire.join("")
  }0\r\n\r\n`;
}

function streamOf(...chunks: string[]): ReadableStream<Uint8Array> {
  const queue = [...chunks];
  return new ReadableStream({
    pull(controller) {
      const chunk = queue.shift();
      if (chunk === undefined) controller.close();
      else controller.enqueue(bytesOf(chunk));
    },
  }, { highWaterMark: 0 });
}

/** A stream that says nothing, and tells when it is cancelled. */
function silent(): {
  stream: ReadableStream<Uint8Array>;
  cancelled: Promise<unknown>;
} {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  return {
    stream: new ReadableStream({ cancel: resolve }),
    cancelled: promise,
  };
}

const echoTarget: Handler = (req, res) => res.send(req.target);
const echoText: Handler = async (req, res) => res.send(await req.text());

/** A connection in memory that counts what is asked of it. */
class MemoryConn implements Conn {
  reads = 0;
  writes: string[] = [];
  outputEnded = false;
  closed = false;
  readonly #input: Uint8Array[];
  #ended: boolean;
  #wake = () => {};
  #held: PromiseWithResolvers<void> | null = null;

  /** @param pieces What each read gives; after them the input ends if `ends`. */
  constructor(pieces: string[], ends = true) {
    this.#input = pieces.map(bytesOf);
    this.#ended = ends;
  }

  /** All that was written. */
  get wire(): string {
    return this.writes.join("");
  }

  /** From here on, nothing that is written is taken. */
  hold(): void {
    this.#held ??= Promise.withResolvers<void>();
  }

  letGo(): void {
    this.#held?.resolve();
    this.#held = null;
  }

  /** More of the input comes. */
  give(text: string): void {
    this.#input.push(bytesOf(text));
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async read(into: Uint8Array): Promise<number | null> {
    this.reads++;
    await turn();
    while (this.#input.length === 0) {
      if (this.closed) throw new Deno.errors.BadResource("closed");
      if (this.#ended) return null;
      await new Promise<void>((resolve) => void (this.#wake = resolve));
    }
    const piece = this.#input[0]!;
    const count = Math.min(into.length, piece.length);
    into.set(piece.subarray(0, count));
    if (count < piece.length) this.#input[0] = piece.subarray(count);
    else this.#input.shift();
    return count;
  }

  async write(bytes: Uint8Array): Promise<number> {
    const text = textOf(bytes);
    await turn();
    await this.#held?.promise;
    if (this.closed) throw new Deno.errors.BadResource("closed");
    this.writes.push(text);
    return bytes.length;
  }

  closeWrite(): Promise<void> {
    this.outputEnded = true;
    return Promise.resolve();
  }

  close(): void {
    this.closed = true;
    this.#wake();
    this.letGo();
  }
}

/** Serves a connection in memory to its end, and looks that nothing is left. */
async function serveMemory(
  conn: MemoryConn,
  handler: Handler,
  options: ServeConnectionOptions = {},
): Promise<string> {
  const pools = new Pools();
  await serveConnection(conn, handler, { pools, ...options });
  assertPoolsAtRest(pools);
  assert(conn.closed, "the connection was left open");
  return conn.wire;
}

/** A client whose connection can be reset. */
class ResettingClient {
  received = "";
  readonly #socket;
  #wake = () => {};

  constructor(port: number, request: string) {
    this.#socket = connect(port, "127.0.0.1", () => {
      this.#socket.write(request, "latin1");
    });
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (text: string) => {
      this.received += text;
      this.#wake();
    });
    this.#socket.on("error", () => {});
  }

  async until(part: string): Promise<void> {
    while (!this.received.includes(part)) {
      await new Promise<void>((resolve) => void (this.#wake = resolve));
    }
  }

  reset(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.on("close", () => resolve());
      this.#socket.resetAndDestroy();
    });
  }
}

// ------------------------------------------------------------ kept, or closed

test("the client says whether the connection is kept", async () => {
  // [version, Connection lines, whether it is kept, what the answer says]
  const cases: [string, string[], boolean, string | undefined][] = [
    ["1.1", [], true, undefined],
    ["1.1", ["keep-alive"], true, undefined],
    ["1.1", ["foo"], true, undefined],
    ["1.1", ["closed, close-not"], true, undefined],
    ["1.1", [""], true, undefined],
    ["1.1", ["close"], false, "close"],
    ["1.1", ["CLOSE"], false, "close"],
    ["1.1", ["keep-alive, close"], false, "close"],
    ["1.1", ["close,keep-alive"], false, "close"],
    ["1.1", ["foo ,\tClose , bar"], false, "close"],
    ["1.1", ["foo", "close"], false, "close"],
    ["1.1", [",,close,"], false, "close"],
    ["1.2", [], true, undefined],
    ["1.0", [], false, "close"],
    ["1.0", ["close"], false, "close"],
    ["1.0", ["foo"], false, "close"],
    ["1.0", ["keep-alive"], true, "keep-alive"],
    ["1.0", ["Keep-Alive"], true, "keep-alive"],
    ["1.0", ["foo, keep-alive"], true, "keep-alive"],
    ["1.0", ["foo", "keep-alive"], true, "keep-alive"],
    ["1.0", ["keep-alive, close"], false, "close"],
    ["1.0", ["close, keep-alive"], false, "close"],
  ];
  await withServer(echoTarget, async ({ port }) => {
    for (const [version, lines, kept, told] of cases) {
      const request = [
        `GET /first HTTP/${version}`,
        "Host: a",
        ...lines.map((line) => `Connection: ${line}`),
        "",
        "",
      ].join("\r\n");
      const answers = answersIn(await answerTo(port, request + last()));
      const what = `${version} ${JSON.stringify(lines)}`;
      assertEquals(
        answers.map(({ body }) => body),
        kept ? ["/first", "/last"] : ["/first"],
        what,
      );
      assertEquals(answers[0]!.fields.get("connection"), told, what);
    }
  });
});

test("the last of maxRequests says so, and no more are answered", async () => {
  await withServer(echoTarget, async ({ port, server }) => {
    const requests = [1, 2, 3, 4, 5].map((i) => get(`/${i}`));
    const answers = answersIn(await answerTo(port, requests.join("")));
    assertEquals(
      answers.map(({ body, fields }) => [body, fields.get("connection")]),
      [["/1", undefined], ["/2", undefined], ["/3", "close"]],
    );
    assertEquals(server.stats().requests, 3);
  }, { maxRequests: 3 });
});

test("limits out of range throw before anything is served", () => {
  const wrong: ServeConnectionOptions[] = [
    { headTimeout: 0 },
    { bodyTimeout: -1 },
    { idleTimeout: NaN },
    { writeTimeout: 1.5 },
    { maxRequests: 0 },
    { maxDrain: -1 },
    { maxBodySize: -1 },
  ];
  for (const options of wrong) {
    const conn = new MemoryConn([get("/")]);
    assertThrows(() => serveConnection(conn, echoTarget, options), RangeError);
    assertEquals(conn.reads, 0);
  }
  return Promise.resolve();
});

// ---------------------------------------------------------------- pipelining

/** Answers at once, after a microtask, after a timer, or with a stream, by turns. */
const mixed: Handler = (req, res) => {
  const { target } = req;
  const i = Number(target.slice(1));
  switch (i % 5) {
    case 0:
      return res.send(target);
    case 1:
      return Promise.resolve().then(() => res.send(target));
    case 2:
      return sleep(i % 3).then(() => res.send(target));
    case 3:
      return res.send(streamOf("/", target.slice(1)));
    case 4:
      return (async () => {
        res.send(target);
        await sleep(1);
      })();
  }
};

test("pipelined requests are answered in order, whatever their handlers do", async () => {
  const targets = Array.from({ length: 60 }, (_, i) => `/${i}`);
  await withServer(mixed, async ({ port, errors }) => {
    const wire = targets.map((target) => get(target)).join("");
    const answers = answersIn(await answerTo(port, wire + last("/0")));
    assertEquals(answers.map(({ body }) => body), [...targets, "/0"]);
    assertEquals(errors, []);
  });
});

test("how the input is cut does not change what is answered", async () => {
  const targets = Array.from({ length: 10 }, (_, i) => `/${i}`);
  const wire = targets.map((target) => get(target)).join("");
  for (const size of [1, 3, 26, 27, 28, 100]) {
    const pieces = wire.match(new RegExp(`[^]{1,${size}}`, "g"))!;
    const out = await serveMemory(new MemoryConn(pieces), mixed);
    assertEquals(bodiesOf(out), targets);
  }
});

test("requests of one read that are answered at once take one write", async () => {
  const prepared = prepareResponse({ body: "prepared" });
  const handlers: [string, Handler][] = [
    ["text", (_req, res) => res.send("text")],
    ["UTF-8", (_req, res) => res.send("\u00fc")],
    ["bytes", (_req, res) => res.send(new Uint8Array(100))],
    ["JSON", (_req, res) => res.json([1])],
    ["prepared", (_req, res) => res.send(prepared)],
    ["nothing", (_req, res) => res.send()],
    // deno-lint-ignore require-await -- a promise that is resolved is the point
    ["async", async (_req, res) => res.send("text")],
  ];
  for (const [what, handler] of handlers) {
    const conn = new MemoryConn([get("/").repeat(16), get("/").repeat(16)]);
    const wire = await serveMemory(conn, handler);
    assertEquals(answersIn(wire).length, 32, what);
    assertEquals(conn.writes.length, 2, what);
    // Both pieces, and the end.
    assertEquals(conn.reads, 3, what);
  }
});

test("one request takes one read and one write", async () => {
  for (
    const handler of [
      echoTarget,
      echoText,
      (_req, res) => res.json({ a: 1 }),
    ] as Handler[]
  ) {
    const conn = new MemoryConn([get("/a"), post("/b", "body"), get("/c")]);
    await serveMemory(conn, handler);
    assertEquals([conn.writes.length, conn.reads], [3, 4]);
  }
});

test("requests wait while the client takes no answers", async () => {
  const pools = new Pools();
  const conn = new MemoryConn([get("/").repeat(2000)]);
  conn.hold();
  let handled = 0;
  const served = serveConnection(conn, (_req, res) => {
    handled++;
    res.send("x".repeat(1000));
  }, { pools });
  await settle();
  const before = handled;
  // Two times what the output takes before it is full, at the most.
  assert(before > 0 && before <= 130, `${before} requests were handled`);
  await settle();
  assertEquals(handled, before);
  conn.letGo();
  await served;
  assertEquals(answersIn(conn.wire).length, 2000);
  assertPoolsAtRest(pools);
});

test("a refusal after good requests loses none of their answers", async () => {
  const targets = Array.from({ length: 8 }, (_, i) => `/${i}`);
  const wire = targets.map((target) => get(target)).join("");
  for (const bad of ["GET /bad\r\n\r\n", get("/", "a b: c")]) {
    await withServer(mixed, async ({ port, server, errors }) => {
      const answers = answersIn(await answerTo(port, wire + bad + last()));
      assertEquals(
        answers.map(({ status }) => status),
        [...targets.map(() => 200), 400],
      );
      assertEquals(answers.slice(0, -1).map(({ body }) => body), targets);
      assertEquals(server.stats().requests, targets.length);
      assertEquals(errors, []);
    });
  }
});

// ------------------------------------------------------------------ refusals

test("a refused head is answered with its status, and closes", async () => {
  const cases: [string, number, string][] = [
    ["GET /\r\nHost: a\r\n\r\n", 400, "invalid-request-line"],
    ["\x16\x03\x01\x02\x00\x01\x00", 400, "invalid-method"],
    ["GET / HTTP/1.1\r\n\r\n", 400, "missing-host"],
    [get("/", "Host: b"), 400, "repeated-host"],
    [get("/", " folded"), 400, "obs-fold"],
    [get("/", "a : b"), 400, "space-before-colon"],
    ["GET / HTTP/1.1\nHost: a\n\n", 400, "bare-lf"],
    [get("/", "Content-Length: x"), 400, "invalid-content-length"],
    [
      get("/", "Content-Length: 1", "Transfer-Encoding: chunked"),
      400,
      "length-and-transfer-encoding",
    ],
    [get(`/${"a".repeat(3000)}`), 414, "request-line-too-long"],
    [get("/", `A: ${"a".repeat(3000)}`), 431, "headers-too-large"],
    [get("/", ...Array(30).fill("A: b")), 431, "too-many-headers"],
    [
      get("/", "Transfer-Encoding: gzip, chunked"),
      501,
      "unsupported-transfer-coding",
    ],
    ["GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "unsupported-version"],
  ];
  let handled = 0;
  await withServer((_req, res) => {
    handled++;
    res.send();
  }, async ({ port, server, errors }) => {
    const refusals: Record<string, number> = {};
    for (const [wire, status, code] of cases) {
      const answers = answersIn(await answerTo(port, wire + last()));
      assertEquals(answers.map(({ status }) => status), [status], code);
      const { fields, body } = answers[0]!;
      assertEquals(fields.get("connection"), "close");
      assertEquals(fields.get("content-type"), "text/plain;charset=UTF-8");
      assert(fields.has("date") && fields.has("content-length"));
      assert(body.startsWith(`${code}: `) && body.endsWith(")\n"), body);
      refusals[code] = 1;
    }
    assertEquals(server.stats().refusals, refusals);
    assertEquals(handled, 0);
    // What clients do wrong is no matter of the program.
    assertEquals(errors, []);
  }, { maxRequestLine: 2000, maxHeaderBytes: 2000, maxHeaders: 20 });
});

const BAD_CHUNKS =
  "POST /bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
  "3\r\nabc\r\nxyz\r\n";

test("a malformed body is answered with 400 where its handler reads it", async () => {
  const readers: Handler[] = [
    echoText,
    async (req, res) => {
      for await (const _chunk of req.body!);
      res.send("read");
    },
    async (req, res) => {
      await settle();
      res.json(await req.json());
    },
  ];
  for (const reader of readers) {
    for (const size of [1, 1000]) {
      const pieces = (BAD_CHUNKS + last()).match(
        new RegExp(`[^]{1,${size}}`, "g"),
      )!;
      const errors: unknown[] = [];
      const [answer, ...more] = answersIn(
        await serveMemory(new MemoryConn(pieces), reader, {
          onError: (error) => void errors.push(error),
        }),
      );
      assertEquals(answer!.status, 400);
      assertEquals(answer!.fields.get("connection"), "close");
      assertStringIncludes(answer!.body, "invalid-chunk-size: ");
      assertEquals([more.length, errors.length], [0, 0]);
    }
  }
});

test("a malformed body that nobody reads ends the connection after the answer", async () => {
  const handlers: Handler[] = [
    (_req, res) => res.send("answer"),
    async (_req, res) => {
      await settle();
      res.send("answer");
    },
    (_req, res) => res.send(streamOf("ans", "wer")),
  ];
  for (const handler of handlers) {
    await withServer(handler, async ({ port, server, errors }) => {
      const wire = await answerTo(port, BAD_CHUNKS + last());
      assertEquals(bodiesOf(wire), ["answer"]);
      assertEquals(statusesOf(wire), [200]);
      assertEquals(server.stats().requests, 1);
      assertEquals(errors, []);
    });
  }
});

test("a handler can answer for a malformed body itself, and that is the last", async () => {
  const seen: HttpError[] = [];
  await withServer(async (req, res) => {
    try {
      await req.text();
    } catch (error) {
      assertInstanceOf(error, HttpError);
      seen.push(error);
    }
    res.send("own", { status: 422 });
  }, async ({ port, errors }) => {
    const answers = answersIn(await answerTo(port, BAD_CHUNKS + last()));
    assertEquals(answers.map(({ status, body }) => [status, body]), [
      [422, "own"],
    ]);
    assertEquals(seen.map(({ code }) => code), ["invalid-chunk-size"]);
    assertEquals(errors, []);
  });
});

test("an answer of the handler's own to a refused body says that it is the last", async () => {
  const bodies: [string, string][] = [
    ["a malformed one", BAD_CHUNKS + last()],
    ["one that does not come", post("/", "0123456789").slice(0, -1)],
  ];
  for (const [what, wire] of bodies) {
    await withServer(async (req, res) => {
      await req.text().catch(() => {});
      res.send("own");
    }, async ({ port }) => {
      const [answer, ...more] = answersIn(await answerTo(port, wire));
      assertEquals([answer!.body, more.length], ["own", 0], what);
      assertEquals(answer!.fields.get("connection"), "close", what);
    }, { bodyTimeout: 100 });
  }
});

test("a malformed body that is sent back cuts the answer, and is the client's fault", async () => {
  await withServer((req, res) => res.send(req.body), async (running) => {
    const { port, server, errors } = running;
    const [answer, ...more] = answersIn(
      await answerTo(port, BAD_CHUNKS + last()),
    );
    assertEquals([answer!.status, answer!.whole, more.length], [200, false, 0]);
    assert("abc".startsWith(answer!.body));
    assertEquals(errors, []);
    assertEquals(server.stats().refusals, { "invalid-chunk-size": 1 });
  });
});

test("a truncated message gets no answer", async () => {
  const cases: [string, number][] = [
    ["GET / HT", 0],
    ["GET / HTTP/1.1\r\nHost: a\r\n", 0],
    [get("/ok") + "GET /", 1],
    [post("/", "0123456789").slice(0, -1), 0],
    [get("/ok") + chunked("/", "abc").slice(0, -2), 1],
    ["\r\n\r", 0],
  ];
  await withServer(echoText, async ({ port, server, errors }) => {
    for (const [wire, answered] of cases) {
      using client = await RawClient.connect(port);
      await client.send(wire);
      await client.conn.closeWrite();
      assertEquals(statusesOf(await client.rest()), Array(answered).fill(200));
    }
    assertEquals(server.stats().refusals, { "unexpected-eof": cases.length });
    assertEquals(errors, []);
  });
});

test("a truncated body does not take the answer from a handler that does not read it", async () => {
  for (const wait of [0, 5]) {
    await withServer((_req, res) => {
      if (wait === 0) return res.send("answer");
      return sleep(wait).then(() => res.send("answer"));
    }, async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send(post("/", "0123456789").slice(0, -5));
      await client.conn.closeWrite();
      assertEquals(bodiesOf(await client.rest()), ["answer"]);
    });
  }
});

// ------------------------------------------------------------ 100 (Continue)

const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

/** The head of a request that waits for a 100, with a body of 5 bytes. */
function expecting(target: string, length = 5): string {
  return `POST ${target} HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n` +
    `Content-Length: ${length}\r\n\r\n`;
}

test("a 100 is sent when the body is asked for, and once", async () => {
  const readers: [string, Handler][] = [
    ["text", echoText],
    ["bytes", async (req, res) => res.send(await req.bytes())],
    ["a stream", async (req, res) => {
      let text = "";
      for await (const chunk of req.body!) text += textOf(chunk);
      res.send(text);
    }],
    ["later", async (req, res) => {
      await settle();
      res.send(await req.text());
    }],
    ["after one of its own", async (req, res) => {
      res.send(null, { status: 100 });
      res.send(null, { status: 100 });
      res.send(await req.text());
    }],
    ["BYOB", async (req, res) => {
      const reader = req.body!.getReader({ mode: "byob" });
      let text = "";
      for (;;) {
        const { done, value } = await reader.read(new Uint8Array(2));
        if (done) break;
        text += textOf(value);
      }
      res.send(text);
    }],
    ["sent back", (req, res) => res.send(req.body)],
  ];
  for (const [what, handler] of readers) {
    await withServer(handler, async ({ port, errors }) => {
      using client = await RawClient.connect(port);
      (client.conn as Deno.TcpConn).setNoDelay();
      // The second has its own 100, and nothing is left of the first.
      for (const body of ["hello", "world"]) {
        client.received = "";
        await client.send(expecting("/"));
        await client.until("\r\n\r\n");
        assert(client.received.startsWith(CONTINUE), what);
        await client.send(body.slice(0, 2));
        await client.send(body.slice(2));
        while (answersIn(client.received).at(-1)!.body !== body) {
          await client.read();
        }
        assertEquals(statusesOf(client.received), [100, 200], what);
      }
      assertEquals(errors, [], what);
    });
  }
});

test("who waits for a 100 and gets none is closed on", async () => {
  for (const wait of [false, true]) {
    await withServer((_req, res) => {
      if (!wait) return res.send("no", { status: 403 });
      return settle().then(() => res.send("no", { status: 403 }));
    }, async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send(expecting("/"));
      const [answer, ...more] = answersIn(await client.rest());
      assertEquals(
        [answer!.status, answer!.fields.get("connection"), more.length],
        [403, "close", 0],
      );
    });
  }
});

test("no 100 is sent when the body is there already", async () => {
  for (
    const handler of [echoText, (req, res) => res.send(req.body)] as Handler[]
  ) {
    const conn = new MemoryConn([expecting("/") + "hello" + get("/")]);
    const wire = await serveMemory(conn, async (req, res) => {
      if (req.method === "GET") return res.send("next");
      await handler(req, res, {
        remoteAddr: null,
        localAddr: null,
        secure: false,
      });
    });
    const answers = answersIn(wire).filter(({ status }) => status >= 200);
    assertEquals(answers.map(({ body }) => body), ["hello", "next"]);
    if (handler === echoText) assert(!wire.includes("100 Continue"));
  }
});

test("nobody is told to send a body that is empty or too large, or to HTTP/1.0", async () => {
  await withServer(echoText, async ({ port }) => {
    const empty = await answerTo(port, expecting("/", 0) + last());
    assertEquals(statusesOf(empty), [200, 200]);
    const old = "POST / HTTP/1.0\r\nExpect: 100-continue\r\n" +
      "Content-Length: 2\r\n\r\n";
    {
      using client = await RawClient.connect(port);
      await client.send(old);
      // What asks for a 100 in HTTP/1.0 is to be ignored (RFC 9110 §10.1.1).
      await client.send("ab");
      assertEquals(statusesOf(await client.rest()), [200]);
    }
    const large = answersIn(await answerTo(port, expecting("/", 101)));
    assertEquals(large.map(({ status }) => status), [413]);
    assertEquals(large[0]!.fields.get("connection"), "close");
  }, { maxBodySize: 100 });
});

test("a body that goes through another stream is asked for with a 100", async () => {
  await withServer((req, res) => {
    res.send(req.body!.pipeThrough(new TransformStream()));
  }, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(expecting("/"));
    await client.until("\r\n\r\n");
    assert(
      client.received.startsWith(CONTINUE) ||
        // Or it is told at once that nobody waits for it.
        client.received.includes("Connection: close"),
      client.received,
    );
    await client.send("hello");
    await client.until("hello");
  }, { bodyTimeout: 300 });
});

// -------------------------------------------------------------- unread bodies

test("an unread body within the bound is thrown away, and the connection kept", async () => {
  const handlers: Handler[] = [
    echoTarget,
    (req, res) => {
      const { target } = req;
      return settle().then(() => res.send(target));
    },
    // Read in part.
    async (req, res) => {
      const { target } = req;
      const reader = req.body?.getReader();
      await reader?.read();
      res.send(target);
    },
  ];
  const bodies = ["x", "x".repeat(999), "x".repeat(1000)];
  for (const handler of handlers) {
    await withServer(handler, async ({ port, errors }) => {
      for (const body of bodies) {
        for (const request of [post("/a", body), chunked("/a", body, "x")]) {
          if (request.includes("chunked") && body.length > 500) continue;
          using client = await RawClient.connect(port);
          const head = request.indexOf("\r\n\r\n") + 4;
          // With the first byte, for the handler that waits for one. Where chunks end
          // is only known when they are there.
          const cut = request.includes("chunked") ? request.length : head + 8;
          await client.send(request.slice(0, cut));
          await client.send(request.slice(cut) + last());
          assertEquals(bodiesOf(await client.rest()), ["/a", "/last"]);
        }
      }
      assertEquals(errors, []);
    }, { maxDrain: 1000 });
  }
});

test("an unread body beyond the bound closes the connection", async () => {
  await withServer(echoTarget, async ({ port }) => {
    for (const sent of [0, 10, 1001]) {
      using client = await RawClient.connect(port);
      const head = post("/a", "x".repeat(1001)).split("\r\n\r\n")[0]!;
      await client.send(`${head}\r\n\r\n${"x".repeat(sent)}`);
      const [answer, ...more] = answersIn(await client.rest());
      assertEquals([answer!.body, more.length], ["/a", 0]);
      assertEquals(answer!.fields.get("connection"), "close");
    }
  }, { maxDrain: 1000 });
});

test("an unread body in chunks closes the connection unless its end is at hand", async () => {
  const head =
    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const chunks = `64\r\n${"x".repeat(100)}\r\n`.repeat(8);
  const readInPart: Handler = async (req, res) => {
    const { target } = req;
    await req.body?.getReader().read();
    res.send(target);
  };
  for (const handler of [echoTarget, readInPart]) {
    for (const end of ["0\r\n\r\n", "0\r\nA: b\r\n\r\n"]) {
      const whole = new MemoryConn([head + chunks + end + last()]);
      const kept = await serveMemory(whole, handler, { maxDrain: 1000 });
      assertEquals(bodiesOf(kept), ["/a", "/last"]);
      const cut = new MemoryConn([head + chunks, end + last()]);
      const wire = await serveMemory(cut, handler, { maxDrain: 1000 });
      assertEquals(bodiesOf(wire), ["/a"]);
      assertEquals(answersIn(wire)[0]!.fields.get("connection"), "close");
    }
  }
  await withServer(echoTarget, async ({ port, server }) => {
    using client = await RawClient.connect(port);
    await client.send(head);
    await client.until("/a");
    assertStringIncludes(client.received, "Connection: close");
    await client.send(chunks.repeat(1000) + "0\r\n\r\n" + last())
      .catch(() => {});
    assertEquals(bodiesOf(await client.rest()), ["/a"]);
    assertEquals(server.stats().requests, 1);
  }, { maxDrain: 1000 });
});

test("with a maxDrain of 0 only a body that was read leaves the connection open", async () => {
  await withServer(async (req, res) => {
    const { target } = req;
    if (target === "/read") await req.text();
    res.send(target);
  }, async ({ port }) => {
    const wire = await answerTo(
      port,
      post("/read", "abc") + get("/none") + post("/unread", "abc") + last(),
    );
    assertEquals(bodiesOf(wire), ["/read", "/none", "/unread"]);
  }, { maxDrain: 0 });
});

test("a body over maxBodySize is refused with 413", async () => {
  const large = "x".repeat(101);
  await withServer(echoText, async ({ port, server, errors }) => {
    for (const request of [post("/", large), chunked("/", large, large)]) {
      const answers = answersIn(await answerTo(port, request + last()));
      assertEquals(answers.map(({ status }) => status), [413]);
      assertEquals(answers[0]!.fields.get("connection"), "close");
      assertStringIncludes(answers[0]!.body, "body-too-large: ");
    }
    const fitting = post("/", large.slice(1)) + chunked("/", large.slice(1));
    assertEquals(
      statusesOf(await answerTo(port, fitting + last())),
      [200, 200, 200],
    );
    assertEquals(server.stats().refusals, { "body-too-large": 2 });
    assertEquals(errors, []);
  }, { maxBodySize: 100 });
});

// ----------------------------------------------------------------- the goodbye

test("what a client sends after a refusal does not cost it the answer", async () => {
  await withServer(echoText, async ({ port }) => {
    const megabytes = "x".repeat(2 * 1024 * 1024);
    const cases: [string, number][] = [
      ["GET / HTTP/1.1\r\nHost : a\r\n\r\n" + megabytes, 400],
      [post("/", megabytes), 413],
      [chunked("/", megabytes), 413],
    ];
    for (const [wire, status] of cases) {
      using client = await RawClient.connect(port);
      // All of it goes out before the answer is looked at.
      await client.send(wire);
      const answers = answersIn(await client.rest());
      assertEquals(
        answers.map(({ status, whole }) => [status, whole]),
        [[status, true]],
      );
    }
  }, { maxBodySize: 1000 });
});

test("what a client sends after the last answer does not cost it that", async () => {
  const large = "y".repeat(2 * 1024 * 1024);
  await withServer((_req, res) => res.send(large), async ({ port }) => {
    using client = await RawClient.connect(port);
    const sending = client.send(last() + "x".repeat(2 * 1024 * 1024));
    const [answer, ...more] = answersIn(await client.rest());
    await sending;
    assertEquals([answer!.whole, more.length], [true, 0]);
  });
});

test("the output ends before the input has, and both before the connection does", async () => {
  const conn = new MemoryConn([last()], false);
  const pools = new Pools();
  const served = serveConnection(conn, echoTarget, { pools });
  while (!conn.outputEnded) await settle();
  assertEquals(bodiesOf(conn.wire), ["/last"]);
  assertEquals(conn.closed, false);
  // Read, and thrown away.
  const { reads } = conn;
  conn.give("x".repeat(100_000));
  while (conn.reads < reads + 3) await settle();
  assertEquals(conn.closed, false);
  conn.end();
  await served;
  assertEquals(conn.closed, true);
  assertPoolsAtRest(pools);
});

test("a client that does not end the connection is not waited for", async () => {
  // The timeout is there for the sake of its period, which is that of the goodbye.
  await serveMemory(new MemoryConn([last()], false), echoTarget, {
    headTimeout: 100,
  });
});

test("a client that has ended its output still gets its answers", async () => {
  const handlers: Handler[] = [
    echoTarget,
    async (req, res) => {
      const { target } = req;
      await sleep(20);
      res.send(target);
    },
    async (req, res) => {
      const { target } = req;
      await req.text();
      await settle();
      res.send(streamOf(target.slice(0, 2), target.slice(2)));
    },
    mixed,
  ];
  for (const handler of handlers) {
    await withServer(handler, async ({ port, errors }) => {
      using client = await RawClient.connect(port);
      const targets = ["/11", "/12", "/13", "/14"];
      await client.send(targets.map((target) => get(target)).join(""));
      await client.conn.closeWrite();
      assertEquals(bodiesOf(await client.rest()), targets);
      assertEquals(errors, []);
    });
  }
});

test("a body that is sent back ends whole, though the client has ended its output", async () => {
  await withServer((req, res) => res.send(req.body), async ({ port }) => {
    using client = await RawClient.connect(port);
    const body = "0123456789".repeat(20_000);
    const sending = client.send(post("/", body))
      .then(() => client.conn.closeWrite());
    const [answer] = answersIn(await client.rest());
    await sending;
    assert(answer!.whole && answer!.body === body);
  });
});

// ---------------------------------------------------------------------- signal

test("the signal tells that the client closes or resets the connection", async () => {
  for (const way of ["close", "reset"]) {
    for (const request of [get("/"), post("/", "body")]) {
      const { promise, resolve } = Promise.withResolvers<unknown>();
      await withServer(async (req, res) => {
        await req.text();
        const { signal } = req;
        assertEquals(signal.aborted, false);
        assertStrictEquals(req.signal, signal);
        res.send(null, { status: 103 });
        await new Promise((resolve) =>
          signal.addEventListener("abort", resolve)
        );
        resolve(signal.reason);
        res.send("to nobody");
      }, async ({ port, errors }) => {
        if (way === "reset") {
          const client = new ResettingClient(port, request);
          await client.until("103");
          await client.reset();
        } else {
          using client = await RawClient.connect(port);
          await client.send(request);
          await client.until("103");
        }
        assertInstanceOf(await promise, Error);
        assertEquals(errors, []);
      });
    }
  }
});

test("a signal that is asked for late is aborted already", async () => {
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  await withServer(async (req, res) => {
    res.send(null, { status: 103 });
    await left;
    for (let i = 0; i < 100 && !req.signal.aborted; i++) await settle();
    resolve(req.signal.aborted);
    res.send();
  }, async ({ port }) => {
    const client = new ResettingClient(port, get("/"));
    await client.until("103");
    await client.reset();
    await sleep(20);
    leave();
    assertEquals(await promise, true);
  });
});

test("the signal of a request that was answered is never aborted", async () => {
  const signals: AbortSignal[] = [];
  await withServer(async (req, res) => {
    signals.push(req.signal);
    if (req.target === "/stream") return res.send(streamOf("a", "b"));
    await settle();
    res.send(req.target);
  }, async ({ port }) => {
    {
      using client = await RawClient.connect(port);
      await client.send(get("/1") + get("/stream") + get("/3"));
      await client.until("/3");
    }
    const client = new ResettingClient(port, get("/1"));
    await client.until("/1");
    await client.reset();
    assertEquals(
      bodiesOf(await answerTo(port, get("/1") + last())),
      ["/1", "/last"],
    );
  });
  assertEquals(signals.length, 6);
  assertEquals(new Set(signals).size, 6);
  assertEquals(signals.map(({ aborted }) => aborted), Array(6).fill(false));
});

// -------------------------------------------------------------------- timeouts

test("a client that sends nothing is closed on without an answer", async () => {
  await withServer(echoTarget, async ({ port, server }) => {
    using client = await RawClient.connect(port);
    assertEquals(await client.rest(), "");
    assertEquals(server.stats().refusals, {});
  }, { headTimeout: 100 });
});

/** Sends a byte now and then until the server has answered and closed. */
async function trickle(client: RawClient, text: string): Promise<string> {
  let over = false;
  const rest = client.rest().finally(() => over = true);
  for (let i = 0; !over; i++) {
    await client.send(text[i % text.length]!).catch(() => over = true);
    await sleep(15);
  }
  return await rest;
}

test("a head that comes byte by byte is refused with 408", async () => {
  await withServer(echoTarget, async ({ port, server, errors }) => {
    for (const first of ["", get("/first")]) {
      using client = await RawClient.connect(port);
      await client.send(`${first}GET / HTTP/1.1\r\nHost: a\r\nX: `);
      const answers = answersIn(await trickle(client, "y"));
      assertEquals(
        answers.map(({ status }) => status),
        first === "" ? [408] : [200, 408],
      );
      const { fields, body } = answers.at(-1)!;
      assertEquals(fields.get("connection"), "close");
      assertStringIncludes(body, "head-timeout: ");
    }
    assertEquals(server.stats().refusals, { "head-timeout": 2 });
    assertEquals(errors, []);
  }, { headTimeout: 100 });
});

test("a handler that waits for a body in vain meets a 408", async () => {
  const readers: ((req: HttpRequest) => Promise<unknown>)[] = [
    (req) => req.text(),
    async (req) => {
      for await (const _chunk of req.body!);
    },
  ];
  const cases = readers.flatMap((read) =>
    [false, true].map((catches) => ({ read, catches }))
  );
  await Promise.all(cases.map(async ({ read, catches }) => {
    const seen: unknown[] = [];
    await withServer(async (req, res) => {
      await read(req).catch((error) => {
        seen.push(error);
        if (!catches) throw error;
      });
      res.send("own", { status: 503 });
    }, async ({ port, server, errors }) => {
      using client = await RawClient.connect(port);
      await client.send(post("/", "0123456789").slice(0, -3));
      const [answer, ...more] = answersIn(await client.rest());
      assertEquals(answer!.status, catches ? 503 : 408);
      assertEquals([more.length, errors.length], [0, 0]);
      const [error] = seen;
      assertInstanceOf(error, HttpError);
      assertEquals([error.code, error.status], ["body-timeout", 408]);
      if (!catches) {
        assertStringIncludes(answer!.body, "body-timeout: ");
        assertEquals(answer!.fields.get("connection"), "close");
      }
      assertEquals(server.stats().refusals, { "body-timeout": 1 });
    }, { bodyTimeout: 100 });
  }));
});

test("a body that comes slowly is waited for, and so is a slow handler", async () => {
  await withServer(async (req, res) => {
    if (req.method === "GET") await sleep(250);
    res.send(await req.text());
  }, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(post("/", "0123456789").slice(0, -10));
    for (const digit of "0123456789") {
      await client.send(digit);
      await sleep(25);
    }
    await client.send(last());
    const answers = answersIn(await client.rest());
    assertEquals(
      answers.map(({ status, body }) => [status, body]),
      [[200, "0123456789"], [200, ""]],
    );
  }, { bodyTimeout: 100, headTimeout: 100, idleTimeout: 100 });
});

test("the rest of an unread body is waited for as long as for one that is read", async () => {
  await withServer(echoTarget, async ({ port, server }) => {
    using client = await RawClient.connect(port);
    await client.send(post("/a", "0123456789").slice(0, -3));
    assertEquals(bodiesOf(await client.rest()), ["/a"]);
    assertEquals(server.stats().requests, 1);
  }, { bodyTimeout: 100 });
});

test("an idle connection is closed", async () => {
  await withServer(echoTarget, async ({ port, server }) => {
    using client = await RawClient.connect(port);
    for (const target of ["/1", "/2"]) {
      await client.send(get(target));
      await client.until(target);
    }
    assertEquals(bodiesOf(await client.rest()), ["/1", "/2"]);
    assertEquals(server.stats().refusals, {});
  }, { idleTimeout: 100 });
});

test("a client that takes nothing is dropped", async () => {
  const { promise: cancelled, resolve } = Promise.withResolvers<unknown>();
  const { promise: aborted, resolve: abort } = Promise.withResolvers<unknown>();
  await withServer((req, res) => {
    const { signal } = req;
    signal.addEventListener("abort", () => abort(signal.reason));
    res.send(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
        cancel: resolve,
      }),
    );
  }, async ({ port, server, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(get("/"));
    const reason = await cancelled;
    assertInstanceOf(reason, DOMException);
    assertEquals(reason.name, "TimeoutError");
    assertStrictEquals(await aborted, reason);
    assertEquals(server.stats().connections, 0);
    assertEquals(errors, []);
  }, { writeTimeout: 150 });
});

test("a client that takes something now and then is not dropped", async () => {
  const large = "x".repeat(10 * 1024 * 1024);
  await withServer((_req, res) => res.send(large), async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(last());
    for (let i = 0; i < 8; i++) {
      // Much at once: the system tells of room only when there is a lot of it.
      const before = client.received.length;
      while (client.received.length < before + 1024 * 1024) await client.read();
      await sleep(50);
    }
    assertEquals(answersIn(await client.rest())[0]!.whole, true);
  }, { writeTimeout: 200 });
});

test("a silent stream is cut when the client has ended its output", async () => {
  const { stream, cancelled } = silent();
  await withServer(
    (_req, res) => res.send(stream),
    async ({ port, errors }) => {
      using client = await RawClient.connect(port);
      await client.send(get("/"));
      await client.until("\r\n\r\n");
      await client.conn.closeWrite();
      await cancelled;
      await client.rest().catch(() => {});
      assertEquals(client.received.split("\r\n\r\n")[1], "");
      assertEquals(errors, []);
    },
    { bodyTimeout: 100 },
  );
});

test("a silent stream is not cut while the client is there, nor one that goes on", async () => {
  for (const ends of [false, true]) {
    await withServer((_req, res) => {
      let left = ends ? 8 : 1;
      res.send(
        new ReadableStream({
          async pull(controller) {
            await sleep(ends ? 30 : 200);
            if (left-- === 0) return controller.close();
            controller.enqueue(bytesOf("x"));
          },
        }, { highWaterMark: 0 }),
      );
    }, async ({ port, errors }) => {
      using client = await RawClient.connect(port);
      await client.send(last());
      if (ends) await client.conn.closeWrite();
      const [answer] = answersIn(await client.rest());
      assertEquals(
        [answer!.whole, answer!.body],
        [true, "x".repeat(ends ? 8 : 1)],
      );
      assertEquals(errors, []);
    }, { bodyTimeout: 100 });
  }
});

// ------------------------------------------------ what serveConnection is given

test("bytes that were received before belong to the first request", async () => {
  const wire = get("/1") + post("/2", "body") + last();
  for (const cut of [0, 1, 26, 27, 60, wire.length]) {
    const received = bytesOf(wire.slice(0, cut));
    const pools = new Pools();
    const conn = new MemoryConn(cut < wire.length ? [wire.slice(cut)] : []);
    const served = serveConnection(conn, async (req, res) => {
      const { target } = req;
      res.send(target + await req.text());
    }, { pools, received });
    // They were copied.
    received.fill(0x20);
    await served;
    assertEquals(bodiesOf(conn.wire), ["/1", "/2body", "/last"]);
    assertPoolsAtRest(pools);
  }
});

test("a handler is told of both ends of the connection", async () => {
  const infos: ConnectionInfo[] = [];
  const handler: Handler = (_req, res, info) => {
    infos.push(info);
    res.send();
  };
  await withServer(handler, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(get("/") + last());
    await client.rest();
    assertEquals(infos[0], {
      remoteAddr: client.conn.localAddr,
      localAddr: client.conn.remoteAddr,
      secure: false,
    });
    assertStrictEquals(infos[0], infos[1]);
  });
  const remoteAddr: Deno.NetAddr = {
    transport: "tcp",
    hostname: "192.0.2.1",
    port: 1234,
  };
  await serveMemory(new MemoryConn([last()]), handler, { remoteAddr });
  await serveMemory(new MemoryConn([last()]), handler);
  assertEquals(infos.slice(2), [
    { remoteAddr, localAddr: null, secure: false },
    { remoteAddr: null, localAddr: null, secure: false },
  ]);
});

test("the signal of serveConnection ends the connection at once", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const errors: unknown[] = [];
  const conn = new MemoryConn([get("/")], false);
  const pools = new Pools();
  await serveConnection(conn, async (req, res) => {
    const { signal } = req;
    signal.addEventListener("abort", () => resolve(signal.reason));
    controller.abort(reason);
    await promise;
    res.send("too late");
  }, {
    pools,
    signal: controller.signal,
    onError: (error) => void errors.push(error),
  });
  assertStrictEquals(await promise, reason);
  // The handler is not waited for, and gives its request back when it is done.
  await settle();
  assertPoolsAtRest(pools);
  assertEquals([conn.wire, errors.length], ["", 0]);
});

test("a connection whose signal is aborted already is closed, and nothing is read", async () => {
  for (const received of [undefined, bytesOf(get("/"))]) {
    const conn = new MemoryConn([get("/")], false);
    await serveMemory(conn, echoTarget, {
      signal: AbortSignal.abort(),
      ...(received && { received }),
    });
    assertEquals([conn.reads, conn.wire], [0, ""]);
  }
});

// ------------------------------------------------------- upgrade() and CONNECT

const UPGRADE = get(
  "/up",
  "Connection: keep-alive, Upgrade",
  "Upgrade: x/1, y",
);
const CONNECT = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";

/** A handler that accepts, and a promise of the two streams. */
function accepting(
  init?: Parameters<Parameters<Handler>[1]["upgrade"]>[0],
): { handler: Handler; duplex: Promise<Duplex> } {
  const { promise, resolve } = Promise.withResolvers<Duplex>();
  return {
    handler: (req, res) => {
      if (req.target === "/first") return res.send("first");
      resolve(res.upgrade(init));
    },
    duplex: promise,
  };
}

/** Reads from a stream until it has given `count` bytes, or all. */
async function take(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  count = Infinity,
): Promise<string> {
  let text = "";
  while (text.length < count) {
    const { done, value } = await reader.read();
    if (done) break;
    text += textOf(value);
  }
  return text;
}

/** Ends both directions. */
async function end({ readable, writable }: Duplex): Promise<void> {
  await readable.cancel();
  await writable.close();
}

test("an upgrade is accepted as the request asks for it", async () => {
  const cases: [
    Parameters<typeof accepting>[0],
    string,
    [string, string][],
  ][] = [
    [undefined, "HTTP/1.1 101 Switching Protocols", [
      ["connection", "Upgrade"],
      ["upgrade", "x/1"],
    ]],
    [
      { headers: { Upgrade: "y", "X-A": "1" }, statusText: "Yes" },
      "HTTP/1.1 101 Yes",
      [["connection", "Upgrade"], ["upgrade", "y"], ["x-a", "1"]],
    ],
  ];
  for (const [init, line, fields] of cases) {
    const { handler, duplex } = accepting(init);
    await withServer(handler, async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send(UPGRADE);
      const wire = await client.until("\r\n\r\n");
      assert(wire.startsWith(`${line}\r\n`), wire);
      const [answer] = answersIn(wire);
      for (const [name, value] of fields) {
        assertEquals(answer!.fields.get(name), value);
      }
      assert(!answer!.fields.has("content-length"));
      assert(!answer!.fields.has("transfer-encoding"));
      await end(await duplex);
      await client.rest();
    });
  }
});

test("a CONNECT is accepted with a 2xx that has no length", async () => {
  for (const init of [undefined, { status: 202, headers: { "x-a": "1" } }]) {
    const { handler, duplex } = accepting(init);
    await withServer(handler, async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send(CONNECT);
      const wire = await client.until("\r\n\r\n");
      const head = wire.split("\r\n");
      assertEquals(
        head[0],
        `HTTP/1.1 ${init?.status ?? 200} Connection Established`,
      );
      assertEquals(head.includes("x-a: 1"), init !== undefined);
      // RFC 9110 §9.3.6.
      assert(!/content-length|transfer-encoding|upgrade/i.test(wire), wire);
      const { readable, writable } = await duplex;
      const writer = writable.getWriter();
      await writer.write(bytesOf("to the client"));
      await client.until("to the client");
      await client.send("to the server");
      const reader = readable.getReader();
      assertEquals(await take(reader, 13), "to the server");
      await client.conn.closeWrite();
      assertEquals(await take(reader), "");
      await writer.close();
      await client.rest();
    });
  }
});

test("a 2xx to CONNECT has a Date", async () => {
  const { handler, duplex } = accepting();
  await withServer(handler, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(CONNECT);
    // RFC 9110 §6.6.1 asks for it in every 2xx.
    assertStringIncludes(await client.until("\r\n\r\n"), "\r\nDate: ");
    await end(await duplex);
  });
});

test("bytes that were read before come out of the upgrade first, and in order", async () => {
  for (const early of [0, 1, 1000, 100_000]) {
    const { handler, duplex } = accepting();
    const data = Array.from({ length: 20_000 }, (_, i) => `${i},`).join("");
    await withServer(handler, async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send(get("/first") + UPGRADE + data.slice(0, early));
      await client.until("101 Switching Protocols");
      assertEquals(statusesOf(client.received), [200, 101]);
      const { readable, writable } = await duplex;
      const sending = client.send(data.slice(early))
        .then(() => client.conn.closeWrite());
      const came = await take(readable.getReader());
      await sending;
      assert(came === data, `${came.length} of ${data.length} bytes`);
      await writable.close();
      await client.rest();
    });
  }
});

test("an upgraded connection fills the buffers that its reader brings", async () => {
  const { handler, duplex } = accepting();
  const data = "0123456789".repeat(50);
  await withServer(handler, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(UPGRADE + data.slice(0, 100));
    const { readable, writable } = await duplex;
    const reader = readable.getReader({ mode: "byob" });
    let came = "";
    let buffer = new Uint8Array(7);
    while (came.length < data.length) {
      if (came.length === 98) await client.send(data.slice(100));
      const { value } = await reader.read(buffer);
      assert(value!.length > 0 && value!.length <= 7);
      came += textOf(value!);
      buffer = new Uint8Array(value!.buffer);
      assertEquals(buffer.length, 7);
    }
    assertEquals(came, data);
    await client.conn.closeWrite();
    const { done, value } = await reader.read(buffer);
    assertEquals([done, value?.length], [true, 0]);
    await writable.close();
    await client.rest();
  });
});

test("an upgraded connection is read when its reader asks, and not before", async () => {
  const conn = new MemoryConn([UPGRADE, "a", "b", "c"]);
  const pools = new Pools();
  const { handler, duplex } = accepting();
  await serveConnection(conn, handler, { pools });
  const { readable, writable } = await duplex;
  await settle();
  const { reads } = conn;
  assert(reads <= 2, `${reads} reads`);
  const reader = readable.getReader();
  assertEquals(textOf((await reader.read()).value!), "a");
  await settle();
  assert(conn.reads <= 3, `${conn.reads} reads for one byte`);
  assertEquals(await take(reader), "bc");
  await writable.close();
  assertEquals(conn.closed, true);
  assertPoolsAtRest(pools);
});

test("a write to an upgraded connection is done when the client has taken it", async () => {
  const conn = new MemoryConn([UPGRADE], false);
  const pools = new Pools();
  const { handler, duplex } = accepting();
  await serveConnection(conn, handler, { pools });
  const { readable, writable } = await duplex;
  await settle();
  const writer = writable.getWriter();
  conn.hold();
  let written = 0;
  const chunk = bytesOf("x".repeat(1000));
  const writes = [1, 2, 3].map(() =>
    writer.write(chunk).then(() => void written++)
  );
  await settle();
  assertEquals([written, writer.desiredSize! <= 0], [0, true]);
  conn.letGo();
  await Promise.all(writes);
  assert(conn.wire.endsWith(`\r\n\r\n${"x".repeat(3000)}`));
  // The chunk is the writer's again.
  chunk.fill(0x79);
  await writer.write(chunk);
  assert(conn.wire.endsWith(`${"x".repeat(3000)}${"y".repeat(1000)}`));
  await end({ readable, writable: { close: () => writer.close() } as never });
  // The input is read to its end, so that no reset overtakes what was written.
  conn.end();
  await settle();
  assertEquals(conn.closed, true);
  assertPoolsAtRest(pools);
});

test("what is no bytes fails the upgraded connection it is written to", async () => {
  const conn = new MemoryConn([UPGRADE], false);
  const pools = new Pools();
  const { handler, duplex } = accepting();
  await serveConnection(conn, handler, { pools });
  const { readable, writable } = await duplex;
  await assertRejects(
    () => writable.getWriter().write("text" as never),
    TypeError,
  );
  // The output is in error: who leaves the input has left both.
  await readable.cancel().catch(() => {});
  assertEquals(conn.closed, true);
  // The write of the head, which was under way, keeps its slab to its end.
  await turn();
  assertPoolsAtRest(pools);
});

test("either direction of an upgraded connection can end before the other", async () => {
  for (const first of ["client", "server"]) {
    const { handler, duplex } = accepting();
    await withServer(handler, async ({ port, server }) => {
      using client = await RawClient.connect(port);
      await client.send(UPGRADE + "early");
      const { readable, writable } = await duplex;
      const reader = readable.getReader();
      const writer = writable.getWriter();
      assertEquals(await take(reader, 5), "early");
      if (first === "client") {
        await client.conn.closeWrite();
        assertEquals(await take(reader), "");
        await writer.write(bytesOf("still here"));
        await client.until("still here");
        await writer.close();
        await client.rest();
      } else {
        await writer.write(bytesOf("bye"));
        await writer.close();
        assert((await client.rest()).endsWith("bye"));
        await client.send("still here");
        await client.conn.closeWrite();
        assertEquals(await take(reader), "still here");
      }
      assertEquals(server.stats().connections, 0);
    });
  }
});

test("leaving an upgraded connection closes it", async () => {
  const ways: [string, (duplex: Duplex) => Promise<void>][] = [
    ["cancel and close", end],
    ["close and cancel", async ({ readable, writable }) => {
      await writable.close();
      await readable.cancel();
    }],
    ["abort", async ({ readable, writable }) => {
      const reason = new Error("enough");
      await writable.abort(reason);
      await readable.getReader().closed.then(
        () => assert(false, "the readable has ended well"),
        (error) => assertStrictEquals(error, reason),
      );
    }],
  ];
  for (const [what, leave] of ways) {
    const { handler, duplex } = accepting();
    await withServer(handler, async ({ port, server, errors }) => {
      using client = await RawClient.connect(port);
      await client.send(UPGRADE);
      await client.until("\r\n\r\n");
      assertEquals(server.stats().connections, 1, what);
      await leave(await duplex);
      await client.rest();
      client.conn.close();
      while (server.stats().connections > 0) await settle();
      assertEquals(errors, [], what);
    });
  }
});

test("a client that resets an upgraded connection errors both streams", async () => {
  const { handler, duplex } = accepting();
  await withServer(handler, async ({ port, errors }) => {
    const client = new ResettingClient(port, UPGRADE);
    await client.until("101");
    const { readable, writable } = await duplex;
    const reader = readable.getReader();
    const reading = reader.read();
    const writer = writable.getWriter();
    await client.reset();
    await assertRejects(() => reading);
    await assertRejects(() => writer.closed);
    await assertRejects(() => writer.write(bytesOf("x")));
    assertEquals(errors, []);
  });
});

test("an upgraded connection has no timeouts", async () => {
  const { handler, duplex } = accepting();
  await withServer(handler, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(UPGRADE);
    const { readable, writable } = await duplex;
    await sleep(250);
    await client.send("late");
    const reader = readable.getReader();
    assertEquals(await take(reader, 4), "late");
    const writer = writable.getWriter();
    await writer.write(bytesOf("as well"));
    await client.until("as well");
    await client.conn.closeWrite();
    assertEquals(await take(reader), "");
    await writer.close();
    await client.rest();
  }, {
    headTimeout: 100,
    bodyTimeout: 100,
    idleTimeout: 100,
    writeTimeout: 100,
  });
});

test("serveConnection is done when the connection is handed over", async () => {
  const { handler, duplex } = accepting();
  const conn = new MemoryConn([UPGRADE], false);
  const pools = new Pools();
  await serveConnection(conn, handler, { pools });
  assertEquals(conn.closed, false);
  const { readable, writable } = await duplex;
  const writer = writable.getWriter();
  await writer.write(bytesOf("on and on"));
  assert(conn.wire.endsWith("on and on"));
  conn.end();
  assertEquals(await take(readable.getReader()), "");
  await writer.close();
  assertEquals(conn.closed, true);
  assertPoolsAtRest(pools);
});

test("a handler that goes on after the hand-over does not hold serveConnection up", async () => {
  const conn = new MemoryConn([UPGRADE], false);
  const pools = new Pools();
  let over = false;
  const { promise: handled, resolve } = Promise.withResolvers<void>();
  const served = serveConnection(conn, async (_req, res) => {
    const { readable, writable } = res.upgrade();
    await readable.pipeTo(writable);
    over = true;
    resolve();
  }, { pools });
  await within(served, "the hand-over");
  assertEquals(over, false);
  conn.end();
  await handled;
  // Its request is given back when the handler is done.
  await turn();
  assertPoolsAtRest(pools);
});

test("an upgrade that was not asked for, or can't be, throws", async () => {
  const notAsked = [
    get("/"),
    get("/", "Upgrade: x"),
    get("/", "Connection: upgrade"),
    // RFC 9110 §7.8: not in HTTP/1.0.
    "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
  ];
  let thrown = 0;
  await withServer((_req, res) => {
    assertThrows(() => res.upgrade(), TypeError, "no other protocol");
    thrown++;
    assertEquals(res.sent, false);
    res.send("as usual");
  }, async ({ port, errors }) => {
    for (const request of notAsked) {
      using client = await RawClient.connect(port);
      await client.send(request);
      await client.until("as usual");
    }
    assertEquals([thrown, errors.length], [notAsked.length, 0]);
  });
  const conn = new MemoryConn([UPGRADE + CONNECT]);
  const out = await serveMemory(conn, (req, res) => {
    const connects = req.method === "CONNECT";
    for (const status of [100, 204, 300, 404, 199]) {
      if (connects && status === 204) continue;
      assertThrows(() => res.upgrade({ status }), TypeError, "status");
    }
    assertThrows(
      () => res.upgrade({ headers: { "content-length": "0" } }),
      TypeError,
      "Content-Length",
    );
    assertThrows(() => res.upgrade({ headers: [["a", "\n"]] }), TypeError);
    assertThrows(() => res.upgrade({ statusText: "\n" }), TypeError);
    res.send("as usual", { status: 400 });
  });
  assertEquals(statusesOf(out), [400, 400]);
});

test("an upgrade has to wait for the body of its request", async () => {
  const request = post("/", "body", "Connection: upgrade", "Upgrade: x") +
    "raw";
  const { promise, resolve } = Promise.withResolvers<Duplex>();
  const conn = new MemoryConn([request.slice(0, -5), request.slice(-5)]);
  const pools = new Pools();
  await serveConnection(conn, async (req, res) => {
    assertThrows(() => res.upgrade(), TypeError, "was not read");
    const reading = req.text();
    assertThrows(() => res.upgrade(), TypeError, "was not read");
    assertEquals(await reading, "body");
    resolve(res.upgrade());
    assertThrows(() => res.upgrade(), TypeError, "already sent");
    assertThrows(() => res.send("more"), TypeError, "already sent");
  }, { pools });
  const { readable, writable } = await promise;
  assertEquals(await take(readable.getReader()), "raw");
  await writable.close();
  assertEquals(statusesOf(conn.wire), [101]);
  assertPoolsAtRest(pools);
});

test("who accepts for a client that is gone meets streams in error", async () => {
  const { promise, resolve } = Promise.withResolvers<Duplex>();
  await withServer(async (req, res) => {
    const { signal } = req;
    res.send(null, { status: 103 });
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    resolve(res.upgrade());
  }, async ({ port, errors }) => {
    const client = new ResettingClient(port, UPGRADE);
    await client.until("103");
    await client.reset();
    const { readable, writable } = await promise;
    await assertRejects(() => readable.getReader().read());
    await assertRejects(() => writable.getWriter().closed);
    assertEquals(errors, []);
  });
});

// -------------------------------------------------------------- pairs of streams

/** What all kinds of connection have to answer alike. */
const everything: Handler = async (req, res) => {
  switch (req.path) {
    case "/text":
      return res.send(`${req.method} ${req.target}`);
    case "/echo":
      return res.send(req.body);
    case "/read":
      return res.send(await req.text());
    case "/later":
      await settle();
      return res.send("later");
    case "/stream":
      return res.send(streamOf("a", "b".repeat(70_000), "c"));
    case "/bytes":
      return res.send(new Uint8Array(100_000).fill(0x41));
    case "/trailers":
      return res.send("a", { trailers: () => ({ x: "1" }) });
    case "/interim":
      res.send(null, { status: 103, headers: { link: "</a>" } });
      return res.send("after");
    case "/fail":
      throw new Error("as it should");
    case "/up": {
      const { readable, writable } = res.upgrade();
      return void readable.pipeTo(writable);
    }
    default:
      res.send("not found", { status: 404 });
  }
};

const EXCHANGES: Record<string, string> = {
  "nothing": "",
  "one request": get("/text"),
  "pipelined requests": get("/text?1") + get("/later") + get("/text?2") +
    get("/stream") + get("/text?3"),
  "the last request": last("/text") + get("/text"),
  "HTTP/1.0": "GET /stream HTTP/1.0\r\n\r\n",
  "HEAD": "HEAD /text HTTP/1.1\r\nHost: a\r\n\r\n" + get("/text"),
  "a body": post("/read", "hello") + chunked("/read", "a", "b".repeat(300)),
  "a large body": post("/read", "0123456789".repeat(30_000)) + get("/text"),
  "an echo": post("/echo", "0123456789".repeat(30_000)) + get("/text"),
  "a large answer": get("/bytes") + get("/trailers") + get("/interim"),
  "an unread body": post("/text", "x".repeat(100_000)) + get("/text"),
  "a large unread body": post("/text", "x".repeat(300_000)) + get("/text"),
  "a failing handler": get("/fail") + get("/text"),
  "a refused head": get("/text") + "GET /\r\n\r\n" + get("/text"),
  "a refused body": get("/text") + BAD_CHUNKS.replace("/bad", "/read"),
  "a refused body, unread": BAD_CHUNKS.replace("/bad", "/text") + get("/text"),
  "a truncated head": get("/text") + "GET /text HTTP/1.1\r\nHo",
  "a truncated body": get("/text") + post("/read", "hello").slice(0, -1),
  "an upgrade": get("/text") + UPGRADE + "raw bytes".repeat(5000),
};

/** A byte stream, or one without BYOB readers, of these pieces. */
function sourceOf(
  pieces: string[],
  type?: "bytes",
): ReadableStream<Uint8Array> {
  const queue = pieces.map(bytesOf);
  return new ReadableStream({
    type: type as "bytes",
    pull(controller) {
      const piece = queue.shift();
      if (piece !== undefined) return controller.enqueue(piece);
      controller.close();
      controller.byobRequest?.respond(0);
    },
  });
}

async function textIn(stream: ReadableStream<Uint8Array>): Promise<string> {
  return textOf(new Uint8Array(await new Response(stream).arrayBuffer()));
}

/** Each kind of pair: what is sent in pieces, and what comes back. */
const PAIRS: [
  string,
  (pieces: string[], options: ServeConnectionOptions) => Promise<string>,
][] = [
  ...(["bytes", undefined] as const).map((
    type,
  ): typeof PAIRS[number] => [
    `a pair that reads a ${type ?? "default"} stream`,
    async (pieces, options) => {
      const down = new TransformStream<Uint8Array, Uint8Array>();
      const served = serveConnection(
        { readable: sourceOf(pieces, type), writable: down.writable },
        everything,
        options,
      );
      const wire = await textIn(down.readable);
      await served;
      return wire;
    },
  ]),
  ["a pair of identity streams", async (pieces, options) => {
    const up = new TransformStream<Uint8Array, Uint8Array>();
    const down = new TransformStream<Uint8Array, Uint8Array>();
    const served = serveConnection(
      { readable: up.readable, writable: down.writable },
      everything,
      options,
    );
    const writer = up.writable.getWriter();
    const sending = (async () => {
      for (const piece of pieces) await writer.write(bytesOf(piece));
      await writer.close();
    })().catch(() => {}); // The server has closed.
    const wire = await textIn(down.readable);
    await served;
    await sending;
    return wire;
  }],
  ["a connection in memory", async (pieces, options) => {
    const conn = new MemoryConn(pieces);
    await serveConnection(conn, everything, options);
    while (!conn.closed) await settle();
    return conn.wire;
  }],
];

/** Answers with the parts that depend on time and timing taken out. */
function normal(wire: string): unknown {
  const answers = answersIn(
    wire,
    wire.startsWith("HTTP/1.1 200") && wire.includes("HEAD") ? ["HEAD"] : [],
  );
  for (const { fields } of answers) {
    if (fields.has("date")) fields.set("date", "now");
  }
  return answers.map(({ fields, ...answer }) => ({
    ...answer,
    fields: [...fields],
  }));
}

test("a pair of streams is answered as a connection over TCP is", async () => {
  const expected = new Map<string, string>();
  await withServer(everything, async ({ port }) => {
    for (const [name, wire] of Object.entries(EXCHANGES)) {
      using client = await RawClient.connect(port);
      const sending = client.send(wire).then(() => client.conn.closeWrite());
      expected.set(name, await client.rest());
      await sending;
    }
  });
  // A refusal quotes what had come by then.
  const undated = (wire: string) =>
    wire.replace(/\r\nDate: [^\r]+/g, "\r\nDate: now").replace(
      /Content-Length: \d+(\r\nConnection: close\r\n\r\n[a-z-]+: found )"(?:[^"\\]|\\.)*"/g,
      "$1",
    );
  const exchange = async (
    [kind, run]: typeof PAIRS[number],
    name: string,
    size: number,
  ) => {
    const wire = EXCHANGES[name]!;
    const pieces = wire.match(new RegExp(`[^]{1,${size || 1}}`, "g")) ?? [];
    const pools = new Pools();
    const what = `${name}, over ${kind}, in pieces of ${size}`;
    const came = await run(pieces, { pools, onError: () => {} });
    if (name === "an echo") {
      // Its chunks are as they came.
      assertEquals(normal(came), normal(expected.get(name)!), what);
    } else {
      assertEquals(undated(came), undated(expected.get(name)!), what);
    }
    assertPoolsAtRest(pools);
  };
  for (const pair of PAIRS) {
    for (const [name, { length }] of Object.entries(EXCHANGES)) {
      const sizes = length > 500 ? [length, 1000] : [length, 1000, 7];
      await Promise.all(sizes.map((size) => exchange(pair, name, size)));
    }
  }
});

test("a pair whose input fails is given up, and its output aborted", async () => {
  for (const type of ["bytes", undefined] as const) {
    const failure = new Error("of the input");
    const pools = new Pools();
    const { promise: aborted, resolve } = Promise.withResolvers<unknown>();
    const { promise: signalled, resolve: signal } = Promise.withResolvers<
      unknown
    >();
    let sent = false;
    const errors: unknown[] = [];
    await serveConnection(
      {
        readable: new ReadableStream<Uint8Array<ArrayBuffer>>({
          type: type as "bytes",
          async pull(controller) {
            if (sent) {
              await settle();
              return controller.error(failure);
            }
            sent = true;
            controller.enqueue(bytesOf(get("/")));
          },
        }),
        writable: new WritableStream({ abort: resolve }),
      },
      async (req, res) => {
        const { signal: own } = req;
        await new Promise((resolve) => own.addEventListener("abort", resolve));
        signal(own.reason);
        res.send("to nobody");
      },
      { pools, onError: (error) => void errors.push(error) },
    );
    assertStrictEquals(await signalled, failure);
    assertStrictEquals(await aborted, failure);
    assertEquals(errors, []);
    assertPoolsAtRest(pools);
  }
});

test("a pair whose output fails is given up, and its input cancelled", async () => {
  const failure = new Error("of the output");
  const pools = new Pools();
  const { promise: cancelled, resolve } = Promise.withResolvers<unknown>();
  await serveConnection(
    {
      readable: new ReadableStream({
        start: (controller) => controller.enqueue(bytesOf(get("/"))),
        cancel: resolve,
      }),
      writable: new WritableStream({
        write() {
          throw failure;
        },
      }),
    },
    echoTarget,
    { pools },
  );
  assertStrictEquals(await cancelled, failure);
  assertPoolsAtRest(pools);
});

test("a pair with a locked stream is refused", () => {
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const down = new TransformStream<Uint8Array, Uint8Array>();
  up.readable.getReader();
  assertThrows(
    () =>
      serveConnection(
        { readable: up.readable, writable: down.writable },
        echoTarget,
      ),
    TypeError,
  );
  return Promise.resolve();
});

// ----------------------------------------------------------------------- stats

test("connections, requests, bytes and refusals are counted", async () => {
  await withServer(echoText, async ({ port, server }) => {
    let sent = 0;
    let received = 0;
    const counts = () => {
      const { pools: _pools, ...counts } = server.stats();
      return counts;
    };
    assertEquals(counts(), {
      connections: 0,
      accepted: 0,
      aborted: 0,
      requests: 0,
      bytesReceived: 0,
      bytesSent: 0,
      refusals: {},
    });
    {
      using client = await RawClient.connect(port);
      const first = get("/") + post("/", "body") + chunked("/", "abc");
      await client.send(first);
      await client.until("abc");
      sent += first.length;
      received += client.received.length;
      // What is counted of a write is known when it is done.
      while (counts().bytesSent < received) await settle();
      assertEquals(counts(), {
        connections: 1,
        accepted: 1,
        aborted: 0,
        requests: 3,
        bytesReceived: sent,
        bytesSent: received,
        refusals: {},
      });
    }
    for (const wire of [last(), post("/", "body") + last()]) {
      sent += wire.length;
      received += (await answerTo(port, wire)).length;
    }
    while (counts().connections > 0) await settle();
    assertEquals(counts(), {
      connections: 0,
      accepted: 3,
      aborted: 0,
      requests: 6,
      bytesReceived: sent,
      bytesSent: received,
      refusals: {},
    });
    assertEquals(server.stats().pools.requests.inUse, 0);
  });
});

test("what was refused is counted, with its bytes", async () => {
  await withServer(echoText, async ({ port, server }) => {
    let sent = 0;
    let received = 0;
    for (
      const wire of [
        "BAD\r\n\r\n",
        get("/") + "BAD\r\n\r\n",
        BAD_CHUNKS,
        "GET / HTTP/1.1\r\n\r\n",
      ]
    ) {
      sent += wire.length;
      received += (await answerTo(port, wire)).length;
    }
    while (server.stats().connections > 0) await settle();
    const { requests, refusals, bytesSent, bytesReceived } = server.stats();
    assertEquals([requests, refusals, bytesSent], [
      2,
      { "invalid-method": 2, "invalid-chunk-size": 1, "missing-host": 1 },
      received,
    ]);
    assertEquals(bytesReceived, sent);
  });
});
