/**
 * The status line (RFC 9112 §4, RFC 9110 §15).
 */

import {
  acceptResponse as accept,
  NEXT_RESPONSE,
  refuseResponse as refuse,
  responseRow,
} from "./response_table.ts";
import { char, hex } from "./table.ts";

const END = "\r\nContent-Length: 0\r\n\r\n";

for (
  const [title, line, expected] of [
    ["200 OK", "HTTP/1.1 200 OK", {
      status: 200,
      statusText: "OK",
      version: "1.1",
      keepAlive: true,
    }],
    ["an empty reason", "HTTP/1.1 200 ", { status: 200, statusText: "" }],
    [
      "no reason and no space, which all clients read alike",
      "HTTP/1.1 200",
      { status: 200, statusText: "" },
    ],
    ["a reason of one byte", "HTTP/1.1 200 O", { statusText: "O" }],
    ["words", "HTTP/1.1 404 Not Found At All", {
      status: 404,
      statusText: "Not Found At All",
    }],
    ["a tab in the reason", "HTTP/1.1 200 a\tb", { statusText: "a\tb" }],
    [
      "spaces around the reason, which are part of it",
      "HTTP/1.1 200  a ",
      { statusText: " a " },
    ],
    ["obs-text in the reason", "HTTP/1.1 200 \x80\xe4\xff", {
      statusText: "\x80\xe4\xff",
    }],
    ["digits as the reason", "HTTP/1.1 200 404", {
      status: 200,
      statusText: "404",
    }],
    ["a colon in the reason", "HTTP/1.1 200 a: b", { statusText: "a: b" }],
    [
      "a reason that looks like a status line",
      "HTTP/1.1 200 HTTP/1.1 404 OK",
      { status: 200, statusText: "HTTP/1.1 404 OK" },
    ],
    ["HTTP/1.0", "HTTP/1.0 200 OK", { version: "1.0", keepAlive: false }],
    ["a higher minor version", "HTTP/1.2 200 OK", { version: "1.1" }],
    ["HTTP/1.9", "HTTP/1.9 200 OK", { version: "1.1" }],
    ["an unknown 2xx", "HTTP/1.1 299 X", { status: 299 }],
    ["the highest valid status", "HTTP/1.1 599 X", { status: 599 }],
    ["600, treated like a 5xx", "HTTP/1.1 600 X", { status: 600 }],
    ["999, treated like a 5xx", "HTTP/1.1 999 Denied", { status: 999 }],
  ] as const
) {
  accept("RFC 9112 §4", title, `${line}${END}${NEXT_RESPONSE}`, [
    expected,
    { status: 404, statusText: "Next" },
  ]);
}
accept("RFC 9110 §15", "100, an interim response", `HTTP/1.1 100\r\n\r\n`, {
  status: 100,
  hasBody: false,
});
accept("RFC 9112 §8", "an empty input", "", []);

for (
  const [title, line, code] of [
    ["two spaces before the status", "HTTP/1.1 ‸ 200 OK", "invalid-status"],
    ["a tab before the status", "HTTP/1.1‸\t200 OK", "invalid-status-line"],
    ["no space before the status", "HTTP/1.1‸200 OK", "invalid-status-line"],
    ["a tab behind the status", "HTTP/1.1 200‸\tOK", "invalid-status-line"],
    ["a letter behind the status", "HTTP/1.1 200‸OK", "invalid-status-line"],
    ["a NUL behind the status", "HTTP/1.1 200‸\0OK", "invalid-status-line"],
    ["no status", "HTTP/1.1 ‸", "invalid-status"],
    ["no status and no space", "HTTP/1.1‸", "invalid-status-line"],
    ["one digit", "HTTP/1.1 ‸2 OK", "invalid-status"],
    ["two digits", "HTTP/1.1 ‸20 OK", "invalid-status"],
    ["two digits and no reason", "HTTP/1.1 ‸20", "invalid-status"],
    ["four digits", "HTTP/1.1 ‸2000 OK", "invalid-status"],
    ["a leading zero", "HTTP/1.1 ‸0200 OK", "invalid-status"],
    ["status 000", "HTTP/1.1 ‸000 X", "invalid-status"],
    ["status 099", "HTTP/1.1 ‸099 X", "invalid-status"],
    ["status 099 without a reason", "HTTP/1.1 ‸099", "invalid-status"],
    ["a sign", "HTTP/1.1 ‸+20 OK", "invalid-status"],
    ["a minus", "HTTP/1.1 ‸-20 OK", "invalid-status"],
    ["a hexadecimal status", "HTTP/1.1 ‸2a0 OK", "invalid-status"],
    ["a fraction", "HTTP/1.1 200‸.1 OK", "invalid-status-line"],
    ["letters", "HTTP/1.1 ‸OK", "invalid-status"],
    ["a superscript digit", "HTTP/1.1 ‸20\xb2 OK", "invalid-status"],
    ["lower case", "‸http/1.1 200 OK", "invalid-status-line"],
    ["one letter in lower case", "HTT‸p/1.1 200 OK", "invalid-status-line"],
    ["a space in front", "‸ HTTP/1.1 200 OK", "invalid-status-line"],
    ["an empty line in front", "‸\r\nHTTP/1.1 200 OK", "invalid-status-line"],
    ["an LF in front", "‸\nHTTP/1.1 200 OK", "invalid-status-line"],
    ["a BOM in front", "‸\xef\xbb\xbfHTTP/1.1 200 OK", "invalid-status-line"],
    ["another protocol", "‸ICY 200 OK", "invalid-status-line"],
    ["RTSP", "‸RTSP/1.0 200 OK", "invalid-status-line"],
    ["a request line", "‸GET / HTTP/1.1", "invalid-status-line"],
    ["HTTP/0.9, a body at once", "‸<html>", "invalid-status-line"],
    ["no minor version", "HTTP/1‸ 200 OK", "invalid-status-line"],
    ["HTTP/2 of a tool's output", "HTTP/2‸ 200", "invalid-status-line"],
    ["a version of two digits", "HTTP/1.1‸0 200 OK", "invalid-status-line"],
    ["a leading zero of the version", "HTTP/0‸1.1 200", "invalid-status-line"],
    ["a comma in the version", "HTTP/1‸,1 200 OK", "invalid-status-line"],
    ["HTTP/2.0", "‸HTTP/2.0 200 OK", "unsupported-version"],
    ["HTTP/3.0", "‸HTTP/3.0 200 OK", "unsupported-version"],
    ["HTTP/0.9", "‸HTTP/0.9 200 OK", "unsupported-version"],
  ] as const
) {
  refuse("RFC 9112 §4", title, `${line}${END}`, code);
}

for (
  const [title, wire, code] of [
    [
      "a bare LF behind the reason",
      "HTTP/1.1 200 OK‸\nA: b\r\n\r\n",
      "bare-lf",
    ],
    ["a bare LF behind the status", "HTTP/1.1 200‸\nA: b\r\n\r\n", "bare-lf"],
    ["a bare LF behind the space", "HTTP/1.1 200 ‸\nA: b\r\n\r\n", "bare-lf"],
    ["a bare CR in the reason", "HTTP/1.1 200 O‸\rK\r\n\r\n", "bare-cr"],
    ["a bare CR behind the status", "HTTP/1.1 200‸\rK\r\n\r\n", "bare-cr"],
    ["two CRs", "HTTP/1.1 200 OK‸\r\r\n\r\n", "bare-cr"],
  ] as const
) {
  refuse("RFC 9112 §2.2", title, wire, code);
}
for (let byte = 0; byte < 0x80; byte++) {
  if (byte >= 0x20 && byte < 0x7f) continue;
  const at = char(byte);
  if ("\t\r\n".includes(at)) continue;
  refuse(
    "RFC 9112 §4",
    `the byte ${hex(byte)} in the reason`,
    `HTTP/1.1 200 O‸${at}K\r\n\r\n`,
    "invalid-reason",
  );
}
for (
  const cut of [
    "H",
    "HTTP/1.1",
    "HTTP/1.1 2",
    "HTTP/1.1 200 O",
    "HTTP/1.1 200\r",
  ]
) {
  refuse(
    "RFC 9112 §8",
    `an end behind ${JSON.stringify(cut)}`,
    `${cut}‸`,
    "unexpected-eof",
  );
}

accept(
  "limits",
  "a status line of maxRequestLine bytes",
  `HTTP/1.1 200 ${"r".repeat(20)}${END}`,
  { statusText: "r".repeat(20) },
  { limits: { maxRequestLine: 33 } },
);
refuse(
  "limits",
  "a status line of one byte more",
  `HTTP/1.1 200 ${"r".repeat(20)}‸r${END}`,
  "status-line-too-long",
  { limits: { maxRequestLine: 33 } },
);
refuse(
  "limits",
  "an endless reason",
  `HTTP/1.1 200 ${"r".repeat(8192 - 13)}‸${"r".repeat(3000)}`,
  "status-line-too-long",
);
refuse(
  "limits",
  "a header section that is too large",
  `HTTP/1.1 200 OK\r\nA: ${"b".repeat(60)}\r‸\n\r\n`,
  "headers-too-large",
  { limits: { maxHeaderBytes: 64 } },
);
refuse(
  "limits",
  "too many field lines",
  `HTTP/1.1 200 OK\r\nA: b\r\nA: b\r\n‸A: b\r\n\r\n`,
  "too-many-headers",
  { limits: { maxHeaders: 2 } },
);
accept(
  "limits",
  "more field lines than the object's own table holds",
  `HTTP/1.1 204 OK\r\n${"A: b\r\n".repeat(99)}\r\n${NEXT_RESPONSE}`,
  [{ lines: Array.from({ length: 99 }, () => ["A", "b"]) }, {}],
);
responseRow(
  "RFC 9112 §5",
  "a bad field behind a good response",
  `${NEXT_RESPONSE}HTTP/1.1 200 OK\r\nA‸ : b\r\n\r\n`,
  [{ status: 404 }],
  "space-before-colon",
);
for (
  const [title, line, code] of [
    ["a folded line", "A: b\r\n‸ c", "obs-fold"],
    ["a line without a name", "‸: b", "empty-header-name"],
    ["a line without a colon", "A‸", "invalid-header-name"],
    ["a control byte in a value", "A: b‸\x01", "invalid-header-value"],
    ["a NUL in a value", "A: b‸\0", "invalid-header-value"],
    ["a bare LF", "A: b‸\nB: c", "bare-lf"],
    ["a bare CR", "A: b‸\rB: c", "bare-cr"],
  ] as const
) {
  refuse("RFC 9112 §5", title, `HTTP/1.1 200 OK\r\n${line}\r\n\r\n`, code);
}
