/**
 * The pool example: a limit, reuse, a bounded queue, and the repetition of requests.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { Pool, PoolFull } from "../../examples/client_pool.ts";
import { connect, RequestError, serve } from "../../mod.ts";
import { test } from "../support/waiting.ts";

const quiet = { hostname: "127.0.0.1", port: 0, onListen() {} } as const;

async function dial({ port }: Deno.NetAddr) {
  return connect(await Deno.connect({ hostname: "127.0.0.1", port }));
}

test("client pool: as many connections as the limit, and they are reused", async () => {
  let running = 0;
  let most = 0;
  await using server = serve(quiet, async (_req, res) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 1));
    running--;
    res.send("done");
  });
  await using pool = new Pool(() => dial(server.addr), 3);
  for (let round = 0; round < 2; round++) {
    await Promise.all(
      Array.from(
        { length: 20 },
        () => pool.request({ target: "/" }, (response) => response.text()),
      ),
    );
  }
  assertEquals(most, 3);
  assertEquals(server.stats().connections, 3);
});

test("client pool: a full queue rejects, and an aborted request leaves it", async () => {
  const gate = Promise.withResolvers<void>();
  await using server = serve(quiet, async (req, res) => {
    await gate.promise;
    res.send(req.target);
  });
  await using pool = new Pool(() => dial(server.addr), 1, 1);
  const ask = (target: string, signal = new AbortController().signal) =>
    pool.request({ target, signal }, (response) => response.text());
  const first = ask("/1");
  const cut = new AbortController();
  const second = assertRejects(() => ask("/2", cut.signal), Error, "enough");
  await assertRejects(() => ask("/3"), PoolFull);
  cut.abort(new Error("enough"));
  await second;
  const fourth = ask("/4");
  gate.resolve();
  assertEquals([await first, await fourth], ["/1", "/4"]);
});

test("client pool: a failed opening and a throwing reader give their slot back", async () => {
  await using server = serve(quiet, (_req, res) => res.send("x".repeat(1e6)));
  let fails = true;
  await using pool = new Pool(() => {
    if (!fails) return dial(server.addr);
    fails = false;
    return Promise.reject(new Error("not yet"));
  }, 1);
  const text = () =>
    pool.request({ target: "/" }, (response) => response.text());
  await assertRejects(text, Error, "not yet");
  await assertRejects(
    () => pool.request({ target: "/" }, () => Promise.reject(new Error("no"))),
    Error,
    "no",
  );
  assertEquals((await text()).length, 1e6);
});

test("client pool: only what may be sent twice is repeated, and once", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let seen = 0;
  const closing = (async () => {
    for await (const conn of listener) {
      await conn.read(new Uint8Array(4096));
      seen++;
      conn.close();
    }
  })();
  await using pool = new Pool(() => dial(listener.addr), 1);
  const stream = () => ReadableStream.from([new Uint8Array(2)]);
  for (
    const [method, body, times] of [
      ["GET", null, 2],
      ["PUT", "ab", 2],
      ["PUT", stream(), 1],
      ["POST", "ab", 1],
    ] as const
  ) {
    seen = 0;
    await assertRejects(
      () => pool.request({ method, target: "/", body }, (res) => res.text()),
      RequestError,
    );
    assertEquals(seen, times, `${method} ${typeof body}`);
  }
  listener.close();
  await closing;
});
