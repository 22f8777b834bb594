/**
 * Response bodies of every kind, for every HTTP version and method.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Handler,
  type HttpResponseBody,
  prepareResponse,
} from "@pooled/http1";
import { ALL_BYTES, bytesOf, patterned, textOf } from "../support/bytes.ts";
import { exchange } from "../support/exchange.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { ask, keep, LAST_GET } from "../support/requests.ts";
import { answersIn, fieldOf } from "../support/response_reader.ts";
import { streamOf } from "../support/streams.ts";
import { test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

const encoder = new TextEncoder();

const TEXT_TYPE = "text/plain;charset=UTF-8";

interface Kind {
  name: string;
  make(): HttpResponseBody | undefined;
  /** The body that the client receives, as Latin-1. */
  wire: string;
  type: string | null;
  streamed?: boolean;
}

function textKind(name: string, text: string): Kind {
  return {
    name,
    make: () => text,
    wire: textOf(encoder.encode(text)),
    type: TEXT_TYPE,
  };
}

function bytesKind(name: string, bytes: Uint8Array): Kind {
  return { name, make: () => bytes, wire: textOf(bytes), type: null };
}

function streamKind(name: string, chunks: string[], type?: "bytes"): Kind {
  return {
    name,
    make: () => streamOf(chunks, type),
    wire: chunks.join(""),
    type: null,
    streamed: true,
  };
}

const MANY = patterned(40_000);
const PREPARED_TEXT = prepareResponse({ body: "prepared: ü" });
const PREPARED_BYTES = prepareResponse({ body: MANY });
const CHUNKS = ["abc", "", "d".repeat(20), "e".repeat(40_000), "f"];

const KINDS: Kind[] = [
  textKind("short ASCII", "hello"),
  textKind("ASCII of 256 characters", "x".repeat(256)),
  textKind("ASCII of 257 characters", "x".repeat(257)),
  textKind("long ASCII", "0123456789".repeat(20_000)),
  textKind("short UTF-8", "grüße, 世界 🙂"),
  textKind("long UTF-8", "ä世🙂".repeat(5_000)),
  textKind("no text", ""),
  bytesKind("few bytes", ALL_BYTES),
  bytesKind("32767 bytes", patterned(32_767)),
  bytesKind("32768 bytes", patterned(32_768)),
  bytesKind("many bytes", patterned(300_000)),
  bytesKind("no bytes", new Uint8Array(0)),
  bytesKind("a part of an array", ALL_BYTES.subarray(100, 200)),
  streamKind("a stream", CHUNKS),
  streamKind("a byte stream", CHUNKS.filter((c) => c !== ""), "bytes"),
  streamKind("a stream of nothing", []),
  { name: "null", make: () => null, wire: "", type: null },
  { name: "undefined", make: () => undefined, wire: "", type: null },
  {
    name: "prepared text",
    make: () => PREPARED_TEXT,
    wire: textOf(encoder.encode("prepared: ü")),
    type: TEXT_TYPE,
  },
  {
    name: "prepared bytes",
    make: () => PREPARED_BYTES,
    wire: textOf(MANY),
    type: null,
  },
];

/** Answers `/n` with body n synchronously, and `/n?later` in a later turn. */
const sendKind: Handler = (req, res) => {
  const body = KINDS[Number(req.path.slice(1))]!.make();
  if (req.query !== "later") return res.send(body);
  return new Promise<void>((resolve) => setTimeout(resolve, 0))
    .then(() => res.send(body));
};

test("every kind of body is sent in full and keeps the connection open", async () => {
  for (const query of ["", "?later"]) {
    const requests = KINDS.map((_, i) => keep("GET", `/${i}${query}`)).join("");
    const { answers, errors } = await exchange(
      sendKind,
      requests + ask("GET", "/0"),
    );
    assertEquals(answers.length, KINDS.length + 1);
    KINDS.forEach(({ name, wire, type, streamed }, i) => {
      const answer = answers[i]!;
      assertEquals(answer.line, "HTTP/1.1 200 OK", name);
      assert(answer.body === wire, `${name} came out differently`);
      assertEquals(answer.framing, streamed ? "chunked" : "length", name);
      assertEquals(fieldOf(answer, "content-type"), type, name);
      assertEquals(fieldOf(answer, "connection"), null, name);
    });
    assertEquals(fieldOf(answers.at(-1)!, "connection"), "close");
    assertEquals(errors, []);
  }
});

test("for an HTTP/1.0 client a length or the close delimits the body", async () => {
  await withServer(sendKind, async ({ port }) => {
    for (const [i, { name, wire, streamed }] of KINDS.entries()) {
      const [answer] = answersIn(
        await answerTo(port, `GET /${i} HTTP/1.0\r\n\r\n`),
      );
      assert(answer!.body === wire, `${name} came out differently`);
      assertEquals(answer!.framing, streamed ? "close" : "length", name);
      assertEquals(fieldOf(answer!, "connection"), "close", name);
    }
  });
});

test("an HTTP/1.0 client that asks for keep-alive gets Connection: keep-alive", async () => {
  await withServer(sendKind, async ({ port }) => {
    for (const [i, { name, wire, streamed }] of KINDS.entries()) {
      const request = `GET /${i} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`;
      const answers = answersIn(
        await answerTo(port, request + `GET /0 HTTP/1.0\r\n\r\n`),
      );
      assert(answers[0]!.body === wire, `${name} came out differently`);
      assertEquals(
        answers.map((
          answer,
        ) => [answer.framing, fieldOf(answer, "connection")]),
        // A close-delimited body ends the connection.
        streamed
          ? [["close", "close"]]
          : [["length", "keep-alive"], ["length", "close"]],
        name,
      );
    }
  });
});

test("HEAD gets the same head as GET, except for fields that need the body", async () => {
  const requests = KINDS.map((_, i) =>
    keep("GET", `/${i}`) + keep("HEAD", `/${i}`)
  ).join("");
  const { answers } = await exchange(sendKind, requests + ask("GET", "/0"));
  assertEquals(answers.length, 2 * KINDS.length + 1);
  KINDS.forEach(({ name, make, wire, streamed }, i) => {
    const head = answers[2 * i + 1]!;
    const expected = answers[2 * i]!.fields.filter(([field]) =>
      field !== "date" && field !== "transfer-encoding" &&
      // Without a body the length of GET is unknown.
      (field !== "content-length" || make() != null)
    );
    assertEquals(
      head.fields.filter(([field]) => field !== "date"),
      expected,
      name,
    );
    assertEquals(
      fieldOf(head, "content-length"),
      streamed || make() == null ? null : String(wire.length),
      name,
    );
  });
});

test("each chunk of a stream is one chunk on the wire, and empty chunks are skipped", async () => {
  const { answer, wire } = await exchange((_req, res) => {
    res.send(streamOf(["abc", "", "d".repeat(31), ""]));
  });
  assertEquals(answer.chunks, ["abc", "d".repeat(31)]);
  assert(
    wire.endsWith(`\r\n\r\n3\r\nabc\r\n1f\r\n${"d".repeat(31)}\r\n0\r\n\r\n`),
  );
});

test("the chunks of a stream are sent as they become available", async () => {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const stream = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
  });
  await withServer((_req, res) => res.send(stream), async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(LAST_GET);
    await client.until("\r\n\r\n");
    for (const part of ["one", "two", "three"]) {
      controller.enqueue(bytesOf(part));
      await client.until(`${part}\r\n`);
    }
    controller.close();
    const [answer] = answersIn(await client.rest());
    assertEquals(answer!.chunks, ["one", "two", "three"]);
  });
});

test("the request body can be echoed as it arrives", async () => {
  await withServer((req, res) => res.send(req.body), async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n",
    );
    for (const part of ["aa", "bb", "cc", "dd"]) {
      await client.send(part);
      await client.until(part);
    }
    await client.send(LAST_GET);
    const [first, second] = answersIn(await client.rest());
    assertEquals(first!.body, "aabbccdd");
    assertEquals([second!.body, second!.framing], ["", "length"]);
  });
});

test("an invalid body throws", async () => {
  const wrong: unknown[] = [
    1,
    true,
    {},
    ["a"],
    new ArrayBuffer(2),
    new Uint16Array(2),
    new Blob(["a"]),
    () => "a",
  ];
  const { answer, errors } = await exchange((_req, res) => {
    for (const body of wrong) {
      assertThrows(
        () => res.send(body as HttpResponseBody),
        TypeError,
        "a body is",
      );
    }
    const locked = streamOf(["a"]);
    locked.getReader();
    assertThrows(() => res.send(locked), TypeError, "locked");
    assertThrows(
      () => res.send(PREPARED_TEXT, { status: 404 }),
      TypeError,
      "no further init",
    );
    assertEquals(res.sent, false);
    res.send("fine");
  });
  assertEquals([answer.status, answer.body], [200, "fine"]);
  assertEquals(errors, []);
});
