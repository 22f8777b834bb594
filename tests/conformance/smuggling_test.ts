/**
 * Request smuggling (RFC 9112 §11.2): known payloads on which a proxy and the server
 * behind it can disagree. The smuggled part must never become a request.
 */

import {
  accept,
  CHUNKED,
  GET,
  NEXT,
  POST,
  refuse,
  refuseBody,
} from "./table.ts";

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
