/**
 * The client against nginx and Apache httpd: connections that end, in order, early, or in
 * the middle of a response.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { type HttpClient, HttpError, RequestError } from "@pooled/http1";
import { settle, sleep, until, within } from "../support/waiting.ts";
import { INDEX, LARGE } from "../support/web_servers.ts";
import {
  get,
  NGINX,
  siteTest,
  siteTests,
  textOf,
} from "../support/web_site.ts";

/** The error of a request that gets no response. */
function lost(
  client: HttpClient,
  target = "/index.html",
  method = "GET",
): Promise<RequestError> {
  return assertRejects(
    () => within(client.request({ target, method }), target),
    RequestError,
  );
}

siteTests("an idle connection that the server closes", async (site) => {
  const client = await site.open({}, site.server.ports.brief);
  assertEquals(await textOf(await get(client, "/index.html")), INDEX);
  assertEquals(client.state, "idle");
  await within(client.closed, "the server's end");
  for (const method of ["GET", "POST"]) {
    assertEquals((await lost(client, "/", method)).retryable, true);
  }
  // A connection that was never used is closed as well.
  const unused = await site.open({}, site.server.ports.brief);
  const next = await site.open({}, site.server.ports.brief);
  assertEquals(await textOf(await get(next, "/index.html")), INDEX);
  assertEquals(await textOf(await get(unused, "/index.html")), INDEX);
});

siteTests("requests at the moment of the server's close", async (site) => {
  // Around the 300 ms of the server, each request is answered or may be repeated.
  const wait = async (pause: number) => {
    const client = await site.open({}, site.server.ports.brief);
    assertEquals(await textOf(await get(client, "/index.html")), INDEX);
    await sleep(pause);
    try {
      return (await textOf(await get(client, "/index.html"))) === INDEX;
    } catch (error) {
      assert(error instanceof RequestError, `${error}`);
      assertEquals(error.retryable, true);
      await within(client.closed, "the end");
      return null;
    }
  };
  const outcomes = await Promise.all(
    Array.from({ length: 24 }, (_, i) => wait(180 + 10 * i)),
  );
  assert(!outcomes.includes(false));
});

siteTests("the last request of a connection", async (site) => {
  const client = await site.open({}, site.server.ports.few);
  const kept: boolean[] = [];
  while (client.state === "idle") {
    const response = await get(client, "/index.html");
    kept.push(response.keepAlive);
    assertEquals(await textOf(response), INDEX);
  }
  assertEquals(kept.at(-1), false);
  assertEquals(kept.indexOf(false), kept.length - 1);
  assert(kept.length === 3 || kept.length === 4, `${kept.length} requests`);
  assertEquals((await lost(client)).retryable, true);
  await within(client.closed, "the end");
});

siteTests("pipelined requests behind the last one", async (site) => {
  const { few } = site.server.ports;
  const client = await site.open({ pipeline: 8 }, few);
  const outcomes = await within(
    Promise.all(Array.from({ length: 12 }, async () => {
      try {
        return await textOf(await client.request({ target: "/index.html" }));
      } catch (error) {
        assert(error instanceof RequestError, `${error}`);
        return error.retryable;
      }
    })),
    "the outcomes",
  );
  const answered = outcomes.filter((outcome) => outcome === INDEX).length;
  assert(answered === 3 || answered === 4, `${answered} answers`);
  assertEquals(
    outcomes,
    [
      ...Array<string>(answered).fill(INDEX),
      ...Array<boolean>(12 - answered).fill(true),
    ],
  );
  await within(client.closed, "the end");
});

siteTests("an upstream that breaks off ends the body early", async (site) => {
  for (
    const target of [
      "/up/broken",
      "/up/short",
      "/raw/reset",
      "/raw/reset-chunks",
    ]
  ) {
    const client = await site.open();
    const asked = get(client, target);
    const behind = lost(client);
    const response = await asked;
    assertEquals(response.status, 200, target);
    const error = await assertRejects(
      () => within(response.text(), target),
      HttpError,
    );
    assertEquals(error.code, "unexpected-eof", target);
    response.release();
    await within(client.closed, "the end");
    assertEquals((await behind).retryable, true);
  }
});

siteTests("fetch tells of a body that breaks off", async (site) => {
  for (const target of ["/up/broken", "/raw/reset", "/raw/reset-chunks"]) {
    const client = await site.open();
    const response = await within(client.fetch(target), target);
    const reader = response.body!.getReader();
    let text = "";
    const error = await assertRejects(async () => {
      for (;;) {
        const { done, value } = await within(reader.read(), target);
        if (done) break;
        text += new TextDecoder().decode(value);
      }
    });
    assert(error instanceof HttpError, `${target}: ${error}`);
    assertEquals([error.code, text], ["unexpected-eof", "one "]);
    await within(client.closed, "the end");
  }
});

siteTests("an upstream that never answers", async (site) => {
  const client = await site.open();
  const response = await get(client, "/raw/mute");
  assertEquals(response.status, 502);
  await textOf(response);
  assertEquals(await textOf(await get(client, "/index.html")), INDEX);
});

siteTests("a body without length lasts until the close", async (site) => {
  const client = await site.open();
  const asked = get(client, "/old/endless");
  const behind = lost(client);
  const response = await asked;
  assertEquals(
    [response.contentLength, response.chunked, response.keepAlive],
    [null, false, false],
  );
  assertEquals(response.headers.get("x-kind"), "old");
  assertEquals(client.state, "closing");
  assertEquals(await textOf(response), "one two three");
  await within(client.closed, "the end");
  assertEquals((await behind).retryable, true);
  const other = await site.open();
  const fetched = await other.fetch("/old/endless");
  assertEquals(await fetched.text(), "one two three");
  await within(other.closed, "the end");
  // The client's own server adds chunks where it can.
  const chunked = await get(await site.open(), "/raw/endless");
  assertEquals([chunked.chunked, chunked.keepAlive], [true, true]);
  assertEquals(await textOf(chunked), "one two three");
});

siteTests("a server that is killed in the middle of a body", async (site) => {
  const client = await site.open();
  const idle = await site.open();
  assertEquals(await textOf(await get(idle, "/index.html")), INDEX);
  const response = await get(client, "/raw/held");
  assertEquals(response.contentLength, 100);
  const reader = response.body!.getReader();
  const { value } = await within(reader.read(), "bytes");
  assertEquals(new TextDecoder().decode(value), "one ");
  for (const pid of site.server.workers()) Deno.kill(pid, "SIGKILL");
  const error = await assertRejects(
    () => within(reader.read(), "the end"),
    HttpError,
  );
  assertEquals(error.code, "unexpected-eof");
  response.release();
  await within(client.closed, "the end");
  await within(idle.closed, "the end of the idle one");
  assertEquals((await lost(idle, "/", "POST")).retryable, true);
});

siteTests(
  "a server that is killed in the middle of an upload",
  async (site) => {
    const client = await site.open();
    let pulled = 0;
    const cancelled = Promise.withResolvers<unknown>();
    const asked = client.request({
      method: "PUT",
      target: "/up/count",
      body: new ReadableStream({
        async pull(controller) {
          pulled++;
          await settle();
          controller.enqueue(new Uint8Array(100));
        },
        cancel: cancelled.resolve,
      }),
    });
    const behind = lost(client, "/", "POST");
    const error = assertRejects(() => within(asked, "it"), RequestError);
    await until(() => pulled > 3, "the upload to begin");
    for (const pid of site.server.workers()) Deno.kill(pid, "SIGKILL");
    // The method is idempotent, with a new stream.
    assertEquals((await error).retryable, true);
    await within(cancelled.promise, "the cancel");
    assertEquals((await behind).retryable, true);
    await within(client.closed, "the end");
  },
);

siteTests("a server that stops gracefully", async (site, { program }) => {
  const client = await site.open();
  const idle = await site.open();
  assertEquals(await textOf(await get(idle, "/index.html")), INDEX);
  const response = await get(client, "/large.bin");
  const reader = response.body!.getReader();
  let received = (await within(reader.read(), "bytes")).value!.length;
  site.server.kill(program === "nginx" ? "SIGQUIT" : "SIGWINCH");
  await within(idle.closed, "the end of the idle one");
  assertEquals((await lost(idle, "/", "POST")).retryable, true);
  for (;;) {
    const { done, value } = await within(reader.read(), "the rest");
    if (done) break;
    received += value.length;
  }
  assertEquals(received, LARGE);
  response.release();
  await within(client.closed, "the end");
});

siteTests(
  "whoever repeats what is retryable gets every answer",
  async (site) => {
    const open = () => site.open({ pipeline: 4 }, site.server.ports.brief);
    let client = await open();
    let connections = 1;
    const left = Array.from({ length: 40 }, (_, i) => i);
    const done: number[] = [];
    const ask = async (client: HttpClient, i: number) => {
      try {
        const response = await client.request({ target: `/index.html?${i}` });
        assertEquals(await textOf(response), INDEX);
        done.push(i);
      } catch (error) {
        assert(error instanceof RequestError && error.retryable, `${error}`);
        left.push(i);
      }
    };
    while (left.length > 0) {
      if (client.state !== "idle") {
        await within(client.close(), "the end");
        client = await open();
        connections++;
      }
      await Promise.all(left.splice(0, 6).map((i) => ask(client, i)));
    }
    assertEquals(done.length, 40);
    assertEquals(new Set(done).size, 40);
    assert(connections >= 10, `${connections} connections`);
  },
);

siteTest(NGINX, "a connection that closes without a response", async (site) => {
  for (const method of ["GET", "POST"]) {
    const client = await site.open();
    assertEquals(await textOf(await get(client, "/index.html")), INDEX);
    const error = await lost(client, "/silent", method);
    assertEquals(error.retryable, method === "GET");
    await within(client.closed, "the end");
  }
});

siteTests("timeouts of the client", async (site) => {
  const client = await site.open({ idleTimeout: 60 });
  assertEquals(await textOf(await get(client, "/index.html")), INDEX);
  await within(client.closed, "the end");
  assertEquals((await lost(client)).retryable, true);
  const other = await site.open();
  const controller = new AbortController();
  const response = await get(other, "/large.bin", {
    signal: controller.signal,
  });
  const reason = new Error("enough");
  controller.abort(reason);
  assertEquals(
    await response.bytes().catch((error) => error),
    reason,
  );
  response.release();
  await until(() => other.state === "closed", "the end");
});
