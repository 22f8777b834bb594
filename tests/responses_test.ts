/**
 * What `HttpResponse` puts on the wire.
 *
 * A client of a few lines asks over TCP, and whatever comes back is taken apart by
 * a strict reader that knows nothing of the server: it insists on one Date, on one
 * way of framing, and on not a byte being left over. So a test of one thing also
 * finds a response that is malformed in another. Where it matters how much is asked
 * of a program before anything is written, the connection is an object in memory.
 */

import { connect } from "node:net";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type Conn,
  type Handler,
  type HttpRequest,
  type HttpResponse,
  type HttpResponseBody,
  type HttpResponseInit,
  Pools,
  type PreparedResponse,
  prepareResponse,
  serveConnection,
  type ServeOptions,
} from "@pooled/http1";
import {
  answerTo,
  assertPoolsAtRest,
  RawClient,
  type Running,
  test,
  withServer,
} from "./serving.ts";
import { bytesOf, textOf } from "./support.ts";

const encoder = new TextEncoder();

/** A response as a client takes it apart; bytes are characters. */
interface Answer {
  status: number;
  line: string;
  fields: [string, string][];
  /** How the end of the body was told. */
  framing: "none" | "length" | "chunked" | "close";
  body: string;
  chunks: string[];
  trailers: [string, string][];
}

const DATE =
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT$/;

function assertNoControls(line: string): void {
  for (const char of line) {
    const code = char.charCodeAt(0);
    if (code === 127 || (code < 32 && code !== 9)) {
      throw new Error(`a control character in ${JSON.stringify(line)}`);
    }
  }
}

function fieldsOf(lines: string[]): [string, string][] {
  return lines.map((line) => {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): (.*)$/.exec(line);
    assert(match !== null, `${JSON.stringify(line)} is no field line`);
    assertNoControls(line);
    return [match[1]!.toLowerCase(), match[2]!];
  });
}

/** The values of a field, in order. */
function all(answer: Answer, name: string): string[] {
  return answer.fields.filter(([n]) => n === name).map(([, value]) => value);
}

/** The value of a field that may stand there once. */
function get(answer: Answer, name: string): string | null {
  const values = all(answer, name);
  assert(values.length <= 1, `${name} stands there ${values.length} times`);
  return values[0] ?? null;
}

/**
 * The responses that `wire` consists of, to requests of these methods in order (GET,
 * where there are no more of them). Nothing may be left over.
 */
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
    at = end + 4;
    assertNoControls(line!);
    const match = /^HTTP\/1\.1 ([1-5]\d\d) (.*)$/.exec(line!);
    assert(match !== null, `${JSON.stringify(line)} is no status line`);
    const answer: Answer = {
      status: Number(match[1]),
      line: line!,
      fields: fieldsOf(lines),
      framing: "none",
      body: "",
      chunks: [],
      trailers: [],
    };
    answers.push(answer);
    const length = get(answer, "content-length");
    const coding = get(answer, "transfer-encoding");
    assert(length === null || coding === null, "framed in two ways");
    if (answer.status < 200) {
      assertEquals([length, coding], [null, null], "an interim response");
      continue;
    }
    const method = methods[finals++] ?? "GET";
    const date = get(answer, "date");
    assert(date !== null && DATE.test(date), `Date is ${date}`);
    const { status } = answer;
    if (status === 204) {
      // RFC 9110 §8.6 and RFC 9112 §6.1.
      assertEquals([length, coding], [null, null], "a 204");
    }
    if (method === "HEAD" || status === 204 || status === 304) continue;
    if (length !== null) {
      assert(/^\d+$/.test(length), `Content-Length is ${length}`);
      answer.framing = "length";
      answer.body = wire.slice(at, at + Number(length));
      assertEquals(answer.body.length, Number(length), "the body is cut");
      at += Number(length);
    } else if (coding !== null) {
      assertEquals(coding, "chunked");
      answer.framing = "chunked";
      at = readChunks(wire, at, answer);
    } else {
      assertEquals(get(answer, "connection")?.split(",")[0], "close");
      answer.framing = "close";
      answer.body = wire.slice(at);
      at = wire.length;
    }
  }
  return answers;
}

/** Reads a body in chunks with its trailers, and gives where they end. */
function readChunks(wire: string, from: number, answer: Answer): number {
  let at = from;
  for (;;) {
    const end = wire.indexOf("\r\n", at);
    assert(end >= 0, "the body is cut");
    const size = wire.slice(at, end);
    assert(/^[0-9a-f]+$/.test(size), `${JSON.stringify(size)} is no size`);
    at = end + 2;
    const count = parseInt(size, 16);
    if (count === 0) break;
    answer.chunks.push(wire.slice(at, at + count));
    at += count;
    assertEquals(wire.slice(at, at + 2), "\r\n");
    at += 2;
  }
  answer.body = answer.chunks.join("");
  const trailers: string[] = [];
  for (;;) {
    const end = wire.indexOf("\r\n", at);
    assert(end >= 0, "the trailers are cut");
    const line = wire.slice(at, end);
    at = end + 2;
    if (line === "") break;
    trailers.push(line);
  }
  answer.trailers = fieldsOf(trailers);
  return at;
}

/** A request for `/`, the last of its connection. */
const GET = ask("GET");
const GET10 = "GET / HTTP/1.0\r\n\r\n";

function ask(method: string, target = "/"): string {
  return `${method} ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
}

/** A request after which the connection stays. */
function keep(method: string, target = "/"): string {
  return `${method} ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;
}

interface Exchanged {
  wire: string;
  /** The first response. */
  answer: Answer;
  answers: Answer[];
  errors: unknown[];
}

/** Sends `request`, and takes apart what comes until the server closes. */
async function exchange(
  handler: Handler,
  request = GET,
  options: ServeOptions = {},
): Promise<Exchanged> {
  let exchanged!: Exchanged;
  await withServer(handler, async ({ port, errors }) => {
    const wire = await answerTo(port, request);
    const methods = [...request.matchAll(/^([A-Z]+) \S+ HTTP/gm)]
      .map((match) => match[1]!);
    const answers = answersIn(wire, methods);
    exchanged = { wire, answer: answers[0]!, answers, errors };
  }, options);
  return exchanged;
}

/** The same for what is not to be taken apart: a response that is cut. */
async function raw(
  handler: Handler,
  request = GET,
): Promise<{ head: string; body: string; errors: unknown[] }> {
  let result!: { head: string; body: string; errors: unknown[] };
  await withServer(handler, async ({ port, errors }) => {
    const wire = await answerTo(port, request);
    const end = wire.indexOf("\r\n\r\n");
    assert(end >= 0, `no head in ${JSON.stringify(wire)}`);
    result = { head: wire.slice(0, end), body: wire.slice(end + 4), errors };
  });
  return result;
}

/** A stream of these chunks; `type` makes it a byte stream. */
function streamOf(
  chunks: (string | Uint8Array)[],
  type?: "bytes",
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const queue = chunks.map((chunk) =>
    typeof chunk === "string" ? bytesOf(chunk) : chunk
  );
  return new ReadableStream({
    type: type as "bytes",
    pull(controller) {
      const chunk = queue.shift();
      if (chunk !== undefined) {
        return controller.enqueue(chunk as Uint8Array<ArrayBuffer>);
      }
      controller.close();
      controller.byobRequest?.respond(0);
    },
  });
}

/** A stream that tells when, and with what, it is cancelled. */
function cancellable(first?: string): {
  stream: ReadableStream<Uint8Array>;
  cancelled: Promise<unknown>;
} {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      if (first !== undefined) controller.enqueue(bytesOf(first));
    },
    cancel: resolve,
  });
  return { stream, cancelled: promise };
}

const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, i) => i);
const TEXT_TYPE = "text/plain;charset=UTF-8";

function manyBytes(count: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: count }, (_, i) => (i * 7) & 0xff);
}

// ------------------------------------------------------------------- kinds of body

interface Kind {
  name: string;
  make(): HttpResponseBody | undefined;
  /** What a client is to get, one character a byte. */
  wire: string;
  type: string | null;
  streamed?: boolean;
}

function textKind(name: string, text: string): Kind {
  return {
    name,
    make: () => text,
    wire: textOf(encoder.encode(text)),
    type: TEXT_TYPE,
  };
}

function bytesKind(name: string, bytes: Uint8Array): Kind {
  return { name, make: () => bytes, wire: textOf(bytes), type: null };
}

function streamKind(name: string, chunks: string[], type?: "bytes"): Kind {
  return {
    name,
    make: () => streamOf(chunks, type),
    wire: chunks.join(""),
    type: null,
    streamed: true,
  };
}

const MANY = manyBytes(40_000);
const PREPARED_TEXT = prepareResponse({ body: "prepared: ü" });
const PREPARED_BYTES = prepareResponse({ body: MANY });
const CHUNKS = ["abc", "", "d".repeat(20), "e".repeat(40_000), "f"];

const KINDS: Kind[] = [
  textKind("short ASCII", "hello"),
  textKind("ASCII of 256 characters", "x".repeat(256)),
  textKind("ASCII of 257 characters", "x".repeat(257)),
  textKind("long ASCII", "0123456789".repeat(20_000)),
  textKind("short UTF-8", "grüße, 世界 🙂"),
  textKind("long UTF-8", "ä世🙂".repeat(5_000)),
  textKind("no text", ""),
  bytesKind("few bytes", ALL_BYTES),
  bytesKind("32767 bytes", manyBytes(32_767)),
  bytesKind("32768 bytes", manyBytes(32_768)),
  bytesKind("many bytes", manyBytes(300_000)),
  bytesKind("no bytes", new Uint8Array(0)),
  bytesKind("a part of an array", ALL_BYTES.subarray(100, 200)),
  streamKind("a stream", CHUNKS),
  streamKind("a byte stream", CHUNKS.filter((c) => c !== ""), "bytes"),
  streamKind("a stream of nothing", []),
  { name: "null", make: () => null, wire: "", type: null },
  { name: "undefined", make: () => undefined, wire: "", type: null },
  {
    name: "prepared text",
    make: () => PREPARED_TEXT,
    wire: textOf(encoder.encode("prepared: ü")),
    type: TEXT_TYPE,
  },
  {
    name: "prepared bytes",
    make: () => PREPARED_BYTES,
    wire: textOf(MANY),
    type: null,
  },
];

/** Answers `/n` with the body of kind n, at once or, for `/n?later`, in another turn. */
const sendKind: Handler = (req, res) => {
  const body = KINDS[Number(req.path.slice(1))]!.make();
  if (req.query !== "later") return res.send(body);
  return new Promise<void>((resolve) => setTimeout(resolve, 0))
    .then(() => res.send(body));
};

test("every kind of body comes whole, and leaves the connection to the next", async () => {
  for (const query of ["", "?later"]) {
    const requests = KINDS.map((_, i) => keep("GET", `/${i}${query}`)).join("");
    const { answers, errors } = await exchange(
      sendKind,
      requests + ask("GET", "/0"),
    );
    assertEquals(answers.length, KINDS.length + 1);
    KINDS.forEach(({ name, wire, type, streamed }, i) => {
      const answer = answers[i]!;
      assertEquals(answer.line, "HTTP/1.1 200 OK", name);
      assert(answer.body === wire, `${name} came out differently`);
      assertEquals(answer.framing, streamed ? "chunked" : "length", name);
      assertEquals(get(answer, "content-type"), type, name);
      assertEquals(get(answer, "connection"), null, name);
    });
    assertEquals(get(answers.at(-1)!, "connection"), "close");
    assertEquals(errors, []);
  }
});

test("an HTTP/1.0 client gets a length, or the end of the connection", async () => {
  await withServer(sendKind, async ({ port }) => {
    for (const [i, { name, wire, streamed }] of KINDS.entries()) {
      const [answer] = answersIn(
        await answerTo(port, `GET /${i} HTTP/1.0\r\n\r\n`),
      );
      assert(answer!.body === wire, `${name} came out differently`);
      assertEquals(answer!.framing, streamed ? "close" : "length", name);
      assertEquals(get(answer!, "connection"), "close", name);
    }
  });
});

test("an HTTP/1.0 client that keeps the connection is told that it is kept", async () => {
  await withServer(sendKind, async ({ port }) => {
    for (const [i, { name, wire, streamed }] of KINDS.entries()) {
      const request = `GET /${i} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`;
      const answers = answersIn(
        await answerTo(port, request + `GET /0 HTTP/1.0\r\n\r\n`),
      );
      assert(answers[0]!.body === wire, `${name} came out differently`);
      assertEquals(
        answers.map((answer) => [answer.framing, get(answer, "connection")]),
        // What ends with the connection leaves none to the next request.
        streamed
          ? [["close", "close"]]
          : [["length", "keep-alive"], ["length", "close"]],
        name,
      );
    }
  });
});

test("HEAD gets the head that GET gets, but for what only a body has", async () => {
  const requests = KINDS.map((_, i) =>
    keep("GET", `/${i}`) + keep("HEAD", `/${i}`)
  ).join("");
  const { answers } = await exchange(sendKind, requests + ask("GET", "/0"));
  assertEquals(answers.length, 2 * KINDS.length + 1);
  KINDS.forEach(({ name, make, wire, streamed }, i) => {
    const head = answers[2 * i + 1]!;
    const expected = answers[2 * i]!.fields.filter(([field]) =>
      field !== "date" && field !== "transfer-encoding" &&
      // Without a body, nobody knows what GET would have got.
      (field !== "content-length" || make() != null)
    );
    assertEquals(
      head.fields.filter(([field]) => field !== "date"),
      expected,
      name,
    );
    assertEquals(
      get(head, "content-length"),
      streamed || make() == null ? null : String(wire.length),
      name,
    );
  });
});

test("a chunk of a stream is a chunk on the wire, and an empty one is none", async () => {
  const { answer, wire } = await exchange((_req, res) => {
    res.send(streamOf(["abc", "", "d".repeat(31), ""]));
  });
  assertEquals(answer.chunks, ["abc", "d".repeat(31)]);
  assert(
    wire.endsWith(`\r\n\r\n3\r\nabc\r\n1f\r\n${"d".repeat(31)}\r\n0\r\n\r\n`),
  );
});

test("the chunks of a stream leave as they come", async () => {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const stream = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
  });
  await withServer((_req, res) => res.send(stream), async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await client.until("\r\n\r\n");
    for (const part of ["one", "two", "three"]) {
      controller.enqueue(bytesOf(part));
      await client.until(`${part}\r\n`);
    }
    controller.close();
    const [answer] = answersIn(await client.rest());
    assertEquals(answer!.chunks, ["one", "two", "three"]);
  });
});

test("the body of the request can be sent back as it comes", async () => {
  await withServer((req, res) => res.send(req.body), async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n",
    );
    for (const part of ["aa", "bb", "cc", "dd"]) {
      await client.send(part);
      await client.until(part);
    }
    await client.send(GET);
    const [first, second] = answersIn(await client.rest());
    assertEquals(first!.body, "aabbccdd");
    assertEquals([second!.body, second!.framing], ["", "length"]);
  });
});

test("what is no body is refused", async () => {
  const wrong: unknown[] = [
    1,
    true,
    {},
    ["a"],
    new ArrayBuffer(2),
    new Uint16Array(2),
    new Blob(["a"]),
    () => "a",
  ];
  const { answer, errors } = await exchange((_req, res) => {
    for (const body of wrong) {
      assertThrows(
        () => res.send(body as HttpResponseBody),
        TypeError,
        "a body is",
      );
    }
    const locked = streamOf(["a"]);
    locked.getReader();
    assertThrows(() => res.send(locked), TypeError, "locked");
    assertThrows(
      () => res.send(PREPARED_TEXT, { status: 404 }),
      TypeError,
      "no further init",
    );
    assertEquals(res.sent, false);
    res.send("fine");
  });
  assertEquals([answer.status, answer.body], [200, "fine"]);
  assertEquals(errors, []);
});

// ------------------------------------------------------------------------ trailers

test("trailers follow the body, whatever it is", async () => {
  const bodies: [HttpResponseBody, string][] = [
    ["text", "text"],
    ["ü", "\xc3\xbc"],
    [ALL_BYTES, textOf(ALL_BYTES)],
    [MANY, textOf(MANY)],
    [null, ""],
    ["", ""],
  ];
  const handler: Handler = (req, res) => {
    const i = Number(req.path.slice(1));
    const body = i < bodies.length ? bodies[i]![0] : streamOf(["a", "b"]);
    res.send(body, {
      trailers: i % 2 === 0
        ? () => ({ "X-Sum": "1", "x-other": "a b" })
        : async () => {
          await new Promise((resolve) => setTimeout(resolve, 0));
          return [["X-Sum", "1"], ["x-other", "a b"]];
        },
    });
  };
  const requests = Array.from(
    { length: bodies.length + 2 },
    (_, i) => keep("GET", `/${i}`),
  );
  const { answers, errors } = await exchange(
    handler,
    requests.join("") + ask("GET", "/0"),
  );
  assertEquals(errors, []);
  assertEquals(answers.length, bodies.length + 3);
  for (const [i, answer] of answers.entries()) {
    assertEquals(answer.framing, "chunked");
    assertEquals(answer.trailers, [["x-sum", "1"], ["x-other", "a b"]]);
    const body = i < bodies.length
      ? bodies[i]![1]
      : i < bodies.length + 2
      ? "ab"
      : "text";
    assert(answer.body === body, `body ${i} came out differently`);
  }
  assertEquals(get(answers[0]!, "content-type"), TEXT_TYPE);
  assertEquals(get(answers[2]!, "content-type"), null);
});

test("trailers are asked for when the body is at its end", async () => {
  const seen: string[] = [];
  const { answer } = await exchange((_req, res) => {
    res.send(
      new ReadableStream({
        pull(controller) {
          seen.push("pull");
          if (seen.length < 3) return controller.enqueue(bytesOf("x"));
          controller.close();
        },
      }, { highWaterMark: 0 }),
      {
        trailers: () => {
          seen.push("trailers");
          return new Headers({ "x-count": String(seen.length) });
        },
      },
    );
  });
  assertEquals(seen, ["pull", "pull", "pull", "trailers"]);
  assertEquals(answer.trailers, [["x-count", "4"]]);
});

test("nobody is asked for trailers that can't be sent", async () => {
  const handler: Handler = (req, res) => {
    const trailers = () => {
      throw new Error("asked for trailers");
    };
    if (req.path === "/text") return res.send("text", { trailers });
    if (req.path === "/stream") return res.send(streamOf(["ab"]), { trailers });
    res.send(null, { status: Number(req.path.slice(1)), trailers });
  };
  await withServer(handler, async ({ port, errors }) => {
    const cases: [string, string, string, Answer["framing"]][] = [
      ["GET /text HTTP/1.0\r\n\r\n", "GET", "text", "length"],
      ["GET /stream HTTP/1.0\r\n\r\n", "GET", "ab", "close"],
      [ask("HEAD", "/text"), "HEAD", "", "none"],
      [ask("HEAD", "/stream"), "HEAD", "", "none"],
      [ask("GET", "/204"), "GET", "", "none"],
      [ask("GET", "/205"), "GET", "", "length"],
      [ask("GET", "/304"), "GET", "", "none"],
    ];
    for (const [request, method, body, framing] of cases) {
      const [answer] = answersIn(await answerTo(port, request), [method]);
      assertEquals([answer!.body, answer!.framing], [body, framing], request);
    }
    assertEquals(errors, []);
  });
});

test("trailers that may not stand there cut the response", async () => {
  const wrong: HeadersInit[] = [
    { "Content-Length": "1" },
    { "transfer-encoding": "chunked" },
    { host: "a" },
    { connection: "close" },
    { upgrade: "x" },
    { te: "trailers" },
    { trailer: "x" },
    { "Content-Type": "text/plain" },
    { "x y": "1" },
    { "": "1" },
    [["x", "a\r\nX-Injected: 1"]],
    [["x", "a\0"]],
    [["x", "世"]],
    [["x", "\u0141"]],
  ];
  for (const trailers of wrong) {
    for (const body of ["text", streamOf(["text"])]) {
      const { body: wire, errors } = await raw(
        (_req, res) => res.send(body, { trailers: () => trailers }),
        keep("GET"),
      );
      const what = JSON.stringify(trailers);
      assertEquals(wire, "4\r\ntext\r\n", what);
      assertEquals(errors.length, 1, what);
      assertInstanceOf(errors[0], TypeError, what);
    }
  }
});

test("trailers that fail cut the response", async () => {
  const failure = new Error("no trailers");
  for (
    const trailers of [
      () => Promise.reject(failure),
      () => {
        throw failure;
      },
    ]
  ) {
    const { body, errors } = await raw(
      (_req, res) => res.send("text", { trailers }),
      keep("GET"),
    );
    assertEquals(body, "4\r\ntext\r\n");
    assertEquals(errors, [failure]);
  }
});

// --------------------------------------------------------------- without a body

test("a 204 has neither body nor length, a 205 has a length of 0", async () => {
  const init: Record<string, HttpResponseInit> = {
    "/204": { status: 204 },
    "/204-length": { status: 204, headers: { "content-length": "0" } },
    "/204-coding": { status: 204, headers: { "transfer-encoding": "chunked" } },
    "/205": { status: 205 },
  };
  const prepared: Record<string, PreparedResponse> = {
    "/204-prepared": prepareResponse({ status: 204 }),
    "/204-prepared-length": prepareResponse({
      status: 204,
      headers: { "content-length": "0" },
    }),
    "/205-prepared": prepareResponse({ status: 205 }),
  };
  const paths = [...Object.keys(init), ...Object.keys(prepared)];
  for (const method of ["GET", "HEAD", "POST"]) {
    const { answers } = await exchange(
      (req, res) => {
        if (req.path === "/end") return res.send("end");
        const ready = prepared[req.path];
        if (ready !== undefined) return res.send(ready);
        res.send(null, init[req.path]);
      },
      paths.map((path) => keep(method, path)).join("") + ask("GET", "/end"),
    );
    assertEquals(
      answers.map(({ status, body }) => [status, body]),
      [
        ...paths.map((path) => [Number(path.slice(1, 4)), ""]),
        [200, "end"],
      ],
    );
    for (const [i, path] of paths.entries()) {
      assertEquals(
        get(answers[i]!, "content-length"),
        // HEAD: nobody knows what GET would have got, unless it is prepared.
        path.startsWith("/204") || (method === "HEAD" && path === "/205")
          ? null
          : "0",
        `${method} ${path}`,
      );
    }
  }
});

test("a 304 keeps the length it is given, and has no other", async () => {
  const { answers } = await exchange(
    (req, res) => {
      switch (req.path) {
        case "/plain":
          return res.send(null, { status: 304, headers: { etag: '"1"' } });
        case "/length":
          return res.send(null, {
            status: 304,
            headers: { "content-length": "123" },
          });
        case "/prepared":
          return res.send(prepareResponse({ status: 304 }));
        case "/prepared-length":
          return res.send(prepareResponse({
            status: 304,
            headers: { "content-length": "123" },
          }));
        default:
          return res.send("end");
      }
    },
    ["/plain", "/length", "/prepared", "/prepared-length"]
      .map((path) => keep("GET", path)).join("") + ask("GET", "/end"),
  );
  assertEquals(
    answers.map((answer) => [answer.status, get(answer, "content-length")]),
    [[304, null], [304, "123"], [304, null], [304, "123"], [200, "3"]],
  );
  assertEquals(answers.at(-1)!.body, "end");
});

test("a body for a status that has none is refused", async () => {
  for (const status of [204, 205, 304]) {
    for (
      const body of [
        "a",
        "",
        new Uint8Array(1),
        new Uint8Array(0),
        streamOf([]),
      ]
    ) {
      const { answer, errors } = await exchange((_req, res) => {
        assertThrows(() => res.send(body, { status }), TypeError, "no body");
        if (body instanceof ReadableStream) assertEquals(body.locked, false);
        res.send("fine");
      });
      assertEquals([answer.status, answer.body], [200, "fine"]);
      assertEquals(errors, []);
    }
    assertThrows(
      () => prepareResponse({ status, body: "a" }),
      TypeError,
      "no body",
    );
  }
});

test("HEAD can declare the length of what it does not send", async () => {
  const { answers } = await exchange(
    (req, res) => {
      const headers = { "content-length": "1234" };
      if (req.path === "/null") return res.send(null, { headers });
      if (req.path === "/stream") return res.send(streamOf(["a"]), { headers });
      // The body is there: what GET would say of it is known, and this is not that.
      assertThrows(
        () => res.send("abc", { headers }),
        TypeError,
        "Content-Length is 1234",
      );
      res.send("abc");
    },
    keep("HEAD", "/null") + keep("HEAD", "/stream") + ask("HEAD", "/text"),
  );
  assertEquals(
    answers.map((answer) => get(answer, "content-length")),
    ["1234", "1234", "3"],
  );
});

test("a stream that is given to HEAD is cancelled, and not read", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let pulls = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulls++;
      controller.enqueue(bytesOf("x"));
    },
    cancel: () => resolve(),
  }, { highWaterMark: 0 });
  const { answer } = await exchange(
    (_req, res) => res.send(stream),
    ask("HEAD"),
  );
  await promise;
  assertEquals(pulls, 0);
  assertEquals(answer.status, 200);
});

// ----------------------------------------------------------------------- interim

test("interim responses come before the response", async () => {
  const { answers } = await exchange((_req, res) => {
    res.send(null, { status: 103, headers: { link: "</a.css>; rel=preload" } });
    assertEquals(res.sent, false);
    res.send(null, { status: 102 });
    res.send(undefined, {
      status: 103,
      statusText: "Once More",
      headers: [["link", "</a>"], ["link", "</b>"]],
    });
    res.send("done");
    assertThrows(
      () => res.send(null, { status: 103 }),
      TypeError,
      "already sent",
    );
  });
  assertEquals(
    answers.map(({ line }) => line),
    [
      "HTTP/1.1 103 Early Hints",
      "HTTP/1.1 102 Processing",
      "HTTP/1.1 103 Once More",
      "HTTP/1.1 200 OK",
    ],
  );
  assertEquals(all(answers[0]!, "link"), ["</a.css>; rel=preload"]);
  assertEquals(all(answers[2]!, "link"), ["</a>", "</b>"]);
  assertEquals(answers[3]!.body, "done");
});

test("an interim response does not wait for the response", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await withServer(async (_req, res) => {
    await new Promise((resolve) => setTimeout(resolve, 0));
    res.send(null, { status: 103 });
    await promise;
    res.send("done");
  }, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await client.until("103 Early Hints\r\n\r\n");
    resolve();
    assertEquals(
      answersIn(await client.rest()).map(({ status }) => status),
      [103, 200],
    );
  });
});

test("a 100 is sent to nobody who does not wait for it", async () => {
  const { answers } = await exchange((_req, res) => {
    res.send(null, { status: 100 });
    res.send("done");
  });
  assertEquals(answers.map(({ status }) => status), [200]);
});

test("an HTTP/1.0 client gets no interim response", async () => {
  const { answers } = await exchange((_req, res) => {
    res.send(null, { status: 103 });
    res.send(null, { status: 100 });
    res.send("done");
  }, GET10);
  assertEquals(answers.map(({ status }) => status), [200]);
});

test("an interim response has no body, no length, and is no 101", async () => {
  const { answers } = await exchange((_req, res) => {
    for (const body of ["a", "", new Uint8Array(1), streamOf(["a"])]) {
      assertThrows(
        () => res.send(body, { status: 103 }),
        TypeError,
        "no body",
      );
    }
    assertThrows(() => res.send(null, { status: 101 }), TypeError, "upgrade()");
    assertThrows(
      () => res.send(null, { status: 103, headers: [["x", "\n"]] }),
      TypeError,
    );
    res.send(null, { status: 103, headers: { "content-length": "5" } });
    res.send("done");
  });
  assertEquals(answers.map(({ status }) => status), [103, 200]);
});

// -------------------------------------------------------------------------- Date

/** Runs `test` with a clock that stands where `set` puts it. */
async function withClock(
  test: (set: (now: string) => void) => Promise<void>,
): Promise<void> {
  const { now } = Date;
  try {
    await test((text) => {
      const time = Date.parse(text);
      Date.now = () => time;
    });
  } finally {
    Date.now = now;
  }
}

test("the Date is that of the clock", async () => {
  const before = Math.floor(Date.now() / 1000) * 1000;
  const { answer } = await exchange((_req, res) => res.send("a"));
  const date = Date.parse(get(answer, "date")!);
  assert(date >= before && date <= Date.now(), get(answer, "date")!);
});

test("a Date of the program's own is kept", async () => {
  const own = "Sun, 06 Nov 1994 08:49:37 GMT";
  const prepared = prepareResponse({ headers: { date: own }, body: "a" });
  const { answers } = await exchange(
    (req, res) =>
      req.path === "/prepared"
        ? res.send(prepared)
        : res.send("a", { headers: { DATE: own } }),
    keep("GET", "/prepared") + GET,
  );
  assertEquals(answers.map((answer) => get(answer, "date")), [own, own]);
});

test("the Date moves on with the clock, also that of a prepared response", async () => {
  await withClock(async (set) => {
    set("2030-01-01T00:00:00Z");
    const prepared = prepareResponse({ body: "prepared" });
    await withServer((req, res) => {
      if (req.path === "/prepared") res.send(prepared);
      else res.send("plain");
    }, async ({ port }) => {
      using client = await RawClient.connect(port);
      const dates: (string | null)[] = [];
      for (const second of ["01", "02", "59"]) {
        set(`2031-02-03T04:05:${second}Z`);
        client.received = "";
        await client.send(keep("GET", "/prepared") + keep("GET", "/plain"));
        await client.until("plain");
        dates.push(
          ...answersIn(client.received).map((answer) => get(answer, "date")),
        );
      }
      assertEquals(
        dates,
        ["01", "01", "02", "02", "59", "59"].map((second) =>
          `Mon, 03 Feb 2031 04:05:${second} GMT`
        ),
      );
    });
  });
});

test("a response that takes a while has the Date of its sending", async () => {
  await withClock(async (set) => {
    const prepared = prepareResponse({ body: "prepared" });
    set("2031-02-03T04:05:00Z");
    await withServer(async (req, res) => {
      await req.text();
      if (req.path === "/prepared") res.send(prepared);
      else res.send("plain");
    }, async ({ port }) => {
      for (const path of ["/plain", "/prepared"]) {
        using client = await RawClient.connect(port);
        set("2031-02-03T04:05:00Z");
        await client.send(
          `POST ${path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n` +
            "Connection: close\r\nContent-Length: 1\r\n\r\n",
        );
        // The request is being handled by now.
        await client.until("100 Continue\r\n\r\n");
        set("2031-02-03T04:05:30Z");
        await client.send("x");
        const answers = answersIn(await client.rest());
        assertEquals(
          get(answers.at(-1)!, "date"),
          "Mon, 03 Feb 2031 04:05:30 GMT",
          path,
        );
      }
    });
  });
});

test("a response that waits for nobody's bytes has the Date of its sending", async () => {
  await withClock(async (set) => {
    set("2031-02-03T04:05:00Z");
    const { promise, resolve } = Promise.withResolvers<void>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    await withServer(async (_req, res) => {
      begin();
      await promise;
      res.send("late");
    }, async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send(GET);
      await begun;
      set("2031-02-03T04:05:30Z");
      resolve();
      const [answer] = answersIn(await client.rest());
      assertEquals(get(answer!, "date"), "Mon, 03 Feb 2031 04:05:30 GMT");
    });
  });
});

// ------------------------------------------------------------------ Content-Type

test("text and JSON have a type, which can be another", async () => {
  const { answers } = await exchange(
    (req, res) => {
      const headers = { "Content-Type": "a/b" };
      switch (req.path) {
        case "/text":
          return res.send("a");
        case "/text-other":
          return res.send("a", { headers });
        case "/text-capitals":
          return res.send("ü", { headers: { "CONTENT-TYPE": "a/b" } });
        case "/text-headers":
          return res.send("a", { headers: new Headers(headers) });
        case "/json":
          return res.json({ a: [1, "ü"] });
        case "/json-other":
          return res.json({}, { headers, status: 422 });
        case "/bytes":
          return res.send(bytesOf("a"), { headers });
        case "/stream":
          return res.send(streamOf(["a"]), { headers });
        case "/trailers":
          return res.json(1, { trailers: () => ({ x: "1" }) });
        case "/null":
          return res.send(null, { headers });
        case "/prepared":
          return res.send(prepareResponse({ headers, body: "a" }));
      }
    },
    [
      "/text",
      "/text-other",
      "/text-capitals",
      "/text-headers",
      "/json",
      "/json-other",
      "/bytes",
      "/stream",
      "/trailers",
      "/null",
    ].map((path) => keep("GET", path)).join("") + ask("GET", "/prepared"),
  );
  assertEquals(answers.map((answer) => get(answer, "content-type")), [
    TEXT_TYPE,
    "a/b",
    "a/b",
    "a/b",
    "application/json",
    "a/b",
    "a/b",
    "a/b",
    "application/json",
    "a/b",
    "a/b",
  ]);
  assertEquals(answers[4]!.body, textOf(encoder.encode('{"a":[1,"ü"]}')));
  assertEquals(answers[5]!.status, 422);
});

test("what has no JSON is refused", async () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  for (const value of [undefined, () => 1, Symbol("a"), cycle, 1n]) {
    const { answer, errors } = await exchange((_req, res) => {
      assertThrows(() => res.json(value), TypeError);
      assertEquals(res.sent, false);
      res.json(null);
    });
    assertEquals([answer.status, answer.body, errors], [200, "null", []]);
  }
  const { answer, errors } = await exchange((_req, res) => res.json(undefined));
  assertEquals(answer.status, 500);
  assertInstanceOf(errors[0], TypeError);
});

// ---------------------------------------------------------------- Content-Length

test("a Content-Length that is right stands there once", async () => {
  const { answers } = await exchange(
    (req, res) => {
      switch (req.path) {
        case "/text":
          return res.send("abc", { headers: { "content-length": "3" } });
        case "/utf8":
          return res.send("grüße", { headers: { "Content-Length": "7" } });
        case "/bytes":
          return res.send(ALL_BYTES, { headers: { "content-length": "256" } });
        case "/twice":
          return res.send("abc", {
            headers: [["content-length", "3"], ["Content-Length", "003"]],
          });
        case "/stream":
          return res.send(streamOf(["ab", "c"]), {
            headers: { "content-length": "3" },
          });
        case "/empty":
          return res.send(streamOf([]), { headers: { "content-length": "0" } });
        case "/both":
          return res.send(streamOf(["abc"]), {
            headers: { "content-length": "3", "transfer-encoding": "chunked" },
          });
        default:
          return res.json([1], { headers: { "content-length": "3" } });
      }
    },
    ["/text", "/utf8", "/bytes", "/twice", "/stream", "/empty", "/both"]
      .map((path) => keep("GET", path)).join("") + ask("GET", "/json"),
  );
  assertEquals(
    answers.map((answer) => [answer.framing, get(answer, "content-length")]),
    ["3", "7", "256", "3", "3", "0", "3", "3"].map((n) => ["length", n]),
  );
  assertEquals(answers[4]!.body, "abc");
  assertEquals(answers[6]!.body, "abc");
});

test("a Content-Length that is wrong throws", async () => {
  const wrong: [HttpResponseBody, HeadersInit][] = [
    ["abc", { "content-length": "2" }],
    ["abc", { "content-length": "4" }],
    ["grüße", { "content-length": "5" }],
    [ALL_BYTES, { "content-length": "0" }],
    ["", { "content-length": "1" }],
    [null, { "content-length": "1" }],
    ["abc", { "content-length": "" }],
    ["abc", { "content-length": "+3" }],
    ["abc", { "content-length": "-3" }],
    ["abc", { "content-length": "3.0" }],
    ["abc", { "content-length": "0x3" }],
    ["abc", { "content-length": "3, 3" }],
    [streamOf(["abc"]), { "content-length": "99999999999999999" }],
    [streamOf(["abc"]), { "content-length": "9007199254740992" }],
    [streamOf(["abc"]), [["content-length", "3"], ["content-length", "4"]]],
  ];
  for (const [body, headers] of wrong) {
    const what = JSON.stringify(headers);
    const { answers, errors } = await exchange(
      (_req, res) => res.send(body, { headers }),
    );
    assertEquals(answers.map(({ status }) => status), [500], what);
    assertEquals(errors.length, 1, what);
    assertInstanceOf(errors[0], TypeError, what);
    assertStringIncludes(errors[0].message, "Content-Length", what);
  }
});

test("trailers do not make a wrong Content-Length right", async () => {
  const { answers, errors } = await exchange((_req, res) => {
    res.send("abc", {
      headers: { "content-length": "5" },
      trailers: () => ({ x: "1" }),
    });
  });
  assertEquals(answers.map(({ status }) => status), [500]);
  assertEquals(errors.length, 1);
});

test("a stream that is shorter than declared is cut", async () => {
  for (const request of [keep("GET"), GET10]) {
    const { head, body, errors } = await raw(
      (_req, res) =>
        res.send(streamOf(["ab", "c"]), { headers: { "content-length": "5" } }),
      request,
    );
    assertStringIncludes(head, "Content-Length: 5");
    assertEquals(body, "abc");
    assertEquals(errors.length, 1);
    assertInstanceOf(errors[0], TypeError);
    assertStringIncludes(errors[0].message, "3 of the 5 bytes");
  }
});

test("no more of a stream is sent than declared, and the connection ends", async () => {
  for (const chunks of [["ab", "cdef"], ["abcde", "f"]]) {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const queue = [...chunks];
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(bytesOf(queue.shift() ?? "x")),
      cancel: resolve,
    });
    const { body, errors } = await raw(
      (_req, res) => res.send(stream, { headers: { "content-length": "5" } }),
      keep("GET") + keep("GET", "/second"),
    );
    assert("abcde".startsWith(body), `${JSON.stringify(body)} was sent`);
    assertEquals(errors.length, 1);
    assertInstanceOf(errors[0], TypeError);
    assertStringIncludes(errors[0].message, "more than the 5 bytes");
    assertEquals(await promise, errors[0]);
  }
});

// ------------------------------------------------- Transfer-Encoding, Connection

test("Transfer-Encoding may say what the server does anyway", async () => {
  const { answers } = await exchange(
    (req, res) => {
      const headers = { "Transfer-Encoding": " Chunked " };
      if (req.path === "/text") res.send("abc", { headers });
      else res.send(streamOf(["abc"]), { headers });
    },
    keep("GET", "/text") + keep("GET", "/stream") + GET10,
  );
  assertEquals(
    answers.map((answer) => [answer.framing, answer.body]),
    [["length", "abc"], ["chunked", "abc"], ["close", "abc"]],
  );
});

test("another Transfer-Encoding is refused", async () => {
  for (
    const coding of [
      "gzip",
      "gzip, chunked",
      "chunked, chunked",
      "identity",
      "",
    ]
  ) {
    const { answer, errors } = await exchange((_req, res) =>
      res.send(streamOf(["abc"]), { headers: { "transfer-encoding": coding } })
    );
    assertEquals(answer.status, 500, coding);
    assertInstanceOf(errors[0], TypeError, coding);
    assertThrows(
      () => prepareResponse({ headers: { "transfer-encoding": coding } }),
      TypeError,
      "Transfer-Encoding",
    );
  }
});

test("Connection: close of the program ends the connection", async () => {
  for (
    const headers of [
      { connection: "close" },
      { Connection: "CLOSE" },
      { connection: "keep-alive , close" },
    ]
  ) {
    for (const body of ["abc", streamOf(["abc"]), bytesOf("abc")]) {
      const { answers } = await exchange(
        (_req, res) => res.send(body, { headers }),
        keep("GET") + keep("GET"),
      );
      assertEquals(answers.map(({ body }) => body), ["abc"]);
      assertEquals(get(answers[0]!, "connection"), "close");
    }
  }
});

test("other options of Connection are passed on", async () => {
  const { answers } = await exchange(
    (req, res) =>
      res.send("a", {
        headers: [
          ["connection", req.path === "/close" ? "close, X-Hop" : "X-Hop"],
          ["connection", "keep-alive, other"],
          ["x-hop", "1"],
        ],
      }),
    keep("GET") + "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" +
      keep("GET", "/close"),
  );
  assertEquals(
    answers.map((answer) => get(answer, "connection")),
    ["x-hop, other", "keep-alive, x-hop, other", "close, x-hop, other"],
  );
});

test("the program's keep-alive does not keep what the client closes", async () => {
  const { answers } = await exchange(
    (_req, res) => res.send("a", { headers: { connection: "keep-alive" } }),
    keep("GET") + GET + keep("GET"),
  );
  assertEquals(
    answers.map((answer) => get(answer, "connection")),
    [null, "close"],
  );
});

// ------------------------------------------------------------------- validation

const BAD_FIELDS: [string, string][] = [
  ["", "1"],
  ["a b", "1"],
  ["a:", "1"],
  ["a\r\nx", "1"],
  ["a\n", "1"],
  ["a\0", "1"],
  ["(a)", "1"],
  ["é", "1"],
  ["a世", "1"],
  ["x", "a\r\nX-Injected: 1"],
  ["x", "a\r\n\r\nHTTP/1.1 200 OK"],
  ["x", "a\n"],
  ["x", "\r"],
  ["x", "a\0b"],
  ["x", "\x01"],
  ["x", "\x1b[0m"],
  ["x", "\x7f"],
  ["x", "\u0100"],
  // Cut to a byte, these would be letters.
  ["x", "\u0141"],
  ["\u0161", "1"],
  ["x", "世界"],
  ["x", "\u010d\u010a"],
  ["content-type", "a\nb"],
  ["date", "a\r\nb"],
  ["connection", "close\r\nX-Injected: 1"],
];

/** Everything that takes fields, given these. */
const TAKERS: [string, (res: HttpResponse, headers: HeadersInit) => void][] = [
  ["text", (res, headers) => res.send("a", { headers })],
  ["UTF-8", (res, headers) => res.send("世", { headers })],
  ["bytes", (res, headers) => res.send(bytesOf("a"), { headers })],
  ["stream", (res, headers) => res.send(streamOf(["a"]), { headers })],
  ["nothing", (res, headers) => res.send(null, { headers, status: 304 })],
  ["interim", (res, headers) => res.send(null, { headers, status: 103 })],
  ["json", (res, headers) => res.json(1, { headers })],
  [
    "trailers",
    (res, headers) => res.send("a", { headers, trailers: () => ({}) }),
  ],
  ["upgrade", (res, headers) => void res.upgrade({ headers })],
  ["prepared", (res, headers) => res.send(prepareResponse({ headers }))],
];

test("a malformed field throws in the handler, and nothing of it is sent", async () => {
  const request =
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\n" +
    "Upgrade: x\r\n\r\n";
  let thrown = 0;
  const { answers, errors } = await exchange((_req, res) => {
    for (const [name, value] of BAD_FIELDS) {
      for (const [what, take] of TAKERS) {
        for (
          const headers of [
            [["good", "1"], [name, value]] as [string, string][],
            { good: "1", [name]: value },
          ]
        ) {
          assertThrows(() => take(res, headers), TypeError);
          assertEquals(res.sent, false, what);
          thrown++;
        }
      }
    }
    res.send("fine");
  }, request);
  assertEquals(thrown, BAD_FIELDS.length * TAKERS.length * 2);
  assertEquals(answers.map(({ status, body }) => [status, body]), [
    [200, "fine"],
  ]);
  assertEquals(errors, []);
});

test("a malformed field that nobody catches is answered with a 500 alone", async () => {
  for (const [what, take] of TAKERS.slice(0, 8)) {
    for (const later of [false, true]) {
      const { answers, wire, errors } = await exchange(
        (_req, res) => {
          const wrong: HeadersInit = [["x-a", "1"], [
            "x-b",
            "a\r\nX-Injected: 1",
          ]];
          if (!later) return take(res, wrong);
          return Promise.resolve().then(() => take(res, wrong));
        },
      );
      assertEquals(answers.map(({ status }) => status), [500], what);
      assert(!/x-a|x-b|injected/i.test(wire), what);
      assertEquals(errors.length, 1, what);
      assertInstanceOf(errors[0], TypeError, what);
    }
  }
});

test("fields go out as they were given, one byte a character", async () => {
  const fields: [string, string][] = [
    ["X-Case", "Value"],
    ["x-case", "again"],
    ["!#$%&'*+-.^_`|~09", "a"],
    ["x-tab", "a\tb"],
    ["x-latin", "\x80\xe9\xff"],
    ["x-empty", ""],
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
  ];
  const prepared = prepareResponse({ headers: fields, body: "a" });
  const { wire } = await exchange(
    (req, res) => {
      if (req.path === "/prepared") res.send(prepared);
      else res.send("a", { headers: fields });
    },
    keep("GET", "/prepared") + GET,
  );
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  assertEquals(wire.split(lines).length, 3);
});

test("fields can be more than any slab of memory holds", async () => {
  const value = "v".repeat(100_000);
  const { answers } = await exchange(
    (_req, res) => res.send("a", { headers: { "x-large": value } }),
    keep("GET") + GET,
  );
  assertEquals(answers.map((answer) => get(answer, "x-large") === value), [
    true,
    true,
  ]);
});

test("the reason phrase is the registered one, or the program's", async () => {
  const cases: [HttpResponseInit, string][] = [
    [{}, "HTTP/1.1 200 OK"],
    [{ status: 404 }, "HTTP/1.1 404 Not Found"],
    // Without a phrase, the space before it stays (RFC 9112 §4).
    [{ status: 299 }, "HTTP/1.1 299 "],
    [{ status: 599 }, "HTTP/1.1 599 "],
    [{ statusText: "Fine\tBy Me" }, "HTTP/1.1 200 Fine\tBy Me"],
    [{ status: 404, statusText: "" }, "HTTP/1.1 404 Not Found"],
    [
      { status: 418, statusText: "Th\xe9i\xe8re" },
      "HTTP/1.1 418 Th\xe9i\xe8re",
    ],
    [{ status: 404 }, "HTTP/1.1 404 Not Found"],
  ];
  const { answers } = await exchange(
    (req, res) => res.send("a", cases[Number(req.path.slice(1))]![0]),
    cases.slice(1).map((_, i) => keep("GET", `/${i}`)).join("") +
      ask("GET", `/${cases.length - 1}`),
  );
  assertEquals(answers.map(({ line }) => line), cases.map(([, line]) => line));
  const prepared = prepareResponse({ status: 404, statusText: "Gone Fishing" });
  const { answer } = await exchange((_req, res) => res.send(prepared));
  assertEquals(answer.line, "HTTP/1.1 404 Gone Fishing");
});

test("a reason phrase that breaks the line is refused", async () => {
  for (
    const statusText of [
      "a\r\nX: 1",
      "a\n",
      "\r",
      "a\0",
      "\x7f",
      "\u0141",
      "\u0100",
      "世",
    ]
  ) {
    const { answer, errors } = await exchange((_req, res) => {
      assertThrows(() => res.send("a", { statusText }), TypeError);
      assertThrows(() => res.send(streamOf(["a"]), { statusText }), TypeError);
      assertThrows(
        () => res.send(null, { statusText, status: 103 }),
        TypeError,
      );
      assertThrows(() => prepareResponse({ statusText }), TypeError);
      assertEquals(res.sent, false);
      res.send("a", { statusText });
    });
    assertEquals(answer.line, "HTTP/1.1 500 Internal Server Error");
    assertEquals(errors.length, 1);
    assertInstanceOf(errors[0], TypeError);
  }
});

test("a status out of range throws a RangeError", async () => {
  for (
    const status of [
      0,
      -200,
      99,
      600,
      1000,
      200.5,
      103.5,
      NaN,
      Infinity,
      -Infinity,
    ]
  ) {
    const { answer, errors } = await exchange((_req, res) => {
      for (const body of ["a", null, bytesOf("a"), streamOf(["a"])]) {
        assertThrows(() => res.send(body, { status }), RangeError);
      }
      assertThrows(() => res.json(1, { status }), RangeError);
      assertThrows(() => prepareResponse({ status }), RangeError);
      res.send("fine");
    });
    assertEquals([answer.status, errors], [200, []], String(status));
  }
  for (const status of [100, 101, 103, 199]) {
    assertThrows(() => prepareResponse({ status }), RangeError);
  }
});

test("a second response throws, and the first stays", async () => {
  const first: [string, (res: HttpResponse) => void][] = [
    ["text", (res) => res.send("first")],
    ["json", (res) => res.json("first")],
    ["stream", (res) => res.send(streamOf(["first"]))],
    ["prepared", (res) => res.send(prepareResponse({ body: "first" }))],
  ];
  for (const [what, send] of first) {
    for (const later of [false, true]) {
      const again = (res: HttpResponse) => {
        assertEquals(res.sent, true);
        assertThrows(() => res.send("again"), TypeError, "already sent");
        assertThrows(() => res.json("again"), TypeError, "already sent");
        assertThrows(() => res.send(streamOf(["again"])), TypeError);
        assertThrows(() => res.send(PREPARED_TEXT), TypeError);
        assertThrows(() => res.upgrade(), TypeError, "already sent");
      };
      const { answers, errors } = await exchange((_req, res) => {
        assertEquals(res.sent, false);
        send(res);
        again(res);
        if (!later) return;
        return new Promise<void>((resolve) => setTimeout(resolve, 0))
          .then(() => again(res));
      });
      assertEquals(answers.length, 1, what);
      assertStringIncludes(answers[0]!.body, "first");
      assertEquals(errors, [], what);
    }
  }
});

test("CONNECT is not accepted with send, but answered with 501", async () => {
  const request = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
  for (
    const send of [
      (res) => res.send("a"),
      (res) => res.send(null, { status: 204 }),
      (res) => res.send(streamOf([])),
      (res) => res.send(PREPARED_TEXT),
      (res) => res.json(1),
      (res) => res.send("a", { trailers: () => ({}) }),
    ] as ((res: HttpResponse) => void)[]
  ) {
    const { answers, errors } = await exchange((_req, res) => {
      send(res);
      assertEquals(res.sent, true);
    }, request + keep("GET"));
    // What follows may be meant for the other end of the tunnel.
    assertEquals(answers.map(({ status }) => status), [501]);
    assertEquals(get(answers[0]!, "connection"), "close");
    assertEquals(errors, []);
  }
  const refused = await exchange(
    (_req, res) => res.send("no", { status: 403 }),
    request,
  );
  assertEquals(refused.answer.status, 403);
  assertEquals(refused.errors, []);
});

// ----------------------------------------------------------------------- streams

test("a stream that fails cuts the response", async () => {
  const failure = new Error("no more");
  for (const chunks of [0, 2]) {
    for (const request of [keep("GET"), GET10]) {
      let left = chunks;
      const { body, errors } = await raw((_req, res) => {
        left = chunks;
        res.send(
          new ReadableStream({
            pull(controller) {
              if (left-- > 0) controller.enqueue(bytesOf("abc"));
              else controller.error(failure);
            },
          }, { highWaterMark: 0 }),
        );
      }, request);
      const chunk = request === GET10 ? "abc" : "3\r\nabc\r\n";
      assertEquals(body, chunk.repeat(chunks));
      assertEquals(errors, [failure]);
    }
  }
});

test("a stream of something else than bytes cuts the response", async () => {
  for (
    const chunk of ["text", 1, null, new ArrayBuffer(2), new Uint16Array(1)]
  ) {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const { body, errors } = await raw((_req, res) => {
      res.send(
        new ReadableStream<Uint8Array>({
          start(controller) {
            controller.enqueue(bytesOf("abc"));
            controller.enqueue(chunk as unknown as Uint8Array);
          },
          cancel: resolve,
        }),
      );
    });
    assertEquals(body, "3\r\nabc\r\n");
    assertEquals(errors.length, 1);
    assertInstanceOf(errors[0], TypeError);
    assertEquals(await promise, errors[0]);
  }
});

/** A connection in memory: what it reads is given, and writes wait to be let go. */
class HeldConn implements Conn {
  wire = "";
  writes = 0;
  /** While this is set, nothing is taken. */
  #held: PromiseWithResolvers<void> | null = Promise.withResolvers<void>();
  #input: Uint8Array | null;
  #closed = Promise.withResolvers<null>();

  constructor(input: string) {
    this.#input = bytesOf(input);
  }

  read(into: Uint8Array): Promise<number | null> {
    const input = this.#input;
    if (input === null) return this.#closed.promise;
    this.#input = null;
    into.set(input);
    return Promise.resolve(input.length);
  }

  async write(bytes: Uint8Array): Promise<number> {
    this.writes++;
    await this.#held?.promise;
    const count = Math.min(10_000, bytes.length);
    this.wire += textOf(bytes.subarray(0, count));
    return count;
  }

  /** From here on everything is taken. */
  letGo(): void {
    this.#held?.resolve();
    this.#held = null;
  }

  closeWrite(): Promise<void> {
    this.#closed.resolve(null);
    return Promise.resolve();
  }

  close(): void {
    this.#closed.resolve(null);
  }
}

/** Lets everything that is due happen. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

test("a stream is read no faster than the client takes it", async () => {
  for (const size of [1000, 16_384, 50_000]) {
    const pools = new Pools();
    const conn = new HeldConn(GET);
    const total = 40 * 65_536;
    let pulled = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(size).fill(0x78));
        if ((pulled += size) >= total) controller.close();
      },
    }, { highWaterMark: 0 });
    const served = serveConnection(conn, (_req, res) => res.send(stream), {
      pools,
    });
    await settle();
    const held = pulled;
    // What fills the output, and the chunk that went over it.
    assert(held > 0 && held <= 65_536 + size, `${held} bytes were pulled`);
    await settle();
    assertEquals(pulled, held, "pulls went on");
    const { slabs } = pools.stats();
    const inUse = slabs.reduce((sum, { inUse }) => sum + inUse, 0);
    assert(inUse <= 8, `${inUse} slabs are in use`);
    conn.letGo();
    await served;
    const [answer] = answersIn(conn.wire);
    assertEquals(answer!.body.length, pulled);
    assert(pulled >= total);
    assertPoolsAtRest(pools);
  }
});

test("a client that does not read stops the stream, and its reading moves it on", async () => {
  let pulled = 0;
  const { promise: cancelled, resolve } = Promise.withResolvers<void>();
  const chunk = new Uint8Array(65_536);
  const endless = () =>
    new ReadableStream<Uint8Array>({
      async pull(controller) {
        // A turn of its own, so that a server without bounds does not hang the test.
        await new Promise((resolve) => setTimeout(resolve, 0));
        controller.enqueue(chunk);
        pulled += chunk.length;
      },
      cancel: () => resolve(),
    }, { highWaterMark: 0 });
  await withServer(
    (_req, res) => res.send(endless()),
    async ({ port, errors }) => {
      {
        using client = await RawClient.connect(port);
        await client.send(GET);
        await client.until("\r\n\r\n");
        // The buffers of the system take some; then it stands still.
        let before = -1;
        while (pulled !== before) {
          before = pulled;
          assert(pulled < 256 * 1024 * 1024, "nothing stops the stream");
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        const buffer = new Uint8Array(262_144);
        for (let read = 0; read < pulled;) {
          read += await client.conn.read(buffer) ?? 0;
          if (pulled > before) break;
        }
        while (pulled === before) await client.conn.read(buffer);
      }
      await cancelled;
      // A client that leaves is nobody's mistake.
      assertEquals(errors, []);
    },
  );
});

/** A client that asks, waits for `part` of the answer, and resets the connection. */
function askAndReset(
  port: number,
  request: string,
  part: string,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let received = "";
  const socket = connect(port, "127.0.0.1", () => void socket.write(request));
  socket.setEncoding("latin1");
  socket.on("data", (text: string) => {
    received += text;
    if (received.includes(part)) socket.resetAndDestroy();
  });
  socket.on("close", () => resolve());
  socket.on("error", reject);
  return promise;
}

test("a silent stream is cancelled when the client resets the connection", async () => {
  for (const first of ["x", "x".repeat(100_000)]) {
    const { stream, cancelled } = cancellable(first);
    await withServer((_req, res) => res.send(stream), async (running) => {
      await askAndReset(running.port, keep("GET"), "\r\n\r\n");
      await cancelled;
      assertEquals(running.errors, []);
    });
  }
});

test("who answers a client that is gone meets no error, and a stream is cancelled", async () => {
  for (const body of ["text", bytesOf("x"), null, "stream", "prepared"]) {
    const { stream, cancelled } = cancellable("abc");
    const { promise: handled, resolve } = Promise.withResolvers<boolean>();
    await withServer(async (req, res) => {
      const { signal } = req;
      res.send(null, { status: 103 });
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      res.send(null, { status: 103 });
      if (body === "stream") res.send(stream);
      else res.send(body === "prepared" ? PREPARED_TEXT : body);
      resolve(res.sent);
    }, async ({ port, errors }) => {
      await askAndReset(port, keep("GET"), "103");
      assertEquals(await handled, true);
      if (body === "stream") await cancelled;
      assertEquals(errors, []);
    });
  }
});

test("who fails because the client is gone is not reported", async () => {
  const { promise: handled, resolve } = Promise.withResolvers<void>();
  await withServer(async ({ signal }, res) => {
    res.send(null, { status: 103 });
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    resolve();
    signal.throwIfAborted();
  }, async ({ port, errors }) => {
    await askAndReset(port, keep("GET"), "103");
    await handled;
    assertEquals(errors, []);
  });
});

// ---------------------------------------------------------------- handlers that fail

test("a handler that does not answer is answered for with a 500", async () => {
  const handlers: Handler[] = [
    () => {},
    () => Promise.resolve(),
    () => settle(),
    // An interim response is no response.
    (_req, res) => res.send(null, { status: 103 }),
  ];
  for (const handler of handlers) {
    const { answers, errors } = await exchange(handler, keep("GET") + GET);
    assertEquals(
      answers.filter(({ status }) => status >= 200)
        .map(({ line, body }) => [line, body]),
      Array(2).fill([
        "HTTP/1.1 500 Internal Server Error",
        "Internal Server Error",
      ]),
    );
    assertEquals(errors.length, 2);
    for (const error of errors) {
      assertInstanceOf(error, TypeError);
      assertStringIncludes(error.message, "without a response");
    }
  }
});

test("a handler that throws or rejects is answered for with a 500", async () => {
  for (const failure of [new Error("mine"), "text", undefined, null]) {
    const handlers: Handler[] = [
      () => {
        throw failure;
      },
      () => Promise.reject(failure),
      async () => {
        await settle();
        throw failure;
      },
    ];
    for (const handler of handlers) {
      const { answers, wire, errors } = await exchange(
        handler,
        keep("GET") + GET,
      );
      assertEquals(answers.map(({ status }) => status), [500, 500]);
      // What went wrong is the program's own business.
      assert(!wire.includes("mine"));
      assertEquals(errors, [failure, failure]);
    }
  }
});

test("onError can answer in place of the 500", async () => {
  const handlers: Handler[] = [
    () => {
      throw new Error("mine");
    },
    () => Promise.reject(new Error("mine")),
    () => {},
  ];
  for (const handler of handlers) {
    const seen: boolean[] = [];
    const { answers } = await exchange(handler, keep("GET") + GET, {
      onError: (error, res) => {
        seen.push(res!.sent);
        res!.json({ error: (error as Error).message }, { status: 503 });
      },
    });
    assertEquals(seen, [false, false]);
    assertEquals(answers.map(({ status }) => status), [503, 503]);
    assertStringIncludes(answers[0]!.body, "error");
  }
});

test("an onError that fails leaves the 500", async () => {
  const { error: print } = console;
  const printed: unknown[] = [];
  console.error = (...args) => void printed.push(...args);
  try {
    const failure = new Error("of the reporter");
    const reporters: ServeOptions["onError"][] = [
      () => {
        throw failure;
      },
      () => Promise.reject(failure),
      async () => {
        await settle();
        throw failure;
      },
    ];
    for (const onError of reporters) {
      printed.length = 0;
      const { answer } = await exchange(
        () => {
          throw new Error("of the handler");
        },
        GET,
        { onError: onError! },
      );
      assertEquals(answer.status, 500);
      while (printed.length === 0) await settle();
      assertEquals(printed, [failure]);
    }
  } finally {
    console.error = print;
  }
});

test("a handler that fails after it answered does not answer again", async () => {
  const failure = new Error("too late");
  const sends: [string, (res: HttpResponse) => void][] = [
    ["text", (res) => res.send("whole")],
    ["stream", (res) => res.send(streamOf(["wh", "ole"]))],
  ];
  for (const [what, send] of sends) {
    const handlers: Handler[] = [
      (_req, res) => {
        send(res);
        throw failure;
      },
      (_req, res) => {
        send(res);
        return Promise.reject(failure);
      },
      async (_req, res) => {
        send(res);
        await settle();
        throw failure;
      },
    ];
    for (const handler of handlers) {
      const told: unknown[] = [];
      const { answers } = await exchange(handler, keep("GET") + GET, {
        onError: (error, res) => void told.push([error, res]),
      });
      assertEquals(
        answers.map(({ status, body }) => [status, body]),
        [[200, "whole"], [200, "whole"]],
        what,
      );
      assertEquals(told, [[failure, null], [failure, null]], what);
    }
  }
});

/**
 * A first request is handled by `first`, which may keep its response; a second one
 * of the same connection waits for its answer. Tells how a late send of the kept
 * response fares meanwhile, and what came out.
 */
async function lateSend(
  first: (res: HttpResponse, req: HttpRequest) => void | Promise<void>,
  options: ServeOptions = {},
  inTurn = false,
): Promise<{ late: unknown; bodies: string[] }> {
  let kept!: HttpResponse;
  let late: unknown = null;
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const bodies: string[] = [];
  await withServer((req, res) => {
    if (req.path === "/first") {
      kept = res;
      return first(res, req);
    }
    begin();
    return released.then(() => {
      if (!res.sent) res.send("second");
    });
  }, async ({ port }: Running) => {
    using client = await RawClient.connect(port);
    await client.send(keep("GET", "/first"));
    if (inTurn) await client.until("first");
    await client.send(ask("GET", "/second"));
    await begun;
    try {
      kept.send("of the first");
    } catch (error) {
      late = error;
    }
    release();
    bodies.push(...answersIn(await client.rest()).map(({ body }) => body));
  }, options);
  return { late, bodies };
}

test("a response that an async handler kept can't answer a later request", async () => {
  const ways: ((res: HttpResponse) => Promise<void>)[] = [
    // deno-lint-ignore require-await -- what is tested is a promise that is resolved
    async (res) => res.send("first"),
    async (res) => {
      await settle();
      res.send("first");
    },
    async (res) => {
      res.send("first");
      await settle();
    },
    async (res) => {
      res.send(streamOf(["fi", "rst"]));
      await settle();
    },
    async (res) => {
      await settle();
      res.send(streamOf(["fi", "rst"]));
    },
  ];
  for (const way of ways) {
    const { late, bodies } = await lateSend(way);
    assertInstanceOf(late, TypeError);
    assertEquals(bodies, ["first", "second"]);
  }
});

test("a response that a failed handler or onError kept can't answer a later request", async () => {
  const options: ServeOptions = { onError: () => {} };
  const ways: ((res: HttpResponse) => void | Promise<void>)[] = [
    () => {},
    () => {
      throw new Error("mine");
    },
    () => Promise.reject(new Error("mine")),
  ];
  for (const way of ways) {
    const { late, bodies } = await lateSend(way, options);
    assertInstanceOf(late, TypeError);
    assertEquals(bodies, ["Internal Server Error", "second"]);
  }
});

test("a response that a sync handler kept can't answer a request of a later turn", async () => {
  const { late, bodies } = await lateSend((res) => res.send("first"), {}, true);
  assertInstanceOf(late, TypeError);
  assertEquals(bodies, ["first", "second"]);
});

test("a response whose stream a sync handler sent can't answer a later request", async () => {
  const { late, bodies } = await lateSend((res) =>
    res.send(streamOf(["fi", "rst"]))
  );
  assertInstanceOf(late, TypeError);
  assertEquals(bodies, ["first", "second"]);
});

test("a kept response sends nothing once its connection is over", async () => {
  let kept!: HttpResponse;
  const { answer } = await exchange((_req, res) => {
    kept = res;
    res.send("first");
  });
  assertEquals(answer.body, "first");
  assertEquals(kept.sent, true);
  assertThrows(() => kept.send("late"), TypeError);
  assertThrows(() => kept.json("late"), TypeError);
  assertThrows(() => kept.upgrade(), TypeError);
});

// ---------------------------------------------------------------------- prepared

test("a prepared response serves every connection and version", async () => {
  const hello = prepareResponse({
    status: 201,
    headers: { "x-a": "1", "content-type": "text/html" },
    body: "hello",
  });
  assertEquals(hello.status, 201);
  for (let round = 0; round < 2; round++) {
    const { answers } = await exchange(
      (_req, res) => res.send(hello),
      keep("GET") + keep("HEAD") +
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" +
        "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" +
        keep("POST") + ask("HEAD"),
    );
    assertEquals(
      answers.map((answer) => [
        answer.line,
        answer.body,
        get(answer, "content-length"),
        get(answer, "content-type"),
        get(answer, "x-a"),
        get(answer, "connection"),
      ]),
      [
        ["hello", null],
        ["", null],
        ["hello", "keep-alive"],
        ["", "keep-alive"],
        ["hello", null],
        ["", "close"],
      ].map(([body, connection]) => [
        "HTTP/1.1 201 Created",
        body,
        "5",
        "text/html",
        "1",
        connection,
      ]),
    );
  }
});

test("a prepared response can end the connection", async () => {
  const bye = prepareResponse({
    headers: { connection: "close, x-hop" },
    body: "bye",
  });
  const { answers } = await exchange(
    (_req, res) => res.send(bye),
    keep("GET") + keep("GET"),
  );
  assertEquals(answers.map(({ body }) => body), ["bye"]);
  const options = all(answers[0]!, "connection").join(", ").split(/ *, */);
  assertEquals(options.sort(), ["close", "x-hop"]);
});

test("what is wrong with a prepared response throws where it is made", () => {
  for (const [name, value] of BAD_FIELDS) {
    assertThrows(
      () => prepareResponse({ headers: [[name, value]] }),
      TypeError,
    );
  }
  for (const length of ["2", "4", "", "3, 3"]) {
    assertThrows(
      () =>
        prepareResponse({ headers: { "content-length": length }, body: "abc" }),
      TypeError,
      "Content-Length",
    );
  }
  prepareResponse({ headers: { "content-length": "3" }, body: "abc" });
  return Promise.resolve();
});

test("what a prepared response was made of can be used again", async () => {
  const body = bytesOf("hello");
  const headers = new Headers({ "x-a": "1" });
  const prepared = prepareResponse({ body, headers });
  body.fill(0);
  headers.set("x-a", "2");
  const { answer } = await exchange((_req, res) => res.send(prepared));
  assertEquals([answer.body, get(answer, "x-a")], ["hello", "1"]);
});

test("what can't be sent rejects nothing that nobody holds", async () => {
  // A stream that fails to be cancelled, for a HEAD: nobody may be told.
  const { answer, errors } = await exchange((_req, res) => {
    res.send(
      new ReadableStream({
        cancel() {
          throw new Error("does not want to be cancelled");
        },
      }),
    );
  }, ask("HEAD"));
  assertEquals([answer.status, errors], [200, []]);
});
