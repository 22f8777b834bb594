/**
 * The head cache. Whatever a connection or its pools have seen before, a head must parse
 * exactly as in a fresh parser, and be refused with the same code at the same offset.
 */

import { assertEquals, assertThrows } from "@std/assert";
import {
  HttpError,
  type HttpRequest,
  Pools,
  RequestParser,
} from "@pooled/http1";
import fc from "fast-check";
import { bytesOf } from "../support/bytes.ts";

/** The fields that the tests look up. */
const ASKED = [
  "Host",
  "x-a",
  "Cookie",
  "Content-Length",
  "Transfer-Encoding",
  "Connection",
  "Upgrade",
  "expect",
];

/** Everything a request exposes of its head, read twice to cover cached strings. */
function told(request: HttpRequest): unknown {
  const tell = () => {
    const { method, target, path, query, httpVersion, headers } = request;
    const { contentLength, chunked, keepAlive, upgrade } = request;
    const fields = ASKED.map((name) => [
      headers.get(name),
      headers.getAll(name),
      headers.has(name),
      headers.equals(name, "x"),
    ]);
    return {
      ...{ method, target, path, query, httpVersion, upgrade, fields },
      ...{ contentLength, chunked, keepAlive, size: headers.size },
      expectContinue: request.expectContinue,
      released: request.released,
      lines: [...headers],
      hasBody: request.body !== null,
    };
  };
  const first = tell();
  assertEquals(tell(), first);
  return first;
}

/** The outcome of a head in a fresh parser. */
function alone(head: string): unknown {
  const parser = new RequestParser({ pools: new Pools() });
  parser.push(bytesOf(head));
  try {
    return told(parser.next()!);
  } catch (error) {
    return refusal(error);
  }
}

/** A refusal as plain data, with its offset relative to `start`. */
function refusal(error: unknown, start = 0): unknown {
  if (!(error instanceof HttpError)) throw error;
  return { code: error.code, status: error.status, at: error.offset - start };
}

const requestLine = fc.tuple(
  fc.constantFrom("GET", "POST", "OPTIONS", "CONNECT", "get"),
  fc.constantFrom("/", "/", "/a?b", "/a-longer-path-than-that?c", "*", "a:1"),
  fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.0"),
).map((parts) => parts.join(" ") + "\r\n");

const fieldLine = fc.oneof(
  { weight: 4, arbitrary: fc.constant("Host: example.com") },
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      "User-Agent: something/1.0 (of a certain length)",
      "X-A: 1",
      "X-A: \xff\xf8\xff\xff\xff\xff\xff\xff\x7e\xf0\xff\xff\xff\xff\xff\xff",
      "Cookie: a=b",
      "Cookie: a=c",
      "X-A:",
      "x-a: \t 1 \t",
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "Content-Length: 0",
      "Content-Length: 3",
      "Transfer-Encoding: chunked",
      "Connection: close",
      "Connection: keep-alive",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Expect: 100-continue",
      "Host: example.org",
      "X A: 1",
    ),
  },
);

/** A sequence of heads, each equal to its predecessor or slightly changed. */
const heads = fc.tuple(
  requestLine,
  fc.array(fieldLine, { maxLength: 9 }),
  fc.array(
    fc.record({
      line: fc.option(requestLine, { nil: null, freq: 3 }),
      at: fc.nat(),
      removed: fc.constantFrom(0, 0, 1, 2),
      added: fc.array(fieldLine, { maxLength: 2 }),
      change: fc.boolean(),
    }),
    { minLength: 2, maxLength: 12 },
  ),
).map(([line, fields, steps]) => {
  const all: string[] = [];
  for (const step of steps) {
    all.push([line, ...fields.map((field) => `${field}\r\n`), "\r\n"].join(""));
    if (step.line !== null) line = step.line;
    if (step.change) {
      fields = fields.toSpliced(
        step.at % (fields.length + 1),
        step.removed,
        ...step.added,
      );
    }
  }
  return all;
});

/** A complete body for the request. */
function bodyOf(request: HttpRequest): string {
  if (request.chunked) return "1\r\nx\r\n0\r\n\r\n";
  return "abc".slice(0, request.contentLength ?? 0);
}

Deno.test("a head parses the same, whatever preceded it on the connection", () => {
  fc.assert(
    fc.property(heads, fc.nat(80), (heads, piece) => {
      const pools = new Pools();
      let parser = new RequestParser({ pools });
      let start = 0;
      for (const head of heads) {
        const expected = alone(head);
        let request: HttpRequest | null = null;
        try {
          const wire = bytesOf(head);
          const size = piece === 0 ? wire.length : piece;
          for (let at = 0; at < wire.length; at += size) {
            parser.push(wire.subarray(at, at + size));
            request = parser.next() ?? request;
          }
        } catch (error) {
          assertEquals(refusal(error, start), expected);
          parser[Symbol.dispose]();
          parser = new RequestParser({ pools });
          start = 0;
          continue;
        }
        assertEquals(told(request!), expected);
        const body = bodyOf(request!);
        parser.push(bytesOf(body));
        start += head.length + body.length;
        request!.release();
      }
      parser[Symbol.dispose]();
      assertEquals(pools.stats().requests.inUse, 0);
    }),
    { numRuns: 3000 },
  );
});

Deno.test("a head parses the same while other requests are held", () => {
  fc.assert(
    fc.property(
      heads,
      fc.array(fc.nat(), { maxLength: 30 }),
      (heads, order) => {
        const pools = new Pools();
        const parser = new RequestParser({ pools });
        const good = heads.filter((head) => {
          const expected = alone(head);
          return (expected as { hasBody?: boolean }).hasBody === false;
        });
        for (const turn of [order, order.toReversed(), order]) {
          parser.push(bytesOf(good.join("")));
          const alive: [HttpRequest, unknown][] = [];
          for (const head of good) alive.push([parser.next()!, alone(head)]);
          for (const [request, expected] of alive) {
            assertEquals(told(request), expected);
          }
          for (const number of turn) {
            if (alive.length === 0) break;
            alive.splice(number % alive.length, 1)[0]![0].release();
          }
          for (const [request] of alive) request.release();
        }
        parser[Symbol.dispose]();
        assertEquals(pools.stats().requests.inUse, 0);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("a head refused in the middle of its framing does not affect later heads", () => {
  const pools = new Pools();
  const plain = "GET / HTTP/1.0\r\n\r\n";
  for (let i = 0; i < 3; i++) {
    const parser = new RequestParser({ pools });
    parser.push(bytesOf(plain + plain));
    for (let j = 0; j < 2; j++) {
      using request = parser.next()!;
      assertEquals(told(request), alone(plain));
    }
    parser.push(bytesOf(
      "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    ));
    assertThrows(() => parser.next(), HttpError);
    parser[Symbol.dispose]();
  }
});

Deno.test("a cached head is still checked against a stricter parser's limits", () => {
  const pools = new Pools();
  const head = "GET /a-target-that-is-long HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
  {
    using parser = new RequestParser({ pools });
    for (let i = 0; i < 4; i++) {
      parser.push(bytesOf(head));
      parser.next()!.release();
    }
  }
  for (const limit of [{ maxRequestLine: 20 }, { maxHeaders: 1 }]) {
    using parser = new RequestParser({ pools, ...limit });
    parser.push(bytesOf(head));
    assertThrows(() => parser.next(), HttpError);
  }
});

/** The outcomes of `heads` in sequence, in one parser. */
function inTurn(heads: string[]): unknown[] {
  using parser = new RequestParser({ pools: new Pools() });
  return heads.map((head) => {
    parser.push(bytesOf(head));
    using request = parser.next()!;
    return told(request);
  });
}

function get(...lines: string[]): string {
  return ["GET / HTTP/1.1", "Host: a", ...lines, "", ""].join("\r\n");
}

Deno.test("changing the third Connection line to close ends keep-alive", () => {
  const before = get("Connection: x", "Connection: y", "Connection: z");
  const after = get("Connection: x", "Connection: y", "Connection: close");
  for (const times of [1, 2, 3, 4, 5, 6, 7, 40]) {
    const heads = [...Array<string>(times).fill(before), after];
    const told = inTurn(heads);
    assertEquals(told, heads.map(alone));
    assertEquals((told.at(-1) as { keepAlive: boolean }).keepAlive, false);
  }
});

Deno.test("changing the third Connection line to or from upgrade takes effect", () => {
  const upgrade = get(
    "Upgrade: websocket",
    "Connection: x",
    "Connection: y",
    "Connection: upgrade",
  );
  const none = upgrade.replace("Connection: upgrade", "Connection: z");
  for (const times of [1, 2, 3, 4, 5, 6, 7, 40]) {
    for (const [before, after] of [[none, upgrade], [upgrade, none]] as const) {
      const heads = [...Array<string>(times).fill(before), after];
      const told = inTurn(heads);
      assertEquals(told, heads.map(alone));
      const expected = after === upgrade ? "websocket" : null;
      assertEquals((told.at(-1) as { upgrade: unknown }).upgrade, expected);
    }
  }
});

/** Several lines of one field, each with a random value out of `values`. */
function repeated(
  name: string,
  values: string[],
  minLength: number,
  maxLength: number,
): fc.Arbitrary<string[]> {
  const line = fc.constantFrom(...values).map((value) => `${name}: ${value}`);
  return fc.array(line, { minLength, maxLength });
}

const OPTIONS = ["x", "y", "close", "keep-alive", "upgrade", "Close, x", ""];
const LENGTHS = ["0", "3", "3", "x"];
const CODINGS = ["chunked", "chunked", "gzip", ""];

/** Framing fields: mostly none or a single line. */
const lengthLines = fc.oneof(
  { weight: 6, arbitrary: fc.constant<string[]>([]) },
  { weight: 2, arbitrary: repeated("Content-Length", LENGTHS, 1, 1) },
  { weight: 2, arbitrary: repeated("Transfer-Encoding", CODINGS, 1, 1) },
  { weight: 1, arbitrary: repeated("Content-Length", LENGTHS, 0, 6) },
  { weight: 1, arbitrary: repeated("Transfer-Encoding", CODINGS, 0, 6) },
);

const otherLines = fc.oneof(
  { weight: 12, arbitrary: repeated("X-A", ["1", "2", "x"], 0, 3) },
  // So many lines exceed the request's inline table.
  { weight: 1, arbitrary: repeated("X-A", ["1", "2", "x"], 24, 40) },
);

/** A field section with repeated framing lines in random order. */
const framingLines = fc.tuple(
  fc.oneof(
    { weight: 9, arbitrary: repeated("Host", ["a", "b:80"], 1, 1) },
    { weight: 1, arbitrary: repeated("Host", ["a", "b:80", "a b"], 0, 6) },
  ),
  repeated("Connection", OPTIONS, 0, 6),
  repeated("Upgrade", ["websocket", "h2c", ""], 0, 6),
  repeated("Expect", ["100-continue", "x"], 0, 6),
  lengthLines,
  otherLines,
).chain((fields) => {
  const lines = fields.flat();
  return fc.array(fc.nat(), {
    minLength: lines.length,
    maxLength: lines.length,
  }).map((keys) =>
    lines.map((line, i) => [keys[i]!, line] as const)
      .toSorted(([a], [b]) => a - b).map(([, line]) => line)
  );
});

const framingRequestLine = fc.tuple(
  fc.constantFrom("GET /", "GET /", "POST /a?b", "CONNECT a:1", "OPTIONS *"),
  fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.0"),
).map((parts) => parts.join(" "));

/** One message of a history: how it differs from its predecessor and how it is handled. */
interface Step {
  /** The edit of the head, which later messages inherit. */
  change: "nothing" | "value" | "remove" | "insert" | "request line";
  line: string;
  requestLine: string;
  /** The position of the edit, modulo the number of lines. */
  at: number;
  /** Replaces one byte of this message only. */
  byte: string | null;
  /** The head arrives in pieces of this size, or whole if 0. */
  piece: number;
  ending: "release" | "release early" | "read" | "hold";
  signal: boolean;
  /** Whether another parser on the same pools refuses a head first. */
  refusedElsewhere: boolean;
  /** Whether the message starts a new connection. */
  reconnect: boolean;
}

const anyLine = fc.oneof(
  { weight: 4, arbitrary: repeated("Connection", OPTIONS, 1, 1) },
  { weight: 1, arbitrary: repeated("Upgrade", ["websocket", "x"], 1, 1) },
  { weight: 1, arbitrary: repeated("Expect", ["100-continue", "x"], 1, 1) },
  { weight: 1, arbitrary: repeated("Content-Length", LENGTHS, 1, 1) },
  { weight: 1, arbitrary: repeated("Transfer-Encoding", CODINGS, 1, 1) },
  { weight: 1, arbitrary: repeated("Host", ["a", "b:80"], 1, 1) },
).map(([line]) => line!);

function mostly<T>(usual: T, ...others: T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 3 * others.length, arbitrary: fc.constant(usual) },
    { weight: others.length, arbitrary: fc.constantFrom(...others) },
  );
}

const step: fc.Arbitrary<Step> = fc.record({
  change: fc.constantFrom<Step["change"]>(
    ...["nothing", "nothing", "nothing", "value", "value"] as const,
    ...["remove", "insert", "request line"] as const,
  ),
  line: anyLine,
  requestLine: framingRequestLine,
  at: fc.nat(),
  byte: mostly<string | null>(null, ..."axe013:, -\r\n\0\xff"),
  piece: mostly(0, 1, 7, 40),
  ending: mostly<Step["ending"]>("release", "release early", "read", "hold"),
  signal: mostly(false, true),
  refusedElsewhere: mostly(false, true),
  reconnect: mostly(false, true),
});

/** The heads of a history. */
function written(first: string, section: string[], steps: Step[]): string[] {
  const lines = [...section];
  return steps.map(({ change, line, requestLine, at, byte }) => {
    const row = at % (lines.length + 1);
    if (change === "request line") first = requestLine;
    if (change === "insert") lines.splice(row, 0, line);
    if (change === "remove") lines.splice(row, 1);
    if (change === "value" && row < lines.length) {
      // Takes over the whole line if the names match, otherwise only the value.
      const [name] = lines[row]!.split(":");
      const [, value] = line.split(": ");
      lines[row] = line.startsWith(`${name}:`) ? line : `${name}: ${value}`;
    }
    const head = [first, ...lines, "", ""].join("\r\n");
    if (byte === null) return head;
    const changed = at % head.length;
    return head.slice(0, changed) + byte + head.slice(changed + 1);
  });
}

/** A parser and the offset at which the current message starts. */
class Reader {
  readonly parser: RequestParser;
  #start = 0;

  constructor(pools: Pools) {
    this.parser = new RequestParser({ pools });
  }

  /** Parses a head into a request or a refusal. */
  head(head: string, piece: number): HttpRequest | { refused: unknown } {
    const wire = bytesOf(head);
    const size = piece === 0 ? wire.length : piece;
    try {
      let request: HttpRequest | null = null;
      for (let at = 0; at < wire.length; at += size) {
        this.parser.push(wire.subarray(at, at + size));
        request = this.parser.next() ?? request;
      }
      if (request === null) return { refused: "it is not whole" };
      this.#start += wire.length;
      return request;
    } catch (error) {
      return { refused: refusal(error, this.#start) };
    }
  }

  /** Feeds the body of a request, and returns its bytes and what the request then exposes. */
  async body(request: HttpRequest, ending: Step["ending"]): Promise<unknown> {
    const wire = request.chunked
      ? "1\r\nx\r\n0\r\nX-T: 1\r\n\r\n"
      : "b".repeat(request.contentLength ?? 0);
    this.#start += wire.length;
    if (ending === "release early") {
      request.release();
      this.parser.push(bytesOf(wire));
      return null;
    }
    const bytes = ending === "read" ? request.bytes() : null;
    this.parser.push(bytesOf(wire));
    const { bodyUsed, trailers } = request;
    return [await bytes, bodyUsed, trailers && [...trailers]];
  }

  [Symbol.dispose](): void {
    this.parser[Symbol.dispose]();
  }
}

const BAD = "CONNECT a:1 HTTP/1.0\r\nConnection: close\r\n" +
  "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 5\r\n\r\n";

Deno.test("a reused parser and a fresh one agree on every history of framing lines", async () => {
  await fc.assert(
    fc.asyncProperty(
      framingRequestLine,
      framingLines,
      fc.array(step, { minLength: 2, maxLength: 16 }),
      async (first, section, steps) => {
        const pools = new Pools();
        let reader = new Reader(pools);
        const held: [HttpRequest, unknown][] = [];
        const heads = written(first, section, steps);
        for (const [i, step] of steps.entries()) {
          if (step.refusedElsewhere) {
            using other = new RequestParser({ pools });
            other.push(bytesOf(heads[i]!.slice(0, -2)));
            other.push(bytesOf("\0"));
            assertThrows(() => other.next(), HttpError);
            using another = new RequestParser({ pools });
            another.push(bytesOf(BAD));
            assertThrows(() => another.next(), HttpError);
          }
          if (step.reconnect) {
            for (const [request] of held.splice(0)) request.release();
            reader[Symbol.dispose]();
            reader = new Reader(pools);
          }
          using fresh = new Reader(new Pools());
          const expected = fresh.head(heads[i]!, 0);
          const found = reader.head(heads[i]!, step.piece);
          if ("refused" in expected || "refused" in found) {
            assertEquals(
              "refused" in found && found.refused,
              "refused" in expected && expected.refused,
            );
            for (const [request] of held.splice(0)) request.release();
            reader[Symbol.dispose]();
            reader = new Reader(pools);
            continue;
          }
          if (step.signal) assertEquals(found.signal.aborted, false);
          const before = told(expected);
          assertEquals(told(found), before);
          assertEquals(
            await reader.body(found, step.ending),
            await fresh.body(expected, step.ending),
          );
          if (step.ending !== "hold") found.release();
          else held.push([found, before]);
          for (const [request, before] of held) {
            assertEquals(told(request), before);
          }
          if (held.length > 3) held.shift()![0].release();
          expected.release();
        }
        for (const [request] of held) request.release();
        reader[Symbol.dispose]();
        assertEquals(pools.stats().requests.inUse, 0);
        assertEquals(pools.stats().tables.inUse, 0);
      },
    ),
    { numRuns: 3000 },
  );
});
