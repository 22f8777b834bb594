/**
 * The client against nginx and Apache httpd: requests with bodies, among them those that
 * the server refuses before it has read them.
 */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type HttpRequestInit, RequestError } from "@pooled/http1";
import { digestOf, patterned } from "../support/bytes.ts";
import { cancellable, controlled, streamOf } from "../support/streams.ts";
import { sleep, until, within } from "../support/waiting.ts";
import { INDEX } from "../support/web_servers.ts";
import {
  get,
  NGINX,
  siteTest,
  siteTests,
  textOf,
} from "../support/web_site.ts";

const BYTES = patterned(900_000);
const TOLD = { length: BYTES.length, digest: digestOf(BYTES) };

/** An endless stream of chunks, and a promise of its cancel. */
function endless(size = 60_000) {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(size)),
    cancel: resolve,
  }, { highWaterMark: 0 });
  return { body, cancelled: promise };
}

siteTests("bodies of every kind arrive whole", async (site) => {
  const client = await site.open();
  const pieces = () =>
    streamOf([BYTES.slice(0, 1), BYTES.slice(1, 70_000), BYTES.slice(70_000)]);
  const length = { "content-length": `${BYTES.length}` };
  const kinds: Omit<HttpRequestInit, "target">[] = [
    { body: BYTES },
    { body: pieces() },
    { body: pieces(), headers: length },
    { body: BYTES, headers: { "transfer-encoding": "chunked" } },
    { body: pieces(), trailers: () => ({ "x-digest": TOLD.digest }) },
    { body: BYTES, trailers: () => Promise.resolve({ "x-a": "1" }) },
  ];
  for (const init of kinds) {
    for (const headers of [{}, { expect: "100-continue" }]) {
      if (Object.keys(headers).length > 0 && init.body !== BYTES) continue;
      const all = { ...init.headers as Record<string, string>, ...headers };
      const response = await get(client, "/up/count", {
        method: "POST",
        ...init,
        headers: all,
      });
      assertEquals(JSON.parse(await textOf(response)), TOLD);
    }
  }
  const empty = await get(client, "/up/count", { method: "POST", body: "" });
  assertEquals(JSON.parse(await textOf(empty)).length, 0);
  assertEquals(await textOf(await get(client, "/index.html")), INDEX);
  assertEquals(client.state, "idle");
});

siteTests("a body that comes back while it is sent", async (site, kind) => {
  const client = await site.open({ maxBodySize: BYTES.length });
  for (let i = 0; i < 3; i++) {
    const pieces = Array.from(
      { length: 90 },
      (_, at) => BYTES.subarray(at * 10_000, (at + 1) * 10_000),
    );
    const response = await get(client, "/up/back", {
      method: "POST",
      body: streamOf(pieces),
    });
    assertEquals(digestOf(await response.bytes()), TOLD.digest);
    response.release();
    await until(() => client.state !== "busy", "the client to be free");
    assertEquals(client.state, "idle");
  }
  // Apache sends the whole body before it looks for a response.
  if (kind.program !== "nginx") return;
  const { stream, put, close } = controlled();
  const asked = get(client, "/up/back", { method: "POST", body: stream });
  put("ping 0");
  using response = await asked;
  const reader = response.body!.getReader();
  for (let i = 0; i < 5; i++) {
    const { value } = await within(reader.read(), "an echo");
    assertEquals(new TextDecoder().decode(value), `ping ${i}`);
    if (i < 4) put(`ping ${i + 1}`);
  }
  close();
  assertEquals((await within(reader.read(), "the end")).done, true);
  await until(() => client.state !== "busy", "the client to be free");
  assertEquals(client.state, "idle");
});

siteTests("a file is uploaded, with its length and in chunks", async (site) => {
  const client = await site.open();
  const path = await Deno.makeTempFile();
  await Deno.writeFile(path, BYTES);
  for (const headers of [{ "content-length": `${BYTES.length}` }, {}]) {
    for (let i = 0; i < 5; i++) {
      const file = await Deno.open(path);
      const response = await get(client, "/up/count", {
        method: "PUT",
        body: file.readable,
        headers: headers as Record<string, string>,
      });
      assertEquals(JSON.parse(await textOf(response)), TOLD);
      assertEquals(client.state, "idle");
    }
  }
  await Deno.remove(path);
});

siteTests("a stream that ends late, after all its bytes", async (site) => {
  const client = await site.open();
  for (let i = 0; i < 3; i++) {
    const { stream, put, close } = controlled();
    put("a".repeat(100));
    const response = await get(client, "/up/count", {
      method: "PUT",
      body: stream,
      headers: { "content-length": "100" },
    });
    assertEquals(JSON.parse(await textOf(response)).length, 100);
    assertEquals(client.state, "idle");
    close();
  }
});

siteTests("100-continue comes before the body", async (site) => {
  const client = await site.open({ continueTimeout: 20_000 });
  for (let i = 0; i < 3; i++) {
    for (const body of ["hello", streamOf(["hel", "lo"])]) {
      const interim: number[] = [];
      const response = await get(client, "/up/echo", {
        method: "POST",
        body,
        headers: { expect: "100-continue" },
        onInterim: ({ status }) => void interim.push(status),
      });
      assertEquals(interim, [100]);
      assertEquals(await textOf(response), "hello");
    }
  }
  assertEquals(client.state, "idle");
});

siteTests("100-continue is refused, and nothing is sent", async (site) => {
  const bodies: [HttpRequestInit["body"], headers: Record<string, string>][] = [
    ["x".repeat(1000), {}],
    [new Uint8Array(10 << 20), {}],
    [cancellable("x").stream, { "content-length": "1000" }],
  ];
  for (const [body, headers] of bodies) {
    const client = await site.open({ continueTimeout: 20_000 });
    const response = await get(client, "/small", {
      method: "POST",
      body: body!,
      headers: { expect: "100-continue", ...headers },
      onInterim: () => {
        throw new Error("no interim response was due");
      },
    });
    assertEquals(response.status, 413);
    assertMatch(await textOf(response), /too large/i);
    await within(client.closed, "the end");
  }
});

/** Bodies of more than a server takes. */
const TOO_LARGE: Record<string, () => Omit<HttpRequestInit, "target">> = {
  "a few bytes": () => ({ body: new Uint8Array(2000) }),
  "many bytes": () => ({ body: new Uint8Array(32 << 20) }),
  "a stream with a length": () => ({
    body: endless().body,
    headers: { "content-length": "1000000000" },
  }),
  "chunks": () => ({ body: endless().body }),
  "small chunks": () => ({ body: endless(100).body }),
  "trailers": () => ({ body: endless().body, trailers: () => ({ a: "1" }) }),
};

siteTests("a 413 comes before the body", async (site, { program }) => {
  // Apache does not limit what it passes on.
  const targets = program === "nginx" ? ["/small", "/up/count"] : ["/small"];
  for (const target of targets) {
    for (const [kind, init] of Object.entries(TOO_LARGE)) {
      if (target === "/up/count" && kind === "a few bytes") continue;
      const client = await site.open();
      const response = await get(client, target, { method: "POST", ...init() });
      assertEquals(response.status, 413, `${target} ${kind}`);
      assertEquals(client.state, "closing");
      assertMatch(await textOf(response), /too large/i);
      await within(client.closed, `the end of ${target} ${kind}`);
    }
  }
});

siteTests(
  "a refused stream is cancelled, its connection lost",
  async (site) => {
    const client = await site.open({ pipeline: 4 });
    const { body, cancelled } = endless();
    const asked = get(client, "/small", { method: "PUT", body });
    const behind = get(client, "/index.html");
    const lost = assertRejects(() => behind, RequestError);
    const response = await asked;
    assertEquals(response.status, 413);
    await within(cancelled, "the cancel");
    assertEquals((await lost).retryable, true);
    // The body of the refusal is there, however late it is read.
    await sleep(100);
    assertMatch(await textOf(response), /too large/i);
    const error = await assertRejects(
      () => client.request({ target: "/" }),
      RequestError,
    );
    assertEquals(error.retryable, true);
    await within(client.closed, "the end");
  },
);

siteTests("fetch meets a 413 before its body is sent", async (site) => {
  for (const body of [() => endless().body, () => new Uint8Array(32 << 20)]) {
    const client = await site.open();
    const response = await within(
      client.fetch("/small", { method: "POST", body: body() as BodyInit }),
      "the response",
    );
    assertEquals(response.status, 413);
    assertMatch(await within(response.text(), "the body"), /too large/i);
    await within(client.closed, "the end");
  }
});

siteTest(NGINX, "a 413 before a reset", async (site) => {
  for (const [kind, init] of Object.entries(TOO_LARGE)) {
    for (let i = 0; i < 5; i++) {
      const client = await site.open();
      const response = await get(client, "/abrupt", {
        method: "POST",
        ...init(),
      });
      assertEquals(response.status, 413, kind);
      if (i > 2) await sleep(20);
      assertMatch(await textOf(response), /too large/i);
      await within(client.closed, `the end of ${kind}`);
    }
  }
});

siteTests("an origin that answers before the body", async (site, kind) => {
  const bodies: (() => HttpRequestInit["body"])[] = [
    () => new Uint8Array(900_000),
  ];
  // Apache sends the whole body before it looks for a response.
  if (kind.program === "nginx") bodies.push(() => cancellable("begun").stream);
  for (const body of bodies) {
    const client = await site.open();
    const response = await get(client, "/up/refused", {
      method: "POST",
      body: body()!,
      headers: { "content-length": "900000" },
    });
    assertEquals(response.status, 403);
    assertEquals(await textOf(response), "not for you");
    await until(() => client.state !== "busy", "the client to be free");
  }
});

siteTest(NGINX, "a body that the server discards itself", async (site) => {
  const client = await site.open();
  for (let i = 0; i < 10; i++) {
    const response = await get(client, "/nothing", {
      method: "POST",
      body: new Uint8Array(50_000),
    });
    assertEquals([response.status, response.keepAlive], [204, true]);
    response.release();
    assertEquals(await textOf(await get(client, "/index.html")), INDEX);
  }
});
