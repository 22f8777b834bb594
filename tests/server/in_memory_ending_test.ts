/**
 * How an exchange of `request` ends: by a signal, a failure, a cancelled body, a handler
 * that runs on; and that nothing of it is left.
 */

import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import {
  fetchHandler,
  type Handler,
  HttpError,
  Pools,
  request,
  type RequestEnd,
  RequestError,
} from "@pooled/http1";
import { assertAtRest, untilAtRest } from "../support/at_rest.ts";
import { digestOf, patterned } from "../support/bytes.ts";
import { asker, echo, laterStream, never } from "../support/in_memory.ts";
import { pendingBlob } from "../support/streams.ts";
import { withoutUnhandled } from "../support/unhandled.ts";
import {
  sanitized as test,
  settle,
  sleep,
  within,
} from "../support/waiting.ts";

test("an upgrade is refused with the way to it", async () => {
  const { ask, pools } = asker();
  const ends: unknown[] = [];
  const upgrading: Handler = async (_req, res) => {
    const { readable } = res.upgrade();
    await readable.pipeTo(new WritableStream()).catch((e) => ends.push(e));
  };
  const headers = { connection: "upgrade", upgrade: "chat" };
  const error = await assertRejects(
    () => ask(upgrading, "/", { headers }),
    TypeError,
    "connect()",
  );
  await untilAtRest(pools);
  assertEquals(ends, [error]);
});

test("the signal ends the wait for a handler that never answers", async () => {
  const { ask, pools, errors } = asker();
  const controller = new AbortController();
  const reason = new Error("enough");
  let seen: unknown = null;
  const silent: Handler = (req) =>
    new Promise((_, reject) =>
      req.signal.addEventListener("abort", () => {
        seen = req.signal.reason;
        reject(seen);
      })
    );
  const response = ask(silent, "/", { signal: controller.signal });
  await settle();
  controller.abort(reason);
  assertStrictEquals(await response.catch((error) => error), reason);
  assertStrictEquals(seen, reason);
  await untilAtRest(pools);
  assertEquals(errors, []);
  const late = ask(silent, "/", { signal: controller.signal });
  assertStrictEquals(await late.catch((error) => error), reason);
});

test("the signal errors a body, and cancels what the handler sends", async () => {
  const { ask, pools } = asker();
  const controller = new AbortController();
  const cancelled = Promise.withResolvers<unknown>();
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        await settle();
        controller.enqueue(new Uint8Array(10));
      },
      cancel: cancelled.resolve,
    });
  const response = await ask((_req, res) => res.send(endless()), "/", {
    signal: controller.signal,
  });
  const reading = response.text().catch((error) => error);
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await within(reading, "the body"), reason);
  assertStrictEquals(await within(cancelled.promise, "the cancel"), reason);
  await untilAtRest(pools);
  await sleep(20);
});

test("a body that is cancelled tells the handler", async () => {
  const { ask, pools } = asker();
  const cancelled = Promise.withResolvers<unknown>();
  const body = laterStream(Array(1000).fill("chunk"), cancelled.resolve);
  const response = await ask((_req, res) => res.send(body));
  await response.body!.cancel("seen enough");
  assertEquals(await within(cancelled.promise, "the cancel"), "seen enough");
  await untilAtRest(pools);
  await sleep(20);
});

test("a request body that fails rejects, and the handler sees it leave", async () => {
  const { ask, pools, errors } = asker();
  const wrong = new Error("wrong");
  const failing = () => {
    let first = true;
    return new ReadableStream<Uint8Array>({
      async pull(controller) {
        await settle();
        if (!first) throw wrong;
        first = false;
        controller.enqueue(new Uint8Array(3));
      },
    }, { highWaterMark: 0 });
  };
  const init = () => ({ method: "POST", body: failing() });
  assertStrictEquals(await ask(echo, "/", init()).catch((e) => e), wrong);
  await untilAtRest(pools);
  const response = await ask((req, res) => res.send(req.body), "/", init());
  assertStrictEquals(await response.text().catch((e) => e), wrong);
  await untilAtRest(pools);
  assertEquals(errors, []);
  const text = new ReadableStream({
    pull: (controller) => controller.enqueue("no bytes"),
  });
  await assertRejects(
    () => ask(echo, "/", { method: "POST", body: text }),
    TypeError,
  );
  await untilAtRest(pools);
});

test("an answer needs no body of the request, which is cancelled", async () => {
  const { ask, atRest } = asker();
  const cancelled = Promise.withResolvers<unknown>();
  const pending = new ReadableStream<Uint8Array>({
    pull: never,
    cancel: cancelled.resolve,
  }, { highWaterMark: 0 });
  const response = await ask((_req, res) => res.send("early"), "/", {
    method: "POST",
    body: pending,
  });
  assertEquals(await response.text(), "early");
  atRest();
  await within(cancelled.promise, "the cancel");
});

test("a response that ends early fails its reader", async () => {
  const { ask, pools, errors } = asker();
  const wrong = new Error("wrong");
  const failing = (headers: HeadersInit) => async (sent: boolean) => {
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await settle();
        if (sent) throw wrong;
        sent = true;
        controller.enqueue(new Uint8Array(3));
      },
    }, { highWaterMark: 0 });
    const response = await ask((_req, res) => res.send(body, { headers }));
    await assertRejects(() => response.bytes(), HttpError, "end");
    await untilAtRest(pools);
  };
  await failing({})(false);
  await failing({ "content-length": "9" })(false);
  await failing({})(true);
  assertEquals(errors, [wrong, wrong, wrong]);
});

test("a stream that goes on after its length ends with the response", async () => {
  const { ask, pools } = asker();
  const cancelled = Promise.withResolvers<unknown>();
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new Uint8Array(3)),
    cancel: cancelled.resolve,
  });
  const response = await ask((_req, res) =>
    res.send(body, { headers: { "content-length": "3" } })
  );
  assertEquals((await response.bytes()).length, 3);
  await within(cancelled.promise, "the cancel");
  await untilAtRest(pools);
});

test("a handler may run on after its response", async () => {
  const { ask, pools, atRest } = asker();
  const rest = Promise.withResolvers<void>();
  let aborted: boolean | null = null;
  let closing: boolean | null = null;
  const response = await ask(async (req, res, info) => {
    const { signal } = req;
    res.send("first");
    await rest.promise;
    aborted = signal.aborted;
    closing = info.closing.aborted;
    assertEquals(req.path, "/");
  });
  assertEquals(await response.text(), "first");
  rest.resolve();
  await untilAtRest(pools);
  assertEquals([aborted, closing], [false, false]);
  atRest();
});

test("the signal reaches a handler that runs on, and no other response", async () => {
  const { ask, pools, atRest } = asker();
  const rest = Promise.withResolvers<void>();
  const controller = new AbortController();
  const { signal } = controller;
  let seen: unknown = null;
  const running: Handler = async (req, res) => {
    req.signal.addEventListener("abort", () => seen = req.signal.reason);
    res.send("first");
    await rest.promise;
  };
  const first = await ask(running, "/", { signal });
  assertEquals(await first.text(), "first");
  const second = await ask((_req, res) =>
    res.send(laterStream(["se", "cond"]))
  );
  controller.abort("enough");
  assertEquals(seen, "enough");
  assertEquals(await second.text(), "second");
  rest.resolve();
  await untilAtRest(pools);
  atRest();
});

test("onRequestEnd is told of a complete exchange", async () => {
  const ends: RequestEnd[] = [];
  const { ask } = asker({ onRequestEnd: (end) => void ends.push(end) });
  await (await ask((_req, res) => res.send("hello"), "/a")).text();
  await (await ask((_req, res) => res.send(laterStream(["hello"])), "/b"))
    .text();
  await ask((_req, res) => res.send(null, { status: 204 }), "/c");
  assertEquals(
    ends.map(({ target, status, complete, error }) => [
      target,
      status,
      complete,
      error,
    ]),
    [["/a", 200, true, null], ["/b", 200, true, null], ["/c", 204, true, null]],
  );
});

test("fake timers: nothing waits for them", async () => {
  const pools = new Pools();
  // The bound of the test needs a true timer, which is set first.
  await null;
  const time = new FakeTime();
  try {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(patterned(200_000));
        controller.close();
      },
    });
    const response = await request(
      async (req, res) => res.send(await req.bytes()),
      "/",
      { method: "POST", body },
      { pools },
    );
    assertEquals(
      digestOf(await response.bytes()),
      digestOf(patterned(200_000)),
    );
    assertAtRest(pools);
  } finally {
    time.restore();
  }
});

test("fake timers: nor does a long body, which takes turns of the event loop", async () => {
  const pools = new Pools();
  await null;
  const time = new FakeTime();
  try {
    let left = 40;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (left-- === 0) controller.close();
        else controller.enqueue(new Uint8Array(1_000_000));
      },
    });
    const response = await request(
      (req, res) => res.send(req.body),
      "/",
      { method: "POST", body },
      { pools },
    );
    let length = 0;
    for await (const chunk of response.body!) length += chunk.length;
    assertEquals(length, 40_000_000);
    assertAtRest(pools);
  } finally {
    time.restore();
  }
});

test("fake timers: a handler waits by them, and the timeouts apply", async () => {
  const pools = new Pools();
  // The bound of the test needs a true timer, which is set first.
  await null;
  const time = new FakeTime();
  try {
    const slow: Handler = async (_req, res) => {
      await new Promise((resolve) => setTimeout(resolve, 3_600_000));
      res.send("an hour later");
    };
    const later = request(slow, "/", {}, { pools });
    await time.tickAsync(3_600_000);
    assertEquals(await (await later).text(), "an hour later");
    const body = new ReadableStream<Uint8Array>({ pull: never });
    const stalled = request(echo, "/", { method: "POST", body }, { pools });
    await time.tickAsync(0);
    await time.tickAsync(32_000);
    const response = await stalled;
    assertEquals(response.status, 408);
    await response.text();
    assertAtRest(pools);
  } finally {
    time.restore();
  }
});

test("fake timers: a connection that the server drops has no response", async () => {
  const pools = new Pools();
  // The bound of the test needs a true timer, which is set first.
  await null;
  const time = new FakeTime();
  try {
    // Unread, it hides whether the client is still there.
    const init = { method: "POST", body: patterned(400_000) };
    const asked = request(() => never(), "/", init, { pools });
    const failed = asked.catch((error) => error);
    await time.tickAsync(0);
    await time.tickAsync(62_000);
    assertInstanceOf(await failed, RequestError);
  } finally {
    time.restore();
  }
});

test("a body too large is no fault of a handler that says so after its client left", async () => {
  const { ask, pools, errors } = asker({
    maxBodySize: 10,
    maxFetchBodySize: 10,
  });
  const left = (signal: AbortSignal) =>
    new Promise((resolve) => signal.addEventListener("abort", resolve));
  const plain: Handler = async (req) => {
    const gone = left(req.signal);
    await req.bytes().catch(async (error) => {
      await gone;
      throw error;
    });
  };
  const fetching = fetchHandler(async (req) => {
    const gone = left(req.signal);
    try {
      return new Response(await req.bytes());
    } catch (error) {
      await gone;
      throw error;
    }
  });
  for (const handler of [plain, fetching]) {
    for (const body of [patterned(20), laterStream(["a".repeat(20)])]) {
      const controller = new AbortController();
      const { signal } = controller;
      const asked = ask(handler, "/", { method: "POST", body, signal });
      asked.catch(() => {});
      await sleep(20);
      controller.abort("enough");
      assertEquals(await asked.catch((error) => error), "enough");
      await untilAtRest(pools);
      assertEquals(errors, []);
    }
  }
});

test("nothing is left unhandled, whatever fails", async () => {
  const { ask, pools } = asker();
  await withoutUnhandled(async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const body = () => new ReadableStream<Uint8Array>({ pull: never });
    const asked = [
      ask(() => never(), "/", { signal }),
      ask(echo, "/", { method: "POST", body: body(), signal }),
      ask((_req, res) => res.send(body()), "/", { signal }),
      ask((req, res) => res.send(req.body), "/", {
        method: "POST",
        body: laterStream(["a", "b"]),
        signal,
      }),
    ];
    await settle();
    controller.abort();
    await Promise.allSettled(asked);
    // The timer of a stream that was cancelled meanwhile.
    await settle();
  });
  // A handler that never ends keeps its request.
  assertEquals(pools.stats().requests.inUse, 1);
});

test("the signal ends a body of known length that does not come", async () => {
  const { blob, cancelled } = pendingBlob();
  const controller = new AbortController();
  const { signal } = controller;
  const asked = request(echo, "/", { method: "POST", body: blob, signal });
  const failed = asked.catch((error) => error);
  await settle();
  controller.abort("enough");
  assertEquals(await within(failed, "the abort"), "enough");
  assertEquals(await within(cancelled, "the cancel"), "enough");
});

test("a body that arrives despite an abort has its trailers", async () => {
  const { ask, pools } = asker();
  const whole: number[] = [];
  for (let turns = 0; turns < 16; turns++) {
    const controller = new AbortController();
    const { signal } = controller;
    const response = await ask(
      (_req, res) => res.send("body", { trailers: () => ({ "x-sum": "7" }) }),
      "/",
      { signal },
    );
    for (let turn = 0; turn < turns; turn++) await null;
    controller.abort("enough");
    const text = await response.text().catch((error) => error);
    if (text === "enough") continue;
    assertEquals(text, "body");
    assertEquals([...response.trailers ?? []], [["x-sum", "7"]], `${turns}`);
    whole.push(turns);
  }
  assertEquals(whole.includes(15), true);
  await untilAtRest(pools);
});

test("a body whose request is never sent is cancelled", async () => {
  const cancelled: unknown[] = [];
  const body = () =>
    new ReadableStream<Uint8Array>({
      pull: never,
      cancel: (reason) => void cancelled.push(reason),
    }, { highWaterMark: 0 });
  const controller = new AbortController();
  const { signal } = controller;
  const init = () => ({ method: "POST", body: body() });
  const asked = request(echo, "/", { ...init(), signal });
  controller.abort("too early");
  assertEquals(await asked.catch((error) => error), "too early");
  const error = await assertRejects(
    () => request(echo, "/", init(), { headTimeout: -1 }),
    RangeError,
  );
  assertEquals(cancelled, ["too early", error]);
});
