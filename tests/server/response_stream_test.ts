/**
 * Streams as response bodies: failures, backpressure and disconnects.
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { Pools, prepareResponse, serveConnection } from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf } from "../support/bytes.ts";
import { rawExchange } from "../support/exchange.ts";
import { MemoryConn } from "../support/memory_conn.ts";
import { RawClient, ResettingClient } from "../support/raw_client.ts";
import { GET_10, keep, LAST_GET } from "../support/requests.ts";
import { answersIn } from "../support/response_reader.ts";
import { cancellable } from "../support/streams.ts";
import { settle, sleep, test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

const PREPARED_TEXT = prepareResponse({ body: "prepared: ü" });

test("a failing stream truncates the response", async () => {
  const failure = new Error("no more");
  for (const chunks of [0, 2]) {
    for (const request of [keep("GET"), GET_10]) {
      let left = chunks;
      const { body, errors } = await rawExchange((_req, res) => {
        left = chunks;
        res.send(
          new ReadableStream({
            pull(controller) {
              if (left-- > 0) controller.enqueue(bytesOf("abc"));
              else controller.error(failure);
            },
          }, { highWaterMark: 0 }),
        );
      }, request);
      const chunk = request === GET_10 ? "abc" : "3\r\nabc\r\n";
      assertEquals(body, chunk.repeat(chunks));
      assertEquals(errors, [failure]);
    }
  }
});

test("a stream chunk that is not bytes truncates the response", async () => {
  for (
    const chunk of ["text", 1, null, new ArrayBuffer(2), new Uint16Array(1)]
  ) {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const { body, errors } = await rawExchange((_req, res) => {
      res.send(
        new ReadableStream<Uint8Array>({
          start(controller) {
            controller.enqueue(bytesOf("abc"));
            controller.enqueue(chunk as unknown as Uint8Array);
          },
          cancel: resolve,
        }),
      );
    });
    assertEquals(body, "3\r\nabc\r\n");
    assertEquals(errors.length, 1);
    assertInstanceOf(errors[0], TypeError);
    assertEquals(await promise, errors[0]);
  }
});

test("a stream is read no faster than the client takes it", async () => {
  for (const size of [1000, 16_384, 50_000]) {
    const pools = new Pools();
    const conn = new MemoryConn([LAST_GET], {
      ends: "after the server",
      largestWrite: 10_000,
    });
    conn.hold();
    const total = 40 * 65_536;
    let pulled = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(size).fill(0x78));
        if ((pulled += size) >= total) controller.close();
      },
    }, { highWaterMark: 0 });
    const served = serveConnection(conn, (_req, res) => res.send(stream), {
      pools,
    });
    await settle();
    const held = pulled;
    // The output buffer plus the chunk that exceeded it.
    assert(held > 0 && held <= 65_536 + size, `${held} bytes were pulled`);
    await settle();
    assertEquals(pulled, held, "pulls went on");
    const { slabs } = pools.stats();
    const inUse = slabs.reduce((sum, { inUse }) => sum + inUse, 0);
    assert(inUse <= 8, `${inUse} slabs are in use`);
    conn.letGo();
    await served;
    const [answer] = answersIn(conn.wire);
    assertEquals(answer!.body.length, pulled);
    assert(pulled >= total);
    assertAtRest(pools);
  }
});

test("backpressure pauses the stream, and reading resumes it", async () => {
  let pulled = 0;
  const { promise: cancelled, resolve } = Promise.withResolvers<void>();
  const chunk = new Uint8Array(65_536);
  const endless = () =>
    new ReadableStream<Uint8Array>({
      async pull(controller) {
        // Yields to the event loop, so that a server without backpressure fails the test
        // instead of hanging it.
        await new Promise((resolve) => setTimeout(resolve, 0));
        controller.enqueue(chunk);
        pulled += chunk.length;
      },
      cancel: () => resolve(),
    }, { highWaterMark: 0 });
  await withServer(
    (_req, res) => res.send(endless()),
    async ({ port, errors }) => {
      {
        using client = await RawClient.connect(port);
        await client.send(LAST_GET);
        await client.until("\r\n\r\n");
        // The stream pauses once the socket buffers are full.
        let before = -1;
        while (pulled !== before) {
          before = pulled;
          assert(pulled < 256 * 1024 * 1024, "nothing stops the stream");
          await sleep(100);
        }
        const buffer = new Uint8Array(262_144);
        for (let read = 0; read < pulled;) {
          read += await client.conn.read(buffer) ?? 0;
          if (pulled > before) break;
        }
        while (pulled === before) {
          assert(await client.conn.read(buffer) !== null, "the stream ended");
        }
      }
      await cancelled;
      // A disconnect is not an error.
      assertEquals(errors, []);
    },
  );
});

/** Sends a request, waits for `part` of the answer, and resets the connection. */
async function askAndReset(
  port: number,
  request: string,
  part: string,
): Promise<void> {
  const client = new ResettingClient(port, request);
  await client.until(part);
  await client.reset();
}

test("a silent stream is cancelled when the client resets the connection", async () => {
  for (const first of ["x", "x".repeat(100_000)]) {
    const { stream, cancelled } = cancellable(first);
    await withServer((_req, res) => res.send(stream), async (running) => {
      await askAndReset(running.port, keep("GET"), "\r\n\r\n");
      await cancelled;
      assertEquals(running.errors, []);
    });
  }
});

test("sending to a disconnected client does not throw, and its stream is cancelled", async () => {
  for (const body of ["text", bytesOf("x"), null, "stream", "prepared"]) {
    const { stream, cancelled } = cancellable("abc");
    const { promise: handled, resolve } = Promise.withResolvers<boolean>();
    await withServer(async (req, res) => {
      const { signal } = req;
      res.send(null, { status: 103 });
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      res.send(null, { status: 103 });
      if (body === "stream") res.send(stream);
      else res.send(body === "prepared" ? PREPARED_TEXT : body);
      resolve(res.sent);
    }, async ({ port, errors }) => {
      await askAndReset(port, keep("GET"), "103");
      assertEquals(await handled, true);
      if (body === "stream") await cancelled;
      assertEquals(errors, []);
    });
  }
});

test("a handler that fails because of a disconnect is not reported", async () => {
  const { promise: handled, resolve } = Promise.withResolvers<void>();
  await withServer(async ({ signal }, res) => {
    res.send(null, { status: 103 });
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    resolve();
    signal.throwIfAborted();
  }, async ({ port, errors }) => {
    await askAndReset(port, keep("GET"), "103");
    await handled;
    assertEquals(errors, []);
  });
});
