/**
 * Content-Type, Content-Length, Transfer-Encoding and Connection of responses: the
 * defaults of the server and the values that a program may set.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { type HttpResponseBody, prepareResponse } from "@pooled/http1";
import { ALL_BYTES, bytesOf, textOf } from "../support/bytes.ts";
import { exchange, rawExchange } from "../support/exchange.ts";
import { ask, GET_10, keep, LAST_GET } from "../support/requests.ts";
import { fieldOf } from "../support/response_reader.ts";
import { streamOf } from "../support/streams.ts";
import { test } from "../support/waiting.ts";

const encoder = new TextEncoder();

const TEXT_TYPE = "text/plain;charset=UTF-8";

test("text and JSON have a default Content-Type, which can be overridden", async () => {
  const { answers } = await exchange(
    (req, res) => {
      const headers = { "Content-Type": "a/b" };
      switch (req.path) {
        case "/text":
          return res.send("a");
        case "/text-other":
          return res.send("a", { headers });
        case "/text-capitals":
          return res.send("ü", { headers: { "CONTENT-TYPE": "a/b" } });
        case "/text-headers":
          return res.send("a", { headers: new Headers(headers) });
        case "/json":
          return res.json({ a: [1, "ü"] });
        case "/json-other":
          return res.json({}, { headers, status: 422 });
        case "/bytes":
          return res.send(bytesOf("a"), { headers });
        case "/stream":
          return res.send(streamOf(["a"]), { headers });
        case "/trailers":
          return res.json(1, { trailers: () => ({ x: "1" }) });
        case "/null":
          return res.send(null, { headers });
        case "/prepared":
          return res.send(prepareResponse({ headers, body: "a" }));
      }
    },
    [
      "/text",
      "/text-other",
      "/text-capitals",
      "/text-headers",
      "/json",
      "/json-other",
      "/bytes",
      "/stream",
      "/trailers",
      "/null",
    ].map((path) => keep("GET", path)).join("") + ask("GET", "/prepared"),
  );
  assertEquals(answers.map((answer) => fieldOf(answer, "content-type")), [
    TEXT_TYPE,
    "a/b",
    "a/b",
    "a/b",
    "application/json",
    "a/b",
    "a/b",
    "a/b",
    "application/json",
    "a/b",
    "a/b",
  ]);
  assertEquals(answers[4]!.body, textOf(encoder.encode('{"a":[1,"ü"]}')));
  assertEquals(answers[5]!.status, 422);
});

test("json() throws on values without a JSON form", async () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  for (const value of [undefined, () => 1, Symbol("a"), cycle, 1n]) {
    const { answer, errors } = await exchange((_req, res) => {
      assertThrows(() => res.json(value), TypeError);
      assertEquals(res.sent, false);
      res.json(null);
    });
    assertEquals([answer.status, answer.body, errors], [200, "null", []]);
  }
  const { answer, errors } = await exchange((_req, res) => res.json(undefined));
  assertEquals(answer.status, 500);
  assertInstanceOf(errors[0], TypeError);
});

test("a correct Content-Length is sent once", async () => {
  const { answers } = await exchange(
    (req, res) => {
      switch (req.path) {
        case "/text":
          return res.send("abc", { headers: { "content-length": "3" } });
        case "/utf8":
          return res.send("grüße", { headers: { "Content-Length": "7" } });
        case "/bytes":
          return res.send(ALL_BYTES, { headers: { "content-length": "256" } });
        case "/twice":
          return res.send("abc", {
            headers: [["content-length", "3"], ["Content-Length", "003"]],
          });
        case "/stream":
          return res.send(streamOf(["ab", "c"]), {
            headers: { "content-length": "3" },
          });
        case "/empty":
          return res.send(streamOf([]), { headers: { "content-length": "0" } });
        case "/both":
          return res.send(streamOf(["abc"]), {
            headers: { "content-length": "3", "transfer-encoding": "chunked" },
          });
        default:
          return res.json([1], { headers: { "content-length": "3" } });
      }
    },
    ["/text", "/utf8", "/bytes", "/twice", "/stream", "/empty", "/both"]
      .map((path) => keep("GET", path)).join("") + ask("GET", "/json"),
  );
  assertEquals(
    answers.map((
      answer,
    ) => [answer.framing, fieldOf(answer, "content-length")]),
    ["3", "7", "256", "3", "3", "0", "3", "3"].map((n) => ["length", n]),
  );
  assertEquals(answers[4]!.body, "abc");
  assertEquals(answers[6]!.body, "abc");
});

test("a wrong Content-Length throws", async () => {
  const wrong: [HttpResponseBody, HeadersInit][] = [
    ["abc", { "content-length": "2" }],
    ["abc", { "content-length": "4" }],
    ["grüße", { "content-length": "5" }],
    [ALL_BYTES, { "content-length": "0" }],
    ["", { "content-length": "1" }],
    [null, { "content-length": "1" }],
    ["abc", { "content-length": "" }],
    ["abc", { "content-length": "+3" }],
    ["abc", { "content-length": "-3" }],
    ["abc", { "content-length": "3.0" }],
    ["abc", { "content-length": "0x3" }],
    ["abc", { "content-length": "3, 3" }],
    [streamOf(["abc"]), { "content-length": "99999999999999999" }],
    [streamOf(["abc"]), { "content-length": "9007199254740992" }],
    [streamOf(["abc"]), [["content-length", "3"], ["content-length", "4"]]],
  ];
  for (const [body, headers] of wrong) {
    const what = JSON.stringify(headers);
    const { answers, errors } = await exchange(
      (_req, res) => res.send(body, { headers }),
    );
    assertEquals(answers.map(({ status }) => status), [500], what);
    assertEquals(errors.length, 1, what);
    assertInstanceOf(errors[0], TypeError, what);
    assertStringIncludes(errors[0].message, "Content-Length", what);
  }
});

test("a wrong Content-Length throws also with trailers", async () => {
  const { answers, errors } = await exchange((_req, res) => {
    res.send("abc", {
      headers: { "content-length": "5" },
      trailers: () => ({ x: "1" }),
    });
  });
  assertEquals(answers.map(({ status }) => status), [500]);
  assertEquals(errors.length, 1);
});

test("a stream shorter than its declared length closes the connection", async () => {
  for (const request of [keep("GET"), GET_10]) {
    const { head, body, errors } = await rawExchange(
      (_req, res) =>
        res.send(streamOf(["ab", "c"]), { headers: { "content-length": "5" } }),
      request,
    );
    assertStringIncludes(head, "Content-Length: 5");
    assertEquals(body, "abc");
    assertEquals(errors.length, 1);
    assertInstanceOf(errors[0], TypeError);
    assertStringIncludes(errors[0].message, "3 of the 5 bytes");
  }
});

test("a stream longer than its declared length is cut there, and the connection closes", async () => {
  for (const chunks of [["ab", "cdef"], ["abcde", "f"]]) {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const queue = [...chunks];
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(bytesOf(queue.shift() ?? "x")),
      cancel: resolve,
    });
    const { body, errors } = await rawExchange(
      (_req, res) => res.send(stream, { headers: { "content-length": "5" } }),
      keep("GET") + keep("GET", "/second"),
    );
    assert("abcde".startsWith(body), `${JSON.stringify(body)} was sent`);
    assertEquals(errors.length, 1);
    assertInstanceOf(errors[0], TypeError);
    assertStringIncludes(errors[0].message, "more than the 5 bytes");
    assertEquals(await promise, errors[0]);
  }
});

test("a program may set Transfer-Encoding: chunked", async () => {
  const { answers } = await exchange(
    (req, res) => {
      const headers = { "Transfer-Encoding": " Chunked " };
      if (req.path === "/text") res.send("abc", { headers });
      else res.send(streamOf(["abc"]), { headers });
    },
    keep("GET", "/text") + keep("GET", "/stream") + GET_10,
  );
  assertEquals(
    answers.map((answer) => [answer.framing, answer.body]),
    [["length", "abc"], ["chunked", "abc"], ["close", "abc"]],
  );
});

test("another Transfer-Encoding throws", async () => {
  for (
    const coding of [
      "gzip",
      "gzip, chunked",
      "chunked, chunked",
      "identity",
      "",
    ]
  ) {
    const { answer, errors } = await exchange((_req, res) =>
      res.send(streamOf(["abc"]), { headers: { "transfer-encoding": coding } })
    );
    assertEquals(answer.status, 500, coding);
    assertInstanceOf(errors[0], TypeError, coding);
    assertThrows(
      () => prepareResponse({ headers: { "transfer-encoding": coding } }),
      TypeError,
      "Transfer-Encoding",
    );
  }
});

test("Connection: close set by the program closes the connection", async () => {
  for (
    const headers of [
      { connection: "close" },
      { Connection: "CLOSE" },
      { connection: "keep-alive , close" },
    ]
  ) {
    for (const body of ["abc", streamOf(["abc"]), bytesOf("abc")]) {
      const { answers } = await exchange(
        (_req, res) => res.send(body, { headers }),
        keep("GET") + keep("GET"),
      );
      assertEquals(answers.map(({ body }) => body), ["abc"]);
      assertEquals(fieldOf(answers[0]!, "connection"), "close");
    }
  }
});

test("other Connection options are passed through", async () => {
  const { answers } = await exchange(
    (req, res) =>
      res.send("a", {
        headers: [
          ["connection", req.path === "/close" ? "close, X-Hop" : "X-Hop"],
          ["connection", "keep-alive, other"],
          ["x-hop", "1"],
        ],
      }),
    keep("GET") + "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" +
      keep("GET", "/close"),
  );
  assertEquals(
    answers.map((answer) => fieldOf(answer, "connection")),
    ["x-hop, other", "keep-alive, x-hop, other", "close, x-hop, other"],
  );
});

test("keep-alive set by the program does not override the client's close", async () => {
  const { answers } = await exchange(
    (_req, res) => res.send("a", { headers: { connection: "keep-alive" } }),
    keep("GET") + LAST_GET + keep("GET"),
  );
  assertEquals(
    answers.map((answer) => fieldOf(answer, "connection")),
    [null, "close"],
  );
});
