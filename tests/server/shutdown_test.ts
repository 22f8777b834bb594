/**
 * `shutdown()` and the signal of a server.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  type Duplex,
  fetchHandler,
  type Handler,
  Pools,
  serve,
} from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { textOf } from "../support/bytes.ts";
import { hello } from "../support/handlers.ts";
import { portOf, untilRefused } from "../support/listeners.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { GET, get, LAST_GET, postWith } from "../support/requests.ts";
import { answersIn } from "../support/response_reader.ts";
import { turn, until, within } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

const encoder = new TextEncoder();

Deno.test("shutdown closes idle connections and answers pending requests", async () => {
  const release = Promise.withResolvers<void>();
  const produced = Promise.withResolvers<void>();
  await withServer(async (req, res) => {
    if (req.path === "/late") await release.promise;
    if (req.path !== "/stream") return res.send(`${req.path} done`);
    res.send(ReadableStream.from((async function* () {
      yield encoder.encode("first ");
      await produced.promise;
      yield encoder.encode("second");
    })()));
  }, async ({ server, port }) => {
    const connect = async (path: string, wait: string) => {
      const client = await RawClient.connect(port);
      await client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      if (wait !== "") await client.until(wait);
      return client;
    };
    using fresh = await RawClient.connect(port);
    using idle = await connect("/idle", "/idle done");
    using late = await connect("/late", "");
    using streamed = await connect("/stream", "first");
    await until(() => server.stats().requests === 3, "the requests");

    const finished = server.shutdown();
    assertEquals(finished, server.finished);
    assertEquals(server.shutdown(), finished);
    // Connections without a request.
    assertEquals(await within(fresh.rest(), "the end of a fresh one"), "");
    await within(idle.rest(), "the end of an idle one");
    assertEquals(idle.received.match(/HTTP/g)?.length, 1);
    await untilRefused(port);
    let over = false;
    finished.then(() => over = true);
    await turn();
    assert(!over, "it did not wait for what was begun");

    release.resolve();
    await within(late.rest(), "the late response");
    assert(late.received.endsWith("/late done"), late.received);
    assertStringIncludes(late.received, "Connection: close\r\n");
    // This head was sent before the shutdown, without `Connection: close`. The connection
    // still closes after the response.
    produced.resolve();
    await within(streamed.rest(), "the rest of the stream");
    assert(
      streamed.received.endsWith("6\r\nsecond\r\n0\r\n\r\n"),
      streamed.received,
    );
    for (const client of [fresh, idle, late, streamed]) client.conn.close();
    await within(finished, "the end of the server");
    assertEquals(server.stats().connections, 0);
  });
});

Deno.test("shutdown answers a request with a partly received body", async () => {
  await withServer(async (req, res) => {
    res.send(`got ${await req.text()}`);
  }, async ({ server, port }) => {
    const most = postWith("/", "Content-Length: 9\r\n\r\nsome");
    using body = await RawClient.connect(port);
    await body.send(most);
    await until(() => server.stats().requests === 1, "the request");
    const finished = server.shutdown();
    await turn();
    await turn();
    await body.send(" text");
    await within(body.rest(), "the answer");
    assert(body.received.endsWith("\r\n\r\ngot some text"), body.received);
    assertStringIncludes(body.received, "Connection: close\r\n");
    body.conn.close();
    await within(finished, "the end of the server");
  });
});

/** Whether `text` is a complete response of the server below. */
function isWhole(response: string): boolean {
  const [head, ...rest] = response.split("\r\n\r\n");
  if (rest.length === 0) return false;
  const body = rest.join("\r\n\r\n");
  const length = head!.match(/content-length: (\d+)/i)?.[1];
  return length === undefined
    ? body.endsWith("0\r\n\r\n")
    : body.length === Number(length);
}

Deno.test("shutdown under load truncates no response", async () => {
  const CLIENTS = 50;
  const handled = new Set<number>();
  const answered = new Set<number>();
  const busy = Promise.withResolvers<void>();
  await withServer(async (req, res) => {
    const id = Number(req.query);
    handled.add(id);
    if (handled.size === 20 * CLIENTS) busy.resolve();
    if (id % 3 === 1) await turn();
    if (id % 3 < 2) return res.send(`<${id}>`.padEnd(1000, "."));
    res.send(ReadableStream.from((async function* () {
      for (const text of ["<", `${id}`, ">"]) {
        await turn();
        yield encoder.encode(text);
      }
    })()));
  }, async ({ server, port, errors }) => {
    const served = Promise.withResolvers<void>();
    let begun = 0;
    const clients = Array.from({ length: CLIENTS }, async (_, n) => {
      using client = await RawClient.connect(port);
      for (let i = 0;; i++) {
        const id = n + i * CLIENTS;
        client.received = "";
        await client.send(`GET /?${id} HTTP/1.1\r\nHost: a\r\n\r\n`);
        while (!isWhole(client.received) && await client.read());
        if (client.ended && client.received === "") return;
        assert(
          isWhole(client.received),
          `a response was cut: ${JSON.stringify(client.received)}`,
        );
        answered.add(id);
        if (i === 0 && ++begun === CLIENTS) served.resolve();
        if (client.received.includes("Connection: close")) {
          assertEquals(await client.read(), false);
          return;
        }
      }
    });
    const all = Promise.all(clients);
    await within(Promise.race([all, served.promise]), "the first answers");
    await within(Promise.race([all, busy.promise]), "some load");
    await within(server.shutdown(), "the end of the server");
    await within(all, "the clients");
    assert(handled.size >= 20 * CLIENTS);
    assertEquals([...answered].sort(), [...handled].sort());
    assertEquals(errors, []);
  });
});

Deno.test("await using shuts the server down", async () => {
  const pools = new Pools();
  let port: number;
  {
    await using server = serve(
      { hostname: "127.0.0.1", port: 0, pools, onListen() {} },
      hello,
    );
    port = portOf(server.addr);
    assertStringIncludes(await answerTo(port, LAST_GET), "hello");
  }
  await untilRefused(port);
  assertAtRest(pools);
});

Deno.test("shutdown does not end upgraded connections", async () => {
  const pair = Promise.withResolvers<Duplex>();
  await withServer(
    (_req, res) => pair.resolve(res.upgrade()),
    async (running) => {
      const { server, port } = running;
      using client = await RawClient.connect(port);
      await client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n",
      );
      await client.until("\r\n\r\n");
      const { readable, writable } = await pair.promise;
      await within(server.shutdown(), "the end of the server");
      assertEquals(server.stats().connections, 1);
      const writer = writable.getWriter();
      await writer.write(encoder.encode("still here"));
      await client.until("still here");
      await client.send("and here");
      const reader = readable.getReader();
      assertEquals(textOf((await reader.read()).value!), "and here");
      await writer.close();
      client.conn.close();
      assert((await reader.read()).done);
      await until(() => server.stats().connections === 0, "the end");
    },
  );
});

Deno.test("shutdown drops a client that does not close", async () => {
  await withServer(hello, async ({ server, port }) => {
    using client = await RawClient.connect(port);
    await client.send(LAST_GET);
    await client.rest();
    // The client never closes.
    await within(server.shutdown(), "the end of the server");
    assertEquals(server.stats().connections, 0);
  }, { idleTimeout: 100 });
});

Deno.test("a signal ends everything at once", async () => {
  const aborter = new AbortController();
  const reason = new Error("enough");
  const aborted = Promise.withResolvers<unknown>();
  const cancelled = Promise.withResolvers<unknown>();
  const release = Promise.withResolvers<void>();
  const raw = Promise.withResolvers<Duplex>();
  await withServer(async (req, res) => {
    if (req.path === "/raw") return raw.resolve(res.upgrade());
    if (req.path === "/stream") {
      return res.send(
        new ReadableStream({
          start: (controller) => controller.enqueue(encoder.encode("first")),
          cancel: (why) => cancelled.resolve(why),
        }),
      );
    }
    if (req.path === "/late") {
      req.signal.onabort = () => aborted.resolve(req.signal.reason);
      await release.promise;
    }
    res.send("done");
  }, async ({ server, port, errors }) => {
    const clients: RawClient[] = [];
    for (
      const [path, wait] of [
        ["/idle", "done"],
        ["/late", ""],
        ["/stream", "first"],
        ["/raw", "\r\n\r\n"],
      ]
    ) {
      const client = await RawClient.connect(port);
      clients.push(client);
      await client.send(
        `GET ${path} HTTP/1.1\r\nHost: a\r\n` +
          "Connection: upgrade\r\nUpgrade: raw\r\n\r\n",
      );
      await client.until(wait!);
    }
    const { readable } = await raw.promise;
    const rawRead = readable.getReader().read();
    await until(() => server.stats().requests === 4, "the requests");
    aborter.abort(reason);
    assertEquals(await within(aborted.promise, "req.signal"), reason);
    assertEquals(await within(cancelled.promise, "cancel"), reason);
    await assertRejects(() => within(rawRead, "the raw read"), Error, "enough");
    await until(() => server.stats().connections === 0, "the connections");
    await untilRefused(port);
    for (const client of clients) {
      await within(client.rest(), "the end").catch((error) => {
        assertInstanceOf(error, Deno.errors.ConnectionReset);
      });
      client.conn.close();
    }
    release.resolve();
    await within(server.finished, "the end of the server");
    assertEquals(errors, []);
  }, { signal: aborter.signal });
});

Deno.test("with an already aborted signal, no connection is accepted", async () => {
  const pools = new Pools();
  let called = false;
  const server = serve({
    hostname: "127.0.0.1",
    port: 0,
    pools,
    onListen: () => {},
    signal: AbortSignal.abort(),
  }, () => void (called = true));
  await within(server.finished, "the end of the server");
  await untilRefused(portOf(server.addr));
  assert(!called);
  assertAtRest(pools);
});

Deno.test("a signal cuts a shutdown short", async () => {
  const aborter = new AbortController();
  await withServer(async (req, res) => {
    await new Promise((resolve) => req.signal.onabort = resolve);
    res.send("for nobody");
  }, async ({ server, port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await until(() => server.stats().requests === 1, "the request");
    const finished = server.shutdown();
    await turn();
    aborter.abort();
    await within(finished, "the end of the server");
  }, { signal: aborter.signal });
});

for (const kind of ["native", "Fetch"]) {
  Deno.test(`an event stream ends itself by info.closing, ${kind}`, async () => {
    const events = (closing: AbortSignal) => {
      let timer: ReturnType<typeof setInterval>;
      return new ReadableStream<Uint8Array>({
        start(controller) {
          const event = new TextEncoder().encode("data: x\n\n");
          timer = setInterval(() => controller.enqueue(event), 5);
          closing.addEventListener("abort", () => {
            clearInterval(timer);
            controller.close();
          });
        },
        cancel: () => clearInterval(timer),
      });
    };
    const handler: Handler = kind === "native"
      ? (_req, res, info) => res.send(events(info.closing))
      : fetchHandler((_request, info) => new Response(events(info.closing!)));
    await withServer(handler, async ({ port, server }) => {
      using client = await RawClient.connect(port);
      await client.send(get("/"));
      await client.until("data: x");
      const ended = server.shutdown();
      const [answer] = answersIn(await client.rest());
      assertEquals(answer!.whole, true);
      await within(ended, "the end");
      assertEquals(server.stats().dropped, 0);
    });
  });
}
