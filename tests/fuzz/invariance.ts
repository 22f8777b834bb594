/**
 * Any head, after any history on the same parser and however it is cut, reads as on a
 * fresh parser.
 *
 * Most heads differ from the one before by a byte or a line, which is what a cache of
 * heads could get wrong. Some messages are held while others are read, and have to stay
 * as they were.
 *
 * @module
 */

import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import {
  HttpError,
  type HttpMessage,
  type HttpRequest,
  Pools,
  type ReceivedResponse,
  RequestParser,
  ResponseParser,
} from "@pooled/http1";
import { bytesOf, textOf } from "../support/bytes.ts";

const FIXTURES = new URL("../fixtures/", import.meta.url);
/** Messages that are held while others are read. */
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

/** Heads that servers send. */
const RESPONSES = [
  "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 3\r\nConnection: keep-alive\r\nServer: nginx\r\n\r\n",
  'HTTP/1.1 304 Not Modified\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nETag: "a1b2"\r\nCache-Control: max-age=60\r\nVary: Accept-Encoding\r\n\r\n',
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b; Path=/\r\nSet-Cookie: c=d\r\nX-Request-Id: 0af7651916cd43dd8448eb211c80319c\r\n\r\n",
  "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n",
  "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n",
];

/** One kind of heads: where they come from, and how a parser reads them. */
export interface HeadKind<M extends HttpMessage = HttpMessage> {
  what: string;
  samples(): string[];
  open(pools: Pools): {
    push(bytes: Uint8Array): void;
    /** The next message; `turn` chooses what else its reading depends on. */
    next(turn: number): M | null;
    [Symbol.dispose](): void;
  };
  describe(message: M): string;
  /** A body for the head; `null` if it is long, or lasts until the end of the input. */
  bodyFor(message: M): string | null;
}

/** Heads of requests. */
export const REQUEST_HEADS: HeadKind = {
  what: "requests",
  samples: recordedHeads,
  open: (pools) => new RequestParser({ pools }),
  describe: (message) => describeRequest(message as HttpRequest),
  bodyFor: announced,
};

/** Heads of responses, to several methods. */
export const RESPONSE_HEADS: HeadKind = {
  what: "responses",
  samples: () => RESPONSES,
  open(pools) {
    const parser = new ResponseParser({ pools });
    return {
      push: (bytes) => parser.push(bytes),
      next: (turn) => parser.next(METHODS[turn % METHODS.length]),
      [Symbol.dispose]: () => parser[Symbol.dispose](),
    };
  },
  describe: (message) => describeResponse(message as ReceivedResponse),
  bodyFor(message) {
    if (message.body === null) return "";
    return message.chunked || message.contentLength !== null
      ? announced(message)
      : null;
  },
};

/** The body that the fields announce, if it is short. */
function announced({ chunked, contentLength }: HttpMessage): string | null {
  if (chunked) return "0\r\n\r\n";
  const length = contentLength ?? 0;
  return length > 99 ? null : "x".repeat(length);
}

const METHODS = ["GET", "GET", "POST", "HEAD", "GET", "CONNECT", "HEAD"];

/** An input without what follows its first head. */
function firstHead(input: string): string {
  const lead = input.match(/^(?:\r\n)*/)![0].length;
  const end = input.indexOf("\r\n\r\n", lead);
  return end < 0 ? input : input.slice(0, end + 4);
}

/** What a response tells, as one text. */
function describeResponse(response: ReceivedResponse): string {
  let text = `${response.status} ${response.statusText} ` +
    `${response.httpVersion} ${response.contentLength} ${response.chunked} ` +
    `${response.keepAlive} ${response.upgrade} ${response.body !== null}`;
  for (const [name, value] of response.headers) text += `\n${name}:${value}`;
  return text;
}

/** What a request tells, as one text. */
function describeRequest(request: HttpRequest): string {
  let text =
    `${request.method} ${request.target} ${request.path}?${request.query} ` +
    `${request.httpVersion} ${request.contentLength} ${request.chunked} ` +
    `${request.keepAlive} ${request.expectContinue} ${request.upgrade}`;
  for (const [name, value] of request.headers) text += `\n${name}:${value}`;
  return text;
}

/** What one parser makes of a head: a description, a refusal, or nothing yet. */
function readFresh(
  kind: HeadKind,
  head: Uint8Array,
  turn: number,
  pools: Pools,
): string {
  using parser = kind.open(pools);
  parser.push(head);
  try {
    using message = parser.next(turn);
    return message === null ? "waits" : kind.describe(message);
  } catch (error) {
    return refusal(error, 0);
  }
}

function refusal(error: unknown, from: number): string {
  if (!(error instanceof HttpError)) throw error;
  return `${error.code} at ${error.offset - from}`;
}

interface Held {
  message: HttpMessage;
  description: string;
}

/** One parser with a history, and what was held of it. */
class Veteran {
  readonly #kind: HeadKind;
  readonly #pools: Pools;
  #parser: ReturnType<HeadKind["open"]>;
  #received = 0;
  #held: Held[] = [];

  constructor(kind: HeadKind, pools: Pools) {
    this.#kind = kind;
    this.#pools = pools;
    this.#parser = kind.open(pools);
  }

  /** Reads a head in pieces; `hold` keeps the message for later. */
  read(pieces: Uint8Array[], turn: number, hold: boolean): string {
    const from = this.#received;
    let message: HttpMessage | null = null;
    try {
      for (const piece of pieces) {
        this.#push(piece);
        message ??= this.#parser.next(turn);
      }
    } catch (error) {
      this.restart();
      return refusal(error, from);
    }
    if (message === null) {
      this.restart();
      return "waits";
    }
    const description = this.#kind.describe(message);
    const body = this.#kind.bodyFor(message);
    if (body !== null) this.#push(bytesOf(body));
    if (hold) this.#held.push({ message, description });
    else message.release();
    if (body === null) this.restart();
    if (this.#held.length > MOST_HELD) this.#check(this.#held.shift()!);
    return description;
  }

  #push(bytes: Uint8Array): void {
    this.#parser.push(bytes);
    this.#received += bytes.length;
  }

  #check({ message, description }: Held): void {
    const { describe } = this.#kind;
    if (!message.released && describe(message) !== description) {
      throw new Error(
        `a held message changed from ${description} to ${describe(message)}`,
      );
    }
    message.release();
  }

  /** Goes on with another parser on the same pools. */
  restart(): void {
    for (const held of this.#held) this.#check(held);
    this.#held = [];
    this.#parser[Symbol.dispose]();
    this.#parser = this.#kind.open(this.#pools);
    this.#received = 0;
  }
}

/** Reads `count` heads, or as many as come in time; gives a failure, or `null`. */
export function invariance(
  kind: HeadKind,
  count: number,
  milliseconds: number,
  seed: number,
  progress: (heads: number) => void,
): string | null {
  const random = xoroshiro128plus(seed);
  const below = (bound: number) => uniformInt(random, 0, bound - 1);
  const recorded = kind.samples();
  const pools = new Pools();
  const veteran = new Veteran(kind, pools);
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
    const turn = below(METHODS.length);
    const expected = readFresh(kind, bytes, turn, others);
    const pieces = [];
    let from = 0;
    while (below(8) === 0 && from < bytes.length) {
      const to = from + 1 + below(bytes.length - from);
      pieces.push(bytes.subarray(from, to));
      from = to;
    }
    if (from < bytes.length) pieces.push(bytes.subarray(from));
    const found = veteran.read(pieces, turn, below(8) === 0);
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
