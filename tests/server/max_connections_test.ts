/**
 * Many connections at once, and `maxConnections`.
 */

import { assert, assertEquals } from "@std/assert";
import type { Duplex } from "@pooled/http1";
import { hello } from "../support/handlers.ts";
import { RawClient } from "../support/raw_client.ts";
import { GET } from "../support/requests.ts";
import { turn, until, within } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

Deno.test("a connection beyond maxConnections waits and is served later", async () => {
  await withServer(hello, async ({ server, port }) => {
    using first = await RawClient.connect(port);
    using second = await RawClient.connect(port);
    for (const client of [first, second]) {
      await client.send(GET);
      await client.until("hello");
    }
    using third = await RawClient.connect(port);
    await third.send(GET);
    const answer = third.until("hello");
    let answered = false;
    answer.then(() => answered = true);
    for (let i = 0; i < 20; i++) {
      first.received = "";
      await first.send(GET);
      await first.until("hello");
    }
    assert(!answered, "a third one was served");
    assertEquals(server.stats().accepted, 2);
    second.conn.close();
    await within(answer, "the third one to be served");
    assertEquals(server.stats().accepted, 3);
  }, { maxConnections: 2 });
});

Deno.test("maxConnections counts upgraded connections", async () => {
  const pair = Promise.withResolvers<Duplex>();
  await withServer((req, res) => {
    if (req.upgrade === null) return res.send("hello");
    pair.resolve(res.upgrade());
  }, async ({ server, port }) => {
    using raw = await RawClient.connect(port);
    await raw.send(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n",
    );
    await raw.until("\r\n\r\n");
    using next = await RawClient.connect(port);
    await next.send(GET);
    for (let i = 0; i < 10; i++) await turn();
    assertEquals(server.stats().accepted, 1);
    const { readable, writable } = await pair.promise;
    await readable.cancel();
    await writable.close();
    await within(next.until("hello"), "the next one");
  }, { maxConnections: 1 });
});

Deno.test("shutdown ends a server at maxConnections", async () => {
  await withServer(hello, async ({ server, port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await client.until("hello");
    const finished = server.shutdown();
    await within(client.rest(), "the end of the connection");
    client.conn.close();
    await within(finished, "the end of the server");
  }, { maxConnections: 1 });
});

Deno.test("a thousand connections at once are served twice each", async () => {
  const COUNT = 1000;
  await withServer(async (req, res) => {
    await turn();
    res.send(`<${req.query}>`);
  }, async ({ server, port, errors }) => {
    const clients = await Promise.all(
      Array.from({ length: COUNT }, () => RawClient.connect(port)),
    );
    for (let round = 0; round < 2; round++) {
      const answers = clients.map(async (client, n) => {
        await client.send(`GET /?${round}-${n} HTTP/1.1\r\nHost: a\r\n\r\n`);
        await client.until(`<${round}-${n}>`);
      });
      await within(Promise.all(answers), "the answers");
      assertEquals(server.stats().connections, COUNT);
    }
    const { accepted, requests } = server.stats();
    assertEquals([accepted, requests], [COUNT, 2 * COUNT]);
    for (const client of clients) client[Symbol.dispose]();
    await until(() => server.stats().connections === 0, "all to close");
    assertEquals(errors, []);
  });
});
