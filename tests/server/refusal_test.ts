/**
 * Malformed messages: the answer and the fate of the connection.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
} from "@std/assert";
import { type Handler, HttpError } from "@pooled/http1";
import { echoText } from "../support/handlers.ts";
import { MemoryConn, serveMemory } from "../support/memory_conn.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { BAD_CHUNKS, chunked, get, last, post } from "../support/requests.ts";
import {
  answersIn,
  bodiesOf,
  fieldOf,
  statusesOf,
} from "../support/response_reader.ts";
import { streamOf } from "../support/streams.ts";
import { settle, sleep, test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

test("a refused head is answered with its status, and the connection closes", async () => {
  const cases: [string, number, string][] = [
    ["GET /\r\nHost: a\r\n\r\n", 400, "invalid-request-line"],
    ["\x16\x03\x01\x02\x00\x01\x00", 400, "invalid-method"],
    ["GET / HTTP/1.1\r\n\r\n", 400, "missing-host"],
    [get("/", "Host: b"), 400, "repeated-host"],
    [get("/", " folded"), 400, "obs-fold"],
    [get("/", "a : b"), 400, "space-before-colon"],
    ["GET / HTTP/1.1\nHost: a\n\n", 400, "bare-lf"],
    [get("/", "Content-Length: x"), 400, "invalid-content-length"],
    [
      get("/", "Content-Length: 1", "Transfer-Encoding: chunked"),
      400,
      "length-and-transfer-encoding",
    ],
    [get(`/${"a".repeat(3000)}`), 414, "request-line-too-long"],
    [get("/", `A: ${"a".repeat(3000)}`), 431, "headers-too-large"],
    [get("/", ...Array(30).fill("A: b")), 431, "too-many-headers"],
    [
      get("/", "Transfer-Encoding: gzip, chunked"),
      501,
      "unsupported-transfer-coding",
    ],
    ["GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "unsupported-version"],
  ];
  let handled = 0;
  await withServer((_req, res) => {
    handled++;
    res.send();
  }, async ({ port, server, errors }) => {
    const refusals: Record<string, number> = {};
    for (const [wire, status, code] of cases) {
      const answers = answersIn(await answerTo(port, wire + last()));
      assertEquals(answers.map(({ status }) => status), [status], code);
      const answer = answers[0]!;
      const { body } = answer;
      assertEquals(fieldOf(answer, "connection"), "close");
      assertEquals(fieldOf(answer, "content-type"), "text/plain;charset=UTF-8");
      assertEquals(answer.framing, "length");
      assert(body.startsWith(`${code}: `) && body.endsWith(")\n"), body);
      refusals[code] = 1;
    }
    assertEquals(server.stats().refusals, refusals);
    assertEquals(handled, 0);
    // Client errors are not reported to `onError`.
    assertEquals(errors, []);
  }, { maxRequestLine: 2000, maxHeaderBytes: 2000, maxHeaders: 20 });
});

test("a malformed body is answered with 400 if the handler reads it", async () => {
  const readers: Handler[] = [
    echoText,
    async (req, res) => {
      for await (const _chunk of req.body!);
      res.send("read");
    },
    async (req, res) => {
      await settle();
      res.json(await req.json());
    },
  ];
  for (const reader of readers) {
    for (const size of [1, 1000]) {
      const pieces = (BAD_CHUNKS + last()).match(
        new RegExp(`[^]{1,${size}}`, "g"),
      )!;
      const errors: unknown[] = [];
      const [answer, ...more] = answersIn(
        await serveMemory(new MemoryConn(pieces), reader, {
          onError: (error) => void errors.push(error),
        }),
      );
      assertEquals(answer!.status, 400);
      assertEquals(fieldOf(answer!, "connection"), "close");
      assertStringIncludes(answer!.body, "invalid-chunk-size: ");
      assertEquals([more.length, errors.length], [0, 0]);
    }
  }
});

test("an unread malformed body closes the connection after the answer", async () => {
  const handlers: Handler[] = [
    (_req, res) => res.send("answer"),
    async (_req, res) => {
      await settle();
      res.send("answer");
    },
    (_req, res) => res.send(streamOf(["ans", "wer"])),
  ];
  for (const handler of handlers) {
    await withServer(handler, async ({ port, server, errors }) => {
      const wire = await answerTo(port, BAD_CHUNKS + last());
      assertEquals(bodiesOf(wire), ["answer"]);
      assertEquals(statusesOf(wire), [200]);
      assertEquals(server.stats().requests, 1);
      assertEquals(errors, []);
    });
  }
});

test("a handler can answer a malformed body itself, then the connection closes", async () => {
  const seen: HttpError[] = [];
  await withServer(async (req, res) => {
    try {
      await req.text();
    } catch (error) {
      assertInstanceOf(error, HttpError);
      seen.push(error);
    }
    res.send("own", { status: 422 });
  }, async ({ port, errors }) => {
    const answers = answersIn(await answerTo(port, BAD_CHUNKS + last()));
    assertEquals(answers.map(({ status, body }) => [status, body]), [
      [422, "own"],
    ]);
    assertEquals(seen.map(({ code }) => code), ["invalid-chunk-size"]);
    assertEquals(errors, []);
  });
});

test("the handler's own answer to a refused body says Connection: close", async () => {
  const bodies: [string, string][] = [
    ["a malformed one", BAD_CHUNKS + last()],
    ["one that does not come", post("/", "0123456789").slice(0, -1)],
  ];
  for (const [what, wire] of bodies) {
    await withServer(async (req, res) => {
      await req.text().catch(() => {});
      res.send("own");
    }, async ({ port }) => {
      const [answer, ...more] = answersIn(await answerTo(port, wire));
      assertEquals([answer!.body, more.length], ["own", 0], what);
      assertEquals(fieldOf(answer!, "connection"), "close", what);
    }, { bodyTimeout: 100 });
  }
});

test("echoing a malformed body truncates the response and is not reported", async () => {
  await withServer((req, res) => res.send(req.body), async (running) => {
    const { port, server, errors } = running;
    const [answer, ...more] = answersIn(
      await answerTo(port, BAD_CHUNKS + last()),
      { mayBeCut: true },
    );
    assertEquals([answer!.status, answer!.whole, more.length], [200, false, 0]);
    assert("abc".startsWith(answer!.body));
    assertEquals(errors, []);
    assertEquals(server.stats().refusals, { "invalid-chunk-size": 1 });
  });
});

test("a truncated message gets no answer", async () => {
  const cases: [string, number][] = [
    ["GET / HT", 0],
    ["GET / HTTP/1.1\r\nHost: a\r\n", 0],
    [get("/ok") + "GET /", 1],
    [post("/", "0123456789").slice(0, -1), 0],
    [get("/ok") + chunked("/", "abc").slice(0, -2), 1],
    ["\r\n\r", 0],
  ];
  await withServer(echoText, async ({ port, server, errors }) => {
    for (const [wire, answered] of cases) {
      using client = await RawClient.connect(port);
      await client.send(wire);
      await client.conn.closeWrite();
      assertEquals(statusesOf(await client.rest()), Array(answered).fill(200));
    }
    assertEquals(server.stats().refusals, { "unexpected-eof": cases.length });
    assertEquals(errors, []);
  });
});

test("a handler that does not read a truncated body still answers", async () => {
  for (const wait of [0, 5]) {
    await withServer((_req, res) => {
      if (wait === 0) return res.send("answer");
      return sleep(wait).then(() => res.send("answer"));
    }, async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send(post("/", "0123456789").slice(0, -5));
      await client.conn.closeWrite();
      assertEquals(bodiesOf(await client.rest()), ["answer"]);
    });
  }
});
