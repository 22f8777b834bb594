/**
 * Content-Length and Transfer-Encoding (RFC 9112 §6, RFC 9110 §8.6).
 */

import { accept, GET, MARK, NEXT, POST, refuse, row } from "./table.ts";

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
