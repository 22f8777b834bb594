/**
 * The counters of a server.
 */

import { assertEquals } from "@std/assert";
import { echoText } from "../support/handlers.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { BAD_CHUNKS, chunked, get, last, post } from "../support/requests.ts";
import { test, until } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

test("connections, requests, bytes and refusals are counted", async () => {
  await withServer(echoText, async ({ port, server }) => {
    let sent = 0;
    let received = 0;
    const counts = () => {
      const { pools: _pools, ...counts } = server.stats();
      return counts;
    };
    assertEquals(counts(), {
      connections: 0,
      accepted: 0,
      aborted: 0,
      dropped: 0,
      shed: 0,
      buffered: 0,
      requests: 0,
      bytesReceived: 0,
      bytesSent: 0,
      refusals: {},
    });
    {
      using client = await RawClient.connect(port);
      const first = get("/") + post("/", "body") + chunked("/", "abc");
      await client.send(first);
      await client.until("abc");
      sent += first.length;
      received += client.received.length;
      // The bytes of a write are counted when it completes.
      await until(() => counts().bytesSent >= received, "the bytes sent");
      assertEquals(counts(), {
        connections: 1,
        accepted: 1,
        aborted: 0,
        dropped: 0,
        shed: 0,
        buffered: 0,
        requests: 3,
        bytesReceived: sent,
        bytesSent: received,
        refusals: {},
      });
    }
    for (const wire of [last(), post("/", "body") + last()]) {
      sent += wire.length;
      received += (await answerTo(port, wire)).length;
    }
    await until(() => counts().connections === 0, "the connections to end");
    assertEquals(counts(), {
      connections: 0,
      accepted: 3,
      aborted: 0,
      dropped: 0,
      shed: 0,
      buffered: 0,
      requests: 6,
      bytesReceived: sent,
      bytesSent: received,
      refusals: {},
    });
    assertEquals(server.stats().pools.requests.inUse, 0);
  });
});

test("what was refused is counted, with its bytes", async () => {
  await withServer(echoText, async ({ port, server }) => {
    let sent = 0;
    let received = 0;
    for (
      const wire of [
        "BAD\r\n\r\n",
        get("/") + "BAD\r\n\r\n",
        BAD_CHUNKS,
        "GET / HTTP/1.1\r\n\r\n",
      ]
    ) {
      sent += wire.length;
      received += (await answerTo(port, wire)).length;
    }
    await until(
      () => server.stats().connections === 0,
      "the connections to end",
    );
    const { requests, refusals, bytesSent, bytesReceived } = server.stats();
    assertEquals([requests, refusals, bytesSent], [
      2,
      { "invalid-method": 2, "invalid-chunk-size": 1, "missing-host": 1 },
      received,
    ]);
    assertEquals(bytesReceived, sent);
  });
});
