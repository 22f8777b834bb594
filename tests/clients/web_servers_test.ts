/**
 * The client against nginx and Apache httpd: responses on connections that last.
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { type HttpClient, readResponses } from "@pooled/http1";
import { bytesOf, digestOf } from "../support/bytes.ts";
import { until, within } from "../support/waiting.ts";
import { INDEX, LARGE, NOTES } from "../support/web_servers.ts";
import {
  APACHE,
  get,
  NGINX,
  siteTest,
  siteTests,
  statusOf,
  textOf,
} from "../support/web_site.ts";

/** Asserts that the connection takes another request. */
async function assertGoesOn(client: HttpClient): Promise<void> {
  assertEquals(await textOf(await get(client, "/index.html")), INDEX);
  assertEquals(client.state, "idle");
}

siteTests("many requests on one connection", async (site, kind) => {
  const client = await site.open();
  for (let i = 0; i < 20; i++) {
    const page = await get(client, "/index.html");
    assertEquals([page.status, page.statusText], [200, "OK"]);
    assertEquals([page.contentLength, page.keepAlive], [INDEX.length, true]);
    assertStringIncludes(
      page.headers.get("server")!.toLowerCase(),
      kind.program.slice(0, 5),
    );
    assertEquals(await textOf(page), INDEX);
    const head = await get(client, "/index.html", { method: "HEAD" });
    assertEquals([head.contentLength, head.body], [INDEX.length, null]);
    head.release();
    const nothing = await get(client, "/nothing");
    assertEquals([nothing.status, nothing.body], [204, null]);
    nothing.release();
    const missing = await get(client, "/missing");
    assertEquals(missing.status, 404);
    assertMatch(await textOf(missing), /not found/i);
  }
  const moved = await get(client, "/moved");
  assertEquals(moved.status, 301);
  assertMatch(moved.headers.get("location")!, /\/index\.html$/);
  assertEquals(
    await textOf(moved),
    await textOf(await get(client, "/moved")),
  );
  assertEquals(client.state, "idle");
});

siteTests("Set-Cookie lines stay apart", async (site) => {
  const client = await site.open();
  using response = await get(client, "/cookies");
  assertEquals(response.headers.getAll("set-cookie"), ["a=1", "b=2; Path=/"]);
  await response.text();
  const fetched = await client.fetch("/cookies");
  assertEquals(fetched.headers.getSetCookie(), ["a=1", "b=2; Path=/"]);
  await fetched.body?.cancel();
});

siteTests("Connection: close ends the connection", async (site) => {
  const client = await site.open();
  const last = await get(client, "/index.html", {
    headers: { connection: "close" },
  });
  assertEquals(last.keepAlive, false);
  assertEquals(client.state, "closing");
  assertEquals(await textOf(last), INDEX);
  await within(client.closed, "the end");
});

siteTests("a validator gets 304, and the connection goes on", async (site) => {
  const client = await site.open();
  const first = await get(client, "/index.html");
  const etag = first.headers.get("etag")!;
  const modified = first.headers.get("last-modified")!;
  await textOf(first);
  for (const method of ["GET", "HEAD"]) {
    for (
      const headers of [
        { "if-none-match": etag },
        { "if-modified-since": modified },
      ]
    ) {
      const same = await get(client, "/index.html", { method, headers });
      assertEquals([same.status, same.body], [304, null]);
      same.release();
    }
    const other = { "if-none-match": '"other"' };
    const changed = await get(client, "/index.html", {
      method,
      headers: other,
    });
    assertEquals(changed.status, 200);
    assertEquals(await textOf(changed), method === "GET" ? INDEX : "");
  }
  const fetched = await client.fetch("/index.html", {
    headers: { "if-none-match": etag },
  });
  assertEquals([fetched.status, fetched.body], [304, null]);
  await assertGoesOn(client);
});

siteTests("ranges: one, several, none that fits", async (site) => {
  const client = await site.open();
  const range = (value: string) =>
    get(client, "/index.html", { headers: { range: value } });
  const one = await range("bytes=2-8");
  assertEquals([one.status, one.contentLength], [206, 7]);
  assertEquals(one.headers.get("content-range"), `bytes 2-8/${INDEX.length}`);
  assertEquals(await textOf(one), INDEX.slice(2, 9));
  const several = await range("bytes=0-3,9-14");
  assertEquals(several.status, 206);
  const type = several.headers.get("content-type")!;
  const boundary = type.match(/^multipart\/byteranges; boundary=(.*)$/)![1]!;
  const parts = (await textOf(several)).split(`--${boundary}`);
  assertEquals(
    parts.slice(1, 3).map((part) => part.split("\r\n\r\n")[1]),
    [`${INDEX.slice(0, 4)}\r\n`, `${INDEX.slice(9, 15)}\r\n`],
  );
  assertEquals(await statusOf(await range("bytes=1000-")), 416);
  await assertGoesOn(client);
});

siteTests("gzip is handed on as it came", async (site) => {
  const client = await site.open();
  const headers = { "accept-encoding": "gzip" };
  const plain = (bytes: Uint8Array<ArrayBuffer>) =>
    new Response(
      new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")),
    ).text();
  using response = await get(client, "/notes.txt", { headers });
  assertEquals(response.headers.get("content-encoding"), "gzip");
  assertEquals(await plain(await response.bytes()), NOTES);
  const fetched = await client.fetch("/notes.txt", { headers });
  assertEquals(fetched.headers.get("content-encoding"), "gzip");
  assertEquals(await plain(await fetched.bytes()), NOTES);
  const head = await get(client, "/notes.txt", { method: "HEAD", headers });
  assertEquals([head.status, head.body], [200, null]);
  head.release();
  await assertGoesOn(client);
});

siteTests("chunks from upstream, and a body behind them", async (site) => {
  const client = await site.open();
  for (let i = 0; i < 3; i++) {
    const response = await get(client, "/up/stream");
    assertEquals([response.chunked, response.contentLength], [true, null]);
    assertEquals(await textOf(response), "one two three");
    await assertGoesOn(client);
    const head = await get(client, "/up/stream", { method: "HEAD" });
    assertEquals([head.status, head.body], [200, null]);
    head.release();
  }
});

siteTests("a large file, read at once, streamed, unread", async (site) => {
  const empty = digestOf(new Uint8Array(LARGE));
  const client = await site.open({ maxBodySize: LARGE, maxDrain: LARGE });
  const whole = await get(client, "/large.bin");
  assertEquals(whole.contentLength, LARGE);
  assertEquals(digestOf(await whole.bytes()), empty);
  whole.release();
  const streamed = await get(client, "/large.bin");
  const bytes = await new Response(streamed.body).bytes();
  streamed.release();
  assertEquals(digestOf(bytes), empty);
  const fetched = await client.fetch("/large.bin");
  assertEquals(digestOf(await fetched.bytes()), empty);
  // A body that nobody reads is discarded for the next response.
  (await get(client, "/large.bin")).release();
  await assertGoesOn(client);
  // One that is too long for that ends the connection.
  const other = await site.open({ maxDrain: LARGE - 1 });
  (await get(other, "/large.bin")).release();
  await within(other.closed, "the end");
});

siteTests("pipelined requests are answered in order", async (site) => {
  const client = await site.open({ pipeline: 16 });
  const targets: [method: string, target: string, status: number][] = [
    ["GET", "/index.html", 200],
    ["HEAD", "/notes.txt", 200],
    ["GET", "/nothing", 204],
    ["GET", "/up/stream", 200],
    ["PUT", "/up/echo", 200],
    ["GET", "/notes.txt", 200],
    ["HEAD", "/missing", 404],
    ["GET", "/moved", 301],
  ];
  const bodies: Record<string, string> = {
    "GET /index.html": INDEX,
    "GET /notes.txt": NOTES,
    "GET /up/stream": "one two three",
  };
  const asked = Array.from(
    { length: 12 },
    (_, round) =>
      targets.map(async ([method, target, status], i) => {
        const body = method === "PUT" ? `${round} ${i}` : null;
        using response = await get(client, target, { method, body });
        assertEquals(response.status, status, `${method} ${target}`);
        const text = await response.text();
        if (status !== 301) {
          assertEquals(text, bodies[`${method} ${target}`] ?? body ?? "");
        }
      }),
  ).flat();
  await Promise.all(asked);
  assertEquals(client.state, "idle");
});

siteTests("fetch: methods, forms, redirects, an abort", async (site) => {
  const client = await site.open({ authority: "example.test" });
  const told = await client.fetch("/up/told?a=1#b", {
    method: "DELETE",
    headers: { "X-A": "1" },
  });
  const { method, target, fields } = await told.json();
  assertEquals([method, target], ["DELETE", "/told?a=1"]);
  assertEquals(Object.fromEntries(fields)["x-a"], "1");
  const form = new FormData();
  form.append("text", "a \u00e9");
  form.append("file", new Blob(["x".repeat(100_000)]), "a.bin");
  const formed = await client.fetch("/up/form", { method: "POST", body: form });
  assertEquals(await formed.json(), [
    ["text", "a \u00e9"],
    ["file", "x".repeat(100_000)],
  ]);
  const search = await client.fetch("/up/echo", {
    method: "POST",
    body: new URLSearchParams({ a: "b c" }),
  });
  assertEquals(await search.text(), "a=b+c");
  const moved = await client.fetch("/moved");
  assertEquals([moved.status, moved.redirected], [301, false]);
  await moved.body?.cancel();
  const head = await client.fetch("/index.html", { method: "HEAD" });
  assertEquals([head.status, head.body], [200, null]);
  await until(() => client.state === "idle", "the client to be idle");
  const controller = new AbortController();
  const large = await client.fetch("/large.bin", { signal: controller.signal });
  const reader = large.body!.getReader();
  assert(!(await reader.read()).done);
  const reason = new Error("enough");
  controller.abort(reason);
  const read = async () => {
    while (!(await reader.read()).done);
  };
  assertEquals(await within(read().catch((error) => error), "it"), reason);
  await within(client.closed, "the end");
});

siteTests("readResponses on a socket, to its end", async (site) => {
  const host = "Host: localhost\r\n";
  const cases: [wire: string, methods: string[], statuses: number[]][] = [
    [
      `GET /index.html HTTP/1.1\r\n${host}\r\n` +
      `HEAD /notes.txt HTTP/1.1\r\n${host}\r\n` +
      `GET /up/stream HTTP/1.1\r\n${host}Connection: close\r\n\r\n`,
      ["GET", "HEAD", "GET"],
      [200, 200, 200],
    ],
    ["GET /notes.txt HTTP/1.0\r\n\r\n", ["GET"], [200]],
    [
      `GET /index.html HTTP/1.1\r\n${host}${host}\r\n`,
      ["GET"],
      [400],
    ],
  ];
  for (const [wire, methods, statuses] of cases) {
    const conn = await Deno.connect({
      hostname: "127.0.0.1",
      port: site.server.port,
    });
    await conn.write(bytesOf(wire));
    const asked = [...methods];
    const responses = readResponses(conn.readable, {
      method: () => asked.shift()!,
      pools: site.pools,
    });
    const seen: number[] = [];
    for await (const response of responses) {
      seen.push(response.status);
      const text = await textOf(response);
      assertEquals(text === "", methods[seen.length - 1] === "HEAD");
    }
    assertEquals(seen, statuses);
  }
});

// What nginx makes of a 103 depends on its version.
siteTest(APACHE, "an interim response of the origin", async (site) => {
  const client = await site.open();
  const hints: string[] = [];
  const response = await get(client, "/raw/hints", {
    onInterim: ({ status, headers }) =>
      void hints.push(`${status} ${headers.get("link")}`),
  });
  assertEquals(hints, ["103 </a.css>; rel=preload"]);
  assertEquals([response.status, await textOf(response)], [200, "hi"]);
  await assertGoesOn(client);
});

siteTest(NGINX, "trailers come behind the chunks", async (site) => {
  const client = await site.open();
  for (let i = 0; i < 2; i++) {
    using response = await get(client, "/trailers");
    assertEquals([response.chunked, response.trailers], [true, null]);
    assertEquals(await response.text(), INDEX);
    assertEquals([...response.trailers!], [["X-Check", "abc"]]);
  }
});
