/**
 * The counters of a server that runs.
 */

import { assert, assertEquals } from "@std/assert";
import { type Conn, Pools, serve } from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { portOf } from "../support/listeners.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { GET, LAST_GET, postWith } from "../support/requests.ts";
import { until, within } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

Deno.test("stats count connections, requests, bytes and refusals", async () => {
  await withServer(async (req, res) => {
    res.send(await req.text());
  }, async ({ server, port, pools }) => {
    const zero = server.stats();
    assertEquals({ ...zero, pools: null }, {
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
      pools: null,
    });
    assertEquals(zero.pools, pools.stats());

    let sent = 0;
    let got = 0;
    using client = await RawClient.connect(port);
    const wire = postWith("/", "Content-Length: 4\r\n\r\nbody") + GET;
    for (let i = 0; i < 3; i++) {
      client.received = "";
      await client.send(wire);
      while ((client.received.match(/HTTP/g)?.length ?? 0) < 2) {
        assert(await client.read(), client.received);
      }
      sent += wire.length;
      got += client.received.length;
      const { connections, accepted, requests, ...more } = server.stats();
      assertEquals([connections, accepted, requests], [1, 1, 2 * (i + 1)]);
      assertEquals([more.bytesReceived, more.bytesSent], [sent, got]);
    }
    client.conn.close();
    for (
      const refused of ["GET / HTTP/1.1\n", "GET /\r\n", "GET /\r\n\r\n"]
    ) {
      sent += refused.length;
      got += (await answerTo(port, refused)).length;
    }
    await until(() => server.stats().connections === 0, "the end");
    const { accepted, requests, bytesReceived, bytesSent, refusals } = server
      .stats();
    assertEquals({ accepted, requests, bytesReceived, bytesSent, refusals }, {
      accepted: 4,
      requests: 6,
      bytesReceived: sent,
      bytesSent: got,
      refusals: { "bare-lf": 1, "invalid-request-line": 2 },
    });
  });
});

Deno.test("stats keep the bytes of a connection that was cut", async () => {
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

Deno.test("a connection of any make is read and written directly", async () => {
  // A `Conn` without an address or any optional method.
  const pools = new Pools();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const plain = async function* (): AsyncGenerator<Conn> {
    for await (const conn of listener) {
      yield {
        read: (p) => conn.read(p),
        // Not more than a few bytes at a time.
        write: (p) => conn.write(p.subarray(0, 7)),
        closeWrite: () => conn.closeWrite(),
        close: () => conn.close(),
      };
    }
  };
  const server = serve(plain(), (req, res, info) => {
    res.send(`${req.path} ${info.remoteAddr}`);
  }, { pools });
  const answer = await answerTo(portOf(listener.addr), GET + LAST_GET);
  assertEquals(answer.match(/\/ null/g)?.length, 2, answer);
  listener.close();
  await within(server.finished, "the end of the server");
  assertAtRest(pools);
});
