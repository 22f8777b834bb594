/**
 * An array can have a property `length` of its own. If that counted, bytes of other
 * messages would follow the array's own out of a pooled slab: it is refused everywhere.
 */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  connect,
  type Handler,
  prepareResponse,
  readRequests,
  request,
  RequestParser,
  RequestStream,
  ResponseParser,
  serveConnection,
} from "@pooled/http1";
import { bytesOf } from "../support/bytes.ts";
import { memoryConn } from "../support/plain_conn.ts";
import { until, within } from "../support/waiting.ts";

/** Two bytes that tell of a hundred. */
const falseBytes = () =>
  Object.defineProperty(bytesOf("GE"), "length", { value: 100 });

const streamOf = (bytes: Uint8Array) =>
  new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(bytes);
    },
  });

for (const Parser of [RequestParser, ResponseParser]) {
  Deno.test(`${Parser.name} refuses an array of a false length`, () => {
    using parser = new Parser();
    assertThrows(() => parser.push(falseBytes()), TypeError);
  });
}

Deno.test("streams refuse an array of a false length", async () => {
  await assertRejects(
    async () => {
      for await (const one of readRequests(streamOf(falseBytes()))) {
        one.release();
      }
    },
    TypeError,
  );
  const { writable, readable } = new RequestStream();
  const reading = readable.getReader().read();
  await assertRejects(
    () => writable.getWriter().write(falseBytes()),
    TypeError,
  );
  await assertRejects(() => reading, TypeError);
});

Deno.test("a connection refuses received bytes of a false length", () => {
  const conn = memoryConn("");
  assertThrows(
    () => void serveConnection(conn, () => {}, { received: falseBytes() }),
    TypeError,
  );
  conn.close();
});

Deno.test("responses refuse a body of a false length", async () => {
  const bodies: [string, Handler][] = [
    ["bytes", (_req, res) => res.send(falseBytes())],
    ["a stream", (_req, res) => res.send(streamOf(falseBytes()))],
    [
      "prepared",
      (_req, res) => res.send(prepareResponse({ body: falseBytes() })),
    ],
  ];
  for (const [what, handler] of bodies) {
    const errors: unknown[] = [];
    const answer = await request(handler, "/", undefined, {
      onError: (error) => void errors.push(error),
    }).then(
      async (response: Response) => await response.text().catch(() => "cut"),
      () => "cut",
    );
    assertEquals(errors[0] instanceof TypeError, true, what);
    assertEquals(answer.length < 30, true, `${what}: ${answer}`);
  }
});

Deno.test("an upgraded connection refuses a chunk of a false length", async () => {
  const conn = memoryConn(
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
  );
  const done = Promise.withResolvers<void>();
  serveConnection(conn, async (_req, res) => {
    const { writable } = res.upgrade();
    const writer = writable.getWriter();
    writer.closed.catch(() => {});
    await until(() => conn.written !== "", "the 101");
    await assertRejects(() => writer.write(falseBytes()), TypeError);
    done.resolve();
  });
  await within(done.promise, "the refusal");
  assertEquals(conn.written.split("\r\n\r\n").slice(1), [""]);
});

Deno.test("a client refuses a body of a false length", async () => {
  const conn = memoryConn("");
  await using client = connect(conn, { authority: "a" });
  await assertRejects(
    () => client.request({ method: "POST", target: "/", body: falseBytes() }),
    TypeError,
  );
});
