/**
 * `RequestStream`: backpressure on its writer, aborts, and refusals.
 */

import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  HttpError,
  type HttpRequest,
  Pools,
  RequestStream,
} from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf } from "../support/bytes.ts";
import { GET, post } from "../support/requests.ts";
import { streamOf } from "../support/streams.ts";
import { settle } from "../support/waiting.ts";

const encoder = new TextEncoder();

Deno.test("a writer may reuse its buffer after each write", async () => {
  // The writer reuses one buffer, like a socket read loop.
  const pools = new Pools();
  const { readable, writable } = new RequestStream({ pools });
  const buffer = new Uint8Array(64);
  const writer = writable.getWriter();
  const seen: HttpRequest[] = [];
  const reading = (async () => {
    for await (const request of readable) seen.push(request);
  })();
  for (const path of ["/a", "/b", "/c"]) {
    const { written } = encoder.encodeInto(
      `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`,
      buffer,
    );
    await writer.write(buffer.subarray(0, written));
  }
  buffer.fill(0);
  await writer.close();
  await reading;
  assertEquals(seen.map((request) => request.target), ["/a", "/b", "/c"]);
  for (const request of seen) request.release();
  assertAtRest(pools);
});

Deno.test("an unread body applies backpressure to the writer", async () => {
  const pools = new Pools();
  const { readable, writable } = new RequestStream({ pools });
  const writer = writable.getWriter();
  const reader = readable.getReader();
  let written = false;
  writer.write(bytesOf(post("/post", "x".repeat(1000)) + GET))
    .then(() => written = true);
  const request = (await reader.read()).value!;
  await settle();
  assertEquals(written, false);
  assertEquals((await request.bytes()).length, 1000);
  await settle();
  assertEquals(written, false, "the next request is still in the chunk");
  request.release();
  (await reader.read()).value!.release();
  const end = reader.read();
  await settle();
  assertEquals(written, true);
  await writer.close();
  assertEquals((await end).done, true);
  assertAtRest(pools);
});

Deno.test("RequestStream: abort errors the readable side, also during a write", async () => {
  for (const wire of [GET.slice(0, 9), post("/post", "x".repeat(100)) + GET]) {
    const pools = new Pools();
    const { readable, writable } = new RequestStream({ pools });
    const writer = writable.getWriter();
    const reader = readable.getReader();
    const asked = reader.read();
    const write = writer.write(bytesOf(wire));
    write.catch(() => {});
    await settle();
    const reason = new Error("gone");
    await writer.abort(reason);
    const request = await asked.then(({ value }) => value, () => undefined);
    if (request !== undefined) {
      await assertRejects(() => request.text(), Error, "gone");
      request.release();
    }
    await assertRejects(() => reader.read(), Error, "gone");
    await assertRejects(() => writer.closed, Error, "gone");
    assertAtRest(pools);
  }
});

Deno.test("RequestStream: cancel errors the writable side", async () => {
  const pools = new Pools();
  const { readable, writable } = new RequestStream({ pools });
  const writer = writable.getWriter();
  const write = writer.write(bytesOf(GET + GET));
  const reader = readable.getReader();
  (await reader.read()).value!.release();
  await reader.cancel(new Error("enough"));
  await assertRejects(() => write, Error, "enough");
  await assertRejects(() => writer.closed, Error, "enough");
  assertAtRest(pools);
});

Deno.test("RequestStream: a refusal errors the writable side and cancels a piped source", async () => {
  const pools = new Pools();
  let reached: unknown;
  const bad = streamOf(
    [GET + "BAD\r\n\r\n"],
    undefined,
    (reason) => void (reached = reason),
  );
  const reader = bad.pipeThrough(new RequestStream({ pools })).getReader();
  (await reader.read()).value!.release();
  await assertRejects(() => reader.read(), HttpError);
  await settle();
  assertInstanceOf(reached, HttpError);
  assertAtRest(pools);
});

Deno.test("RequestStream: close rejects in the middle of a message", async () => {
  const pools = new Pools();
  const { readable, writable } = new RequestStream({ pools });
  const writer = writable.getWriter();
  const asked = readable.getReader().read();
  asked.catch(() => {});
  await writer.write(bytesOf(GET.slice(0, 10)));
  const error = await assertRejects(() => writer.close(), HttpError);
  assertEquals(error.code, "unexpected-eof");
  await assertRejects(() => asked, HttpError);
  assertAtRest(pools);
});

Deno.test("RequestStream: writing anything but a Uint8Array rejects", async () => {
  const { readable, writable } = new RequestStream();
  const writer = writable.getWriter();
  await assertRejects(() => writer.write("GET /" as never), TypeError);
  await assertRejects(() => readable.getReader().read(), TypeError);
});
