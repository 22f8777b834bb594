/**
 * `shutdownTimeout`: a shutdown ends, whatever handlers and clients do.
 */

import { assertEquals, assertInstanceOf } from "@std/assert";
import { RawClient } from "../support/raw_client.ts";
import { get, post, UPGRADE } from "../support/requests.ts";
import { test, until, within } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

test("a handler that hangs does not hold a shutdown", async () => {
  const hanging = Promise.withResolvers<void>();
  const reasons: unknown[] = [];
  await withServer((req) => {
    const { signal } = req;
    signal.addEventListener("abort", () => reasons.push(signal.reason));
    return hanging.promise;
  }, async ({ port, server, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(get("/"));
    await until(() => server.stats().requests === 1, "the request");
    await within(server.shutdown(), "the shutdown");
    assertEquals(server.stats().dropped, 1);
    assertEquals(await client.rest().catch(() => ""), "");
    hanging.resolve();
    await until(() => errors.length > 0, "the report of the handler");
  }, { shutdownTimeout: 100 });
  assertEquals(reasons.length, 1);
  assertInstanceOf(reasons[0], DOMException);
  assertEquals(reasons[0].name, "TimeoutError");
});

test("clients that stall do not hold it", async () => {
  const large = "x".repeat(20_000_000);
  await withServer(async (req, res) => {
    if (req.method === "POST") await req.text();
    res.send(large);
  }, async ({ port, server }) => {
    using reader = await RawClient.connect(port);
    await reader.send(get("/"));
    using sender = await RawClient.connect(port);
    await sender.send(post("/", "body").slice(0, -1));
    await until(() => server.stats().requests === 2, "the requests");
    await within(server.shutdown(), "the shutdown");
    assertEquals(server.stats().dropped, 2);
    assertEquals(server.stats().connections, 0);
  }, { shutdownTimeout: 100 });
});

test("a connection that was handed over stays", async () => {
  const duplex = Promise.withResolvers<ReadableWritablePair>();
  const hanging = Promise.withResolvers<void>();
  await withServer(async (req, res) => {
    if (req.path !== "/up") return await hanging.promise;
    duplex.resolve(res.upgrade());
  }, async ({ port, server, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(UPGRADE);
    await client.until("\r\n\r\n");
    using second = await RawClient.connect(port);
    await second.send(get("/"));
    await until(() => server.stats().requests === 2, "the request");
    await within(server.shutdown(), "the shutdown");
    assertEquals(server.stats().connections, 1);
    const { readable, writable } = await duplex.promise;
    const writer = writable.getWriter();
    await writer.write(new TextEncoder().encode("still here"));
    await client.until("still here");
    await writer.close();
    await readable.cancel();
    client.conn.close();
    await until(() => server.stats().connections === 0, "the end");
    hanging.resolve();
    await until(() => errors.length > 0, "the report of the handler");
  }, { shutdownTimeout: 100 });
});

test("a shutdown that is done in time sets no timer, and drops nothing", async () => {
  await withServer(
    (_req, res) => res.send("hello"),
    async ({ port, server }) => {
      using client = await RawClient.connect(port);
      await client.send(get("/"));
      await client.until("hello");
      await server.shutdown();
      assertEquals(server.stats().dropped, 0);
    },
    { shutdownTimeout: Infinity },
  );
});
