/**
 * Any head, after any history on the same parser and however it is cut, reads as on a
 * fresh parser.
 *
 * Most heads differ from the one before by a byte or a line, which is what a cache of
 * heads could get wrong. Some requests are held while others are read, and have to stay
 * as they were.
 *
 * @module
 */

import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import {
  HttpError,
  type HttpRequest,
  Pools,
  RequestParser,
} from "@pooled/http1";
import { bytesOf, textOf } from "../support/bytes.ts";

const FIXTURES = new URL("../fixtures/", import.meta.url);
/** Requests that are held while others are read. */
const MOST_HELD = 6;
/** Bytes that mean something to a parser of heads. */
const BYTES = "\r\n\t :,;=/?#*-_0159aAzZ\0\x7f\x80\xff";
const LINES = [
  "Content-Length: 3",
  "Content-Length: 0",
  "Transfer-Encoding: chunked",
  "Connection: close",
  "Connection: keep-alive",
  "Connection: x, Upgrade",
  "Upgrade: y",
  "Host: b",
  "Expect: 100-continue",
  "X-A: 1",
];

/** The heads that clients have sent, one for each recording. */
function recordedHeads(): string[] {
  const heads = [...Deno.readDirSync(FIXTURES)]
    .filter(({ name }) => name.endsWith(".http"))
    .map(({ name }) => textOf(Deno.readFileSync(new URL(name, FIXTURES))))
    .map((wire) => wire.slice(0, wire.indexOf("\r\n\r\n") + 4));
  return heads.filter((head) => head.length > 4 && head.length < 600);
}

/** An input without what follows its first head. */
function firstHead(input: string): string {
  const lead = input.match(/^(?:\r\n)*/)![0].length;
  const end = input.indexOf("\r\n\r\n", lead);
  return end < 0 ? input : input.slice(0, end + 4);
}

/** What a request tells, as one text. */
function describe(request: HttpRequest): string {
  let text =
    `${request.method} ${request.target} ${request.path}?${request.query} ` +
    `${request.httpVersion} ${request.contentLength} ${request.chunked} ` +
    `${request.keepAlive} ${request.expectContinue} ${request.upgrade}`;
  for (const [name, value] of request.headers) text += `\n${name}:${value}`;
  return text;
}

/** What one parser makes of a head: a description, a refusal, or nothing yet. */
function readFresh(head: Uint8Array, pools: Pools): string {
  using parser = new RequestParser({ pools });
  parser.push(head);
  try {
    using request = parser.next();
    return request === null ? "waits" : describe(request);
  } catch (error) {
    return refusal(error, 0);
  }
}

function refusal(error: unknown, from: number): string {
  if (!(error instanceof HttpError)) throw error;
  return `${error.code} at ${error.offset - from}`;
}

interface Held {
  request: HttpRequest;
  description: string;
}

/** One parser with a history, and what was held of it. */
class Veteran {
  readonly #pools: Pools;
  #parser: RequestParser;
  #received = 0;
  #held: Held[] = [];

  constructor(pools: Pools) {
    this.#pools = pools;
    this.#parser = new RequestParser({ pools });
  }

  /** Reads a head in pieces; `hold` keeps the request for later. */
  read(pieces: Uint8Array[], hold: boolean): string {
    const from = this.#received;
    let request: HttpRequest | null = null;
    try {
      for (const piece of pieces) {
        this.#parser.push(piece);
        this.#received += piece.length;
        request ??= this.#parser.next();
      }
    } catch (error) {
      this.restart();
      return refusal(error, from);
    }
    if (request === null) {
      this.restart();
      return "waits";
    }
    const description = describe(request);
    this.#passBody(request);
    if (hold) this.#held.push({ request, description });
    else request.release();
    if (this.#held.length > MOST_HELD) this.#check(this.#held.shift()!);
    return description;
  }

  /** Sends the body that the head announces, if it is short. */
  #passBody(request: HttpRequest): void {
    const { chunked, contentLength } = request;
    if (!chunked && contentLength === null) return;
    if (contentLength !== null && contentLength > 99) return this.restart();
    const body = bytesOf(chunked ? "0\r\n\r\n" : "x".repeat(contentLength!));
    this.#parser.push(body);
    this.#received += body.length;
  }

  #check({ request, description }: Held): void {
    if (!request.released && describe(request) !== description) {
      throw new Error(
        `a held request changed from ${description} to ${describe(request)}`,
      );
    }
    request.release();
  }

  /** Goes on with another parser on the same pools. */
  restart(): void {
    for (const held of this.#held) this.#check(held);
    this.#held = [];
    this.#parser[Symbol.dispose]();
    this.#parser = new RequestParser({ pools: this.#pools });
    this.#received = 0;
  }
}

/** Reads `count` heads, or as many as come in time; gives a failure, or `null`. */
export function invariance(
  count: number,
  milliseconds: number,
  seed: number,
  progress: (heads: number) => void,
): string | null {
  const random = xoroshiro128plus(seed);
  const below = (bound: number) => uniformInt(random, 0, bound - 1);
  const recorded = recordedHeads();
  const pools = new Pools();
  const veteran = new Veteran(pools);
  const others = new Pools();
  const end = performance.now() + milliseconds;
  let last = recorded[0]!;

  const changed = (head: string): string => {
    const at = below(head.length);
    switch (below(8)) {
      case 0:
        return head.slice(0, at) + BYTES[below(BYTES.length)] +
          head.slice(at + 1);
      case 1:
        return head.slice(0, at) + String.fromCharCode(below(256)) +
          head.slice(at + 1);
      case 2:
        return head.slice(0, at) + head.slice(at + 1);
      case 3: {
        // A letter or digit where one was: most of these stay good.
        const other = "abcdefghijklmnopqrstuvwxyz0123456789"[below(36)]!;
        return /[a-z0-9]/.test(head[at]!)
          ? head.slice(0, at) + other + head.slice(at + 1)
          : head;
      }
      case 4: {
        const lines = head.split("\r\n");
        const line = 1 + below(Math.max(1, lines.length - 2));
        lines.splice(line, 0, ...new Array(1 + below(3)).fill(lines[line]));
        return lines.join("\r\n");
      }
      case 5: {
        const lines = head.split("\r\n");
        if (lines.length > 4) lines.splice(1 + below(lines.length - 3), 1);
        return lines.join("\r\n");
      }
      case 6: {
        const lines = head.split("\r\n");
        lines.splice(
          1,
          0,
          ...new Array(1 + below(3)).fill(LINES[below(LINES.length)]),
        );
        return lines.join("\r\n");
      }
      default:
        return head;
    }
  };

  for (let i = 0; i < count; i++) {
    if (i % 1024 === 0) {
      if (performance.now() > end) return null;
      progress(i);
    }
    const isFresh = below(16) === 0 || last.length > 900;
    const base = isFresh ? recorded[below(recorded.length)]! : last;
    const head = firstHead(isFresh ? base : changed(base));
    const bytes = bytesOf(head);
    const expected = readFresh(bytes, others);
    const pieces = [];
    let from = 0;
    while (below(8) === 0 && from < bytes.length) {
      const to = from + 1 + below(bytes.length - from);
      pieces.push(bytes.subarray(from, to));
      from = to;
    }
    if (from < bytes.length) pieces.push(bytes.subarray(from));
    const found = veteran.read(pieces, below(8) === 0);
    if (found !== expected) {
      return `head ${i} of seed ${seed} reads otherwise after its history\n` +
        `  input: ${
          JSON.stringify(head)
        }\n  fresh: ${expected}\n  found: ${found}\n` +
        `  cut at ${pieces.map(({ length }) => length)}`;
    }
    if (!/ at \d+$/.test(expected) && expected !== "waits") last = head;
  }
  veteran.restart();
  return null;
}
