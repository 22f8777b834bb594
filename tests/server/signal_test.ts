/**
 * `req.signal`, which is aborted when the client disconnects.
 */

import {
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
} from "@std/assert";
import { answerTo, RawClient, ResettingClient } from "../support/raw_client.ts";
import { get, last, post } from "../support/requests.ts";
import { bodiesOf } from "../support/response_reader.ts";
import { streamOf } from "../support/streams.ts";
import { settle, sleep, test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

test("the signal is aborted when the client closes or resets the connection", async () => {
  for (const way of ["close", "reset"]) {
    for (const request of [get("/"), post("/", "body")]) {
      const { promise, resolve } = Promise.withResolvers<unknown>();
      await withServer(async (req, res) => {
        await req.text();
        const { signal } = req;
        assertEquals(signal.aborted, false);
        assertStrictEquals(req.signal, signal);
        res.send(null, { status: 103 });
        await new Promise((resolve) =>
          signal.addEventListener("abort", resolve)
        );
        resolve(signal.reason);
        res.send("to nobody");
      }, async ({ port, errors }) => {
        if (way === "reset") {
          const client = new ResettingClient(port, request);
          await client.until("103");
          await client.reset();
        } else {
          using client = await RawClient.connect(port);
          await client.send(request);
          await client.until("103");
        }
        assertInstanceOf(await promise, Error);
        assertEquals(errors, []);
      });
    }
  }
});

test("a signal first read after the disconnect is already aborted", async () => {
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  await withServer(async (req, res) => {
    res.send(null, { status: 103 });
    await left;
    for (let i = 0; i < 100 && !req.signal.aborted; i++) await settle();
    resolve(req.signal.aborted);
    res.send();
  }, async ({ port }) => {
    const client = new ResettingClient(port, get("/"));
    await client.until("103");
    await client.reset();
    await sleep(20);
    leave();
    assertEquals(await promise, true);
  });
});

test("the signal of an answered request is never aborted", async () => {
  const signals: AbortSignal[] = [];
  await withServer(async (req, res) => {
    signals.push(req.signal);
    if (req.target === "/stream") return res.send(streamOf(["a", "b"]));
    await settle();
    res.send(req.target);
  }, async ({ port }) => {
    {
      using client = await RawClient.connect(port);
      await client.send(get("/1") + get("/stream") + get("/3"));
      await client.until("/3");
    }
    const client = new ResettingClient(port, get("/1"));
    await client.until("/1");
    await client.reset();
    assertEquals(
      bodiesOf(await answerTo(port, get("/1") + last())),
      ["/1", "/last"],
    );
  });
  assertEquals(signals.length, 6);
  assertEquals(new Set(signals).size, 6);
  assertEquals(signals.map(({ aborted }) => aborted), Array(6).fill(false));
});
