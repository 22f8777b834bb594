/**
 * Stream pairs. A table of exchanges runs over TCP, three kinds of stream pairs and an
 * in-memory connection, and all must produce the same bytes.
 */

import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  type Handler,
  Pools,
  serveConnection,
  type ServeConnectionOptions,
} from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { echoTarget } from "../support/handlers.ts";
import { MemoryConn } from "../support/memory_conn.ts";
import { RawClient } from "../support/raw_client.ts";
import {
  BAD_CHUNKS,
  chunked,
  get,
  last,
  post,
  UPGRADE,
} from "../support/requests.ts";
import { answersIn } from "../support/response_reader.ts";
import { streamOf } from "../support/streams.ts";
import { settle, test, until } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

/** The handler for every kind of connection. */
const everything: Handler = async (req, res) => {
  switch (req.path) {
    case "/text":
      return res.send(`${req.method} ${req.target}`);
    case "/echo":
      return res.send(req.body);
    case "/read":
      return res.send(await req.text());
    case "/later":
      await settle();
      return res.send("later");
    case "/stream":
      return res.send(streamOf(["a", "b".repeat(70_000), "c"]));
    case "/bytes":
      return res.send(new Uint8Array(100_000).fill(0x41));
    case "/trailers":
      return res.send("a", { trailers: () => ({ x: "1" }) });
    case "/interim":
      res.send(null, { status: 103, headers: { link: "</a>" } });
      return res.send("after");
    case "/fail":
      throw new Error("as it should");
    case "/up": {
      const { readable, writable } = res.upgrade();
      return void readable.pipeTo(writable);
    }
    default:
      res.send("not found", { status: 404 });
  }
};

const EXCHANGES: Record<string, string> = {
  "nothing": "",
  "one request": get("/text"),
  "pipelined requests": get("/text?1") + get("/later") + get("/text?2") +
    get("/stream") + get("/text?3"),
  "the last request": last("/text") + get("/text"),
  "HTTP/1.0": "GET /stream HTTP/1.0\r\n\r\n",
  "HEAD": "HEAD /text HTTP/1.1\r\nHost: a\r\n\r\n" + get("/text"),
  "a body": post("/read", "hello") + chunked("/read", "a", "b".repeat(300)),
  "a large body": post("/read", "0123456789".repeat(30_000)) + get("/text"),
  "an echo": post("/echo", "0123456789".repeat(30_000)) + get("/text"),
  "a large answer": get("/bytes") + get("/trailers") + get("/interim"),
  "an unread body": post("/text", "x".repeat(100_000)) + get("/text"),
  "a large unread body": post("/text", "x".repeat(300_000)) + get("/text"),
  "a failing handler": get("/fail") + get("/text"),
  "a refused head": get("/text") + "GET /\r\n\r\n" + get("/text"),
  "a refused body": get("/text") + BAD_CHUNKS.replace("/bad", "/read"),
  "a refused body, unread": BAD_CHUNKS.replace("/bad", "/text") + get("/text"),
  "a truncated head": get("/text") + "GET /text HTTP/1.1\r\nHo",
  "a truncated body": get("/text") + post("/read", "hello").slice(0, -1),
  "an upgrade": get("/text") + UPGRADE + "raw bytes".repeat(5000),
};

async function textIn(stream: ReadableStream<Uint8Array>): Promise<string> {
  return textOf(new Uint8Array(await new Response(stream).arrayBuffer()));
}

/** For each kind of pair, a function that sends pieces and returns the answer. */
const PAIRS: [
  string,
  (pieces: string[], options: ServeConnectionOptions) => Promise<string>,
][] = [
  ...(["bytes", undefined] as const).map((
    type,
  ): typeof PAIRS[number] => [
    `a pair that reads a ${type ?? "default"} stream`,
    async (pieces, options) => {
      const down = new TransformStream<Uint8Array, Uint8Array>();
      const served = serveConnection(
        { readable: streamOf(pieces, type), writable: down.writable },
        everything,
        options,
      );
      const wire = await textIn(down.readable);
      await served;
      return wire;
    },
  ]),
  ["a pair of identity streams", async (pieces, options) => {
    const up = new TransformStream<Uint8Array, Uint8Array>();
    const down = new TransformStream<Uint8Array, Uint8Array>();
    const served = serveConnection(
      { readable: up.readable, writable: down.writable },
      everything,
      options,
    );
    const writer = up.writable.getWriter();
    const sending = (async () => {
      for (const piece of pieces) await writer.write(bytesOf(piece));
      await writer.close();
    })().catch(() => {}); // Fails once the server has closed.
    const wire = await textIn(down.readable);
    await served;
    await sending;
    return wire;
  }],
  ["a connection in memory", async (pieces, options) => {
    const conn = new MemoryConn(pieces);
    await serveConnection(conn, everything, options);
    await until(() => conn.closed, "the close");
    return conn.wire;
  }],
];

/** Removes the parts of an answer that depend on the clock or on timing. */
function normal(wire: string): unknown {
  return answersIn(wire).map(({ fields, chunks: _, ...answer }) => ({
    ...answer,
    fields: fields.filter(([name]) => name !== "date"),
  }));
}

test("a stream pair gets the same answers as a TCP connection", async () => {
  const expected = new Map<string, string>();
  await withServer(everything, async ({ port }) => {
    for (const [name, wire] of Object.entries(EXCHANGES)) {
      using client = await RawClient.connect(port);
      const sending = client.send(wire).then(() => client.conn.closeWrite());
      expected.set(name, await client.rest());
      await sending;
    }
  });
  // A refusal quotes the bytes received so far.
  const undated = (wire: string) =>
    wire.replace(/\r\nDate: [^\r]+/g, "\r\nDate: now").replace(
      /Content-Length: \d+(\r\nConnection: close\r\n\r\n[a-z-]+: found )"(?:[^"\\]|\\.)*"/g,
      "$1",
    );
  const exchange = async (
    [kind, run]: typeof PAIRS[number],
    name: string,
    size: number,
  ) => {
    const wire = EXCHANGES[name]!;
    const pieces = wire.match(new RegExp(`[^]{1,${size || 1}}`, "g")) ?? [];
    const pools = new Pools();
    const what = `${name}, over ${kind}, in pieces of ${size}`;
    const came = await run(pieces, { pools, onError: () => {} });
    if (name === "an echo") {
      // Its chunks mirror the reads, which differ.
      assertEquals(normal(came), normal(expected.get(name)!), what);
    } else {
      assertEquals(undated(came), undated(expected.get(name)!), what);
    }
    assertAtRest(pools);
  };
  for (const pair of PAIRS) {
    for (const [name, { length }] of Object.entries(EXCHANGES)) {
      const sizes = length > 500 ? [length, 1000] : [length, 1000, 7];
      await Promise.all(sizes.map((size) => exchange(pair, name, size)));
    }
  }
});

test("if the input of a pair fails, its output is aborted", async () => {
  for (const type of ["bytes", undefined] as const) {
    const failure = new Error("of the input");
    const pools = new Pools();
    const { promise: aborted, resolve } = Promise.withResolvers<unknown>();
    const { promise: signalled, resolve: signal } = Promise.withResolvers<
      unknown
    >();
    let sent = false;
    const errors: unknown[] = [];
    await serveConnection(
      {
        readable: new ReadableStream<Uint8Array<ArrayBuffer>>({
          type: type as "bytes",
          async pull(controller) {
            if (sent) {
              await settle();
              return controller.error(failure);
            }
            sent = true;
            controller.enqueue(bytesOf(get("/")));
          },
        }),
        writable: new WritableStream({ abort: resolve }),
      },
      async (req, res) => {
        const { signal: own } = req;
        await new Promise((resolve) => own.addEventListener("abort", resolve));
        signal(own.reason);
        res.send("to nobody");
      },
      { pools, onError: (error) => void errors.push(error) },
    );
    assertStrictEquals(await signalled, failure);
    assertStrictEquals(await aborted, failure);
    assertEquals(errors, []);
    assertAtRest(pools);
  }
});

test("if the output of a pair fails, its input is cancelled", async () => {
  const failure = new Error("of the output");
  const pools = new Pools();
  const { promise: cancelled, resolve } = Promise.withResolvers<unknown>();
  await serveConnection(
    {
      readable: new ReadableStream({
        start: (controller) => controller.enqueue(bytesOf(get("/"))),
        cancel: resolve,
      }),
      writable: new WritableStream({
        write() {
          throw failure;
        },
      }),
    },
    echoTarget,
    { pools },
  );
  assertStrictEquals(await cancelled, failure);
  assertAtRest(pools);
});

test("a pair with a locked stream throws", () => {
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const down = new TransformStream<Uint8Array, Uint8Array>();
  up.readable.getReader();
  assertThrows(
    () =>
      serveConnection(
        { readable: up.readable, writable: down.writable },
        echoTarget,
      ),
    TypeError,
  );
  return Promise.resolve();
});
