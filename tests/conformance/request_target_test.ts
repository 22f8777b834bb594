/**
 * The four forms of a request target (RFC 9112 §3.2).
 */

import { accept, char, hex, MARK, refuse } from "./table.ts";

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
  // All control bytes, and the other bytes at the boundaries.
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
