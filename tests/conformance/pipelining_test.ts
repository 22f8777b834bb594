/**
 * Pipelined requests (RFC 9112 §9.3.2).
 */

import { accept, NEXT, POST, row } from "./table.ts";

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
