/**
 * The request line and its method (RFC 9112 §3, §3.1).
 */

import { bytesOf } from "../support/bytes.ts";
import { accept, char, hex, refuse } from "./table.ts";

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
