/**
 * Conformance: a table of inputs, a row for each rule of RFC 9112 and of the parts
 * of RFC 9110 that say what a request may look like.
 *
 * A row says what comes out, or the code of the refusal, and with the mark `‸` in
 * the wire the offset where it is found. Each row is run whole, a byte at a time,
 * cut in two at every position and through the streams, and has to give the same
 * each time, to the offset. A refused row is also run behind good requests, which
 * must not be lost. A difference between two ways to cut the same bytes is how
 * a request gets smuggled past somebody.
 */

import { assert, assertEquals } from "@std/assert";
import {
  type HttpErrorCode,
  type ParserLimits,
  Pools,
  RequestParser,
} from "@pooled/http1";
import {
  assertAtRest,
  bytesOf,
  cutAt,
  every,
  type Outcome,
  parse,
  refusalOf,
  type Refused,
  type Seen,
  stream,
  STREAMS,
  textOf,
} from "./support.ts";

/** What a row says of a request; `fields` are looked up by name. */
type Expected =
  & Partial<Omit<Seen, "body" | "values" | "lines">>
  & {
    fields?: Record<string, string | null>;
    lines?: [string, string][];
    body?: string | HttpErrorCode;
  };

interface Row {
  section: string;
  title: string;
  wire: Uint8Array<ArrayBuffer>;
  /** The offset of the mark, or -1 without one. */
  mark: number;
  requests: Expected[];
  code: HttpErrorCode | null;
  limits: ParserLimits;
}

const rows: Row[] = [];
const MARK = "‸";

function row(
  section: string,
  title: string,
  text: string,
  requests: Expected[],
  code: HttpErrorCode | null,
  limits: ParserLimits,
): void {
  const mark = text.indexOf(MARK);
  const wire = bytesOf(text.replace(MARK, ""));
  rows.push({ section, title, wire, mark, requests, code, limits });
}

/** A row whose input is accepted to its end. */
function accept(
  section: string,
  title: string,
  wire: string,
  expected: Expected | Expected[] = {},
  limits: ParserLimits = {},
): void {
  const requests = Array.isArray(expected) ? expected : [expected];
  row(section, title, wire, requests, null, limits);
}

/** A row that is refused before its first request is given. */
function refuse(
  section: string,
  title: string,
  wire: string,
  code: HttpErrorCode,
  limits: ParserLimits = {},
): void {
  row(section, title, wire, [], code, limits);
}

/** A row whose head is good and whose body is refused. */
function refuseBody(
  section: string,
  title: string,
  wire: string,
  code: HttpErrorCode,
  limits: ParserLimits = {},
): void {
  row(section, title, wire, [{ body: code }], code, limits);
}

/** The status of each code that is not answered with 400. */
const STATUS: Partial<Record<HttpErrorCode, number>> = {
  "unsupported-version": 505,
  "request-line-too-long": 414,
  "headers-too-large": 431,
  "too-many-headers": 431,
  "unsupported-transfer-coding": 501,
  "body-too-large": 413,
};

// The usual beginnings, so that a row shows what it is about and little else.
const GET = "GET / HTTP/1.1\r\nHost: a\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a\r\n";
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;
const NEXT = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
const hex = (byte: number) => `0x${byte.toString(16).padStart(2, "0")}`;
const char = String.fromCharCode;

// ------------------------------------------------- RFC 9112 §2.2, message parsing

accept("RFC 9112 §2.2", "nothing at all", "", []);
accept("RFC 9112 §2.2", "an empty line before the request", `\r\n${NEXT}`, {
  target: "/next",
});
accept("RFC 9112 §2.2", "four empty lines", `${"\r\n".repeat(4)}${NEXT}`, {
  target: "/next",
});
refuse(
  "RFC 9112 §2.2",
  "five empty lines",
  `${"\r\n".repeat(4)}‸\r\n${NEXT}`,
  "invalid-request-line",
);
accept(
  "RFC 9112 §2.2",
  "empty lines between requests, counted anew",
  `${"\r\n".repeat(3)}${NEXT}${"\r\n".repeat(4)}${NEXT}`,
  [{}, {}],
);
accept("RFC 9112 §2.2", "only empty lines", "\r\n\r\n", []);
accept("RFC 9112 §2.2", "empty lines after the last", `${NEXT}\r\n\r\n`, {});
accept(
  "RFC 9112 §2.2",
  "an empty line after a body, as old clients send",
  `${POST}Content-Length: 2\r\n\r\nhi\r\n${NEXT}`,
  [{ body: "hi" }, { target: "/next" }],
);
refuse("RFC 9112 §2.2", "bare LF as an empty line", `‸\n${NEXT}`, "bare-lf");
refuse("RFC 9112 §2.2", "LF after an empty line", `\r\n‸\n${NEXT}`, "bare-lf");
refuse("RFC 9112 §2.2", "bare CR as an empty line", `‸\r${NEXT}`, "bare-cr");
refuse("RFC 9112 §2.2", "two CR before LF", `‸\r\r\n${NEXT}`, "bare-cr");
refuse(
  "RFC 9112 §2.2",
  "LF ends the request line",
  "GET / HTTP/1.1‸\nHost: a\r\n\r\n",
  "bare-lf",
);
refuse(
  "RFC 9112 §2.2",
  "CR ends the request line",
  "GET / HTTP/1.1‸\rHost: a\r\n\r\n",
  "bare-cr",
);
refuse(
  "RFC 9112 §2.2",
  "CR CR LF ends the request line",
  "GET / HTTP/1.1‸\r\r\nHost: a\r\n\r\n",
  "bare-cr",
);
refuse(
  "RFC 9112 §2.2",
  "LF CR ends the request line",
  "GET / HTTP/1.1‸\n\rHost: a\r\n\r\n",
  "bare-lf",
);
refuse("RFC 9112 §2.2", "LF ends a field line", `${GET}X: y‸\n\r\n`, "bare-lf");
refuse(
  "RFC 9112 §2.2",
  "LF ends a field line without a value",
  `${GET}X:‸\n\r\n`,
  "bare-lf",
);
refuse(
  "RFC 9112 §2.2",
  "CR ends a field line",
  `${GET}X: y‸\rZ: z\r\n\r\n`,
  "bare-cr",
);
refuse(
  "RFC 9112 §2.2",
  "CR CR LF ends a field line",
  `${GET}X: y‸\r\r\n\r\n`,
  "bare-cr",
);
refuse(
  "RFC 9112 §2.2",
  "CR within a value",
  `${GET}X: a‸\rb\r\n\r\n`,
  "bare-cr",
);
refuse("RFC 9112 §2.2", "LF ends the section", `${GET}‸\n`, "bare-lf");
refuse("RFC 9112 §2.2", "CR ends the section", `${GET}‸\r${NEXT}`, "bare-cr");
refuse(
  "RFC 9112 §2.2",
  "LF ends every line",
  "GET / HTTP/1.1‸\nHost: a\n\n",
  "bare-lf",
);
refuse(
  "RFC 9112 §2.2",
  "white space before the first field line",
  "GET / HTTP/1.1\r\n‸ Host: a\r\n\r\n",
  "obs-fold",
);
refuse(
  "RFC 9112 §2.2",
  "a line of white space before the first field line",
  "GET / HTTP/1.1\r\n‸ \r\nHost: a\r\n\r\n",
  "obs-fold",
);
refuse(
  "RFC 9112 §2.2",
  "a byte order mark",
  `‸\xef\xbb\xbf${NEXT}`,
  "invalid-method",
);

// ------------------------------------------------------- RFC 9112 §2.3, versions

accept("RFC 9112 §2.3", "HTTP/1.1", NEXT, { version: "1.1", keepAlive: true });
accept("RFC 9112 §2.3", "HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", {
  version: "1.0",
  keepAlive: false,
  lines: [],
});
for (let minor = 2; minor <= 9; minor++) {
  accept(
    "RFC 9110 §2.5",
    `HTTP/1.${minor} is read as 1.1`,
    `GET / HTTP/1.${minor}\r\nHost: a\r\n\r\n`,
    { version: "1.1", keepAlive: true },
  );
}
for (const version of ["0.9", "0.0", "2.0", "2.1", "3.0", "9.9"]) {
  refuse(
    "RFC 9110 §15.6.6",
    `HTTP/${version}`,
    `GET / ‸HTTP/${version}\r\nHost: a\r\n\r\n`,
    "unsupported-version",
  );
}
for (
  const [title, version] of [
    ["lower case", "‸http/1.1"],
    ["mixed case", "H‸ttp/1.1"],
    ["another protocol", "HT‸CPCP/1.0"],
    ["two digits after the point", "HTTP/1.1‸0"],
    ["two digits before the point", "HTTP/1‸1.1"],
    ["no minor version", "HTTP/2‸"],
    ["no digit before the point", "HTTP/‸.1"],
    ["no digit after the point", "HTTP/1.‸"],
    ["a comma for the point", "HTTP/1‸,1"],
    ["a letter", "HTTP/1.‸x"],
    ["white space after it", "HTTP/1.1‸ "],
    ["a tab after it", "HTTP/1.1‸\t"],
    ["a word after it", "HTTP/1.1‸ x"],
    ["a NUL after it", "HTTP/1.1‸\0"],
    ["a space in it", "HTTP/‸ 1.1"],
    ["a sign", "HTTP/‸+1.1"],
    ["no slash", "HTTP‸1.1"],
    ["two slashes", "HTTP/‸/1.1"],
    ["a name only", "HTTP‸"],
    ["nothing", "‸"],
  ] as const
) {
  refuse(
    "RFC 9112 §2.3",
    `version with ${title}`,
    `GET / ${version}\r\nHost: a\r\n\r\n`,
    "invalid-version",
  );
}

// ------------------------------------------------ RFC 9112 §3, the request line

accept(
  "RFC 9112 §3",
  "the parts of a request line",
  "PUT /a?b HTTP/1.1\r\nHost: h\r\n\r\n",
  {
    method: "PUT",
    target: "/a?b",
    path: "/a",
    query: "b",
    version: "1.1",
    lines: [["Host", "h"]],
    fields: { host: "h" },
    contentLength: null,
    chunked: false,
    keepAlive: true,
    expectContinue: false,
    upgrade: null,
    body: "",
    trailers: null,
  },
);
refuse(
  "RFC 9112 §3",
  "two spaces after the method",
  "GET ‸ / HTTP/1.1\r\nHost: a\r\n\r\n",
  "invalid-request-line",
);
refuse(
  "RFC 9112 §3",
  "two spaces after the target",
  "GET / ‸ HTTP/1.1\r\nHost: a\r\n\r\n",
  "invalid-version",
);
refuse(
  "RFC 9112 §3",
  "a space before the method",
  "‸ GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "invalid-method",
);
refuse(
  "RFC 9112 §3",
  "a tab after the method",
  "GET‸\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
  "invalid-method",
);
refuse(
  "RFC 9112 §3",
  "a tab after the target",
  "GET /‸\tHTTP/1.1\r\nHost: a\r\n\r\n",
  "invalid-target",
);
refuse("RFC 9112 §3", "the method only", "GET‸\r\n\r\n", "invalid-method");
refuse("RFC 9112 §3", "no target", "GET ‸\r\n\r\n", "invalid-request-line");
refuse(
  "RFC 9112 §3",
  "an empty target",
  "GET ‸ HTTP/1.1\r\nHost: a\r\n\r\n",
  "invalid-request-line",
);
refuse(
  "RFC 9112 §3",
  "no version, as in HTTP/0.9",
  "GET /‸\r\n",
  "invalid-request-line",
);
refuse("RFC 9112 §3", "no version and LF", "GET /‸\n", "invalid-request-line");
refuse(
  "RFC 9112 §3",
  "a response",
  "HTTP‸/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
  "invalid-method",
);
refuse(
  "RFC 9112 §3",
  "a TLS hello",
  "‸\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
  "invalid-method",
);
refuse(
  "RFC 9112 §3",
  "the preface of HTTP/2",
  "PRI * ‸HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "unsupported-version",
);
refuse(
  "RFC 9112 §3.2.4",
  "an asterisk with the method of that preface in this version",
  "PRI ‸* HTTP/1.1\r\nHost: a\r\n\r\n",
  "target-form",
);
refuse(
  "RFC 9112 §3.2.4",
  "an asterisk with the method of that preface and no version",
  "PRI ‸* HTTX/2.0\r\n\r\n",
  "target-form",
);
refuse(
  "RFC 9112 §3.2",
  "a space in the target",
  "GET /a ‸b HTTP/1.1\r\nHost: a\r\n\r\n",
  "invalid-version",
);

// RFC 9112 §3.1, RFC 9110 §9.1: the method.

for (
  const method of [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "QUERY",
    "PROPFIND",
    "M-SEARCH",
    "get",
    "Post",
    "GETS",
    "GE",
    "G",
    "POS",
    "POSTS",
    "CONNECTS",
    "OPTION",
    "!#$%&'*+-.^_`|~",
    "0123456789",
    "X".repeat(300),
  ]
) {
  const title = method.length > 40 ? `${method.length} letters` : method;
  accept(
    "RFC 9110 §9.1",
    `method ${title}`,
    `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`,
    { method },
  );
}
refuse(
  "RFC 9110 §9.1",
  "an empty method",
  "‸ / HTTP/1.1\r\nHost: a\r\n\r\n",
  "invalid-method",
);
for (
  const byte of [...bytesOf('\0\x01\t\n\r\x1f"(),/:;<=>?@[\\]{}\x7f\x80\xff')]
) {
  refuse(
    "RFC 9110 §9.1",
    `${hex(byte)} in the method`,
    `GE‸${char(byte)}T / HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-method",
  );
}
for (const byte of [...bytesOf('\0"(:@{\x7f\x80\xff')]) {
  refuse(
    "RFC 9110 §9.1",
    `${hex(byte)} before the method`,
    `‸${char(byte)}GET / HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-method",
  );
}

// RFC 9112 §3.2: the four forms.

for (
  const [target, path, query] of [
    ["/", "/", ""],
    ["/a/b.c", "/a/b.c", ""],
    ["/?", "/", ""],
    ["/?a=b", "/", "a=b"],
    ["/a?b?c", "/a", "b?c"],
    ["/a??", "/a", "?"],
    ["//host/path", "//host/path", ""],
    ["/a/../b/./c", "/a/../b/./c", ""],
    ["/%41%zz%", "/%41%zz%", ""],
    ["/http://b/c", "/http://b/c", ""],
    ["/*", "/*", ""],
    ["/a|b^c", "/a|b^c", ""],
    [
      `/!"$%&'()*+,-.:;<=>@[\\]^_\`{|}~`,
      `/!"$%&'()*+,-.:;<=>@[\\]^_\`{|}~`,
      "",
    ],
    [
      `/${"x".repeat(500)}?${"y".repeat(500)}`,
      `/${"x".repeat(500)}`,
      "y".repeat(500),
    ],
  ] as const
) {
  const title = target.length > 80 ? `${target.length} bytes` : target;
  accept(
    "RFC 9112 §3.2.1",
    `origin-form ${title}`,
    `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`,
    {
      target,
      path,
      query,
    },
  );
}
for (
  const [target, path, query] of [
    ["http://b/c", "/c", ""],
    ["http://b/c?d", "/c", "d"],
    ["http://b", "/", ""],
    ["http://b/", "/", ""],
    ["http://b?d/e", "/", "d/e"],
    ["http://b?", "/", ""],
    ["http://b:80/c", "/c", ""],
    ["http://b:/c", "/c", ""],
    ["http://[::1]:80/c", "/c", ""],
    ["http://b//c", "//c", ""],
    ["http://b/c://d", "/c://d", ""],
    ["https://b/c", "/c", ""],
    ["HTTPS://B.example/C", "/C", ""],
    ["hTtP://b/c", "/c", ""],
    ["http://%41/c", "/c", ""],
  ] as const
) {
  accept(
    "RFC 9112 §3.2.2",
    `absolute-form ${target}`,
    `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`,
    {
      target,
      path,
      query,
      fields: { host: "a" },
    },
  );
}
refuse(
  "RFC 9112 §3.2.2",
  "absolute-form without Host",
  "GET http://b/ HTTP/1.1\r\n‸\r\n",
  "missing-host",
);
for (
  const authority of [
    "b:443",
    "[::1]:443",
    "b.example:1",
    "127.0.0.1:65535",
    "%41:1",
  ]
) {
  accept(
    "RFC 9112 §3.2.3",
    `authority-form ${authority}`,
    `CONNECT ${authority} HTTP/1.1\r\nHost: a\r\n\r\n`,
    {
      method: "CONNECT",
      target: authority,
      path: "",
      query: "",
    },
  );
}
for (
  const target of [
    "b",
    "b:",
    ":443",
    "/",
    "/b:443",
    "*",
    "http://b:443",
    "http://b:443/",
    "u@b:443",
    "b:443/",
    "b:443?c",
    "b:x",
    "b:65536",
    "b:-1",
    "[::1]",
    "[::1:443",
    "::1:443",
    "b:443:443",
    "%4:443",
    "%:443",
  ]
) {
  refuse(
    "RFC 9112 §3.2.3",
    `CONNECT ${target}`,
    `CONNECT ‸${target} HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-authority",
  );
}
accept(
  "RFC 9112 §3.2.4",
  "OPTIONS *",
  "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
  {
    method: "OPTIONS",
    target: "*",
    path: "*",
    query: "",
  },
);
accept(
  "RFC 9112 §3.2.4",
  "OPTIONS of a path",
  "OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\n",
  { path: "/a" },
);
for (
  const line of [
    "GET ‸*",
    "POST ‸*",
    "options ‸*",
    "OPTIONS ‸**",
    "OPTIONS ‸*?a",
    "OPTIONS ‸*/",
    "GET ‸b",
    "GET ‸b:443",
    "GET ‸b/c",
    "GET ‸?a",
    "GET ‸.",
    "GET ‸../a",
    "GET ‸\\a",
    "GET ‸http:/b",
    "GET ‸http:b",
    "GET ‸http",
    "GET ‸http:",
    "GET ‸://b/",
    "GET ‸1http://b/",
    "GET ‸+http://b/",
    "GET ‸ht_tp://b/",
    "GET ‸ht%74p://b/",
    "GET ‸mailto:a@b",
    "GET ‸%2f",
    // RFC 9110 §4.2: HTTP has two schemes, and this is no gateway to others.
    "GET ‸file://localhost/etc/hostname",
    "GET ‸ftp://b/",
    "GET ‸ws://b/",
    "GET ‸data://b/",
    "GET ‸a+b-c.d1://b/c",
    "GET ‸httpss://b/",
    "GET ‸htt://b/",
    "GET ‸httq://b/",
    "GET ‸https+unix://b/",
    "GET ‸file://u@b/",
    "GET ‸file:///etc/hostname",
    "OPTIONS ‸file://b",
  ]
) {
  refuse(
    "RFC 9112 §3.2",
    `target of no form: ${line.replace(MARK, "")}`,
    `${line} HTTP/1.1\r\nHost: a\r\n\r\n`,
    "target-form",
  );
}
for (
  const target of [
    "http:///c",
    "http://",
    "http://?a",
    "http://:80/",
    "http://b:x/",
    "http://b:99999/",
    "http://b:80:80/",
    "http://[::1/",
    "http://[]/",
    "http://[g::]/",
    "http://::1/",
    "http://b%/",
    "http://b%4/",
    "http://b%4g/",
    "http://b\\c/",
    "http://b|c/",
  ]
) {
  refuse(
    "RFC 9112 §3.2.2",
    `absolute-form ${target}`,
    `GET ${target.replace("://", "://‸")} HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-authority",
  );
}
for (
  const target of [
    "http://u@b/",
    "http://u:p@b/",
    "http://@b/",
    "http://b@/",
    "http://a:80@b/",
  ]
) {
  refuse(
    "RFC 9110 §4.2.4",
    `user information in ${target}`,
    `GET ${target.replace("://", "://‸")} HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-authority",
  );
}
for (
  const target of [
    "/‸#",
    "/‸#b",
    "/a?b‸#c",
    "‸#",
    "http://b/‸#c",
    "/‸##",
    "*‸#",
  ]
) {
  refuse(
    "RFC 9112 §3.2",
    `fragment in ${target.replace(MARK, "")}`,
    `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`,
    "target-fragment",
  );
}
for (let byte = 0; byte < 256; byte++) {
  if (byte >= 0x21 && byte <= 0x7e || byte === 0x20) continue;
  const lineEnd = byte === 0x0a || byte === 0x0d;
  // Every control byte, and of the others those at the edges.
  if (byte > 0x81 && byte < 0xfe && byte !== 0xa0 && byte !== 0xc3) continue;
  refuse(
    "RFC 9112 §3.2",
    `${hex(byte)} in the target`,
    `GET /abcde‸${char(byte)}fg HTTP/1.1\r\nHost: a\r\n\r\n`,
    lineEnd ? "invalid-request-line" : "invalid-target",
  );
}
refuse(
  "RFC 9112 §3.2",
  "a control byte begins the target",
  "GET ‸\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
  "invalid-target",
);

// ---------------------------------------------------- RFC 9112 §3.2, RFC 9110 §7.2: Host

for (
  const host of [
    "a",
    "a.example",
    "a.example.",
    "A.Example",
    "a:80",
    "a:",
    "a:0",
    "a:00080",
    "a:65535",
    "127.0.0.1",
    "127.0.0.1:8000",
    "999.999.999.999",
    "[::]",
    "[::1]",
    "[::1]:80",
    "[::1]:",
    "[2001:DB8::1]",
    "[1:2:3:4:5:6:7:8]",
    "[::ffff:1.2.3.4]",
    "[1:2:3:4:5:6:7::]",
    "[::2:3:4:5:6:7:8]",
    "[1:2:3:4:5:6:1.2.3.4]",
    "%41",
    "a%2Fb",
    "a%00b",
    "a_b-c~d",
    "-",
    "a,b",
    "!$&'()*+,;=",
    "xn--bcher-kva.example",
    "x".repeat(300),
  ]
) {
  const title = host.length > 80 ? `of ${host.length} bytes` : host;
  accept(
    "RFC 9110 §7.2",
    `Host ${title}`,
    `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    { fields: { host } },
  );
}
accept(
  "RFC 9110 §7.2",
  "hOsT in any case",
  "GET / HTTP/1.1\r\nhOsT: a\r\n\r\n",
  {
    fields: { host: "a" },
    lines: [["hOsT", "a"]],
  },
);
accept(
  "RFC 9110 §7.2",
  "Host as the last field",
  "GET / HTTP/1.1\r\nX: y\r\nHost: a\r\n\r\n",
  { fields: { host: "a" } },
);
accept(
  "RFC 9110 §7.2",
  "Host without white space",
  "GET / HTTP/1.1\r\nHost:a:80\r\n\r\n",
  { fields: { host: "a:80" } },
);
accept(
  "RFC 9110 §7.2",
  "Host in HTTP/1.0",
  "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
  { fields: { host: "a" } },
);
accept(
  "RFC 9112 §3.2",
  "no Host in HTTP/1.0",
  "GET / HTTP/1.0\r\nX: y\r\n\r\n",
  { fields: { x: "y" } },
);
refuse(
  "RFC 9112 §3.2",
  "no Host in HTTP/1.1",
  "GET / HTTP/1.1\r\nX: y\r\n‸\r\n",
  "missing-host",
);
refuse(
  "RFC 9112 §3.2",
  "no field at all in HTTP/1.1",
  "GET / HTTP/1.1\r\n‸\r\n",
  "missing-host",
);
refuse(
  "RFC 9112 §3.2",
  "no Host in HTTP/1.5",
  "GET / HTTP/1.5\r\nX: y\r\n‸\r\n",
  "missing-host",
);
refuse(
  "RFC 9112 §3.2",
  "Hos and Hosts are no Host",
  "GET / HTTP/1.1\r\nHos: a\r\nHosts: a\r\n‸\r\n",
  "missing-host",
);
refuse(
  "RFC 9112 §3.2",
  "no Host with CONNECT",
  "CONNECT b:443 HTTP/1.1\r\n‸\r\n",
  "missing-host",
);
refuse(
  "RFC 9112 §3.2",
  "Host twice",
  `${GET}‸Host: b\r\n\r\n`,
  "repeated-host",
);
refuse(
  "RFC 9112 §3.2",
  "Host twice, equal",
  `${GET}X: y\r\n‸HOST: a\r\n\r\n`,
  "repeated-host",
);
refuse(
  "RFC 9112 §3.2",
  "Host three times",
  `${GET}‸Host: a\r\nHost: a\r\n\r\n`,
  "repeated-host",
);
refuse(
  "RFC 9112 §3.2",
  "Host twice, one empty",
  `GET / HTTP/1.1\r\nHost:\r\n‸Host: a\r\n\r\n`,
  "repeated-host",
);
refuse(
  "RFC 9112 §3.2",
  "Host twice in HTTP/1.0",
  "GET / HTTP/1.0\r\nHost: a\r\n‸Host: a\r\n\r\n",
  "repeated-host",
);
refuse(
  "RFC 9110 §7.2",
  "an empty Host",
  "GET / HTTP/1.1\r\nHost:‸\r\n\r\n",
  "invalid-host",
);
refuse(
  "RFC 9110 §7.2",
  "a bad Host in HTTP/1.0",
  "GET / HTTP/1.0\r\nHost: ‸a/b\r\n\r\n",
  "invalid-host",
);
for (
  const host of [
    ":80",
    "a b",
    "a\tb",
    "a, b",
    "a/",
    "a/b",
    "http://a",
    "a?b",
    "a#b",
    "a\\b",
    "u@a",
    "u:p@a",
    "@a",
    "a@",
    "a:x",
    "a:80x",
    "a:-1",
    "a:+80",
    "a: 80",
    "a :80",
    "a:65536",
    "a:99999999999999999999",
    "a:80:80",
    "a::",
    "::1",
    "%",
    "%4",
    "%4g",
    "a%",
    "[",
    "]",
    "[]",
    "[:]",
    "[:::]",
    "[::1",
    "::1]",
    "[::1]a",
    "[::1]80",
    "[::1]:x",
    "[[::1]]",
    "a[::1]",
    "[g::1]",
    "[::12345]",
    "[1:2:3:4:5:6:7]",
    "[1:2:3:4:5:6:7:8:9]",
    "[1:2:3:4:5:6:7:8::]",
    "[1::2::3]",
    "[1:2:]",
    "[:1]",
    "[1.2.3.4]",
    "[::1.2.3]",
    "[::1.2.3.256]",
    "[::01.2.3.4]",
    "[::1.2.3.4.5]",
    "[::1.2.3.4:5]",
    "[fe80::1%eth0]",
    "[fe80::1%25eth0]",
    "[::1 ]",
    "<a>",
    '"a"',
    "a|b",
    "a^b",
    "`",
    "{a}",
    "\x80",
    "b\xfccher.example",
    "a\xff",
  ]
) {
  refuse(
    "RFC 9110 §7.2",
    `Host ${JSON.stringify(host)}`,
    `GET / HTTP/1.1\r\nHost: ‸${host}\r\n\r\n`,
    "invalid-host",
  );
}

// --------------------------------------------------------- RFC 9112 §5, field lines

accept(
  "RFC 9112 §5",
  "fields keep their order and spelling",
  `${GET}b: 1\r\nA: 2\r\nB: 3\r\na: 4\r\n\r\n`,
  {
    lines: [["Host", "a"], ["b", "1"], ["A", "2"], ["B", "3"], ["a", "4"]],
    fields: { a: "2, 4", b: "1, 3" },
  },
);
accept(
  "RFC 9110 §5.3",
  "repeated lines are one list",
  `${GET}Accept: a\r\nX: y\r\naccept: b, c\r\nACCEPT:\r\n\r\n`,
  {
    fields: { accept: "a, b, c, ", x: "y" },
  },
);
accept(
  "RFC 6265 §5.4",
  "repeated Cookie lines",
  `${GET}Cookie: a=b\r\ncookie: c=d\r\n\r\n`,
  { fields: { cookie: "a=b; c=d" } },
);
accept(
  "RFC 9110 §5.1",
  "a name of every token byte",
  `${GET}!#$%&'*+-.^_\`|~09azAZ: v\r\n\r\n`,
  {
    lines: [["Host", "a"], ["!#$%&'*+-.^_`|~09azAZ", "v"]],
  },
);
accept(
  "RFC 9110 §5.1",
  "names that are near a known one",
  `${GET}Hostt: 1\r\nContent-Lengtj: 2\r\nTransfer_Encoding: chunked\r\nContent\x2eLength: 3\r\n\r\n`,
  {
    chunked: false,
    contentLength: null,
    fields: {
      hostt: "1",
      "content-lengtj": "2",
      transfer_encoding: "chunked",
      "content.length": "3",
    },
  },
);
accept(
  "RFC 9110 §5.1",
  "names that prototypes have",
  `${GET}constructor: a\r\n__proto__: b\r\ntoString: c\r\n\r\n`,
  {
    lines: [["Host", "a"], ["constructor", "a"], ["__proto__", "b"], [
      "toString",
      "c",
    ]],
  },
);
accept("RFC 9110 §5.1", "a long name", `${GET}${"n".repeat(700)}: v\r\n\r\n`, {
  fields: { ["n".repeat(700)]: "v" },
});
refuse(
  "RFC 9112 §5",
  "an empty name",
  `${GET}‸: v\r\n\r\n`,
  "empty-header-name",
);
refuse(
  "RFC 9112 §5",
  "an empty name and value",
  `${GET}‸:\r\n\r\n`,
  "empty-header-name",
);
refuse(
  "RFC 9112 §5",
  "a line without a colon",
  `${GET}abc‸\r\n\r\n`,
  "invalid-header-name",
);
refuse(
  "RFC 9112 §5",
  "a line without a colon and LF",
  `${GET}abc‸\n\r\n`,
  "invalid-header-name",
);
refuse(
  "RFC 9112 §5",
  "a request line among the fields",
  `${GET}GET‸ / HTTP/1.1\r\n\r\n`,
  "invalid-header-name",
);
for (
  const byte of [...bytesOf('\0\x01\x0b\x1f"(),/;<=>?@[\\]{}\x7f\x80\xa0\xff')]
) {
  refuse(
    "RFC 9110 §5.1",
    `${hex(byte)} in a name`,
    `${GET}ab‸${char(byte)}c: v\r\n\r\n`,
    "invalid-header-name",
  );
}
for (const byte of [...bytesOf('\0\x0b\x0c"(@\x7f\x80\xff')]) {
  refuse(
    "RFC 9110 §5.1",
    `${hex(byte)} begins a name`,
    `${GET}‸${char(byte)}abc: v\r\n\r\n`,
    "invalid-header-name",
  );
}
refuse(
  "RFC 9110 §5.1",
  "a NUL after a name",
  `${GET}abc‸\0: v\r\n\r\n`,
  "invalid-header-name",
);
refuse(
  "RFC 9110 §5.1",
  "a NUL in place of the line end",
  `${GET}abc: v‸\0\n\r\n`,
  "invalid-header-value",
);

// RFC 9112 §5.1: no white space before the colon.

refuse(
  "RFC 9112 §5.1",
  "a space before the colon",
  `${GET}abc‸ : v\r\n\r\n`,
  "space-before-colon",
);
refuse(
  "RFC 9112 §5.1",
  "a tab before the colon",
  `${GET}abc‸\t: v\r\n\r\n`,
  "space-before-colon",
);
refuse(
  "RFC 9112 §5.1",
  "much white space before the colon",
  `${GET}abc‸ \t  \t : v\r\n\r\n`,
  "space-before-colon",
);
refuse(
  "RFC 9112 §5.1",
  "a space in the name",
  `${GET}ab‸ c: v\r\n\r\n`,
  "invalid-header-name",
);
refuse(
  "RFC 9112 §5.1",
  "Host and a space",
  "GET / HTTP/1.1\r\nHost‸ : a\r\n\r\n",
  "space-before-colon",
);
refuse(
  "RFC 9112 §5.1",
  "a space and no colon",
  `${GET}abc‸ \r\n\r\n`,
  "invalid-header-name",
);

// RFC 9112 §5.2: line folding.

refuse(
  "RFC 9112 §5.2",
  "a folded line",
  `${GET}X: a\r\n‸ b\r\n\r\n`,
  "obs-fold",
);
refuse(
  "RFC 9112 §5.2",
  "a line folded with a tab",
  `${GET}X: a\r\n‸\tb\r\n\r\n`,
  "obs-fold",
);
refuse(
  "RFC 9112 §5.2",
  "a folded line with a colon",
  `${GET}X: a\r\n‸ Y: b\r\n\r\n`,
  "obs-fold",
);
refuse(
  "RFC 9112 §5.2",
  "a fold of white space only",
  `${GET}X: a\r\n‸ \r\n\r\n`,
  "obs-fold",
);
refuse(
  "RFC 9112 §5.2",
  "a fold of an empty value",
  `${GET}X:\r\n‸ b\r\n\r\n`,
  "obs-fold",
);

// RFC 9110 §5.5: values.

for (
  const [title, sent, value] of [
    ["empty", "", ""],
    ["a space only", " ", ""],
    ["white space only", " \t \t", ""],
    ["no white space around", "a", "a"],
    ["one space before", " a", "a"],
    ["white space around", " \t  a b\t c \t ", "a b\t c"],
    ["tabs around", "\ta\t", "a"],
    ["a tab within", " a\tb", "a\tb"],
    ["obs-text", " \x80\xa0\xff", "\x80\xa0\xff"],
    ["UTF-8", " b\xc3\xbccher", "b\xc3\xbccher"],
    ["NBSP, which is no white space", " \xa0a\xa0", "\xa0a\xa0"],
    ["colons", " a:b: c:", "a:b: c:"],
    ["only colons", "::", "::"],
    [
      "every visible byte",
      ` ${Array.from({ length: 94 }, (_, i) => char(i + 33)).join("")}`,
      Array.from({ length: 94 }, (_, i) => char(i + 33)).join(""),
    ],
    ["a quoted string", ' "a, b\\"c"', '"a, b\\"c"'],
    ["seven bytes", " 1234567", "1234567"],
    ["eight bytes", " 12345678", "12345678"],
    ["nine bytes", " 123456789", "123456789"],
    ["obs-text as the eighth byte", " 1234567\x80", "1234567\x80"],
    ["much white space before", " ".repeat(50) + "a", "a"],
    ["much white space after", " a" + " ".repeat(50), "a"],
    ["a thousand bytes", " " + "v".repeat(1000), "v".repeat(1000)],
  ] as const
) {
  accept(
    "RFC 9110 §5.5",
    `value: ${title}`,
    `${GET}X:${sent}\r\nY: z\r\n\r\n`,
    { fields: { x: value, y: "z" } },
  );
}
for (let byte = 0; byte < 0x80; byte++) {
  if (byte >= 0x20 && byte !== 0x7f || byte === 0x09) continue;
  const code = byte === 0x0a
    ? "bare-lf"
    : byte === 0x0d
    ? "bare-cr"
    : "invalid-header-value";
  refuse(
    "RFC 9110 §5.5",
    `${hex(byte)} in a value`,
    `${GET}X: abcd‸${char(byte)}ef\r\n\r\n`,
    code,
  );
}
for (const byte of [0x00, 0x01, 0x0b, 0x0c, 0x7f]) {
  refuse(
    "RFC 9110 §5.5",
    `${hex(byte)} begins a value`,
    `${GET}X:‸${char(byte)}a\r\n\r\n`,
    "invalid-header-value",
  );
  refuse(
    "RFC 9110 §5.5",
    `${hex(byte)} ends a value`,
    `${GET}X: 1234567‸${char(byte)}\r\n\r\n`,
    "invalid-header-value",
  );
}

// ------------------------------------------- RFC 9112 §6, RFC 9110 §8.6: Content-Length

accept(
  "RFC 9112 §6.3",
  "neither length nor coding: no body",
  `${POST}\r\n${NEXT}`,
  [
    { body: "", contentLength: null, chunked: false },
    { target: "/next" },
  ],
);
for (
  const [title, sent, length] of [
    ["0", "0", 0],
    ["5", "5", 5],
    ["leading zeros", "0005", 5],
    ["forty leading zeros", `${"0".repeat(40)}5`, 5],
    ["many zeros", "0".repeat(30), 0],
    ["white space around", " \t5\t ", 5],
  ] as const
) {
  accept(
    "RFC 9110 §8.6",
    `Content-Length: ${title}`,
    `${POST}Content-Length: ${sent}\r\n\r\n${"hello".slice(0, length)}${NEXT}`,
    [
      {
        contentLength: length,
        chunked: false,
        body: "hello".slice(0, length),
        trailers: null,
      },
      { target: "/next", contentLength: null },
    ],
  );
}
accept("RFC 9112 §6.3", "cOnTeNt-LeNgTh", `${POST}cOnTeNt-LeNgTh:2\r\n\r\nhi`, {
  contentLength: 2,
  body: "hi",
});
accept(
  "RFC 9112 §6.3",
  "a body with any bytes",
  `${POST}Content-Length: 8\r\n\r\n\0\r\n\r\n\xff\n\r`,
  { body: "\0\r\n\r\n\xff\n\r" },
);
accept(
  "RFC 9112 §6.3",
  "a body that looks like a request",
  `${POST}Content-Length: ${NEXT.length}\r\n\r\n${NEXT}${NEXT}`,
  [{ body: NEXT }, { target: "/next" }],
);
accept(
  "RFC 9112 §6.3",
  "a body with GET",
  `${GET}Content-Length: 2\r\n\r\nhi${NEXT}`,
  [{ method: "GET", body: "hi" }, {}],
);
accept(
  "RFC 9112 §6.3",
  "a body in HTTP/1.0",
  "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi",
  { version: "1.0", body: "hi" },
);
accept(
  "RFC 9112 §6.3",
  "a body of 5000 bytes",
  `${POST}Content-Length: 5000\r\n\r\n${"b".repeat(5000)}${NEXT}`,
  [{ body: "b".repeat(5000) }, {}],
);
row(
  "RFC 9110 §8.6",
  "2^53-3, read exactly",
  `${POST}Content-Length: 9007199254740989\r\n\r\nabc‸`,
  [
    { contentLength: 9007199254740989, body: "body-too-large" },
  ],
  "unexpected-eof",
  {},
);
row(
  "RFC 9110 §8.6",
  "2^53-1, more than may be gathered",
  `${POST}Content-Length: 9007199254740991\r\n\r\nabc‸`,
  [
    { contentLength: 9007199254740991, body: "body-too-large" },
  ],
  "unexpected-eof",
  {},
);
for (
  const [title, value, code] of [
    ["empty", "‸", "invalid-content-length"],
    ["+5", "‸+5", "invalid-content-length"],
    ["-5", "‸-5", "invalid-content-length"],
    ["-0", "‸-0", "invalid-content-length"],
    ["0x5", "0‸x5", "invalid-content-length"],
    ["5.0", "5‸.0", "invalid-content-length"],
    ["1e1", "1‸e1", "invalid-content-length"],
    ["5_0", "5‸_0", "invalid-content-length"],
    ["a letter", "‸a", "invalid-content-length"],
    ["a hexadecimal digit", "1‸a", "invalid-content-length"],
    ["a space within", "5‸ 5", "invalid-content-length"],
    ["a tab within", "5‸\t5", "invalid-content-length"],
    ["quoted", '‸"5"', "invalid-content-length"],
    ["a parameter", "5‸;a=b", "invalid-content-length"],
    ["a superscript", "‸\xb2", "invalid-content-length"],
    ["NBSP", "5‸\xa0", "invalid-content-length"],
    ["a vertical tab", "‸\x0b5", "invalid-header-value"],
    ["5, 5", "5‸, 5", "repeated-content-length"],
    ["5,6", "5‸,6", "repeated-content-length"],
    ["5,", "5‸,", "repeated-content-length"],
    [",5", "‸,5", "invalid-content-length"],
    ["2^53", "‸9007199254740992", "content-length-too-large"],
    ["2^63-1", "‸9223372036854775807", "content-length-too-large"],
    ["2^64", "‸18446744073709551616", "content-length-too-large"],
    ["2^64+5", "‸18446744073709551621", "content-length-too-large"],
    ["400 digits", `‸${"9".repeat(400)}`, "content-length-too-large"],
  ] as const
) {
  refuse(
    "RFC 9112 §6.3",
    `Content-Length: ${title}`,
    `${POST}Content-Length: ${value}\r\n\r\nhello`,
    code,
  );
}
refuse(
  "RFC 9112 §6.3",
  "Content-Length twice, equal",
  `${POST}Content-Length: 5\r\n‸Content-Length: 5\r\n\r\nhello`,
  "repeated-content-length",
);
refuse(
  "RFC 9112 §6.3",
  "Content-Length twice, unequal",
  `${POST}Content-Length: 5\r\nX: y\r\n‸content-length: 6\r\n\r\nhello`,
  "repeated-content-length",
);
refuse(
  "RFC 9112 §6.3",
  "Content-Length twice, one empty",
  `${POST}Content-Length:\r\n‸Content-Length: 5\r\n\r\nhello`,
  "repeated-content-length",
);
refuse(
  "RFC 9112 §6.3",
  "Content-Length twice in HTTP/1.0",
  `POST / HTTP/1.0\r\nContent-Length: 5\r\n‸Content-Length: 5\r\n\r\nhello`,
  "repeated-content-length",
);

// ------------------------------------------------- RFC 9112 §6.1: Transfer-Encoding

for (
  const value of [
    "chunked",
    "CHUNKED",
    "cHuNkEd",
    " \tchunked",
    "chunked ",
    "chunked\t \t",
  ]
) {
  accept(
    "RFC 9112 §6.1",
    `Transfer-Encoding: ${JSON.stringify(value)}`,
    `${POST}Transfer-Encoding:${value}\r\n\r\n2\r\nhi\r\n0\r\n\r\n${NEXT}`,
    [
      { chunked: true, contentLength: null, body: "hi", trailers: null },
      { target: "/next", chunked: false },
    ],
  );
}
accept(
  "RFC 9112 §6.1",
  "tRANSFER-eNCODING",
  `${POST}tRANSFER-eNCODING:chunked\r\n\r\n0\r\n\r\n`,
  { chunked: true, body: "" },
);
accept(
  "RFC 9112 §6.1",
  "chunked in HTTP/1.2",
  `POST / HTTP/1.2\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  { chunked: true },
);
accept(
  "RFC 9112 §6.1",
  "chunked with GET",
  `${GET}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n${NEXT}`,
  [{ body: "hi" }, {}],
);
for (
  const [value, code] of [
    ["‸gzip", "unsupported-transfer-coding"],
    ["‸gzip, chunked", "unsupported-transfer-coding"],
    ["‸gzip,chunked", "unsupported-transfer-coding"],
    ["‸gzip \t, \tchunked", "unsupported-transfer-coding"],
    ["‸identity", "unsupported-transfer-coding"],
    ["‸identity, chunked", "unsupported-transfer-coding"],
    ["‸xchunked", "unsupported-transfer-coding"],
    ["‸chunkedx", "unsupported-transfer-coding"],
    ["‸chunke", "unsupported-transfer-coding"],
    ["‸x-chunked", "unsupported-transfer-coding"],
    ["‸chun", "unsupported-transfer-coding"],
    ["gzip, ‸deflate, chunked", "unsupported-transfer-coding"],
    ["‸cow", "unsupported-transfer-coding"],
    ["chunked, ‸chunked", "chunked-repeated"],
    ["chunked,‸chunked", "chunked-repeated"],
    ["gzip, chunked, ‸chunked", "chunked-repeated"],
    ["chunked, ‸gzip", "chunked-not-last"],
    ["chunked, ‸identity", "chunked-not-last"],
    ["chunked, ‸gzip, chunked", "chunked-not-last"],
    ["‸", "invalid-transfer-encoding"],
    ["‸,", "invalid-transfer-encoding"],
    ["‸, chunked", "invalid-transfer-encoding"],
    ["chunked,‸", "invalid-transfer-encoding"],
    ["chunked,‸, chunked", "invalid-transfer-encoding"],
    ["gzip,‸,chunked", "invalid-transfer-encoding"],
    ["chunked‸;a=b", "invalid-transfer-encoding"],
    ["chunked ‸;a=b", "invalid-transfer-encoding"],
    ["chunked‸;", "invalid-transfer-encoding"],
    ["gzip‸;q=1, chunked", "invalid-transfer-encoding"],
    ['‸"chunked"', "invalid-transfer-encoding"],
    ["‸(x) chunked", "invalid-transfer-encoding"],
    ["chunked ‸chunked", "invalid-transfer-encoding"],
    ["chun ‸ked", "invalid-transfer-encoding"],
    ["chunked‸=", "invalid-transfer-encoding"],
    ["‸\xa0chunked", "invalid-transfer-encoding"],
    ["chunked‸\xa0", "invalid-transfer-encoding"],
    ["‸\xffchunked", "invalid-transfer-encoding"],
    ["‸:chunked", "invalid-transfer-encoding"],
    ["‸[chunked]", "invalid-transfer-encoding"],
    ["‸\x0bchunked", "invalid-header-value"],
    ["‸\x0cchunked", "invalid-header-value"],
    ["‸\0chunked", "invalid-header-value"],
    ["chunked‸\0", "invalid-header-value"],
    ["chunked‸\x0b", "invalid-header-value"],
    ["chunk‸\x7fed", "invalid-header-value"],
  ] as const
) {
  refuse(
    "RFC 9112 §6.1",
    `Transfer-Encoding: ${JSON.stringify(value.replace(MARK, ""))}`,
    `${POST}Transfer-Encoding: ${value}\r\n\r\n0\r\n\r\n`,
    code,
  );
}
refuse(
  "RFC 9112 §6.1",
  "chunked on two lines",
  `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: ‸chunked\r\n\r\n0\r\n\r\n`,
  "chunked-repeated",
);
refuse(
  "RFC 9112 §6.1",
  "chunked and then gzip on two lines",
  `${POST}Transfer-Encoding: chunked\r\nX: y\r\ntransfer-encoding: ‸gzip\r\n\r\n0\r\n\r\n`,
  "chunked-not-last",
);
refuse(
  "RFC 9112 §6.1",
  "gzip and then chunked on two lines",
  `${POST}Transfer-Encoding: ‸gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  "unsupported-transfer-coding",
);
refuse(
  "RFC 9112 §6.1",
  "chunked and then nothing on two lines",
  `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding:‸\r\n\r\n0\r\n\r\n`,
  "invalid-transfer-encoding",
);
refuse(
  "RFC 9112 §6.1",
  "chunked in HTTP/1.0",
  "POST / HTTP/1.0\r\n‸Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "transfer-encoding-in-http10",
);
refuse(
  "RFC 9112 §6.1",
  "gzip in HTTP/1.0",
  "POST / HTTP/1.0\r\n‸Transfer-Encoding: gzip\r\n\r\n",
  "transfer-encoding-in-http10",
);
refuse(
  "RFC 9112 §6.1",
  "length, then coding",
  `${POST}Content-Length: 5\r\n‸Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  "length-and-transfer-encoding",
);
refuse(
  "RFC 9112 §6.1",
  "coding, then length",
  `${POST}Transfer-Encoding: chunked\r\n‸Content-Length: 5\r\n\r\n0\r\n\r\n`,
  "length-and-transfer-encoding",
);
refuse(
  "RFC 9112 §6.1",
  "length and coding in HTTP/1.0",
  `POST / HTTP/1.0\r\nContent-Length: 5\r\n‸Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  "length-and-transfer-encoding",
);
refuse(
  "RFC 9112 §6.1",
  "length and an unknown coding",
  `${POST}Content-Length: 5\r\n‸Transfer-Encoding: xchunked\r\n\r\nhello`,
  "length-and-transfer-encoding",
);
refuse(
  "RFC 9112 §6.1",
  "a length of 0 and coding",
  `${POST}Content-Length: 0\r\n‸Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  "length-and-transfer-encoding",
);
refuse(
  "RFC 9112 §6.1",
  "length and an empty coding",
  `${POST}Content-Length: 5\r\n‸Transfer-Encoding:\r\n\r\nhello`,
  "length-and-transfer-encoding",
);

// --------------------------------------------------------- RFC 9112 §7.1, chunks

for (
  const [title, chunks, body] of [
    ["no chunk but the last", "", ""],
    ["one", "5\r\nhello\r\n", "hello"],
    ["two", "2\r\nhe\r\n3\r\nllo\r\n", "hello"],
    [
      "one byte each",
      "1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n",
      "hello",
    ],
    ["a in lower case", "a\r\n0123456789\r\n", "0123456789"],
    ["A in upper case", "A\r\n0123456789\r\n", "0123456789"],
    ["both cases", `fF\r\n${"x".repeat(255)}\r\n`, "x".repeat(255)],
    ["leading zeros", "000005\r\nhello\r\n", "hello"],
    ["13 digits", "0000000000005\r\nhello\r\n", "hello"],
    ["data that looks like chunks", "7\r\n0\r\n\r\n0\r\r\n", "0\r\n\r\n0\r"],
    ["data of CR and LF", "4\r\n\r\n\r\n\r\n", "\r\n\r\n"],
    ["data of NUL", "3\r\n\0\0\0\r\n", "\0\0\0"],
    [
      "small ones before and after one of 600",
      `1\r\na\r\n258\r\n${"b".repeat(600)}\r\n1\r\nc\r\n`,
      `a${"b".repeat(600)}c`,
    ],
    [
      "33 and 512 bytes",
      `21\r\n${"a".repeat(33)}\r\n200\r\n${"b".repeat(512)}\r\n`,
      "a".repeat(33) + "b".repeat(512),
    ],
  ] as const
) {
  accept(
    "RFC 9112 §7.1",
    `chunks: ${title}`,
    `${CHUNKED}${chunks}0\r\n\r\n${NEXT}`,
    [
      { chunked: true, body, trailers: null },
      { target: "/next" },
    ],
  );
}
for (
  const last of ["0", "00", "0000000000000", "0;a", "0;a=b", '0 ; a = "b"']
) {
  accept(
    "RFC 9112 §7.1",
    `last chunk ${last}`,
    `${CHUNKED}2\r\nhi\r\n${last}\r\n\r\n${NEXT}`,
    [{ body: "hi" }, {}],
  );
}
for (
  const [title, line, code] of [
    ["empty", "‸", "invalid-chunk-size"],
    ["0x5", "0‸x5", "invalid-chunk-size"],
    ["+5", "‸+5", "invalid-chunk-size"],
    ["-5", "‸-5", "invalid-chunk-size"],
    ["g", "‸g", "invalid-chunk-size"],
    ["5g", "5‸g", "invalid-chunk-size"],
    ["5h", "5‸h", "invalid-chunk-size"],
    ["an underscore", "5‸_0", "invalid-chunk-size"],
    ["a point", "5‸.0", "invalid-chunk-size"],
    ["a comma", "5‸,5", "invalid-chunk-size"],
    ["quoted", '‸"5"', "invalid-chunk-size"],
    ["a NUL", "5‸\0", "invalid-chunk-size"],
    ["a NUL before", "‸\x005", "invalid-chunk-size"],
    ["a vertical tab", "5‸\x0b", "invalid-chunk-size"],
    ["DEL", "5‸\x7f", "invalid-chunk-size"],
    ["obs-text", "‸\xb2", "invalid-chunk-size"],
    ["NBSP", "5‸\xa0", "invalid-chunk-size"],
    ["a space before", "‸ 5", "invalid-chunk-size"],
    ["a tab before", "‸\t5", "invalid-chunk-size"],
    ["only an extension", "‸;a=b", "invalid-chunk-size"],
    ["a space after", "5 ‸", "invalid-chunk-extension"],
    ["a tab after", "5\t‸", "invalid-chunk-extension"],
    ["two sizes", "5 ‸5", "invalid-chunk-extension"],
    ["14 digits", "0000000000000‸5", "chunk-size-too-large"],
    ["16 digits", "fffffffffffff‸fff", "chunk-size-too-large"],
    ["17 digits, 5 modulo 2^64", "1000000000000‸0005", "chunk-size-too-large"],
    [
      "a hundred digits",
      `${"0".repeat(13)}‸${"0".repeat(87)}`,
      "chunk-size-too-large",
    ],
    ["CR CR LF", "5‸\r", "bare-cr"],
  ] as const
) {
  refuseBody(
    "RFC 9112 §7.1",
    `chunk size: ${title}`,
    `${CHUNKED}${line}\r\nhello\r\n0\r\n\r\n`,
    code,
  );
}
refuseBody(
  "RFC 9112 §7.1",
  "a bad size after good chunks",
  `${CHUNKED}2\r\nhi\r\n‸x\r\n`,
  "invalid-chunk-size",
);
refuseBody(
  "RFC 9112 §7.1",
  "LF after the size",
  `${CHUNKED}5‸\nhello\r\n0\r\n\r\n`,
  "bare-lf",
);
refuseBody(
  "RFC 9112 §7.1",
  "CR after the size",
  `${CHUNKED}5‸\rhello\r\n0\r\n\r\n`,
  "bare-cr",
);
refuseBody(
  "RFC 9112 §7.1",
  "only LF in place of the size",
  `${CHUNKED}‸\n5\r\nhello\r\n0\r\n\r\n`,
  "invalid-chunk-size",
);
refuseBody(
  "RFC 9112 §7.1",
  "LF after the last size",
  `${CHUNKED}0‸\n\n`,
  "bare-lf",
);
for (
  const [title, chunk] of [
    ["LF only", "5\r\nhello‸\n"],
    ["CR only", "5\r\nhello‸\r0\r\n\r\n"],
    ["nothing", "5\r\nhello‸0\r\n\r\n"],
    ["a byte too many", "5\r\nhello‸!\r\n"],
    ["a byte too few", "6\r\nhello\r‸\n0\r\n\r\n"],
    ["two bytes too few", "7\r\nhello\r\n‸0\r\n\r\n"],
    ["a space", "5\r\nhello‸ \r\n"],
    ["CR CR LF", "5\r\nhello‸\r\r\n"],
    ["LF CR", "5\r\nhello‸\n\r0\r\n\r\n"],
    ["a NUL", "5\r\nhello‸\0\0"],
    ["any two bytes", "5\r\nhello‸XX0\r\n\r\n"],
  ] as const
) {
  refuseBody(
    "RFC 9112 §7.1",
    `end of chunk data: ${title}`,
    `${CHUNKED}${chunk}`,
    "chunk-data-end",
  );
}

// RFC 9112 §7.1.1: extensions.

for (
  const extension of [
    ";a",
    ";a=b",
    ";a=b;c=d",
    ";a;b;c",
    ';a="b"',
    ';a=""',
    ';a="b c"',
    ';a="\\""',
    ';a="\\\\"',
    ';a="b;c=d"',
    ';a="\\\t"',
    ';a="\x80\xff"',
    " ;a",
    "\t;a",
    "; a",
    " ; a = b",
    ' \t; \ta\t =\t "b" \t;c',
    ";a ;b",
    ";a=b ;c",
    ";!#$%&'*+-.^_`|~=09",
    `;${"x".repeat(254)}`,
    `;a="${"\\x".repeat(125)}"`,
  ]
) {
  const title = extension.length > 60
    ? `${extension.slice(0, 4)}… of ${extension.length} bytes`
    : JSON.stringify(extension);
  accept(
    "RFC 9112 §7.1.1",
    `extension ${title}`,
    `${CHUNKED}2${extension}\r\nhi\r\n0\r\n\r\n${NEXT}`,
    [{ body: "hi" }, {}],
  );
}
for (
  const extension of [
    ";‸",
    "; ‸",
    ";‸;a",
    ";a=‸",
    ";a= ‸",
    ";a=‸;b",
    ";‸=b",
    ";a ‸",
    ";a=b ‸",
    ";a‸/b",
    ";a=b‸/c",
    ";a=‸=b",
    ";a=b‸=c",
    ";a ‸b",
    ";a=b ‸c",
    ';a="b‸',
    ';a="b"‸c',
    ';a="b" ‸',
    ';a="‸\0"',
    ';a="‸\x7f"',
    ';a="\\‸\x01"',
    ";a=b‸(c)",
    ";‸\0",
    ";a‸\0=b",
    ";a=‸\x0bb",
    ";‸\xff",
    ";a=‸\xff",
    ";a‸,b",
    " ‸x",
    ';‸"a"=b',
  ]
) {
  refuseBody(
    "RFC 9112 §7.1.1",
    `extension ${JSON.stringify(extension.replace(MARK, ""))}`,
    `${CHUNKED}2${extension}\r\nhi\r\n0\r\n\r\n`,
    "invalid-chunk-extension",
  );
}
refuseBody(
  "RFC 9112 §7.1.1",
  "LF after an extension",
  `${CHUNKED}2;a‸\nhi\r\n0\r\n\r\n`,
  "bare-lf",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "LF after an extension's value",
  `${CHUNKED}2;a=b‸\nhi\r\n0\r\n\r\n`,
  "bare-lf",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "LF in a quoted value",
  `${CHUNKED}2;a="b‸\n"\r\nhi\r\n0\r\n\r\n`,
  "bare-lf",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "CR after an extension",
  `${CHUNKED}2;a‸\rhi\r\n0\r\n\r\n`,
  "bare-cr",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "a line of 257 bytes",
  `${CHUNKED}‸2;${"x".repeat(255)}\r\nhi\r\n0\r\n\r\n`,
  "chunk-line-too-long",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "a quoted value of 257 bytes",
  `${CHUNKED}‸2;a="${"x".repeat(252)}"\r\nhi\r\n0\r\n\r\n`,
  "chunk-line-too-long",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "an extension without an end",
  `${CHUNKED}‸2;${"x".repeat(400)}`,
  "chunk-line-too-long",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "a fault as byte 257",
  `${CHUNKED}2;${"x".repeat(254)}‸/\r\nhi\r\n0\r\n\r\n`,
  "invalid-chunk-extension",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "a fault as byte 258",
  `${CHUNKED}‸2;${"x".repeat(255)}\0\r\nhi`,
  "chunk-line-too-long",
);

// RFC 9112 §7.1.2, RFC 9110 §6.5: trailers.

for (
  const [title, lines, trailers] of [
    ["one", "A: b\r\n", [["A", "b"]]],
    ["two", "A: b\r\nc:d \r\n", [["A", "b"], ["c", "d"]]],
    ["an empty value", "A:\r\n", [["A", ""]]],
    ["the same name twice", "A: b\r\na: c\r\n", [["A", "b"], ["a", "c"]]],
    ["obs-text", "A: \x80\r\n", [["A", "\x80"]]],
    ["names that the parser knows", "Digest: d\r\nDate: e\r\nETag: f\r\n", [
      ["Digest", "d"],
      ["Date", "e"],
      ["ETag", "f"],
    ]],
    [
      "forty",
      "A: b\r\n".repeat(40),
      Array.from({ length: 40 }, () => ["A", "b"]),
    ],
  ] as [string, string, [string, string][]][]
) {
  accept(
    "RFC 9112 §7.1.2",
    `trailers: ${title}`,
    `${CHUNKED}2\r\nhi\r\n0\r\n${lines}\r\n${NEXT}`,
    [
      {
        body: "hi",
        trailers,
        lines: [["Host", "a"], ["Transfer-Encoding", "chunked"]],
      },
      { target: "/next", trailers: null },
    ],
  );
}
for (
  const [title, lines, code] of [
    ["LF ends a line", "A: b‸\n\r\n", "bare-lf"],
    ["CR ends a line", "A: b‸\rC: d\r\n\r\n", "bare-cr"],
    ["LF ends the section", "A: b\r\n‸\n", "bare-lf"],
    ["LF and no trailer", "‸\n", "bare-lf"],
    ["CR and no trailer", "‸\rX", "bare-cr"],
    ["CR CR LF and no trailer", "‸\r\r\n", "bare-cr"],
    [
      "no CRLF before the next request",
      `GET‸ /next HTTP/1.1\r\nHost: a\r\n\r\n`,
      "invalid-header-name",
    ],
    ["an empty name", "‸: b\r\n\r\n", "empty-header-name"],
    ["no colon", "abc‸\r\n\r\n", "invalid-header-name"],
    ["a space before the colon", "A‸ : b\r\n\r\n", "space-before-colon"],
    ["a folded line", "A: b\r\n‸ c\r\n\r\n", "obs-fold"],
    ["white space", "‸ \r\n\r\n", "obs-fold"],
    ["a control byte", "A: ‸\x01\r\n\r\n", "invalid-header-value"],
    ["a NUL", "A: b‸\0\r\n\r\n", "invalid-header-value"],
    [
      "a chunk after the last",
      "5‸\r\nhello\r\n0\r\n\r\n",
      "invalid-header-name",
    ],
  ] as const
) {
  refuseBody(
    "RFC 9112 §7.1.2",
    `trailers: ${title}`,
    `${CHUNKED}2\r\nhi\r\n0\r\n${lines}`,
    code,
  );
}
for (
  const name of [
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Upgrade",
    "Expect",
    "TE",
    "Trailer",
    "content-length",
    "TRANSFER-ENCODING",
  ]
) {
  refuseBody(
    "RFC 9110 §6.5.1",
    `trailer ${name}`,
    `${CHUNKED}2\r\nhi\r\n0\r\nA: b\r\n‸${name}: 0\r\nC: d\r\n\r\n${NEXT}`,
    "forbidden-trailer",
  );
}
refuseBody(
  "RFC 9110 §6.5.1",
  "two forbidden trailers",
  `${CHUNKED}0\r\n‸Trailer: x\r\nHost: b\r\n\r\n`,
  "forbidden-trailer",
);

// --------------------------------------------------------- RFC 9112 §8, end of input

const WHOLE = `${CHUNKED}2;a="b"\r\nhi\r\n0\r\nA: b\r\n\r\n`;
for (let length = 1; length < WHOLE.length; length++) {
  const wire = `${WHOLE.slice(0, length)}‸`;
  if (length < CHUNKED.length) {
    refuse(
      "RFC 9112 §8",
      `the input ends in the head, after ${length} bytes`,
      wire,
      "unexpected-eof",
    );
  } else {refuseBody(
      "RFC 9112 §8",
      `the input ends in the chunks, after ${length} bytes`,
      wire,
      "unexpected-eof",
    );}
}
for (let length = 0; length < 4; length++) {
  refuseBody(
    "RFC 9112 §8",
    `the input ends after ${length} of 4 bytes`,
    `${POST}Content-Length: 4\r\n\r\n${"body".slice(0, length)}‸`,
    "unexpected-eof",
  );
}
refuse(
  "RFC 9112 §8",
  "the input ends in an empty line",
  "\r‸",
  "unexpected-eof",
);
refuse(
  "RFC 9112 §8",
  "the input ends in the fifth empty line",
  `${"\r\n".repeat(4)}\r‸`,
  "unexpected-eof",
);
refuse(
  "RFC 9112 §8",
  "the input ends after a space in a name",
  `${GET}abc ‸`,
  "unexpected-eof",
);
for (
  const start of [
    "GE",
    "POST",
    "OPTIONS *",
    "GET http://b",
    "CONNECT b:4",
    "GET / HTTP/2.",
    "GET / HTTP/1.0\r\nX",
  ]
) {
  refuse(
    "RFC 9112 §8",
    `the input ends after ${JSON.stringify(start)}`,
    `${start}‸`,
    "unexpected-eof",
  );
}

// ------------------------------------------ RFC 9112 §9, RFC 9110 §7.6.1: Connection

for (
  const [version, lines, keepAlive] of [
    ["1.1", ["keep-alive"], true],
    ["1.1", ["close"], false],
    ["1.1", ["CLOSE"], false],
    ["1.1", ["Close"], false],
    ["1.1", ["Keep-Alive"], true],
    ["1.1", [""], true],
    ["1.1", ["closed"], true],
    ["1.1", ["clos"], true],
    ["1.1", ["close x"], true],
    ["1.1", ["x"], true],
    ["1.1", ["x, close"], false],
    ["1.1", ["close, x"], false],
    ["1.1", ["close,"], false],
    ["1.1", [",close"], false],
    ["1.1", [" , ,\tclose\t , "], false],
    ["1.1", ["keep-alive, close"], false],
    ["1.1", ["close, keep-alive"], false],
    ["1.1", ["keep-alive", "close"], false],
    ["1.1", ["close", "keep-alive"], false],
    ["1.1", ["x", "", "y,CLOSE"], false],
    ["1.1", ['"close"'], true],
    ["1.1", ["close;a"], true],
    ["1.0", [], false],
    ["1.0", ["keep-alive"], true],
    ["1.0", ["KEEP-ALIVE"], true],
    ["1.0", ["x, Keep-Alive"], true],
    ["1.0", ["keep-alive", "x"], true],
    ["1.0", ["keep-alive, close"], false],
    ["1.0", ["keep-alive", "close"], false],
    ["1.0", ["close"], false],
    ["1.0", ["keep-alivE, keep"], true],
    ["1.0", ["keep_alive"], false],
    ["1.0", ["keepalive"], false],
    ["1.0", ["keep-alive x"], false],
    ["1.0", ["x"], false],
  ] as [string, string[], boolean][]
) {
  accept(
    "RFC 9112 §9.3",
    `Connection: ${JSON.stringify(lines)} in HTTP/${version}`,
    `GET / HTTP/${version}\r\nHost: a\r\n${
      lines.map((line) => `Connection: ${line}\r\n`).join("")
    }\r\n`,
    { keepAlive, upgrade: null },
  );
}

// RFC 9110 §7.8: Upgrade.

for (
  const [title, lines, upgrade] of [
    ["confirmed", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "websocket"],
    [
      "confirmed in a list",
      "Upgrade: websocket\r\nConnection: keep-alive, UPGRADE\r\n",
      "websocket",
    ],
    [
      "confirmed on the second line",
      "Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: upgrade\r\n",
      "websocket",
    ],
    [
      "a list of protocols",
      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, foo/1\r\nHTTP2-Settings: x\r\n",
      "h2c, foo/1",
    ],
    [
      "two lines are one list",
      "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n",
      "h2c, websocket",
    ],
    ["not confirmed", "Upgrade: websocket\r\n", null],
    [
      "not confirmed but kept alive",
      "Connection: keep-alive\r\nUpgrade: websocket\r\n",
      null,
    ],
    ["confirmed and not there", "Connection: Upgrade\r\n", null],
    ["a near word", "Connection: upgrades\r\nUpgrade: websocket\r\n", null],
  ] as const
) {
  accept("RFC 9110 §7.8", `Upgrade ${title}`, `${GET}${lines}\r\n`, {
    upgrade,
    keepAlive: true,
  });
}
accept(
  "RFC 9110 §7.8",
  "Upgrade in HTTP/1.0 is ignored",
  "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  { upgrade: null },
);
accept(
  "RFC 9110 §7.8",
  "Upgrade with a body",
  `${POST}Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi`,
  { upgrade: "h2c", body: "hi" },
);

// RFC 9110 §10.1.1: Expect.

for (
  const [title, version, line, expectContinue] of [
    ["100-continue", "1.1", "Expect: 100-continue\r\n", true],
    ["100-Continue", "1.1", "expect:100-CONTINUE \r\n", true],
    [
      "100-continue in HTTP/1.0 is ignored",
      "1.0",
      "Expect: 100-continue\r\n",
      false,
    ],
    ["something else", "1.1", "Expect: 200-ok\r\n", false],
    ["nearly", "1.1", "Expect: 100-continue!\r\n", false],
    ["nothing", "1.1", "Expect:\r\n", false],
    ["none", "1.1", "", false],
  ] as const
) {
  accept(
    "RFC 9110 §10.1.1",
    `Expect: ${title}`,
    `POST / HTTP/${version}\r\nHost: a\r\n${line}Content-Length: 2\r\n\r\nhi`,
    { expectContinue, body: "hi" },
  );
}

// RFC 9110 §9.3.6: CONNECT.

accept(
  "RFC 9110 §9.3.6",
  "CONNECT",
  "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n",
  { method: "CONNECT", contentLength: null, chunked: false, body: "" },
);
refuse(
  "RFC 9110 §9.3.6",
  "CONNECT with a length",
  "CONNECT b:443 HTTP/1.1\r\nHost: b\r\n‸Content-Length: 2\r\n\r\nhi",
  "connect-with-body",
);
refuse(
  "RFC 9110 §9.3.6",
  "CONNECT in chunks",
  "CONNECT b:443 HTTP/1.1\r\nHost: b\r\n‸Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "connect-with-body",
);

// ----------------------------------------------------- RFC 9112 §9.3.2, pipelining

accept(
  "RFC 9112 §9.3.2",
  "ten requests",
  NEXT.repeat(10),
  Array.from({ length: 10 }, () => ({ target: "/next" })),
);
accept(
  "RFC 9112 §9.3.2",
  "requests of all sorts",
  `GET /1 HTTP/1.1\r\nHost: a\r\nX: 1\r\nCookie: c\r\nExpect: 100-continue\r\n\r\n` +
    `POST /2?q HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\n\r\nabc` +
    `PUT /3 HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT: t\r\n\r\n` +
    `OPTIONS * HTTP/1.1\r\nHost: d\r\nConnection: upgrade\r\nUpgrade: u\r\n\r\n` +
    `CUSTOM http://x/5?r HTTP/1.0\r\n\r\n` +
    `GET /6 HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n` +
    `GET /7 HTTP/1.1\r\nHost: g\r\n\r\n`,
  [
    {
      method: "GET",
      target: "/1",
      expectContinue: true,
      lines: [["Host", "a"], ["X", "1"], ["Cookie", "c"], [
        "Expect",
        "100-continue",
      ]],
    },
    {
      method: "POST",
      path: "/2",
      query: "q",
      body: "abc",
      contentLength: 3,
      expectContinue: false,
    },
    {
      method: "PUT",
      target: "/3",
      query: "",
      body: "x",
      chunked: true,
      contentLength: null,
      trailers: [["T", "t"]],
    },
    {
      method: "OPTIONS",
      path: "*",
      body: "",
      chunked: false,
      trailers: null,
      upgrade: "u",
    },
    {
      method: "CUSTOM",
      path: "/5",
      query: "r",
      version: "1.0",
      keepAlive: false,
      upgrade: null,
      lines: [],
    },
    { target: "/6", version: "1.1", keepAlive: false },
    { target: "/7", keepAlive: true, lines: [["Host", "g"]] },
  ],
);
accept(
  "RFC 9112 §9.3.2",
  "forty requests past a small slab",
  `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(60)}\r\n\r\n`.repeat(40),
  Array.from({ length: 40 }, () => ({ fields: { x: "x".repeat(60) } })),
);
row(
  "RFC 9112 §9.3.2",
  "a refusal after good requests",
  `${NEXT}${NEXT}‸\x01`,
  [{}, {}],
  "invalid-method",
  {},
);
row(
  "RFC 9112 §9.3.2",
  "a body longer than its length",
  `${POST}Content-Length: 2\r\n\r\nhi! / HTTP/1.1\r\nHost:‸\r\n\r\n`,
  [{ body: "hi" }],
  "invalid-host",
  {},
);

// --------------------------------------------------------------------- limits

const line = (length: number) => `GET /${"x".repeat(length - 14)} HTTP/1.1\r\n`;
const section = (length: number) =>
  `Host: a\r\nX: ${"x".repeat(length - 16)}\r\n\r\n`;
const fields = (count: number) => `Host: a\r\n${"X: y\r\n".repeat(count - 1)}`;
const target = (length: number) => `/${"x".repeat(length - 14)}`;

accept(
  "RFC 9112 §3",
  "a request line of just maxRequestLine",
  `${line(40)}Host: a\r\n\r\n`,
  { target: target(40) },
  { maxRequestLine: 40 },
);
accept(
  "RFC 9112 §3",
  "empty lines do not count",
  `\r\n\r\n${line(40)}Host: a\r\n\r\n`,
  { target: target(40) },
  { maxRequestLine: 40 },
);
refuse(
  "RFC 9112 §3",
  "a request line one over",
  `${line(41).slice(0, 40)}‸${line(41).slice(40)}Host: a\r\n\r\n`,
  "request-line-too-long",
  { maxRequestLine: 40 },
);
refuse(
  "RFC 9112 §3",
  "a request line two over",
  `${line(42).slice(0, 40)}‸${line(42).slice(40)}Host: a\r\n\r\n`,
  "request-line-too-long",
  { maxRequestLine: 40 },
);
refuse(
  "RFC 9112 §3",
  "a request line far over",
  `${line(400).slice(0, 40)}‸${line(400).slice(40)}Host: a\r\n\r\n`,
  "request-line-too-long",
  { maxRequestLine: 40 },
);
refuse(
  "RFC 9112 §3",
  "a target without an end",
  `GET /${"x".repeat(35)}‸${"x".repeat(100)}`,
  "request-line-too-long",
  { maxRequestLine: 40 },
);
refuse(
  "RFC 9112 §3",
  "a method without an end",
  `${"G".repeat(40)}‸${"G".repeat(100)}`,
  "request-line-too-long",
  { maxRequestLine: 40 },
);
refuse(
  "RFC 9112 §3",
  "a fault before the limit",
  `GET /${"x".repeat(30)}‸\x01${"x".repeat(100)}`,
  "invalid-target",
  { maxRequestLine: 40 },
);
refuse(
  "RFC 9112 §3",
  "a fault past the limit",
  `GET /${"x".repeat(35)}‸${"x".repeat(10)}\x01${"x".repeat(100)}`,
  "request-line-too-long",
  { maxRequestLine: 40 },
);
refuse(
  "RFC 9112 §3",
  "a fault in the form, found before the limit",
  `GET ‸${"x".repeat(20)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  "target-form",
  { maxRequestLine: 40 },
);
accept(
  "RFC 9112 §3",
  "a request line of 8192 bytes",
  `${line(8192)}Host: a\r\n\r\n`,
  { target: target(8192) },
);
refuse(
  "RFC 9112 §3",
  "a request line of 8193 bytes",
  `${line(8193).slice(0, 8192)}‸${line(8193).slice(8192)}Host: a\r\n\r\n`,
  "request-line-too-long",
);

accept(
  "RFC 6585 §5",
  "a section of just maxHeaderBytes",
  `GET / HTTP/1.1\r\n${section(60)}`,
  { fields: { x: "x".repeat(44) } },
  { maxHeaderBytes: 60 },
);
for (const over of [1, 2, 3, 4, 5, 100]) {
  const text = section(60 + over);
  refuse(
    "RFC 6585 §5",
    `a section ${over} over`,
    `GET / HTTP/1.1\r\n${text.slice(0, 60)}‸${text.slice(60)}`,
    "headers-too-large",
    { maxHeaderBytes: 60 },
  );
}
refuse(
  "RFC 6585 §5",
  "a name without an end",
  `GET / HTTP/1.1\r\nHost: a\r\n${"n".repeat(51)}‸${"n".repeat(90)}`,
  "headers-too-large",
  { maxHeaderBytes: 60 },
);
refuse(
  "RFC 6585 §5",
  "white space without an end",
  `GET / HTTP/1.1\r\nHost: a\r\nX:${" ".repeat(49)}‸${" ".repeat(90)}`,
  "headers-too-large",
  { maxHeaderBytes: 60 },
);
refuse(
  "RFC 6585 §5",
  "small lines over",
  `GET / HTTP/1.1\r\nHost: a\r\n${"X:\r\n".repeat(12)}X:\r‸\n\r\n`,
  "headers-too-large",
  { maxHeaderBytes: 60 },
);
refuse(
  "RFC 6585 §5",
  "a fault before the limit",
  `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(40)}‸\x01${
    "x".repeat(90)
  }\r\n\r\n`,
  "invalid-header-value",
  { maxHeaderBytes: 60 },
);
refuse(
  "RFC 6585 §5",
  "a fault past the limit",
  `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(48)}‸${"x".repeat(9)}\x01${
    "x".repeat(90)
  }\r\n\r\n`,
  "headers-too-large",
  { maxHeaderBytes: 60 },
);
refuse(
  "RFC 6585 §5",
  "a fault in a line past the limit",
  `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(45)}\r\nY‸Y: z\r\n\x01\r\n\r\n`,
  "headers-too-large",
  { maxHeaderBytes: 60 },
);
accept(
  "RFC 6585 §5",
  "a section of 16384 bytes",
  `GET / HTTP/1.1\r\n${section(16384)}`,
  { fields: { x: "x".repeat(16368) } },
);
refuse(
  "RFC 6585 §5",
  "a section of 16385 bytes",
  `GET / HTTP/1.1\r\n${section(16385).slice(0, 16384)}‸${
    section(16385).slice(16384)
  }`,
  "headers-too-large",
);

accept("RFC 6585 §5", "just maxHeaders", `GET / HTTP/1.1\r\n${fields(3)}\r\n`, {
  fields: { x: "y, y" },
}, { maxHeaders: 3 });
refuse(
  "RFC 6585 §5",
  "one field over",
  `GET / HTTP/1.1\r\n${fields(3)}‸X: y\r\n\r\n`,
  "too-many-headers",
  { maxHeaders: 3 },
);
accept(
  "RFC 6585 §5",
  "no field where none is allowed",
  "GET / HTTP/1.0\r\n\r\n",
  { lines: [] },
  { maxHeaders: 0 },
);
refuse(
  "RFC 6585 §5",
  "a field where none is allowed",
  "GET / HTTP/1.1\r\n‸Host: a\r\n\r\n",
  "too-many-headers",
  { maxHeaders: 0 },
);
for (const count of [32, 33, 100]) {
  accept(
    "RFC 6585 §5",
    `${count} fields`,
    `GET / HTTP/1.1\r\n${fields(count)}\r\n${NEXT}`,
    [{ fields: { host: "a", x: Array(count - 1).fill("y").join(", ") } }, {
      lines: [["Host", "a"]],
    }],
  );
}
refuse(
  "RFC 6585 §5",
  "101 fields",
  `GET / HTTP/1.1\r\n${fields(100)}‸X: y\r\n\r\n`,
  "too-many-headers",
);
refuse(
  "RFC 6585 §5",
  "33 fields where 32 are allowed",
  `GET / HTTP/1.1\r\n${fields(32)}‸X: y\r\n\r\n`,
  "too-many-headers",
  { maxHeaders: 32 },
);
accept(
  "RFC 6585 §5",
  "200 fields where 300 are allowed",
  `GET / HTTP/1.1\r\n${fields(200)}\r\n`,
  { fields: { host: "a" } },
  { maxHeaders: 300 },
);
refuse(
  "RFC 6585 §5",
  "129 fields where 128 are allowed",
  `GET / HTTP/1.1\r\n${fields(128)}‸X: y\r\n\r\n`,
  "too-many-headers",
  { maxHeaders: 128 },
);

accept(
  "RFC 9112 §7.1.2",
  "trailers of just maxHeaderBytes",
  `${CHUNKED}0\r\nA: ${"x".repeat(53)}\r\n\r\n`,
  { trailers: [["A", "x".repeat(53)]] },
  { maxHeaderBytes: 60 },
);
for (const over of [1, 2, 3, 4, 90]) {
  const text = `A: ${"x".repeat(53 + over)}\r\n\r\n`;
  refuseBody(
    "RFC 9112 §7.1.2",
    `trailers ${over} over`,
    `${CHUNKED}0\r\n${text.slice(0, 60)}‸${text.slice(60)}`,
    "trailers-too-large",
    { maxHeaderBytes: 60 },
  );
}
refuseBody(
  "RFC 9112 §7.1.2",
  "a trailer without an end",
  `${CHUNKED}0\r\n${"n".repeat(60)}‸${"n".repeat(60)}`,
  "trailers-too-large",
  { maxHeaderBytes: 60 },
);
accept(
  "RFC 9112 §7.1.2",
  "just maxHeaders trailers",
  `${CHUNKED}0\r\nA: b\r\nC: d\r\n\r\n`,
  { trailers: [["A", "b"], ["C", "d"]] },
  { maxHeaders: 2 },
);
refuseBody(
  "RFC 9112 §7.1.2",
  "one trailer over",
  `${CHUNKED}0\r\nA: b\r\nC: d\r\n‸E: f\r\n\r\n`,
  "trailers-too-large",
  { maxHeaders: 2 },
);

accept(
  "RFC 9110 §15.5.14",
  "a body of just maxBodySize",
  `${POST}Content-Length: 4\r\n\r\nbody${NEXT}`,
  [{ body: "body" }, {}],
  { maxBodySize: 4 },
);
accept(
  "RFC 9110 §15.5.14",
  "a body one over is dropped, and no more",
  `${POST}Content-Length: 5\r\n\r\nbody!${NEXT}`,
  [{ body: "body-too-large" }, { target: "/next" }],
  { maxBodySize: 4 },
);
accept(
  "RFC 9110 §15.5.14",
  "chunks of just maxBodySize",
  `${CHUNKED}2\r\nbo\r\n2\r\ndy\r\n0\r\nT: t\r\n\r\n${NEXT}`,
  [{ body: "body", trailers: [["T", "t"]] }, {}],
  { maxBodySize: 4 },
);
accept(
  "RFC 9110 §15.5.14",
  "chunks one over are dropped, and no more",
  `${CHUNKED}2\r\nbo\r\n3\r\ndy!\r\n0\r\nT: t\r\n\r\n${NEXT}`,
  [{ body: "body-too-large" }, { target: "/next" }],
  { maxBodySize: 4 },
);
accept(
  "RFC 9110 §15.5.14",
  "no body where none may be gathered",
  `${CHUNKED}0\r\n\r\n${NEXT}`,
  [{ body: "" }, {}],
  { maxBodySize: 0 },
);

// ------------------------------------------ RFC 9112 §11.2, request smuggling
// Payloads that are known to part a proxy from the server behind it. What they
// would smuggle in must never come out as a request.

const SMUGGLED = "GET /admin HTTP/1.1\r\nHost: b\r\n\r\n";
for (
  const [title, wire, code] of [
    [
      "CL.TE",
      `${POST}Content-Length: 6\r\n‸Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nG`,
      "length-and-transfer-encoding",
    ],
    [
      "TE.CL",
      `${POST}Transfer-Encoding: chunked\r\n‸Content-Length: 4\r\n\r\n5c\r\n${SMUGGLED}0\r\n\r\n`,
      "length-and-transfer-encoding",
    ],
    [
      "CL.CL",
      `${POST}Content-Length: 8\r\n‸Content-Length: 7\r\n\r\n12345\r\na`,
      "repeated-content-length",
    ],
    [
      "CL.0 with a sign",
      `${POST}Content-Length: ‸+0\r\n\r\n${SMUGGLED}`,
      "invalid-content-length",
    ],
    [
      "TE.TE with xchunked",
      `${POST}Transfer-Encoding: ‸xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "unsupported-transfer-coding",
    ],
    [
      "TE.TE with a second coding line",
      `${POST}Transfer-Encoding: chunked\r\nTransfer-encoding: ‸x\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "chunked-not-last",
    ],
    [
      "space before the colon of TE",
      `${POST}Transfer-Encoding‸ : chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "space-before-colon",
    ],
    [
      "tab before the colon of TE",
      `${POST}Transfer-Encoding‸\t:chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "space-before-colon",
    ],
    [
      "space before the name TE",
      `${POST}‸ Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "obs-fold",
    ],
    [
      "vertical tab after the colon of TE",
      `${POST}Transfer-Encoding:‸\x0bchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "invalid-header-value",
    ],
    [
      "NUL after chunked",
      `${POST}Transfer-Encoding: chunked‸\0\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "invalid-header-value",
    ],
    [
      "NUL in the name TE",
      `${POST}Transfer-‸\0Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "invalid-header-name",
    ],
    [
      "TE folded from its name",
      `${POST}Transfer-Encoding‸\r\n : chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "invalid-header-name",
    ],
    [
      "TE folded from its value",
      `${POST}Transfer-Encoding:\r\n‸ chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "obs-fold",
    ],
    [
      "TE after a bare LF",
      `${POST}X: y‸\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "bare-lf",
    ],
    [
      "TE after a bare CR",
      `${POST}X: y‸\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "bare-cr",
    ],
    [
      "TE after a NUL",
      `${POST}X: y‸\0Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "invalid-header-value",
    ],
    [
      "length after a bare CR",
      `${POST}X: y‸\rContent-Length: 30\r\n\r\n${SMUGGLED}`,
      "bare-cr",
    ],
    [
      "a quoted coding",
      `${POST}Transfer-Encoding: ‸"chunked"\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "invalid-transfer-encoding",
    ],
    [
      "TE in HTTP/1.0",
      `POST / HTTP/1.0\r\nHost: a\r\n‸Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "transfer-encoding-in-http10",
    ],
    [
      "a line without a colon before TE",
      `${POST}Foo‸\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "invalid-header-name",
    ],
    [
      "a request line with two targets",
      `GET / ‸/b HTTP/1.1\r\nHost: a\r\n\r\n`,
      "invalid-version",
    ],
    [
      "a target with CRLF in it",
      `GET /‸\r\nX: HTTP/1.1\r\nHost: a\r\n\r\n`,
      "invalid-request-line",
    ],
    [
      "a dotless i in the name TE",
      `${POST}Transfer-Encod‸\xc4\xb1ng: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      "invalid-header-name",
    ],
    ["a second Host by its port", `${GET}‸Host: a:80\r\n\r\n`, "repeated-host"],
    [
      "Host with a path",
      `GET / HTTP/1.1\r\nHost: ‸a/../b\r\n\r\n`,
      "invalid-host",
    ],
  ] as const
) {
  refuse("RFC 9112 §11.2", title, wire, code);
}
for (
  const [title, chunks, code] of [
    [
      "chunk size with 0x",
      `0‸x5\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
      "invalid-chunk-size",
    ],
    [
      "chunk size that wraps at 2^32",
      `0000000100000‸005\r\nhello\r\n0\r\n\r\n`,
      "chunk-size-too-large",
    ],
    [
      "chunk size that wraps at 2^64",
      `1000000000000‸0000\r\n\r\n${SMUGGLED}`,
      "chunk-size-too-large",
    ],
    [
      "a bare LF in an extension",
      `2;‸\nxx\r\n4c\r\n0\r\n\r\n${SMUGGLED}`,
      "bare-lf",
    ],
    [
      "a bare CR in an extension",
      `2;a‸\rxx\r\nhi\r\n0\r\n\r\n${SMUGGLED}`,
      "bare-cr",
    ],
    [
      "any two bytes after the data",
      `2\r\nhi‸xx0\r\n\r\n${SMUGGLED}`,
      "chunk-data-end",
    ],
    [
      "a space after the size",
      `5 ‸\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
      "invalid-chunk-extension",
    ],
    [
      "a negative size",
      `‸-1\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
      "invalid-chunk-size",
    ],
    [
      "a length in the trailers",
      `0\r\n‸Content-Length: 40\r\n\r\n${SMUGGLED}`,
      "forbidden-trailer",
    ],
    [
      "a trailer section that is the next request",
      `0\r\nGET‸ /admin HTTP/1.1\r\nHost: b\r\n\r\n`,
      "invalid-header-name",
    ],
  ] as const
) {
  refuseBody("RFC 9112 §11.2", title, `${CHUNKED}${chunks}`, code);
}
accept(
  "RFC 9112 §11.2",
  "Content_Length is no length",
  `${POST}Content_Length: 4\r\n\r\n${NEXT}`,
  [{ contentLength: null, body: "" }, { target: "/next" }],
);
accept(
  "RFC 9112 §11.2",
  "Transfer-Encoding1 is no coding",
  `${POST}Transfer-Encoding1: chunked\r\nX-Transfer-Encoding: chunked\r\n\r\n${NEXT}`,
  [{ chunked: false }, {}],
);
accept(
  "RFC 9112 §11.2",
  "a long chunk size below 2^53",
  `${CHUNKED}0000000000002\r\nhi\r\n0\r\n\r\n${NEXT}`,
  [{ body: "hi" }, {}],
);

// ------------------------------------------------------------------- running them

/** Positions to cut in two at: all of them, or of a long input those that can matter. */
function positions(wire: Uint8Array, mark: number): number[] {
  const all = every(1, wire);
  if (wire.length <= 1200) return all;
  return all.filter((at) =>
    at < 64 || at > wire.length - 64 || Math.abs(at - mark) < 8 ||
    at % 509 === 0
  );
}

function check({ requests, code, mark }: Row, outcome: Outcome): void {
  const { error } = outcome;
  if (code === null) assertEquals(error, null);
  else {
    assertEquals(error?.code, code);
    assertEquals(error?.status, STATUS[code] ?? 400);
    if (mark >= 0) {
      assertEquals(error?.offset, mark, "the offset of the refusal");
    }
  }
  assertEquals(
    outcome.requests.length,
    requests.length,
    "the number of requests",
  );
  requests.forEach((expected, i) =>
    checkRequest(expected, outcome.requests[i]!, error)
  );
}

function checkRequest(
  expected: Expected,
  seen: Seen,
  error: Refused | null,
): void {
  for (const [key, value] of Object.entries(expected)) {
    if (key === "fields") {
      for (
        const [name, text] of Object.entries(value as Record<string, string>)
      ) {
        assertEquals(seen.values[name], text, `the field ${name}`);
      }
    } else if (key === "body" && typeof seen.body === "object") {
      assertEquals(seen.body.code, value);
      assertEquals(
        seen.body.status,
        STATUS[seen.body.code as HttpErrorCode] ?? 400,
      );
      if (seen.body.code === error?.code) assertEquals(seen.body, error);
    } else {
      assertEquals(seen[key as keyof Seen], value as Seen[keyof Seen], key);
    }
  }
}

/** The outcome of the same input behind `requests` that take up `offset` bytes. */
function behind(requests: Seen[], offset: number, outcome: Outcome): Outcome {
  const shift = (refused: Refused) => ({
    ...refused,
    offset: refused.offset + offset,
  });
  return {
    requests: [
      ...requests,
      ...outcome.requests.map((seen) =>
        typeof seen.body === "string"
          ? seen
          : { ...seen, body: shift(seen.body) }
      ),
    ],
    error: outcome.error && shift(outcome.error),
  };
}

const GOOD = `${NEXT}${POST}Content-Length: 4\r\n\r\nbody`;

const titles = new Set<string>();
for (const row of rows) {
  const { section, title, wire, code, mark, limits } = row;
  const name = `${section}: ${code === null ? "accepts" : "refuses"} ${title}`;
  assert(!titles.has(name), `two rows are called ${name}`);
  titles.add(name);
  Deno.test(name, async () => {
    const whole = await parse(cutAt(wire, []), { limits });
    check(row, whole);
    assertEquals(await parse(cutAt(wire, []), { limits, hold: true }), whole);
    const bytewise = every(1, wire);
    for (const hold of [false, true]) {
      assertEquals(
        await parse(cutAt(wire, bytewise), { limits, hold }),
        whole,
        "a byte at a time",
      );
    }
    for (const at of positions(wire, mark)) {
      assertEquals(
        await parse(cutAt(wire, [at]), { limits, hold: at % 2 === 1 }),
        whole,
        `cut at ${at}`,
      );
    }
    for (const kind of STREAMS) {
      assertEquals(
        await stream(kind, cutAt(wire, []), limits),
        whole,
        `${kind}, whole`,
      );
      for (const size of wire.length <= 1200 ? [1, 7] : [61]) {
        assertEquals(
          await stream(kind, cutAt(wire, every(size, wire)), limits),
          whole,
          `${kind}, ${size} at a time`,
        );
      }
    }
    // The limits of some rows are too small for any other request.
    if (code === null || Object.keys(limits).length > 0) return;
    const good = bytesOf(GOOD);
    const both = bytesOf(GOOD + textOf(wire));
    const before = await parse([good.slice()]);
    assertEquals(before.requests.length, 2);
    // Empty lines that the row begins with come after a request here, as before.
    const expected = behind(before.requests, good.length, whole);
    for (const cuts of [[], [good.length], every(1, both)]) {
      assertEquals(
        await parse(cutAt(both, cuts)),
        expected,
        "behind good requests",
      );
    }
    for (const kind of STREAMS) {
      assertEquals(
        await stream(kind, cutAt(both, [])),
        expected,
        `${kind}, behind good requests`,
      );
    }
  });
}

// A limit bounds what a parser holds, so it may not wait for the end of a line, nor
// of the input. Two bytes more than the limit can be the CRLF of a line.
for (
  const [title, start, limits, bound, code] of [
    ["a method", "", { maxRequestLine: 40 }, 42, "request-line-too-long"],
    ["a target", "GET /", { maxRequestLine: 40 }, 42, "request-line-too-long"],
    [
      "a field name",
      "GET / HTTP/1.1\r\n",
      { maxHeaderBytes: 60 },
      16 + 60,
      "headers-too-large",
    ],
    [
      "a value",
      "GET / HTTP/1.1\r\nX: ",
      { maxHeaderBytes: 60 },
      16 + 60,
      "headers-too-large",
    ],
    [
      "a chunk extension",
      `${CHUNKED}5;`,
      {},
      CHUNKED.length + 258,
      "chunk-line-too-long",
    ],
    [
      "a trailer",
      `${CHUNKED}0\r\n`,
      { maxHeaderBytes: 60 },
      CHUNKED.length + 3 + 60,
      "trailers-too-large",
    ],
  ] as [string, string, ParserLimits, number, HttpErrorCode][]
) {
  Deno.test(`${title} without an end is refused at its limit`, () => {
    for (const size of [1, 7]) {
      const pools = new Pools();
      using parser = new RequestParser({ ...limits, pools });
      const wire = bytesOf(start + "x".repeat(1000));
      let pushed = 0;
      let refused: Refused | null = null;
      for (const piece of cutAt(wire, every(size, wire))) {
        parser.push(piece);
        pushed += piece.length;
        try {
          parser.next()?.release();
        } catch (error) {
          refused = refusalOf(error);
          break;
        }
      }
      assertEquals(refused?.code, code);
      assert(pushed < bound + size, `refused after ${pushed} bytes`);
      parser[Symbol.dispose]();
      assertAtRest(pools);
    }
  });
}

// Likewise, whoever sends a bad byte and then little more is found out.
Deno.test("a bad byte is found before its line ends", () => {
  for (
    const [start, code] of [
      ["GE(", "invalid-method"],
      ["GET /\x01", "invalid-target"],
      [`${GET}a(`, "invalid-header-name"],
      [`${GET}X: \0`, "invalid-header-value"],
      [`${CHUNKED}5;a=(`, "invalid-chunk-extension"],
      [`${CHUNKED}0\r\na(`, "invalid-header-name"],
    ]
  ) {
    using parser = new RequestParser();
    const wire = bytesOf(start + "x".repeat(200));
    let refused: Refused | null = null;
    for (const piece of cutAt(wire, every(1, wire))) {
      parser.push(piece);
      try {
        parser.next()?.release();
      } catch (error) {
        refused = refusalOf(error);
        break;
      }
    }
    assertEquals(refused?.code, code);
  }
});
