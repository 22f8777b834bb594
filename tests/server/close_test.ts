/**
 * Closing connections: half-close, lingering, and protection of the last response from a
 * reset (RFC 9112 §9.6).
 */

import { assert, assertEquals } from "@std/assert";
import { type Handler, Pools, serveConnection } from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { echoTarget, echoText, mixed } from "../support/handlers.ts";
import { MemoryConn, serveMemory } from "../support/memory_conn.ts";
import { RawClient } from "../support/raw_client.ts";
import { chunked, get, last, post } from "../support/requests.ts";
import { answersIn, bodiesOf } from "../support/response_reader.ts";
import { streamOf } from "../support/streams.ts";
import { settle, sleep, test, until } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

test("a client that keeps sending after a refusal still receives the answer", async () => {
  await withServer(echoText, async ({ port }) => {
    const megabytes = "x".repeat(2 * 1024 * 1024);
    const cases: [string, number][] = [
      ["GET / HTTP/1.1\r\nHost : a\r\n\r\n" + megabytes, 400],
      [post("/", megabytes), 413],
      [chunked("/", megabytes), 413],
    ];
    for (const [wire, status] of cases) {
      using client = await RawClient.connect(port);
      // Sends everything before reading the response.
      await client.send(wire);
      const answers = answersIn(await client.rest());
      assertEquals(
        answers.map(({ status, whole }) => [status, whole]),
        [[status, true]],
      );
    }
  }, { maxBodySize: 1000 });
});

test("a client that keeps sending after the last response still receives it", async () => {
  const large = "y".repeat(2 * 1024 * 1024);
  await withServer((_req, res) => res.send(large), async ({ port }) => {
    using client = await RawClient.connect(port);
    const sending = client.send(last() + "x".repeat(2 * 1024 * 1024));
    const [answer, ...more] = answersIn(await client.rest());
    await sending;
    assertEquals([answer!.whole, more.length], [true, 0]);
  });
});

test("the server half-closes, reads the input to its end and then closes", async () => {
  const conn = new MemoryConn([last()], { ends: "when told" });
  const pools = new Pools();
  const served = serveConnection(conn, echoTarget, { pools });
  await until(() => conn.outputEnded, "the end of the output");
  assertEquals(bodiesOf(conn.wire), ["/last"]);
  assertEquals(conn.closed, false);
  // The server reads and discards it.
  const { reads } = conn;
  conn.give("x".repeat(100_000));
  await until(() => conn.reads >= reads + 3, "three more reads");
  assertEquals(conn.closed, false);
  conn.end();
  await served;
  assertEquals(conn.closed, true);
  assertAtRest(pools);
});

test("lingering is bounded if the client does not close", async () => {
  // A short timeout makes the sweeper run often; it also closes lingering connections.
  await serveMemory(
    new MemoryConn([last()], { ends: "when told" }),
    echoTarget,
    {
      headTimeout: 100,
    },
  );
});

test("a half-closed client still receives its responses", async () => {
  const handlers: Handler[] = [
    echoTarget,
    async (req, res) => {
      const { target } = req;
      await sleep(20);
      res.send(target);
    },
    async (req, res) => {
      const { target } = req;
      await req.text();
      await settle();
      res.send(streamOf([target.slice(0, 2), target.slice(2)]));
    },
    mixed,
  ];
  for (const handler of handlers) {
    await withServer(handler, async ({ port, errors }) => {
      using client = await RawClient.connect(port);
      const targets = ["/11", "/12", "/13", "/14"];
      await client.send(targets.map((target) => get(target)).join(""));
      await client.conn.closeWrite();
      assertEquals(bodiesOf(await client.rest()), targets);
      assertEquals(errors, []);
    });
  }
});

test("an echoed body is complete although the client has half-closed", async () => {
  await withServer((req, res) => res.send(req.body), async ({ port }) => {
    using client = await RawClient.connect(port);
    const body = "0123456789".repeat(20_000);
    const sending = client.send(post("/", body))
      .then(() => client.conn.closeWrite());
    const [answer] = answersIn(await client.rest());
    await sending;
    assert(answer!.whole && answer!.body === body);
  });
});
