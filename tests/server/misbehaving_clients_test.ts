/**
 * Clients that disconnect at any time, stall, or send slowly.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Handler } from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { GET, LAST_GET, postWith } from "../support/requests.ts";
import { turn, until, within } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

/** A handler with a path for every phase in which a client can disconnect. */
function manyWays(signals: { begun: () => void }): Handler {
  return async (req, res) => {
    signals.begun();
    switch (req.path) {
      case "/body":
        return res.send(await req.text());
      case "/echo":
        return res.send(req.body);
      case "/late":
        await new Promise((resolve) => setTimeout(resolve, 30));
        return res.send("late");
      case "/endless":
        return res.send(
          new ReadableStream({
            async pull(controller) {
              await turn();
              controller.enqueue(new Uint8Array(20_000));
            },
          }),
        );
      case "/stalled":
        return res.send(
          new ReadableStream({
            start: (controller) => controller.enqueue(new Uint8Array(10)),
          }),
        );
      case "/large":
        return res.send(new Uint8Array(8_000_000));
    }
    res.send("hello");
  };
}

/** The bytes the client sends, and the response bytes it awaits before it disconnects. */
const LEAVINGS: Record<
  string,
  [sends: string, awaits: "" | "handler" | string]
> = {
  "before a byte": ["", ""],
  "in the middle of a request line": ["GET /a", ""],
  "in the middle of a head": [postWith("/a", "X-Na"), ""],
  "before a body": [
    postWith("/body", "Content-Length: 9\r\n\r\n"),
    "handler",
  ],
  "before a 100 (Continue)": [
    postWith("/body", "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"),
    "100 Continue",
  ],
  "in the middle of a body": [
    postWith("/body", "Content-Length: 9\r\n\r\nsome"),
    "handler",
  ],
  "in the middle of a chunk": [
    postWith("/body", "Transfer-Encoding: chunked\r\n\r\n9\r\nsome"),
    "handler",
  ],
  "in the middle of a body that is sent back": [
    postWith("/echo", "Content-Length: 9\r\n\r\nsome"),
    "some",
  ],
  "in the middle of a body that nobody reads": [
    postWith("/late", "Content-Length: 9\r\n\r\nsome"),
    "handler",
  ],
  "while the handler works": [postWith("/late"), "handler"],
  "while the handler works, with more requests behind": [
    postWith("/late") + postWith("/late") + postWith("/a"),
    "handler",
  ],
  "before a large response": [postWith("/large"), "handler"],
  "in the middle of a large response": [postWith("/large"), "200 OK"],
  "in the middle of an endless response": [postWith("/endless"), "200 OK"],
  "while a response waits for its next piece": [
    postWith("/stalled"),
    "200 OK",
  ],
  "in the middle of an endless response, with more requests behind": [
    postWith("/endless") + postWith("/a"),
    "200 OK",
  ],
  "after a response": [postWith("/a"), "hello"],
  "while the server lingers": [
    postWith("/a", "Connection: close\r\n\r\n"),
    "hello",
  ],
  "after a refusal": ["GET /\r\n", "400 Bad Request"],
};

for (const how of ["closes", "ends its side first"]) {
  Deno.test(`a client that ${how} at any time leaks nothing`, async (t) => {
    let begun = () => {};
    await withServer(manyWays({ begun: () => begun() }), async (running) => {
      const { server, port, pools, errors } = running;
      for (const [when, [sends, awaits]] of Object.entries(LEAVINGS)) {
        await t.step(when, async () => {
          const handler = new Promise<void>((resolve) => begun = resolve);
          using client = await RawClient.connect(port);
          const { accepted } = server.stats();
          await client.send(sends);
          if (awaits === "handler") await within(handler, "the handler");
          else if (awaits !== "") await within(client.until(awaits), awaits);
          else {
            // Waits until the server has accepted the connection.
            await until(
              () => server.stats().connections === 1,
              `the connection, of ${accepted}`,
            );
          }
          if (how !== "closes") {
            await client.conn.closeWrite();
            await turn();
          }
          client.conn.close();
          await until(
            () => server.stats().connections === 0,
            "the connection to be given up",
          );
          await until(
            () => pools.stats().requests.inUse === 0,
            "the handler to be done",
          );
          assertAtRest(pools);
          assertStringIncludes(await answerTo(port, LAST_GET), "hello");
          await until(() => server.stats().connections === 0, "the end");
        });
      }
      assertEquals(errors, [], "what a client does is no fault of the program");
    }, { bodyTimeout: 100, writeTimeout: 100 });
  });
}

Deno.test("a client that half-closes early is answered", async () => {
  await withServer(async (req, res) => {
    const text = await req.text();
    await turn();
    res.send(`got ${text}`);
  }, async ({ port, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(postWith("/", "Content-Length: 4\r\n\r\nbody") + GET);
    await client.conn.closeWrite();
    const answer = await within(client.rest(), "the answers");
    assertEquals(answer.match(/got (body)?/g), ["got body", "got "]);
    assertEquals(errors, []);
  });
});

Deno.test("a client that sends single bytes is served", async () => {
  await withServer(async (req, res) => {
    const text = await req.text();
    res.json([req.target, text, req.trailers?.get("x-sum") ?? null]);
  }, async ({ port }) => {
    using client = await RawClient.connect(port);
    (client.conn as Deno.TcpConn).setNoDelay(true);
    const wire = postWith("/a?b", "Content-Length: 4\r\n\r\nbody") +
      postWith(
        "/c",
        "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nX-Sum: 7\r\n\r\n",
      ) + LAST_GET;
    for (const byte of wire) {
      await client.send(byte);
      // Makes each byte arrive in a separate read.
      await turn();
    }
    await within(client.rest(), "the answers");
    assertEquals(client.received.match(/\[.*\]/g), [
      '["/a?b","body",null]',
      '["/c","abcd","7"]',
      '["/","",null]',
    ]);
  });
});

Deno.test("a client that stops reading is dropped, and its stream cancelled", async () => {
  const cancelled = Promise.withResolvers<unknown>();
  let aborted = false;
  await withServer((req, res) => {
    req.signal.onabort = () => aborted = true;
    res.send(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
        cancel: (reason) => cancelled.resolve(reason),
      }),
    );
  }, async ({ server, port, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await client.until("200 OK");
    const reason = await within(cancelled.promise, "the stream's cancel");
    assertEquals((reason as DOMException).name, "TimeoutError");
    await until(() => server.stats().connections === 0, "the drop");
    assert(aborted, "the signal was not aborted");
    assertEquals(errors, []);
  }, { writeTimeout: 150 });
});

Deno.test("requests wait while their client reads no answers", async () => {
  const COUNT = 20_000;
  await withServer(
    (_req, res) => res.send("x".repeat(10_000)),
    async (running) => {
      const { server, port, errors } = running;
      using client = await RawClient.connect(port);
      const sent = client.send(GET.repeat(COUNT)).catch(() => {});
      await until(() => server.stats().accepted === 1, "the connection");
      await until(() => server.stats().connections === 0, "the drop");
      const { requests } = server.stats();
      assert(requests > 0 && requests < COUNT, `${requests} were answered`);
      client.conn.close();
      await sent;
      assertEquals(errors, []);
    },
    { writeTimeout: 150 },
  );
});

Deno.test("a client that pauses reading gets the whole response", async () => {
  const COUNT = 3000;
  await withServer((req, res) => {
    res.send(`<${req.query}>`.padEnd(10_000, "x"));
  }, async ({ server, port }) => {
    using client = await RawClient.connect(port);
    let wire = "";
    for (let i = 0; i < COUNT; i++) {
      wire += `GET /?${i} HTTP/1.1\r\nHost: a\r\n\r\n`;
    }
    const sent = client.send(wire + LAST_GET);
    // Starts reading once the server is blocked by backpressure.
    let before = -1;
    await until(() => {
      const { requests } = server.stats();
      const stopped = requests === before && requests > 0;
      before = requests;
      return stopped;
    }, "the server to stop");
    assert(server.stats().requests < COUNT, "it never stopped");
    const parts: string[] = [];
    while (await client.read()) {
      parts.push(client.received);
      client.received = "";
    }
    await sent;
    assertEquals(
      parts.join("").match(/<\d*>/g),
      [...Array.from({ length: COUNT }, (_, i) => `<${i}>`), "<>"],
    );
  });
});
