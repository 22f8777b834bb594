/**
 * Bodies and readers that trickle: each wait has a least rate and a total time.
 */

import { assertEquals, assertInstanceOf } from "@std/assert";
import {
  fetchHandler,
  type Handler,
  HttpError,
  serveConnection,
} from "@pooled/http1";
import { withServer } from "../support/with_server.ts";
import { memoryConn } from "../support/plain_conn.ts";
import { RawClient } from "../support/raw_client.ts";
import { get, last, post } from "../support/requests.ts";
import { answersIn } from "../support/response_reader.ts";
import { sleep, test, until } from "../support/waiting.ts";

const HEAD = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
const CHUNKED =
  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/** Sends a byte, or a chunk of one, each few milliseconds until the server has enough. */
async function trickle(client: RawClient, piece: string): Promise<string> {
  const rest = client.rest();
  let over = false;
  const ended = rest.finally(() => over = true);
  ended.catch(() => {});
  while (!over) {
    await client.send(piece).catch(() => {});
    await sleep(10);
  }
  return await rest.catch(() => client.received);
}

const readers: [name: string, handler: Handler][] = [
  ["text()", async (req, res) => res.send(await req.text())],
  ["a stream", async (req, res) => {
    for await (const _chunk of req.body!);
    res.send("read");
  }],
  [
    "Fetch",
    fetchHandler(async (request) => new Response(await request.text())),
  ],
];

for (const [name, handler] of readers) {
  for (
    const [framing, head, piece] of [
      ["a length", HEAD, "x"],
      ["chunks", CHUNKED, "1\r\nx\r\n"],
    ] as const
  ) {
    test(`a body of ${framing} that trickles is refused to ${name}`, async () => {
      await withServer(handler, async ({ port, server, errors }) => {
        using client = await RawClient.connect(port);
        await client.send(head);
        const [answer] = answersIn(await trickle(client, piece));
        assertEquals(answer!.status, 408);
        assertEquals(server.stats().refusals, { "body-timeout": 1 });
        assertEquals(errors, []);
      }, { bodyTimeout: 200, minBodyRate: 2000 });
    });
  }
}

test("a body that trickles is waited for without a least rate, up to the total", async () => {
  await withServer(readers[0]![1], async ({ port, server }) => {
    using client = await RawClient.connect(port);
    await client.send(HEAD);
    const [answer] = answersIn(await trickle(client, "x"));
    assertEquals(answer!.status, 408);
    assertEquals(server.stats().refusals, { "body-timeout": 1 });
  }, { bodyTimeout: 200, minBodyRate: 0, totalBodyTimeout: 400 });
});

test("a body that is discarded has the same bounds", async () => {
  for (
    const options of [
      { bodyTimeout: 200, minBodyRate: 2000 },
      { bodyTimeout: 200, minBodyRate: 0, totalBodyTimeout: 400 },
    ]
  ) {
    await withServer(
      (_req, res) => res.send("no"),
      async ({ port, server }) => {
        using client = await RawClient.connect(port);
        await client.send(HEAD);
        const answers = answersIn(await trickle(client, "x"));
        assertEquals(answers.map(({ status }) => status), [200]);
        assertEquals(server.stats().refusals, { "body-timeout": 1 });
      },
      options,
    );
  }
});

test("a client does not pay for a handler that reads slowly", async () => {
  await withServer(async (req, res) => {
    let count = 0;
    for await (const chunk of req.body!) {
      count += chunk.length;
      await sleep(30);
    }
    res.send(String(count));
  }, async ({ port, server }) => {
    using client = await RawClient.connect(port);
    // More than the sockets hold, so the client has to wait for the handler.
    const body = "x".repeat(800_000);
    const sent = client.send(post("/", body) + last());
    const answers = answersIn(await client.rest());
    await sent;
    assertEquals(answers[0]!.body, "800000");
    assertEquals(server.stats().refusals, {});
  }, { bodyTimeout: 100, minBodyRate: 100_000, totalBodyTimeout: 300 });
});

test("a reader that trickles is dropped", async () => {
  let writes = 0;
  const conn = memoryConn(get("/"), {
    async write() {
      writes++;
      await sleep(10);
      return 1;
    },
  });
  const reason = Promise.withResolvers<unknown>();
  await serveConnection(conn, (req, res) => {
    const { signal } = req;
    signal.addEventListener("abort", () => reason.resolve(signal.reason));
    res.send(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(70_000)),
      }),
    );
  }, { writeTimeout: 200, minResponseRate: 2000 });
  const error = await reason.promise;
  assertInstanceOf(error, DOMException);
  assertEquals(error.name, "TimeoutError");
  assertEquals(writes > 1, true);
  // The write that was under way.
  await sleep(20);
});

test("a response with pauses of its own is no slow reader's", async () => {
  await withServer((_req, res) => {
    let ticks = 0;
    res.send(
      new ReadableStream({
        async pull(controller) {
          await sleep(20);
          controller.enqueue(new TextEncoder().encode("tick\n"));
          if (++ticks === 40) controller.close();
        },
      }, { highWaterMark: 0 }),
    );
  }, async ({ port, server }) => {
    using client = await RawClient.connect(port);
    await client.send(last());
    const [answer] = answersIn(await client.rest());
    assertEquals(answer!.body, "tick\n".repeat(40));
    assertEquals(server.stats().dropped, 0);
  }, { writeTimeout: 100, minResponseRate: 1_000_000 });
});

test("a client that reads nothing is counted when it is dropped", async () => {
  const large = "x".repeat(20_000_000);
  await withServer((_req, res) => res.send(large), async ({ port, server }) => {
    using client = await RawClient.connect(port);
    await client.send(get("/"));
    await until(() => server.stats().dropped === 1, "the drop");
    assertEquals(server.stats().connections, 0);
    // The write under way keeps its bytes until it settles.
    await until(() => server.stats().buffered === 0, "the release");
  }, { writeTimeout: 150 });
});

test("HttpError of a trickle tells the rate", async () => {
  let caught: unknown;
  await withServer(async (req, res) => {
    await req.text().catch((error) => void (caught = error));
    res.send("late");
  }, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(HEAD);
    await trickle(client, "x");
  }, { bodyTimeout: 100, minBodyRate: 2000 });
  assertInstanceOf(caught, HttpError);
  assertEquals(caught.message.includes("minBodyRate"), true);
});
