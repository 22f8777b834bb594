/**
 * Limits: input at the limit is accepted, one more is refused.
 */

import { assert, assertEquals } from "@std/assert";
import {
  type HttpErrorCode,
  type ParserLimits,
  Pools,
  RequestParser,
} from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf, cutAt, every } from "../support/bytes.ts";
import { refusalOf, type Refused } from "../support/parser_runs.ts";
import {
  accept,
  CHUNKED,
  GET,
  NEXT,
  POST,
  refuse,
  refuseBody,
} from "./table.ts";

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

// A limit bounds the buffered bytes, so it applies before the end of the line arrives.
// Two bytes beyond the limit may be the CRLF of the line.
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
  Deno.test(`an unterminated ${title} is refused at its limit`, () => {
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

// Likewise, a bad byte is refused on arrival, even if its line never ends.
Deno.test("a bad byte is refused before its line ends", () => {
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
