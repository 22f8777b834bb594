/**
 * Generates requests by their structure: most parts are right, and any of them may be
 * one of its known odd variants.
 *
 * @module
 */

import fc from "fast-check";

/** One of `good` by default, one of `odd` once in `odds` times. */
export function mostly(odds: number, good: string[], odd: string[]) {
  return fc.oneof(
    { weight: odds - 1, arbitrary: fc.constantFrom(...good) },
    { weight: 1, arbitrary: fc.constantFrom(...odd) },
  );
}

/** Texts of all parts, one after the other. */
export const join = (...parts: fc.Arbitrary<string>[]) =>
  fc.tuple(...parts).map((all) => all.join(""));

/** A line end. */
export const eol = mostly(40, ["\r\n"], [
  ...["\n", "\r", "\r\r\n", "\n\r", "\r\n ", "\r\n\t", " \r\n", "\t\r\n"],
  ...["\0\r\n", "\x0b\r\n", "\x0c\r\n", "\x85", "\r\n\r\n", ""],
]);

const method = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom(
      ...["GET", "GET", "GET", "POST", "POST", "PUT", "HEAD", "DELETE"],
      ...["OPTIONS", "PATCH", "TRACE"],
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...["CONNECT", "PRI", "QUERY", "M-SEARCH", "PROPFIND", "PURGE", "SOURCE"],
      ...["get", "Get", "GETX", "GE", "X", "A!#$%&'*+-.^_`|~9", "FOO_BAR"],
      ...["", "G ET", "GET\t", "G\0T", "G\xc9T", "(GET)", '"GET"', "GET/"],
      ...["ANNOUNCE", "DESCRIBE", "PAUSE", "HTTP/1.1", "\xef\xbb\xbfGET"],
    ),
  },
);

const target = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom(
      ...["/", "/", "/a", "/a?b=c", "/a/b/../c", "/%41?%00", "/?a=b&c"],
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...["*", "http://b/c", "https://b", "HTTP://b:80?c", "http://[::1]:1/"],
      ...["b:443", "//b/c", "/?/", "/a;b=c", "/!$&'()*+,;=:@-._~[]|^`{}\"<>\\"],
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...["", "a", "?a", "/a#b", "#", "/\0", "/\x7f", "/\xe4", "/a b", "/\ta"],
      ...["ftp://b/", "http:/b", "http://", "http:///c", "http://u@b/", "**"],
      ...["http://b:99999/", "http://b:x/", "http://[::1/", "/a\\b", "/%zz"],
      ...["http://b c/", "HTTP/1.1", "/ HTTP/1.1", "mailto:a", "localhost:"],
      `/${"a".repeat(9000)}`,
    ),
  },
);

const version = mostly(14, ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"], [
  ...["HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/0.9", "HTTP/1.10", "HTTP/01.1"],
  ...["HTTP/1", "HTTP/1.", "HTTP/11", "http/1.1", "Http/1.1", "HTTP /1.1"],
  ...["HTTP/1.1 ", " HTTP/1.1", "HTTP/1.1\t", "HTTP/1,1", "HTTP/+1.1", ""],
  ...["HTTPS/1.1", "RTSP/1.0", "ICE/1.0", "HTTP/1.1 HTTP/1.1", "HTTP/\xb9.1"],
]);

/** The space between the parts of a start line. */
export const gap = mostly(60, [" "], [
  "  ",
  "\t",
  "",
  " \t",
  "\x0b",
  "\r\n ",
  "\xa0",
]);

const requestLine = join(method, gap, target, gap, version, eol);

/** White space where none, one space or some may stand, and what looks like it. */
const space = mostly(30, [" ", " ", " ", "", "  ", "\t", " \t "], [
  ...["\x0b", "\x0c", "\xa0", "\0", "\r", "\n", "\r\n ", "\n ", "\x85", "\x1c"],
]);
const beforeColon = mostly(50, [""], [
  " ",
  "\t",
  "\0",
  "\xa0",
  "\x0b",
  "\r\n ",
]);
const colon = mostly(80, [":"], ["", "::", ";", "=", ": :", "\xff:"]);

/** A field line of a name and a value, each as it is or somewhat off. */
function line(name: fc.Arbitrary<string>, value: fc.Arbitrary<string>) {
  return join(name, beforeColon, colon, space, value, space, eol);
}

const name = (good: string, ...odd: string[]) =>
  mostly(24, [good, good, good.toLowerCase(), good.toUpperCase()], [
    ...[good.replace("-", "_"), good.slice(0, -1), `${good}x`, `x${good}`],
    ...[good.replace("-", ""), good.replace("o", "\u00f6"), ...odd],
  ]);

const host = line(
  name("Host"),
  mostly(14, ["a", "a", "a.example:80", "[::1]:8080", "127.0.0.1"], [
    ...["", "a b", "a,b", "a:x", "a:", "a:65536", "u@a", "[::1", "a/b", "a%zz"],
    ...["a\0", "\xe4", "a, a", "http://a", ":80", "a%20b", "a_b", "[v1.x]"],
  ]),
);

/** Sizes at which a counter of some width overflows. */
const EDGES = [31n, 32n, 53n, 63n, 64n].flatMap((bits) =>
  [-1n, 0n, 5n].map((more) => (1n << bits) + more)
);

const length = mostly(3, ["0", "5", "5", "5", "05", "0000000000000000005"], [
  ...["+5", "-5", "-0", "5,5", "5, 5", "5,6", ",5", "5,", "5;", "5 5", "0x5"],
  ...["5.0", "5e0", "", "\t5", "5\x0b", "5\0", "five", "\xb2", "1_0", "'5'"],
  ...EDGES.map(String),
]);
const coding = mostly(3, ["chunked", "chunked", "Chunked", "CHUNKED"], [
  ...["identity", "gzip", "gzip, chunked", "chunked, gzip", "chunked,chunked"],
  ...["chunked, identity", "xchunked", "chunkedx", '"chunked"', "chunked;q=1"],
  ...["chunked,", ",chunked", ", chunked", "chunked ,", "", "chunke", "chunk"],
  ...["chunked\0", "\x0bchunked", "chunked\x0b", "chun\r\n ked", "ch unked"],
  ...["\u017fhunked".replace("\u017f", "\xff"), "chunked chunked", "c\thunked"],
]);
const lengthLine = line(name("Content-Length"), length);
const codingLine = line(name("Transfer-Encoding"), coding);

export const connection = line(
  name("Connection"),
  fc.constantFrom(
    ...["close", "keep-alive", "keep-alive", "Close", "upgrade", "Upgrade, x"],
    ...["keep-alive, Upgrade", "close, keep-alive", "keep-alive, close", "x"],
    ...["xclose", "closex", "x, close", ",close", "close,", "close;", "", ","],
    ...["keep-alivex", "k", "close close", "clos", "x y, close", '"close"'],
  ),
);
export const upgrade = line(
  name("Upgrade"),
  fc.constantFrom("websocket", "h2c", "", "x/1, y", "TLS/1.0"),
);

const tchars = "!#$%&'*+-.^_`|~09azAZ";
const plainName = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom("X", "Accept", "Cookie", "TE", "A-B"),
  },
  {
    weight: 1,
    arbitrary: fc.string({
      unit: fc.constantFrom(...tchars),
      minLength: 1,
      maxLength: 12,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...["", " X", "\tX", "X Y", "X\0", "X(", "X@", "\xe4", "X\x7f", "\x80X"],
      ...["__proto__", "constructor", "Content-Length\0", "X\x0b", "GET / "],
    ),
  },
);
const plainValue = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(
      ...[
        "",
        "y",
        "a, b",
        "text/html;q=0.9,*/*",
        "\xe4\xf6",
        "a\tb",
        '"a\\"b"',
      ],
      ..."y".repeat(4),
      "z".repeat(300),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...["\0", "a\0b", "\x01", "a\x7f", "a\rb", "a\nb", "a\r\n b", "\x1b[0m"],
      ...["\xff\xfe", "\x80", "a\r\n\tb", "a\n b", "\x0b", "a\x0cb", "a\x1f"],
    ),
  },
);
/** A field line that means nothing to a parser. */
export const plain = line(plainName, plainValue);
const expect = line(
  name("Expect"),
  fc.constantFrom("100-continue", "100-Continue", "x", "", "100-continue, x"),
);

const chunkSize = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom("5", "5", "05", "000005") },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...["0x5", "+5", "-5", " 5", "5 ", "5\t", "", "g", "5g", "5_", "\x0b5"],
      ...["5.", "5,", "'5'", "5h", "0".repeat(20) + "5", "0".repeat(12) + "5"],
      ...EDGES.map((size) => size.toString(16)),
      ...EDGES.map((size) => size.toString(16).toUpperCase()),
    ),
  },
);
const extension = mostly(8, ["", "", "", ";a", ";a=b", ';a="b;c"', ";a=b;c"], [
  ...[" ;a=b", "; a", ";a =b", ";a= b", "\t;\ta\t=\tb", ';a="b\\"c"', ";"],
  ...[
    ";=b",
    ";a=",
    ';a="b',
    ';a="b\\',
    ";a\0",
    ";a=b\x7f",
    ";a\xff",
    ';a="\xff"',
  ],
  ...[";a\n", ";a\rb", ';a="\n"', ';a="\r\n"', ";a;", ";;", ';a="b"c', " a"],
  ...[`;${"e".repeat(300)}`, ";a b", ";a=b c", ";a,b", ";a=\tb", ";a=[b]"],
]);
const chunkEnd = mostly(50, ["\r\n"], [
  ...["\n", "\r", "", "\r\n\r\n", "xx", "\n\n", "\r\r\n", " \r\n", "x\r\n"],
]);
const chunk = join(
  chunkSize,
  extension,
  eol,
  mostly(20, ["hello"], ["hell", "hello!", "", "5\r\n\r\n"]),
  chunkEnd,
);
const lastChunk = join(
  mostly(20, ["0"], ["00", "000000", "", "0x0", "-0", "0 ", " 0", "x"]),
  extension,
  eol,
  fc.oneof(
    { weight: 6, arbitrary: fc.constant("") },
    { weight: 2, arbitrary: plain },
    { weight: 1, arbitrary: lengthLine },
    { weight: 1, arbitrary: fc.oneof(codingLine, host, connection) },
  ),
  eol,
);
const chunked = join(
  fc.array(chunk, { maxLength: 3 }).map((all) => all.join("")),
  lastChunk,
);

/** The fields that frame a message, and the bytes that follow its head. */
export const framing = fc.oneof(
  { weight: 5, arbitrary: fc.constant<[string[], string]>([[], ""]) },
  {
    weight: 4,
    arbitrary: fc.tuple(
      fc.tuple(lengthLine),
      mostly(12, ["hello"], ["", "hell", "hello\r\n"]),
    ),
  },
  { weight: 6, arbitrary: fc.tuple(fc.tuple(codingLine), chunked) },
  {
    weight: 2,
    arbitrary: fc.tuple(
      fc.array(fc.oneof(lengthLine, codingLine), { maxLength: 4 }),
      fc.oneof(fc.constant("hello"), chunked, fc.constant("")),
    ),
  },
);

const others = fc.oneof(
  { weight: 5, arbitrary: fc.array(plain, { maxLength: 2 }) },
  { weight: 2, arbitrary: fc.tuple(connection) },
  { weight: 1, arbitrary: fc.tuple(connection, upgrade) },
  { weight: 1, arbitrary: fc.array(connection, { maxLength: 3 }) },
  { weight: 1, arbitrary: fc.tuple(expect) },
  // As many fields as are allowed, and some more.
  {
    weight: 1,
    arbitrary: fc.constantFrom(33, 98, 120).map((count) =>
      Array<string>(count).fill("X: y\r\n")
    ),
  },
);

const hosts = fc.oneof(
  { weight: 24, arbitrary: fc.tuple(host) },
  { weight: 1, arbitrary: fc.array(host, { maxLength: 2 }) },
);

const message = fc.tuple(
  mostly(20, ["", "", "\r\n"], [
    ...["\n", "\r\n\r\n", "\r", " ", "\r\n".repeat(5), "\0", "\t", "\r\n "],
  ]),
  requestLine,
  hosts,
  others,
  framing,
  fc.nat(5),
  eol,
).map(([before, first, hosts, others, [frame, body], turn, end]) => {
  const lines = [...hosts, ...others, ...frame];
  const at = turn % (lines.length + 1);
  const section = [...lines.slice(at), ...lines.slice(0, at)].join("");
  return before + first + section + end + body;
});

/** What follows on the connection: it shows where a target thinks a message ends. */
const follower = fc.constantFrom(
  "GET /next HTTP/1.1\r\nHost: b\r\n\r\n",
  "GET /next HTTP/1.1\r\nHost: b\r\n\r\n",
  "POST /next HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\nok",
  "",
);

/** A wire of one to three messages and their follower. */
export const messages: fc.Arbitrary<string> = fc.tuple(
  fc.array(message, { minLength: 1, maxLength: 3 }),
  follower,
).map(([all, next]) => all.join("") + next);
