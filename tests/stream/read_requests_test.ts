/**
 * `readRequests`: errors and cancellation of its source, and streamed bodies.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { toText } from "@std/streams";
import { HttpError, Pools, readRequests } from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf } from "../support/bytes.ts";
import { chunked, GET, post } from "../support/requests.ts";
import { streamOf } from "../support/streams.ts";
import { settle } from "../support/waiting.ts";

/** A byte or default stream and its controller. */
function lateSource(type: "bytes" | undefined): {
  late: ReadableStream<Uint8Array<ArrayBuffer>>;
  controller: ReadableByteStreamController;
} {
  let controller!: ReadableByteStreamController;
  const late = new ReadableStream({
    type: type as "bytes",
    start: (given) => void (controller = given),
  });
  return { late, controller };
}

Deno.test("a pending buffered read finishes before the next request arrives", async () => {
  const pools = new Pools();
  const wire = post("/post", "hello") + GET;
  const reader = readRequests(
    streamOf([wire.slice(0, 60), wire.slice(60)], "bytes"),
    { pools },
  ).getReader();
  const first = (await reader.read()).value!;
  const [text, second] = await Promise.all([first.text(), reader.read()]);
  assertEquals(text, "hello");
  assertEquals(second.value!.method, "GET");
  first.release();
  second.value!.release();
  assertEquals((await reader.read()).done, true);
  assertAtRest(pools);
});

Deno.test("two concurrent reads resolve in order", async () => {
  const pools = new Pools();
  const reader = readRequests(
    streamOf([GET, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"], "bytes"),
    {
      pools,
    },
  ).getReader();
  const [first, second] = await Promise.all([reader.read(), reader.read()]);
  assertEquals([first.value!.target, second.value!.target], ["/", "/2"]);
  first.value!.release();
  second.value!.release();
  await reader.cancel();
  assertAtRest(pools);
});

Deno.test("cancel passes its reason to the source", async () => {
  for (const byob of [true, false]) {
    const pools = new Pools();
    let reached: unknown;
    const endless = streamOf(
      [GET],
      byob ? "bytes" : undefined,
      (reason) => void (reached = reason),
    );
    const reader = readRequests(endless, { pools }).getReader();
    (await reader.read()).value!.release();
    await reader.cancel("enough");
    assertEquals(reached, "enough");
    assertAtRest(pools);
  }
});

Deno.test("a source chunk that is not a Uint8Array is an error and cancels the source", async () => {
  for (const chunk of ["GET / HTTP/1.1", new ArrayBuffer(9), null, 7]) {
    const pools = new Pools();
    let reached: unknown;
    const odd = new ReadableStream({
      pull: (controller) => controller.enqueue(chunk as never),
      cancel: (reason) => void (reached = reason),
    }, { highWaterMark: 0 });
    const reader = readRequests(odd, { pools }).getReader();
    await assertRejects(() => reader.read(), TypeError, "no Uint8Array");
    await settle();
    assertInstanceOf(reached, TypeError);
    assertAtRest(pools);
  }
});

Deno.test("cancel in the same tick as arriving bytes", async () => {
  for (const type of ["bytes", undefined] as const) {
    const pools = new Pools();
    const { late, controller } = lateSource(type);
    const reader = readRequests(late, { pools }).getReader();
    const asked = reader.read();
    await settle();
    controller.enqueue(bytesOf(GET));
    await reader.cancel();
    assertEquals((await asked).done, true);
    await settle();
    assertAtRest(pools);
  }
});

Deno.test("a reader that releases its lock while waiting gets no request", async () => {
  for (const type of ["bytes", undefined] as const) {
    const pools = new Pools();
    const { late, controller } = lateSource(type);
    const requests = readRequests(late, { pools });
    const first = requests.getReader();
    const asked = first.read();
    asked.catch(() => {});
    await settle();
    first.releaseLock();
    const second = requests.getReader();
    controller.enqueue(bytesOf(GET + GET));
    await settle();
    assertEquals(pools.stats().requests.inUse, 0);
    (await second.read()).value!.release();
    await second.cancel();
    assertAtRest(pools);
  }
});

Deno.test("an error of the source reaches the reader and the body", async () => {
  for (const type of ["bytes", undefined] as const) {
    const pools = new Pools();
    let sent = false;
    const broken = new ReadableStream({
      type: type as "bytes",
      pull(controller) {
        if (sent) throw new Error("the cable is out");
        sent = true;
        controller.enqueue(bytesOf(post("/post", "hello").slice(0, -2)));
      },
    });
    const reader = readRequests(broken, { pools }).getReader();
    const request = (await reader.read()).value!;
    await assertRejects(() => request.text(), Error, "the cable is out");
    request.release();
    await assertRejects(() => reader.read(), Error, "the cable is out");
    assertAtRest(pools);
  }
});

Deno.test("a locked source throws", () => {
  const locked = streamOf([GET], "bytes");
  locked.getReader();
  assertThrows(() => readRequests(locked), TypeError);
});

Deno.test("the source is not read before the first request is asked for", async () => {
  let pulls = 0;
  const lazy = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulls++;
      controller.enqueue(bytesOf(GET));
    },
  }, { highWaterMark: 0 });
  const pools = new Pools();
  const reader = readRequests(lazy, { pools }).getReader();
  await settle();
  assertEquals(pulls, 0);
  (await reader.read()).value!.release();
  await settle();
  assertEquals(pulls, 1);
  await reader.cancel();
  assertAtRest(pools);
});

Deno.test("a BYOB reader can read a body", async () => {
  const pools = new Pools();
  const reader = readRequests(
    streamOf(
      [post("/post", "hello world"), chunked("/chunked", "ab", "cd")],
      "bytes",
    ),
    { pools },
  ).getReader();
  for (const expected of ["hello world", "abcd"]) {
    const request = (await reader.read()).value!;
    const body = request.body!.getReader({ mode: "byob" });
    let text = "";
    for (let buffer = new ArrayBuffer(4);;) {
      const { done, value } = await body.read(new Uint8Array(buffer));
      if (done) break;
      assert(value.length <= 4);
      text += new TextDecoder().decode(value);
      buffer = value.buffer;
    }
    assertEquals(text, expected);
    request.release();
  }
  assertEquals((await reader.read()).done, true);
  assertAtRest(pools);
});

Deno.test("concurrent reads of a body resolve in order", async () => {
  for (const byob of [true, false]) {
    for (
      const wire of [
        chunked("/chunked", "ab", "cd", "ef"),
        post("/post", "abcdef"),
      ]
    ) {
      const pools = new Pools();
      const cut = wire.indexOf("\r\n\r\n") + 4;
      let given = 0;
      const slow = new ReadableStream({
        type: (byob ? "bytes" : undefined) as "bytes",
        async pull(controller) {
          await settle();
          const end = given === 0 ? cut : given + 1;
          const piece = wire.slice(given, end);
          given = end;
          if (piece !== "") return controller.enqueue(bytesOf(piece));
          controller.close();
          controller.byobRequest?.respond(0);
        },
      });
      const requests = readRequests(slow, { pools }).getReader();
      const request = (await requests.read()).value!;
      const body = request.body!.getReader();
      const first = [body.read(), body.read()];
      await settle();
      const later = Array.from({ length: 6 }, () => body.read());
      const reads = await Promise.all([...first, ...later]);
      const text = reads.map(({ value }) => new TextDecoder().decode(value));
      assertEquals(text.join(""), "abcdef");
      request.release();
      assertEquals((await requests.read()).done, true);
      assertAtRest(pools);
    }
  }
});

Deno.test("a large body is buffered or streamed in full", async () => {
  const big = "0123456789abcdef".repeat(60_000); // 960,000 bytes
  for (const byob of [true, false]) {
    const pools = new Pools();
    const wire = post("/post", big) +
      chunked("/chunked", big.slice(0, 100_000), big.slice(100_000)) +
      post("/post", big) + chunked("/chunked", big);
    const chunks: string[] = [];
    for (let i = 0; i < wire.length; i += 70_000) {
      chunks.push(wire.slice(i, i + 70_000));
    }
    let count = 0;
    for await (
      using request of readRequests(
        streamOf(chunks, byob ? "bytes" : undefined),
        { pools },
      )
    ) {
      const text = ++count <= 2
        ? await request.text()
        : await toText(request.body!);
      assert(text === big, `body ${count}`);
    }
    assertEquals(count, 4);
    assertAtRest(pools);
  }
});

Deno.test("a stream of pipelined requests uses few slabs", async () => {
  const pools = new Pools();
  const burst = GET.repeat(2000);
  const chunks = Array.from({ length: 20 }, () => burst);
  let count = 0;
  for (const byob of [true, false]) {
    for await (
      using request of readRequests(
        streamOf(chunks, byob ? "bytes" : undefined),
        { pools },
      )
    ) {
      if (request.method === "GET") count++;
    }
  }
  assertEquals(count, 80_000);
  const { requests, slabs } = pools.stats();
  const made = slabs.reduce((sum, tier) => sum + tier.created, 0);
  assert(requests.created <= 2, `${requests.created} request objects`);
  assert(made <= 8, `${made} slabs`);
  assertAtRest(pools);
});

Deno.test("leaving the loop with a body's refusal throws only that refusal", async () => {
  for (const wire of [chunked("/chunked", "hello").slice(0, -5) + "zz\r\n"]) {
    const pools = new Pools();
    let caught: unknown;
    for await (
      using request of readRequests(streamOf([wire], "bytes"), { pools })
    ) {
      caught = await request.text().catch((error) => error);
      break;
    }
    assertInstanceOf(caught, HttpError);
    assertAtRest(pools);
  }
});
