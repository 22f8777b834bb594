/**
 * `server.stats()`: connections, requests, bytes, refusals and pools.
 */

import { assertEquals } from "@std/assert";
import { echoText } from "../support/handlers.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import {
  BAD_CHUNKS,
  chunked,
  GET,
  get,
  last,
  post,
} from "../support/requests.ts";
import { test, until, within } from "../support/waiting.ts";
import { untilNoConnections, withServer } from "../support/with_server.ts";

test("connections, requests and bytes are counted", async () => {
  await withServer(echoText, async ({ port, server, pools }) => {
    const counts = () => {
      const { pools: _pools, ...counts } = server.stats();
      return counts;
    };
    const zero = {
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
    };
    assertEquals(counts(), zero);
    assertEquals(server.stats().pools, pools.stats());
    let sent = 0;
    let received = 0;
    {
      using client = await RawClient.connect(port);
      const wire = get("/") + post("/", "body") + chunked("/", "abc");
      for (let round = 1; round <= 3; round++) {
        client.received = "";
        await client.send(wire);
        await client.until("abc");
        sent += wire.length;
        received += client.received.length;
        // The bytes of a write are counted when it completes.
        await until(() => counts().bytesSent >= received, "the bytes sent");
        assertEquals(counts(), {
          ...zero,
          connections: 1,
          accepted: 1,
          requests: 3 * round,
          bytesReceived: sent,
          bytesSent: received,
        });
      }
    }
    for (const wire of [last(), post("/", "body") + last()]) {
      sent += wire.length;
      received += (await answerTo(port, wire)).length;
    }
    await untilNoConnections(server);
    assertEquals(counts(), {
      ...zero,
      accepted: 3,
      requests: 12,
      bytesReceived: sent,
      bytesSent: received,
    });
    assertEquals(server.stats().pools.requests.inUse, 0);
  });
});

test("refusals are counted by code, with their bytes", async () => {
  await withServer(echoText, async ({ port, server }) => {
    let sent = 0;
    let received = 0;
    const wires = [
      "BAD\r\n\r\n",
      get("/") + "BAD\r\n\r\n",
      BAD_CHUNKS,
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\n",
      "GET /\r\n",
      "GET /\r\n\r\n",
    ];
    for (const wire of wires) {
      sent += wire.length;
      received += (await answerTo(port, wire)).length;
    }
    await untilNoConnections(server);
    const { accepted, requests, refusals, bytesSent, bytesReceived } = server
      .stats();
    assertEquals([accepted, requests], [wires.length, 2]);
    assertEquals(refusals, {
      "invalid-method": 2,
      "invalid-chunk-size": 1,
      "missing-host": 1,
      "bare-lf": 1,
      "invalid-request-line": 2,
    });
    assertEquals([bytesReceived, bytesSent], [sent, received]);
  });
});

test("the bytes of an aborted connection stay counted", async () => {
  const aborter = new AbortController();
  const release = Promise.withResolvers<void>();
  await withServer(async (_req, res) => {
    await release.promise;
    res.send();
  }, async ({ server, port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await until(() => server.stats().requests === 1, "the request");
    assertEquals(server.stats().bytesReceived, GET.length);
    aborter.abort();
    assertEquals(server.stats().connections, 0);
    assertEquals(server.stats().bytesReceived, GET.length);
    release.resolve();
    await within(server.finished, "the end of the server");
  }, { signal: aborter.signal });
});
