/**
 * Malformed fields, reason phrases and statuses throw in the handler and never reach the
 * wire.
 */

import {
  assertEquals,
  assertInstanceOf,
  assertNotMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type HttpResponse,
  type HttpResponseInit,
  prepareResponse,
} from "@pooled/http1";
import { BAD_FIELDS } from "../support/bad_fields.ts";
import { bytesOf } from "../support/bytes.ts";
import { exchange } from "../support/exchange.ts";
import { ask, keep, LAST_GET } from "../support/requests.ts";
import { fieldOf } from "../support/response_reader.ts";
import { streamOf } from "../support/streams.ts";
import { test } from "../support/waiting.ts";

const PREPARED_TEXT = prepareResponse({ body: "prepared: ü" });

/** Every call that accepts fields, with these fields. */
const TAKERS: [string, (res: HttpResponse, headers: HeadersInit) => void][] = [
  ["text", (res, headers) => res.send("a", { headers })],
  ["UTF-8", (res, headers) => res.send("世", { headers })],
  ["bytes", (res, headers) => res.send(bytesOf("a"), { headers })],
  ["stream", (res, headers) => res.send(streamOf(["a"]), { headers })],
  ["nothing", (res, headers) => res.send(null, { headers, status: 304 })],
  ["interim", (res, headers) => res.send(null, { headers, status: 103 })],
  ["json", (res, headers) => res.json(1, { headers })],
  [
    "trailers",
    (res, headers) => res.send("a", { headers, trailers: () => ({}) }),
  ],
  ["upgrade", (res, headers) => void res.upgrade({ headers })],
  ["prepared", (res, headers) => res.send(prepareResponse({ headers }))],
];

test("a malformed field throws in the handler and is not sent", async () => {
  const request =
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\n" +
    "Upgrade: x\r\n\r\n";
  let thrown = 0;
  const { answers, errors } = await exchange((_req, res) => {
    for (const [name, value] of BAD_FIELDS) {
      for (const [what, take] of TAKERS) {
        for (
          const headers of [
            [["good", "1"], [name, value]] as [string, string][],
            { good: "1", [name]: value },
          ]
        ) {
          assertThrows(() => take(res, headers), TypeError);
          assertEquals(res.sent, false, what);
          thrown++;
        }
      }
    }
    res.send("fine");
  }, request);
  assertEquals(thrown, BAD_FIELDS.length * TAKERS.length * 2);
  assertEquals(answers.map(({ status, body }) => [status, body]), [
    [200, "fine"],
  ]);
  assertEquals(errors, []);
});

test("an uncaught malformed field produces only a 500", async () => {
  for (const [what, take] of TAKERS.slice(0, 8)) {
    for (const later of [false, true]) {
      const { answers, wire, errors } = await exchange(
        (_req, res) => {
          const wrong: HeadersInit = [["x-a", "1"], [
            "x-b",
            "a\r\nX-Injected: 1",
          ]];
          if (!later) return take(res, wrong);
          return Promise.resolve().then(() => take(res, wrong));
        },
      );
      assertEquals(answers.map(({ status }) => status), [500], what);
      assertNotMatch(wire, /x-a|x-b|injected/i, what);
      assertEquals(errors.length, 1, what);
      assertInstanceOf(errors[0], TypeError, what);
    }
  }
});

test("fields are sent unchanged, encoded as Latin-1", async () => {
  const fields: [string, string][] = [
    ["X-Case", "Value"],
    ["x-case", "again"],
    ["!#$%&'*+-.^_`|~09", "a"],
    ["x-tab", "a\tb"],
    ["x-latin", "\x80\xe9\xff"],
    ["x-empty", ""],
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
  ];
  const prepared = prepareResponse({ headers: fields, body: "a" });
  const { wire } = await exchange(
    (req, res) => {
      if (req.path === "/prepared") res.send(prepared);
      else res.send("a", { headers: fields });
    },
    keep("GET", "/prepared") + LAST_GET,
  );
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  assertEquals(wire.split(lines).length, 3);
});

test("fields may exceed the largest slab", async () => {
  const value = "v".repeat(100_000);
  const { answers } = await exchange(
    (_req, res) => res.send("a", { headers: { "x-large": value } }),
    keep("GET") + LAST_GET,
  );
  assertEquals(answers.map((answer) => fieldOf(answer, "x-large") === value), [
    true,
    true,
  ]);
});

test("the reason phrase is the registered one unless the program sets it", async () => {
  const cases: [HttpResponseInit, string][] = [
    [{}, "HTTP/1.1 200 OK"],
    [{ status: 404 }, "HTTP/1.1 404 Not Found"],
    // An empty phrase keeps the space before it (RFC 9112 §4).
    [{ status: 299 }, "HTTP/1.1 299 "],
    [{ status: 599 }, "HTTP/1.1 599 "],
    [{ statusText: "Fine\tBy Me" }, "HTTP/1.1 200 Fine\tBy Me"],
    [{ status: 404, statusText: "" }, "HTTP/1.1 404 Not Found"],
    [
      { status: 418, statusText: "Th\xe9i\xe8re" },
      "HTTP/1.1 418 Th\xe9i\xe8re",
    ],
    [{ status: 404 }, "HTTP/1.1 404 Not Found"],
  ];
  const { answers } = await exchange(
    (req, res) => res.send("a", cases[Number(req.path.slice(1))]![0]),
    cases.slice(1).map((_, i) => keep("GET", `/${i}`)).join("") +
      ask("GET", `/${cases.length - 1}`),
  );
  assertEquals(answers.map(({ line }) => line), cases.map(([, line]) => line));
  const prepared = prepareResponse({ status: 404, statusText: "Gone Fishing" });
  const { answer } = await exchange((_req, res) => res.send(prepared));
  assertEquals(answer.line, "HTTP/1.1 404 Gone Fishing");
});

test("a reason phrase with control characters throws", async () => {
  for (
    const statusText of [
      "a\r\nX: 1",
      "a\n",
      "\r",
      "a\0",
      "\x7f",
      "\u0141",
      "\u0100",
      "世",
    ]
  ) {
    const { answer, errors } = await exchange((_req, res) => {
      assertThrows(() => res.send("a", { statusText }), TypeError);
      assertThrows(() => res.send(streamOf(["a"]), { statusText }), TypeError);
      assertThrows(
        () => res.send(null, { statusText, status: 103 }),
        TypeError,
      );
      assertThrows(() => prepareResponse({ statusText }), TypeError);
      assertEquals(res.sent, false);
      res.send("a", { statusText });
    });
    assertEquals(answer.line, "HTTP/1.1 500 Internal Server Error");
    assertEquals(errors.length, 1);
    assertInstanceOf(errors[0], TypeError);
  }
});

test("a status out of range throws a RangeError", async () => {
  for (
    const status of [
      0,
      -200,
      99,
      600,
      1000,
      200.5,
      103.5,
      NaN,
      Infinity,
      -Infinity,
    ]
  ) {
    const { answer, errors } = await exchange((_req, res) => {
      for (const body of ["a", null, bytesOf("a"), streamOf(["a"])]) {
        assertThrows(() => res.send(body, { status }), RangeError);
      }
      assertThrows(() => res.json(1, { status }), RangeError);
      assertThrows(() => prepareResponse({ status }), RangeError);
      res.send("fine");
    });
    assertEquals([answer.status, errors], [200, []], String(status));
  }
  for (const status of [100, 101, 103, 199]) {
    assertThrows(() => prepareResponse({ status }), RangeError);
  }
});

test("a second response throws and does not affect the first", async () => {
  const first: [string, (res: HttpResponse) => void][] = [
    ["text", (res) => res.send("first")],
    ["json", (res) => res.json("first")],
    ["stream", (res) => res.send(streamOf(["first"]))],
    ["prepared", (res) => res.send(prepareResponse({ body: "first" }))],
  ];
  for (const [what, send] of first) {
    for (const later of [false, true]) {
      const again = (res: HttpResponse) => {
        assertEquals(res.sent, true);
        assertThrows(() => res.send("again"), TypeError, "already sent");
        assertThrows(() => res.json("again"), TypeError, "already sent");
        assertThrows(() => res.send(streamOf(["again"])), TypeError);
        assertThrows(() => res.send(PREPARED_TEXT), TypeError);
        assertThrows(() => res.upgrade(), TypeError, "already sent");
      };
      const { answers, errors } = await exchange((_req, res) => {
        assertEquals(res.sent, false);
        send(res);
        again(res);
        if (!later) return;
        return new Promise<void>((resolve) => setTimeout(resolve, 0))
          .then(() => again(res));
      });
      assertEquals(answers.length, 1, what);
      assertStringIncludes(answers[0]!.body, "first");
      assertEquals(errors, [], what);
    }
  }
});

test("a 2xx to CONNECT through send() is answered with 501", async () => {
  const request = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
  for (
    const send of [
      (res) => res.send("a"),
      (res) => res.send(null, { status: 204 }),
      (res) => res.send(streamOf([])),
      (res) => res.send(PREPARED_TEXT),
      (res) => res.json(1),
      (res) => res.send("a", { trailers: () => ({}) }),
    ] as ((res: HttpResponse) => void)[]
  ) {
    const { answers, errors } = await exchange((_req, res) => {
      send(res);
      assertEquals(res.sent, true);
    }, request + keep("GET"));
    // The following bytes may be tunnel data, not requests.
    assertEquals(answers.map(({ status }) => status), [501]);
    assertEquals(fieldOf(answers[0]!, "connection"), "close");
    assertEquals(errors, []);
  }
  const refused = await exchange(
    (_req, res) => res.send("no", { status: 403 }),
    request,
  );
  assertEquals(refused.answer.status, 403);
  assertEquals(refused.errors, []);
});

test("a response that cannot be sent causes no unhandled rejection", async () => {
  // A stream sent to HEAD, whose cancel callback fails.
  const { answer, errors } = await exchange((_req, res) => {
    res.send(
      new ReadableStream({
        cancel() {
          throw new Error("does not want to be cancelled");
        },
      }),
    );
  }, ask("HEAD"));
  assertEquals([answer.status, errors], [200, []]);
});
