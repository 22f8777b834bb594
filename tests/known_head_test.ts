/**
 * A head that came before is not read again. So whatever came before on a connection,
 * or in the pools, a head must tell the same as it does to a parser that never saw
 * another.
 */

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { HttpError, type HttpRequest, Pools, RequestParser } from "../mod.ts";

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** All that a request tells of its head; most of it twice, to meet kept strings. */
function told(request: HttpRequest): unknown {
  const tell = () => {
    const { method, target, path, query, httpVersion, headers } = request;
    const { contentLength, chunked, keepAlive, upgrade } = request;
    const fields = ["Host", "x-a", "Cookie", "Content-Length", "Connection"]
      .map((name) => [headers.get(name), headers.getAll(name)]);
    return {
      ...{ method, target, path, query, httpVersion, upgrade, fields },
      ...{ contentLength, chunked, keepAlive, size: headers.size },
      expectContinue: request.expectContinue,
      lines: [...headers],
      hasBody: request.body !== null,
    };
  };
  const first = tell();
  assertEquals(tell(), first);
  return first;
}

/** What one head tells, or why it is refused, to a parser of its own. */
function alone(head: string): unknown {
  const parser = new RequestParser({ pools: new Pools() });
  parser.push(bytesOf(head));
  try {
    return told(parser.next()!);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return error.code;
  }
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

/** Heads of which each is the one before with a change or none. */
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

/** The bytes that follow a head, for its body to be done with. */
function bodyOf(request: HttpRequest): string {
  if (request.chunked) return "1\r\nx\r\n0\r\n\r\n";
  return "abc".slice(0, request.contentLength ?? 0);
}

Deno.test("a head tells the same, whatever came before it on the connection", () => {
  fc.assert(
    fc.property(heads, fc.nat(80), (heads, piece) => {
      const pools = new Pools();
      let parser = new RequestParser({ pools });
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
          if (!(error instanceof HttpError)) throw error;
          assertEquals(error.code, expected);
          parser[Symbol.dispose]();
          parser = new RequestParser({ pools });
          continue;
        }
        assertEquals(told(request!), expected);
        parser.push(bytesOf(bodyOf(request!)));
        request!.release();
      }
      parser[Symbol.dispose]();
      assertEquals(pools.stats().requests.inUse, 0);
    }),
    { numRuns: 3000 },
  );
});

Deno.test("it does with several requests alive at once", () => {
  fc.assert(
    fc.property(
      heads,
      fc.array(fc.nat(), { maxLength: 30 }),
      (heads, order) => {
        const pools = new Pools();
        const parser = new RequestParser({ pools });
        const good = heads.filter((head) => {
          const expected = alone(head);
          return typeof expected === "object" &&
            !(expected as { hasBody: boolean }).hasBody;
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

Deno.test("a framing that was refused half-read does not show in a later head", () => {
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

Deno.test("limits of another parser on the same pools hold for a head it let pass", () => {
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
