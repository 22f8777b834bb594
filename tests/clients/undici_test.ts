/**
 * undici as a client of the server, with pipelined requests.
 */

import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { Client } from "undici";
import { streamOf } from "../support/streams.ts";
import { untilUndiciRests } from "../support/undici.ts";
import { within } from "../support/waiting.ts";
import { clientPortOf, withServer } from "../support/with_server.ts";

function undiciTest(name: string, run: () => Promise<void>): void {
  Deno.test(name, async () => {
    await run();
    await untilUndiciRests();
  });
}

undiciTest("undici: ten requests in flight on one connection", async () => {
  const COUNT = 500;
  let client: Client;
  let most = 0;
  const ports = new Set<number>();
  await withServer(async (req, res, info) => {
    ports.add(clientPortOf(info));
    most = Math.max(most, client.stats.running);
    const { path } = req;
    const number = Number(req.query);
    if (path === "/later") await new Promise((resolve) => setTimeout(resolve));
    if (path === "/stream") {
      return res.send(streamOf([Buffer.from(`${number}`), Buffer.from(";")]));
    }
    if (path === "/body") return res.send(`${await req.text()};`);
    res.send(`${number};`);
  }, async ({ url, server, errors }) => {
    client = new Client(url, { pipelining: 10 });
    const paths = ["/", "/later", "/stream", "/body", "/unread", "/"];
    const answers = Array.from({ length: COUNT }, async (_, i) => {
      const path = paths[i % paths.length]!;
      const sendsBody = path === "/body" || path === "/unread";
      const { statusCode, body } = await client.request({
        path: `${path}?${i}`,
        method: sendsBody ? "PUT" : "GET",
        body: sendsBody ? `${i}` : null,
        // By default undici would not pipeline behind this request.
        idempotent: true,
        blocking: false,
      });
      return `${statusCode} ${await body.text()}`;
    });
    assertEquals(
      await within(Promise.all(answers), "the answers"),
      answers.map((_, i) => `200 ${i};`),
    );
    assertEquals(most, 10, "requests were not pipelined as they should");
    assertEquals([ports.size, server.stats().requests], [1, COUNT]);
    assertEquals(errors, []);
    await client.close();
  });
});

undiciTest(
  "undici: pipelined requests behind one that ends the connection",
  async () => {
    await withServer((req, res) => {
      const number = Number(req.query);
      const headers: HeadersInit = number % 7 === 6
        ? { connection: "close" }
        : {};
      res.send(`${number}`, { headers });
    }, async ({ url, server }) => {
      const client = new Client(url, { pipelining: 5 });
      const answers = Array.from({ length: 70 }, async (_, i) => {
        const { body } = await client.request({
          path: `/?${i}`,
          method: "GET",
          blocking: false,
        });
        return Number(await body.text());
      });
      // The server did not handle the requests behind it, so undici retries them.
      assertEquals(
        await within(Promise.all(answers), "the answers"),
        answers.map((_, i) => i),
      );
      assertEquals(server.stats().requests, 70);
      assertEquals(server.stats().accepted, 10);
      await client.close();
    });
  },
);
