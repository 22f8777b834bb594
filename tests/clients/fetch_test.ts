/**
 * Deno's `fetch` as a client of the server.
 */

import { createHash } from "node:crypto";
import { assertEquals } from "@std/assert";
import { digestOf, patterned } from "../support/bytes.ts";
import { streamOf } from "../support/streams.ts";
import { within } from "../support/waiting.ts";
import { untilNoConnections, withServer } from "../support/with_server.ts";

Deno.test("fetch: request and response bodies stream piece by piece", async () => {
  const sent = patterned(2_000_000);
  function* pieces() {
    for (let at = 0, size = 1; at < sent.length; at += size, size *= 3) {
      yield sent.slice(at, at + size);
    }
  }
  await withServer(async (req, res) => {
    if (req.method === "GET") return res.send(streamOf(pieces()));
    const hash = createHash("sha256");
    for await (const chunk of req.body!) hash.update(chunk);
    res.json({ chunked: req.chunked, digest: hash.digest("hex") });
  }, async ({ url }) => {
    using client = Deno.createHttpClient({});
    const up = await fetch(url, {
      client,
      method: "POST",
      body: streamOf(pieces()),
    });
    assertEquals(await up.json(), { chunked: true, digest: digestOf(sent) });
    const down = await fetch(url, { client });
    assertEquals(digestOf(await down.bytes()), digestOf(sent));
  });
});

Deno.test("fetch: an abort while the handler runs aborts req.signal", async () => {
  const begun = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  await withServer(async (req, res) => {
    const { signal } = req;
    begun.resolve();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    aborted.resolve();
    res.send("for nobody");
  }, async ({ url, errors }) => {
    using client = Deno.createHttpClient({});
    const aborter = new AbortController();
    const answer = fetch(url, { client, signal: aborter.signal });
    await within(begun.promise, "the handler");
    aborter.abort();
    await answer.catch(() => {});
    await within(aborted.promise, "the signal");
    assertEquals(errors, []);
  });
});

Deno.test("fetch: an abort during a download", async () => {
  const aborted = Promise.withResolvers<void>();
  const cancelled = Promise.withResolvers<void>();
  await withServer((req, res) => {
    req.signal.addEventListener("abort", () => aborted.resolve());
    res.send(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(10)),
        cancel: () => cancelled.resolve(),
      }),
    );
  }, async ({ url, server, errors }) => {
    using client = Deno.createHttpClient({});
    const aborter = new AbortController();
    const { body } = await fetch(url, { client, signal: aborter.signal });
    const reader = body!.getReader();
    assertEquals((await reader.read()).value?.length, 10);
    aborter.abort();
    await reader.read().catch(() => {});
    await within(aborted.promise, "the signal");
    // After a half-close the client may still read, so a silent stream is cancelled only
    // when the timeout expires.
    await within(cancelled.promise, "the stream to be cancelled");
    await untilNoConnections(server);
    assertEquals(errors, []);
  }, { bodyTimeout: 100 });
});

Deno.test("fetch: an abort during an upload", async () => {
  const arrived = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<unknown>();
  await withServer(async (req) => {
    try {
      for await (const _ of req.body!) arrived.resolve();
    } catch (error) {
      failed.resolve(error);
      throw error;
    }
  }, async ({ url, server, errors }) => {
    using client = Deno.createHttpClient({});
    const aborter = new AbortController();
    const answer = fetch(url, {
      client,
      signal: aborter.signal,
      method: "POST",
      body: new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(10)),
      }),
    });
    await within(arrived.promise, "the first piece");
    aborter.abort();
    await answer.catch(() => {});
    await within(failed.promise, "the request body to fail");
    await untilNoConnections(server);
    // An aborting client is not an error of the program.
    assertEquals(errors, []);
  });
});
