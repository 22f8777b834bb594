/**
 * Disconnecting clients of a Fetch application, and `info.completed`.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  fetchHandler,
  type FetchInfo,
  type Handler,
  Pools,
  serve,
} from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { withApp } from "../support/fetch_app.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { GET } from "../support/requests.ts";
import { controlled } from "../support/streams.ts";
import { turn, until, within } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

Deno.test("request.signal is aborted when the client disconnects", async () => {
  const begun = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<unknown>();
  await withApp(async ({ signal }) => {
    begun.resolve();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    aborted.resolve(signal.reason);
    return new Response("for nobody");
  }, async ({ url, client, errors }) => {
    const aborter = new AbortController();
    const answer = fetch(url, { client, signal: aborter.signal });
    await within(begun.promise, "the application");
    aborter.abort();
    await assertRejects(() => answer, DOMException);
    const reason = await within(aborted.promise, "the signal");
    assertEquals((reason as Error).name, "AbortError");
    assertEquals(errors, []);
  });
});

Deno.test("request.signal is not aborted while the client stays connected", async () => {
  const signals: AbortSignal[] = [];
  await withApp((request) => {
    signals.push(request.signal);
    return new Response("hello");
  }, async ({ url, client }) => {
    for (let i = 0; i < 3; i++) {
      assertEquals(await (await fetch(url, { client })).text(), "hello");
    }
    assertEquals(signals.map(({ aborted }) => aborted), [false, false, false]);
  });
});

Deno.test("an application error caused by a disconnect is not reported", async () => {
  const begun = Promise.withResolvers<void>();
  let failed = false;
  await withApp(async (request) => {
    begun.resolve();
    try {
      return new Response(await request.text());
    } catch (error) {
      failed = true;
      throw error;
    }
  }, async ({ port, server, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome",
    );
    await within(begun.promise, "the application");
    client.conn.close();
    await until(() => server.stats().connections === 0, "the end");
    await until(() => failed, "the failure");
    await turn();
    assertEquals(errors, []);
  });
});

/** The settled state of a promise as text. */
function outcomeOf(promise: Promise<void>): Promise<string> {
  return promise.then(() => "resolved", () => "rejected");
}

Deno.test("info.completed resolves when the response was sent", async () => {
  const { stream, put, close } = controlled();
  const completed: Promise<string>[] = [];
  const infos: FetchInfo[] = [];
  await withApp((request, info) => {
    infos.push(info);
    if (infos.length < 3) completed.push(outcomeOf(info.completed));
    return new Response(request.url.endsWith("/stream") ? stream : "hello");
  }, async ({ url, client }) => {
    await (await fetch(url, { client })).text();
    assertEquals(await within(completed[0]!, "completed"), "resolved");
    const { body } = await fetch(`${url}/stream`, { client });
    let over = false;
    completed[1]!.then(() => over = true);
    const reader = body!.getReader();
    put("first");
    await reader.read();
    await turn();
    assert(!over, "completed before the end");
    close();
    assert((await reader.read()).done);
    assertEquals(await within(completed[1]!, "completed"), "resolved");
    // Reading it after the exchange gives the same result.
    await (await fetch(url, { client })).text();
    assertEquals(
      await within(outcomeOf(infos[2]!.completed), "completed"),
      "resolved",
    );
  });
});

Deno.test("info.completed rejects when the response could not be sent", async () => {
  const begun = Promise.withResolvers<FetchInfo>();
  const cancelled = Promise.withResolvers<void>();
  const early = Promise.withResolvers<string>();
  await withApp((_request, info) => {
    outcomeOf(info.completed).then(early.resolve);
    begun.resolve(info);
    return new Response(
      new ReadableStream({
        async pull(controller) {
          await turn();
          controller.enqueue(new Uint8Array(1000));
        },
        cancel: () => cancelled.resolve(),
      }),
    );
  }, async ({ port, server, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    const info = await within(begun.promise, "the application");
    await client.until("200 OK");
    client.conn.close();
    await within(cancelled.promise, "the stream to be cancelled");
    assertEquals(await within(early.promise, "completed"), "rejected");
    await until(() => server.stats().connections === 0, "the end");
    assertEquals(await outcomeOf(info.completed), "rejected");
    assertEquals(errors, []);
    // Waits for the stream's last timer, which the sanitizer would report.
    await turn();
  });
});

Deno.test("info.completed also rejects when it is read late", async () => {
  const begun = Promise.withResolvers<FetchInfo>();
  const release = Promise.withResolvers<void>();
  const aborter = new AbortController();
  await withApp(async (_request, info) => {
    begun.resolve(info);
    await release.promise;
    return new Response("for nobody");
  }, async ({ port, server }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    const info = await within(begun.promise, "the application");
    aborter.abort();
    release.resolve();
    await within(server.finished, "the end of the server");
    assertEquals(
      await within(outcomeOf(info.completed), "completed"),
      "rejected",
    );
  }, { signal: aborter.signal });
});

Deno.test("info.completed rejects when the body stream fails", async () => {
  const outcome = Promise.withResolvers<string>();
  await withApp((_request, info) => {
    outcomeOf(info.completed).then(outcome.resolve);
    const { stream, put, fail } = controlled();
    put("first");
    turn().then(() => fail(new Error("of the body")));
    return new Response(stream);
  }, async ({ port, errors }) => {
    await answerTo(port, GET);
    assertEquals(await within(outcome.promise, "completed"), "rejected");
    assertEquals(errors.length, 1);
  });
});

Deno.test("info.completed rejects when the request ended early, so that nothing was sent", async () => {
  const infos: FetchInfo[] = [];
  const early: Promise<string>[] = [];
  await withApp(async (request, info) => {
    infos.push(info);
    if (new URL(request.url).pathname === "/early") {
      early.push(outcomeOf(info.completed));
    }
    return new Response(await request.text());
  }, async ({ port }) => {
    for (const path of ["/early", "/late"]) {
      using client = await RawClient.connect(port);
      await client.send(
        `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab`,
      );
      await client.conn.closeWrite();
      assertEquals(await client.rest(), "");
    }
    const late = outcomeOf(infos[1]!.completed);
    assertEquals(await within(Promise.all([...early, late]), "the outcomes"), [
      "rejected",
      "rejected",
    ]);
  });
});

Deno.test("an application and a handler share a server", async () => {
  const app = fetchHandler((request) =>
    new Response(`app ${new URL(request.url).pathname}`)
  );
  const handler: Handler = (req, res, info) =>
    req.path.startsWith("/app")
      ? app(req, res, info)
      : res.send(`own ${req.path}`);
  await withServer(handler, async ({ port }) => {
    const answer = await answerTo(
      port,
      ["/a", "/app/b", "/c", "/app/d"].map((path) =>
        `GET ${path} HTTP/1.1\r\nHost: a\r\n${
          path === "/app/d" ? "Connection: close\r\n" : ""
        }\r\n`
      ).join(""),
    );
    assertEquals(answer.match(/(own|app) \/(app\/)?[a-d]/g), [
      "own /a",
      "app /app/b",
      "own /c",
      "app /app/d",
    ]);
  });
});

Deno.test("an application on a listener of its own", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const pools = new Pools();
  const server = serve(
    listener,
    fetchHandler((request) => new Response(new URL(request.url).pathname)),
    { pools },
  );
  using client = Deno.createHttpClient({});
  const { port } = server.addr;
  const answer = await fetch(`http://127.0.0.1:${port}/path`, { client });
  assertEquals(await answer.text(), "/path");
  await within(server.shutdown(), "the end of the server");
  assertAtRest(pools);
});
