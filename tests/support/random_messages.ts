/**
 * Generators of valid, almost valid and damaged requests, and of ways to split them.
 *
 * @module
 */

import type { ParserLimits } from "@pooled/http1";
import fc from "fast-check";
import { every, textOf } from "./bytes.ts";
import type { Seen } from "./parser_runs.ts";

const chars = (...ranges: [number, number][]) =>
  ranges.flatMap(([first, last]) =>
    Array.from(
      { length: last - first + 1 },
      (_, i) => String.fromCharCode(first + i),
    )
  );
const from = (units: string[], maxLength: number, minLength = 0) =>
  fc.string({
    unit: fc.constantFrom(...units),
    minLength,
    maxLength,
    size: "max",
  });

const VISIBLE = chars([0x21, 0x7e]);
const TCHARS = VISIBLE.filter((char) => !'"(),/:;<=>?@[\\]{}'.includes(char));
const VALUE_CHARS = ["\t", ...chars([0x20, 0x7e], [0x80, 0xff])];

const token = from(TCHARS, 20, 1);
const space = from([" ", "\t"], 3);
export const bytes = (maxLength: number, minLength = 0) =>
  fc.uint8Array({ minLength, maxLength, size: "max" }).map(textOf);

/** Randomizes the case of each letter of a text. */
const inAnyCase = (text: fc.Arbitrary<string>) =>
  fc.tuple(text, fc.infiniteStream(fc.boolean())).map(([plain, flips]) =>
    [...plain].map((char) =>
      flips.next().value ? char.toUpperCase() : char.toLowerCase()
    ).join("")
  );

/** Field names that affect the framing or meaning of the message. */
const MEANING = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "connection",
  "upgrade",
  "expect",
  "te",
  "trailer",
]);

const name = fc.oneof(
  token.filter((text) => !MEANING.has(text.toLowerCase())),
  // Names that the parser knows, and names that resemble them.
  inAnyCase(fc.constantFrom(
    "accept",
    "user-agent",
    "cookie",
    "content-type",
    "dnt",
    "hos",
    "hostt",
    "content-lengt",
    "content_length",
    "x-transfer-encoding",
    "x",
  )),
);

const value = fc.oneof(
  from(VALUE_CHARS, 80).map((text) => text.replace(/^[ \t]+|[ \t]+$/g, "")),
  fc.constantFrom("", "chunked", "close", "5", "a".repeat(300)),
);

interface Line {
  name: string;
  value: string;
  before: string;
  after: string;
}
const line: fc.Arbitrary<Line> = fc.record({
  name,
  value,
  before: space,
  after: space,
});
const lines = (maxLength: number) => fc.array(line, { maxLength, size: "max" });

const pathText = from(VISIBLE.filter((char) => !"?#".includes(char)), 30);
const queryText = from(VISIBLE.filter((char) => char !== "#"), 30);
const authority = fc.constantFrom(
  "a",
  "a.example:80",
  "[::1]",
  "[2001:db8::1]:8080",
  "127.0.0.1:1",
  "a%20b",
);

interface Start {
  method: string;
  target: string;
  path: string;
  query: string;
}
const start: fc.Arbitrary<Start> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      method: fc.oneof(
        fc.constantFrom("GET", "POST", "PUT", "HEAD", "DELETE"),
        token.filter((text) => text !== "CONNECT"),
      ),
      origin: fc.option(authority),
      path: pathText,
      query: fc.option(queryText),
    }).map(({ method, origin, path, query }) => ({
      method,
      target: (origin === null ? "" : `http://${origin}`) + `/${path}` +
        (query === null ? "" : `?${query}`),
      path: `/${path}`,
      query: query ?? "",
    })),
  },
  fc.constantFrom(
    { method: "OPTIONS", target: "*", path: "*", query: "" },
    { method: "CONNECT", target: "b:443", path: "", query: "" },
    { method: "GET", target: "http://b", path: "/", query: "" },
    { method: "GET", target: "http://b?c/d", path: "/", query: "c/d" },
  ),
);

interface Chunk {
  data: string;
  zeros: number;
  upper: boolean;
  extension: string;
}
const quoted = from(
  VALUE_CHARS.filter((char) => !'"\\'.includes(char)),
  12,
).chain((text) =>
  fc.constantFrom(`"${text}"`, `"${text}\\""`, `"\\\\${text}"`)
);
const extension = fc.array(
  fc.tuple(
    space,
    space,
    token,
    fc.option(fc.tuple(space, space, fc.oneof(token, quoted))),
  )
    .map(([a, b, key, rest]) =>
      `${a};${b}${key}` +
      (rest === null ? "" : `${rest[0]}=${rest[1]}${rest[2]}`)
    ),
  { maxLength: 3 },
).map((all) => all.join(""));
const chunk: fc.Arbitrary<Chunk> = fc.record({
  data: fc.oneof(
    { weight: 8, arbitrary: bytes(20, 1) },
    { weight: 1, arbitrary: bytes(3000, 1) },
  ),
  zeros: fc.nat(5),
  upper: fc.boolean(),
  extension,
});

type Body =
  | { kind: "none" }
  | { kind: "length"; data: string; zeros: number }
  | { kind: "chunks"; chunks: Chunk[]; last: string; trailers: Line[] };
const body: fc.Arbitrary<Body> = fc.oneof(
  fc.record({ kind: fc.constant("none" as const) }),
  fc.record({
    kind: fc.constant("length" as const),
    data: fc.oneof(
      { weight: 6, arbitrary: bytes(50) },
      // From 4 KiB on, a body is read directly into its buffer.
      { weight: 1, arbitrary: bytes(9000, 4000) },
    ),
    zeros: fc.nat(3),
  }),
  fc.record({
    kind: fc.constant("chunks" as const),
    chunks: fc.array(chunk, { maxLength: 12 }),
    last: extension,
    trailers: fc.oneof(fc.constant<Line[]>([]), lines(4)),
  }),
);

export interface Message {
  start: Start;
  version: "1.0" | "1.1";
  host: string;
  hostAt: number;
  close: boolean;
  lines: Line[];
  body: Body;
  emptyLines: number;
}
export const message: fc.Arbitrary<Message> = fc.record({
  start,
  version: fc.constantFrom("1.1", "1.1", "1.1", "1.0"),
  host: authority,
  hostAt: fc.nat(),
  close: fc.boolean(),
  // More than 32 fields need a larger table.
  lines: fc.oneof({ weight: 8, arbitrary: lines(8) }, {
    weight: 1,
    arbitrary: lines(45),
  }),
  body,
  emptyLines: fc.oneof(
    { weight: 4, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.nat(4) },
  ),
}).map((made) => {
  // Drops bodies that the protocol forbids.
  const bare = made.start.method === "CONNECT" ||
    (made.version === "1.0" && made.body.kind === "chunks");
  return bare ? { ...made, body: { kind: "none" } } : made;
});

const serializeLine = ({ name, value, before, after }: Line) =>
  // With an empty value, `before` and `after` form a single run of white space.
  `${name}:${before}${value}${after}\r\n`;

/** All field lines of a message, including its framing. */
function allLines(made: Message): Line[] {
  const plain = (name: string, value: string) => ({
    name,
    value,
    before: " ",
    after: "",
  });
  const all = [...made.lines];
  all.splice(made.hostAt % (all.length + 1), 0, plain("Host", made.host));
  if (made.body.kind === "length") {
    const { data, zeros } = made.body;
    all.push(plain("Content-Length", "0".repeat(zeros) + data.length));
  } else if (made.body.kind === "chunks") {
    all.unshift(plain("Transfer-Encoding", "Chunked"));
  }
  if (made.close) all.push(plain("Connection", "close"));
  return all;
}

export function serialize(made: Message): string {
  const { method, target } = made.start;
  let wire = "\r\n".repeat(made.emptyLines) +
    `${method} ${target} HTTP/${made.version}\r\n` +
    allLines(made).map(serializeLine).join("") + "\r\n";
  if (made.body.kind === "length") wire += made.body.data;
  if (made.body.kind === "chunks") {
    for (const { data, zeros, upper, extension } of made.body.chunks) {
      const digits = data.length.toString(16);
      wire += "0".repeat(zeros) + (upper ? digits.toUpperCase() : digits) +
        `${extension}\r\n${data}\r\n`;
    }
    wire += `0${made.body.last}\r\n` +
      made.body.trailers.map(serializeLine).join("") + "\r\n";
  }
  return wire;
}

const linePair = ({ name, value }: Line): [string, string] => [name, value];

/** The request that the parser has to produce for a message. */
export function expected(made: Message): Partial<Seen> {
  const { body } = made;
  return {
    ...made.start,
    version: made.version,
    lines: allLines(made).map(linePair),
    contentLength: body.kind === "length" ? body.data.length : null,
    chunked: body.kind === "chunks",
    keepAlive: made.version === "1.1" && !made.close,
    expectContinue: false,
    upgrade: null,
    body: body.kind === "length"
      ? body.data
      : body.kind === "chunks"
      ? body.chunks.map(({ data }) => data).join("")
      : "",
    trailers: body.kind === "chunks" && body.trailers.length > 0
      ? body.trailers.map(linePair)
      : null,
  };
}

/** The same properties of a parsed request. */
export function actual({ values: _, ...seen }: Seen): Partial<Seen> {
  return seen;
}

/** Chooses cuts for an input of any length. */
export type Cutter = (wire: Uint8Array) => number[];
export const cutter: fc.Arbitrary<Cutter> = fc.oneof(
  fc.array(fc.nat(), { maxLength: 12 }).map((places): Cutter => (wire) =>
    places.map((place) => place % (wire.length + 1)).sort((a, b) => a - b)
  ),
  fc.integer({ min: 1, max: 70 }).map((size): Cutter => (wire) =>
    // At most about 2,048 pieces, which bounds the running time.
    every(Math.max(size, wire.length >> 11), wire)
  ),
);

/** Fragments of messages. Concatenated in random order, they often resemble one. */
const fragment = fc.oneof(
  { weight: 2, arbitrary: bytes(4) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...'\r\n|\n|\r| |\t|:|,|;|=|"|\\|\0|0|5|a|F|\x0b|\x7f|\xff|/|?|#|*|[|]|%|@'
        .split("|"),
    ),
  },
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      "GET / HTTP/1.1\r\nHost: a\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "POST /a?b HTTP/1.0\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
      "CONNECT b:443 HTTP/1.1\r\n",
      "GET ",
      "OPTIONS * HTTP/1.1\r\n",
      "http://",
      " HTTP/1.1\r\n",
      " HTTP/2.0\r\n",
      "Host: a\r\n",
      "Content-Length: ",
      "Transfer-Encoding: ",
      "Connection: close\r\n",
      "Expect: 100-continue\r\n",
      "Upgrade: x\r\n",
      "X: y\r\n",
      "X:",
      "chunked",
      "\r\n\r\n",
      "5\r\nhello\r\n",
      "1;a=b\r\nx\r\n",
      '3;a="',
      "0\r\n\r\n",
      "0\r\nT: u\r\n\r\n",
      "x".repeat(260),
      "1".repeat(14),
    ),
  },
);

/** Mostly one of `good`, rarely a fragment, so that parsing advances past the head. */
const mostly = (...good: string[]) =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...good) },
    { weight: 1, arbitrary: fragment },
  );
const joined = (part: fc.Arbitrary<string>, maxLength: number) =>
  fc.array(part, { maxLength, size: "max" }).map((all) => all.join(""));

/** An almost valid message: most parts are valid, but not every combination is. */
const nearMessage = fc.tuple(
  mostly(
    "GET / HTTP/1.1\r\nHost: a\r\n",
    "POST /a?b HTTP/1.1\r\nHost: a\r\n",
    "CONNECT b:443 HTTP/1.1\r\nHost: a\r\n",
    "\r\nPUT http://c/d HTTP/1.1\r\nhost:a\r\n",
    "GET / HTTP/1.0\r\n",
  ),
  joined(
    mostly(
      "X: y\r\n",
      "X:\r\n",
      "Cookie: a=b\r\n",
      "Connection: keep-alive, upgrade\r\n",
      "Upgrade: x\r\n",
      "Expect: 100-continue\r\n",
      `Y: ${"z".repeat(90)}\r\n`,
      "X: y\r\n".repeat(35),
    ),
    5,
  ),
  mostly(
    "\r\n",
    "Content-Length: 5\r\n\r\nhello",
    "Content-Length: 12\r\n\r\nhello",
    "Transfer-Encoding: chunked\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n",
  ),
  joined(
    mostly("5\r\nhello\r\n", "1;a=b\r\nx\r\n", `0a ;a="\\""\r\n0123456789\r\n`),
    4,
  ),
  mostly(
    "0\r\n\r\n",
    "0\r\nT: u\r\n\r\n",
    "0;e\r\nT: u\r\nV:\r\n\r\n",
    "0\r\nTE: u\r\n\r\n",
    "",
  ),
).map((parts) => parts.join(""));
export const fragments = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.array(nearMessage, { minLength: 1, maxLength: 3 }),
  },
  { weight: 1, arbitrary: fc.array(fragment, { maxLength: 24, size: "max" }) },
).map((all) => all.join(""));

/** A mutation: replaces `removed` bytes at `place` with `inserted`. */
interface Damage {
  place: number;
  removed: number;
  inserted: string | null;
}
const damage: fc.Arbitrary<Damage> = fc.record({
  place: fc.nat(),
  removed: fc.oneof(fc.constant(0), fc.nat(3), fc.nat(200)),
  // `null` duplicates the removed bytes in place.
  inserted: fc.oneof(fc.constant(null), fc.constant(""), bytes(3), fragment),
});

function harm(wire: string, damages: Damage[]): string {
  for (const { place, removed, inserted } of damages) {
    const at = place % (wire.length + 1);
    const old = wire.slice(at, at + removed);
    wire = wire.slice(0, at) + (inserted ?? old + old) +
      wire.slice(at + removed);
  }
  return wire;
}
export const harmed = fc.tuple(
  fc.array(message, { minLength: 1, maxLength: 3 }),
  fc.array(damage, { minLength: 1, maxLength: 4 }),
).map(([messages, damages]) => harm(messages.map(serialize).join(""), damages));

export const limits: fc.Arbitrary<ParserLimits> = fc.oneof(
  fc.constant({}),
  fc.record({
    maxRequestLine: fc.oneof(fc.nat(60), fc.integer({ min: 40, max: 200 })),
    maxHeaderBytes: fc.oneof(fc.nat(100), fc.integer({ min: 60, max: 900 })),
    maxHeaders: fc.oneof(fc.nat(6), fc.integer({ min: 30, max: 140 })),
    maxBodySize: fc.nat(40),
  }, { requiredKeys: [] }),
);
