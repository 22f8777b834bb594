/**
 * `maxBuffered`: what bodies and responses hold in memory, over all connections.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { fetchHandler, type Handler, HttpError } from "@pooled/http1";
import { withServer } from "../support/with_server.ts";
import { RawClient } from "../support/raw_client.ts";
import { chunked, get, last, post } from "../support/requests.ts";
import { answersIn } from "../support/response_reader.ts";
import { test, until } from "../support/waiting.ts";

/** More than the sockets of loopback hold. */
const LARGE = 20_000_000;
const MOST = 50_000_000;

const senders: [name: string, handler: Handler][] = [
  ["text", (_req, res) => res.send("x".repeat(LARGE))],
  ["bytes", (_req, res) => res.send(new Uint8Array(LARGE))],
  ["JSON", (_req, res) => res.json("x".repeat(LARGE))],
  ["Fetch", fetchHandler(() => new Response("x".repeat(LARGE)))],
];

for (const [name, handler] of senders) {
  test(`stalled readers of ${name} hold no more than the bound`, async () => {
    await withServer(handler, async ({ port, server, errors }) => {
      const clients: RawClient[] = [];
      try {
        for (let i = 0; i < 6; i++) {
          const client = await RawClient.connect(port);
          clients.push(client);
          await client.send(get("/"));
          await client.until("\r\n\r\n");
          assert(server.stats().buffered <= MOST);
        }
        // Two fit; nobody counts as stalled within the first moments.
        const statuses = clients.map(({ received }) => received.slice(9, 12));
        assertEquals(statuses.slice(0, 3), ["200", "200", "503"]);
        const { shed } = server.stats();
        assert(shed >= 1, `${shed} shed`);
        assertEquals(errors, []);
      } finally {
        for (const client of clients) client.conn.close();
      }
      await until(() => server.stats().connections === 0, "the end");
      assertEquals(server.stats().buffered, 0);
    }, { maxBuffered: MOST });
  });
}

test("clients that have stopped to read make room for others", async () => {
  await withServer(senders[0]![1], async ({ port, server }) => {
    using first = await RawClient.connect(port);
    using second = await RawClient.connect(port);
    for (const client of [first, second]) {
      await client.send(get("/"));
      await client.until("\r\n\r\n");
    }
    let shed = 0;
    // The sweeps that find out that nobody reads take their time.
    await until(() => server.stats().bytesSent > 0, "the first bytes");
    for (let served = false; !served;) {
      using client = await RawClient.connect(port);
      await client.send(last());
      const [answer] = answersIn(await client.rest());
      served = answer!.status === 200;
      if (served) assertEquals(answer!.body.length, LARGE);
      ({ shed } = server.stats());
    }
    assert(shed >= 1, `${shed} shed`);
  }, { maxBuffered: MOST, headTimeout: 100 });
});

test("memory that many responses are made of counts once", async () => {
  const shared = new Uint8Array(LARGE);
  await withServer(
    (_req, res) => res.send(shared),
    async ({ port, server }) => {
      const clients: RawClient[] = [];
      for (let i = 0; i < 5; i++) {
        const client = await RawClient.connect(port);
        clients.push(client);
        await client.send(get("/"));
        assertEquals((await client.until("\r\n\r\n")).slice(9, 12), "200");
      }
      assertEquals(server.stats().buffered, LARGE);
      for (const client of clients) client.conn.close();
      await until(() => server.stats().buffered === 0, "the release");
    },
    { maxBuffered: MOST },
  );
});

test("a body that would pass the bound alone is the program's mistake", async () => {
  await withServer(senders[0]![1], async ({ port, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(last());
    const [answer] = answersIn(await client.rest());
    assertEquals(answer!.status, 500);
    assertEquals(errors.length, 1);
    assert(errors[0] instanceof RangeError);
  }, { maxBuffered: 1_000_000 });
});

test("a HEAD request holds nothing", async () => {
  await withServer(senders[0]![1], async ({ port, server }) => {
    using client = await RawClient.connect(port);
    await client.send(last().replace("GET", "HEAD"));
    assertEquals((await client.rest()).slice(9, 12), "200");
    assertEquals(server.stats().shed, 0);
  }, { maxBuffered: 1_000_000 });
});

test("bodies that are gathered count, and give back what they took", async () => {
  const caught: unknown[] = [];
  await withServer(async (req, res) => {
    try {
      res.send(String((await req.bytes()).length));
    } catch (error) {
      caught.push(error);
      throw error;
    }
  }, async ({ port, server, errors }) => {
    using holding = await RawClient.connect(port);
    await holding.send(post("/", "x".repeat(900_000)).slice(0, -1));
    await until(() => server.stats().buffered >= 900_000, "the body");
    for (
      const wire of [
        post("/", "x".repeat(300_000)),
        chunked("/", "x".repeat(150_000), "x".repeat(150_000)),
      ]
    ) {
      using client = await RawClient.connect(port);
      await client.send(wire);
      const [answer] = answersIn(await client.rest());
      assertEquals(answer!.status, 503);
    }
    await holding.send("x" + last());
    await holding.rest();
    assertEquals(answersIn(holding.received)[0]!.body, "900000");
    assertEquals(server.stats().buffered, 0);
    assertEquals(server.stats().refusals, { "buffers-full": 2 });
    assertEquals(errors, []);
  }, { maxBuffered: 1_000_000 });
  for (const error of caught) {
    assert(error instanceof HttpError && error.code === "buffers-full");
  }
  assertEquals(caught.length, 2);
});

test("a client that leaves within its body gives back what it took", async () => {
  await withServer(async (req, res) => {
    await assertRejects(() => req.bytes());
    res.send("gone");
  }, async ({ port, server }) => {
    {
      using client = await RawClient.connect(port);
      await client.send(post("/", "x".repeat(900_000)).slice(0, -1));
      await until(() => server.stats().buffered >= 900_000, "the body");
    }
    await until(() => server.stats().connections === 0, "the end");
    assertEquals(server.stats().buffered, 0);
  });
});

test("large chunks of streams hold no more than the bound either", async () => {
  const chunk = () => new Uint8Array(LARGE);
  await withServer((_req, res) => {
    res.send(
      new ReadableStream({
        pull(controller) {
          controller.enqueue(chunk());
          controller.close();
        },
      }, { highWaterMark: 0 }),
    );
  }, async ({ port, server, errors }) => {
    const clients: RawClient[] = [];
    try {
      for (let i = 0; i < 6; i++) {
        const client = await RawClient.connect(port);
        clients.push(client);
        await client.send(get("/"));
        await until(() => {
          const { requests, shed, buffered } = server.stats();
          return requests === i + 1 && (shed > 0 || buffered >= LARGE);
        }, "the chunk");
        assert(server.stats().buffered <= MOST);
      }
      assert(server.stats().shed >= 1);
      assertEquals(errors, []);
    } finally {
      for (const client of clients) client.conn.close();
    }
    await until(() => server.stats().buffered === 0, "the release");
  }, { maxBuffered: MOST });
  await withServer((_req, res) => {
    res.send(
      new ReadableStream({
        pull(controller) {
          controller.enqueue(chunk());
        },
      }, { highWaterMark: 0 }),
    );
  }, async ({ port, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(last());
    await client.rest().catch(() => {});
    await until(() => errors.length > 0, "the report");
    assert(errors[0] instanceof RangeError);
  }, { maxBuffered: 1_000_000 });
});
