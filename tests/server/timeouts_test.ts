/**
 * Timeouts of a connection: idle, head, body and write.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { HttpError, type HttpRequest } from "@pooled/http1";
import { bytesOf } from "../support/bytes.ts";
import { echoTarget } from "../support/handlers.ts";
import { RawClient } from "../support/raw_client.ts";
import { get, last, post } from "../support/requests.ts";
import { answersIn, bodiesOf, fieldOf } from "../support/response_reader.ts";
import { cancellable } from "../support/streams.ts";
import { sleep, test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

test("a connection without any input is closed without an answer", async () => {
  await withServer(echoTarget, async ({ port, server }) => {
    using client = await RawClient.connect(port);
    assertEquals(await client.rest(), "");
    assertEquals(server.stats().refusals, {});
  }, { headTimeout: 100 });
});

/** Sends a byte at intervals until the server has answered and closed. */
async function trickle(client: RawClient, text: string): Promise<string> {
  let over = false;
  const rest = client.rest().finally(() => over = true);
  for (let i = 0; !over; i++) {
    await client.send(text[i % text.length]!).catch(() => over = true);
    await sleep(15);
  }
  return await rest;
}

test("a head that trickles in byte by byte is refused with 408", async () => {
  await withServer(echoTarget, async ({ port, server, errors }) => {
    for (const first of ["", get("/first")]) {
      using client = await RawClient.connect(port);
      await client.send(`${first}GET / HTTP/1.1\r\nHost: a\r\nX: `);
      const answers = answersIn(await trickle(client, "y"));
      assertEquals(
        answers.map(({ status }) => status),
        first === "" ? [408] : [200, 408],
      );
      const refusal = answers.at(-1)!;
      assertEquals(fieldOf(refusal, "connection"), "close");
      assertStringIncludes(refusal.body, "head-timeout: ");
    }
    assertEquals(server.stats().refusals, { "head-timeout": 2 });
    assertEquals(errors, []);
  }, { headTimeout: 100 });
});

test("reading a body that never arrives rejects with a 408", async () => {
  const readers: ((req: HttpRequest) => Promise<unknown>)[] = [
    (req) => req.text(),
    async (req) => {
      for await (const _chunk of req.body!);
    },
  ];
  const cases = readers.flatMap((read) =>
    [false, true].map((catches) => ({ read, catches }))
  );
  await Promise.all(cases.map(async ({ read, catches }) => {
    const seen: unknown[] = [];
    await withServer(async (req, res) => {
      await read(req).catch((error) => {
        seen.push(error);
        if (!catches) throw error;
      });
      res.send("own", { status: 503 });
    }, async ({ port, server, errors }) => {
      using client = await RawClient.connect(port);
      await client.send(post("/", "0123456789").slice(0, -3));
      const [answer, ...more] = answersIn(await client.rest());
      assertEquals(answer!.status, catches ? 503 : 408);
      assertEquals([more.length, errors.length], [0, 0]);
      const [error] = seen;
      assertInstanceOf(error, HttpError);
      assertEquals([error.code, error.status], ["body-timeout", 408]);
      if (!catches) {
        assertStringIncludes(answer!.body, "body-timeout: ");
        assertEquals(fieldOf(answer!, "connection"), "close");
      }
      assertEquals(server.stats().refusals, { "body-timeout": 1 });
    }, { bodyTimeout: 100 });
  }));
});

test("neither a slow body that makes progress nor a slow handler times out", async () => {
  await withServer(async (req, res) => {
    if (req.method === "GET") await sleep(250);
    res.send(await req.text());
  }, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(post("/", "0123456789").slice(0, -10));
    for (const digit of "0123456789") {
      await client.send(digit);
      await sleep(25);
    }
    await client.send(last());
    const answers = answersIn(await client.rest());
    assertEquals(
      answers.map(({ status, body }) => [status, body]),
      [[200, "0123456789"], [200, ""]],
    );
  }, {
    bodyTimeout: 100,
    minBodyRate: 0,
    headTimeout: 100,
    idleTimeout: 100,
  });
});

test("bodyTimeout also applies to the rest of an unread body", async () => {
  await withServer(echoTarget, async ({ port, server }) => {
    using client = await RawClient.connect(port);
    await client.send(post("/a", "0123456789").slice(0, -3));
    assertEquals(bodiesOf(await client.rest()), ["/a"]);
    assertEquals(server.stats().requests, 1);
  }, { bodyTimeout: 100 });
});

test("an idle connection is closed", async () => {
  await withServer(echoTarget, async ({ port, server }) => {
    using client = await RawClient.connect(port);
    for (const target of ["/1", "/2"]) {
      await client.send(get(target));
      await client.until(target);
    }
    assertEquals(bodiesOf(await client.rest()), ["/1", "/2"]);
    assertEquals(server.stats().refusals, {});
  }, { idleTimeout: 100 });
});

test("a client that stops reading is dropped", async () => {
  const { promise: cancelled, resolve } = Promise.withResolvers<unknown>();
  const { promise: aborted, resolve: abort } = Promise.withResolvers<unknown>();
  await withServer((req, res) => {
    const { signal } = req;
    signal.addEventListener("abort", () => abort(signal.reason));
    res.send(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
        cancel: resolve,
      }),
    );
  }, async ({ port, server, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(get("/"));
    const reason = await cancelled;
    assertInstanceOf(reason, DOMException);
    assertEquals(reason.name, "TimeoutError");
    assertStrictEquals(await aborted, reason);
    assertEquals(server.stats().connections, 0);
    assertEquals(errors, []);
  }, { writeTimeout: 150 });
});

test("a client that reads slowly is not dropped", async () => {
  const large = "x".repeat(10 * 1024 * 1024);
  await withServer((_req, res) => res.send(large), async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(last());
    for (let i = 0; i < 8; i++) {
      // Reads a lot at once: a socket becomes writable only with plenty of free space.
      const before = client.received.length;
      while (client.received.length < before + 1024 * 1024) {
        assert(await client.read());
      }
      await sleep(200);
    }
    assertEquals(answersIn(await client.rest())[0]!.whole, true);
  }, { writeTimeout: 1000 });
});

test("a silent stream to a half-closed client is cancelled", async () => {
  const { stream, cancelled } = cancellable();
  await withServer(
    (_req, res) => res.send(stream),
    async ({ port, errors }) => {
      using client = await RawClient.connect(port);
      await client.send(get("/"));
      await client.until("\r\n\r\n");
      await client.conn.closeWrite();
      await cancelled;
      await client.rest().catch(() => {});
      assertEquals(client.received.split("\r\n\r\n")[1], "");
      assertEquals(errors, []);
    },
    { bodyTimeout: 100 },
  );
});

test("a silent stream to an open client and an active stream are not cancelled", async () => {
  for (const ends of [false, true]) {
    await withServer((_req, res) => {
      let left = ends ? 8 : 1;
      res.send(
        new ReadableStream({
          async pull(controller) {
            await sleep(ends ? 30 : 200);
            if (left-- === 0) return controller.close();
            controller.enqueue(bytesOf("x"));
          },
        }, { highWaterMark: 0 }),
      );
    }, async ({ port, errors }) => {
      using client = await RawClient.connect(port);
      await client.send(last());
      if (ends) await client.conn.closeWrite();
      const [answer] = answersIn(await client.rest());
      assertEquals(
        [answer!.whole, answer!.body],
        [true, "x".repeat(ends ? 8 : 1)],
      );
      assertEquals(errors, []);
    }, { bodyTimeout: 100 });
  }
});
