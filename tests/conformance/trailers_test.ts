/**
 * Trailers (RFC 9112 §7.1.2, RFC 9110 §6.5).
 */

import { accept, CHUNKED, NEXT, refuseBody } from "./table.ts";

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
