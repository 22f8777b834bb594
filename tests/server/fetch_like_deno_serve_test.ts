/**
 * `fetchHandler` compared with `Deno.serve`: for the same applications and requests,
 * `fetch` sees the same responses.
 */

import { brotliCompressSync } from "node:zlib";
import { assertEquals } from "@std/assert";
import type { FetchApp } from "@pooled/http1";
import { digestOf, patterned, textOf } from "../support/bytes.ts";
import {
  ENCODED_TEXT,
  ENCODERS,
  forward,
  serveEncoded,
} from "../support/encoded_origin.ts";
import { withApp } from "../support/fetch_app.ts";
import { slowly } from "../support/streams.ts";
import { within } from "../support/waiting.ts";

const encoder = new TextEncoder();

/** An application and the requests sent to it. */
interface Case {
  app: FetchApp;
  requests?: (readonly [path: string, init?: RequestInit])[];
  /** Whether Deno.serve uses another valid framing of the body. */
  framedOtherwise?: boolean;
  /** Whether a response to HEAD has no length because that of GET is unknown. */
  headSaysNoLength?: boolean;
}

const CASES: Record<string, Case> = {
  "text": { app: () => new Response("hello") },
  "text beyond ASCII": { app: () => new Response("grüße, 世界") },
  "an empty text": { app: () => new Response("") },
  "nothing": { app: () => new Response(), headSaysNoLength: true },
  "a promise": { app: async () => await Promise.resolve(new Response("late")) },
  "JSON": { app: () => Response.json({ a: [1, null, "ü"] }, { status: 201 }) },
  "bytes": { app: () => new Response(patterned(100_000)) },
  "an ArrayBuffer": { app: () => new Response(patterned(1000).buffer) },
  "a search string": {
    app: () => new Response(new URLSearchParams({ a: "b c", d: "&" })),
  },
  "a blob with a type": {
    app: () => new Response(new Blob(["<p>"], { type: "text/html" })),
    // The length of a stream is unknown in advance.
    framedOtherwise: true,
  },
  "a stream": {
    app: () => new Response(slowly("one", "two", "three")),
    framedOtherwise: true,
  },
  "a stream that is there already": {
    app: () =>
      new Response(
        ReadableStream.from([encoder.encode("a"), encoder.encode("b")]),
      ),
    framedOtherwise: true,
  },
  "a stream of declared length": {
    app: () =>
      new Response(slowly("one", "two"), {
        headers: { "content-length": "6" },
      }),
  },
  "a length that is declared for HEAD": {
    app: ({ method }) =>
      new Response(method === "HEAD" ? null : "12345", {
        headers: { "content-length": "5" },
      }),
  },
  "a response made anew of another's body": {
    app: () => {
      const { body } = new Response("hello");
      return new Response(body, { headers: { "x-added": "yes" }, status: 201 });
    },
    headSaysNoLength: true,
  },
  "a length that is not that of the body": {
    app: ({ url }) =>
      new Response(url.endsWith("/null") ? null : "hello", {
        headers: { "content-length": "9" },
      }),
    requests: [["/"], ["/null"], ["/", { method: "HEAD" }]],
  },
  "fields": {
    app: () =>
      new Response("hello", {
        headers: [
          ["content-type", "text/x-test"],
          ["x-one", "1"],
          ["x-one", "2"],
          ["X-Empty", ""],
          ["x-latin", "zoë"],
          ["set-cookie", "a=1; Path=/"],
          ["set-cookie", "b=2; HttpOnly"],
          ["cache-control", "no-store"],
        ],
      }),
  },
  "statuses": {
    app: (request) => {
      const status = Number(new URL(request.url).searchParams.get("status"));
      const empty = status === 204 || status === 304;
      return new Response(empty ? null : `status ${status}`, { status });
    },
    requests: [200, 201, 202, 204, 206, 304, 400, 404, 418, 500, 503, 599]
      .map((status) => [`/?status=${status}`] as const),
  },
  "a redirect": {
    app: (request) =>
      Response.redirect(new URL("/there?a=b", request.url), 307),
    headSaysNoLength: true,
  },
  "what was asked": {
    app: async (request, info) =>
      Response.json({
        method: request.method,
        url: new URL(request.url).href.replace(/:\d+/, ""),
        fields: [...request.headers].filter(([name]) => name !== "host"),
        text: await request.text(),
        hostname: (info.remoteAddr as Deno.NetAddr).hostname,
        transport: info.remoteAddr!.transport,
      }),
    requests: [
      ["/a/b%20c/../d;e?f=g&f=%C3%BC&h"],
      ["//double//slashes?"],
      ["/", {
        headers: { "X-Name": "zoë", cookie: "a=1; b=2", accept: "*/*" },
      }],
      ["/", { method: "POST", body: "text" }],
      ["/", { method: "POST", body: new URLSearchParams({ a: "b" }) }],
      ["/", { method: "POST", body: new Uint8Array(0) }],
      ["/", { method: "PUT", body: slowly("some ", "text") }],
      ["/", { method: "DELETE" }],
      ["/", { method: "PATCH", body: "{}" }],
      ["/", { method: "OPTIONS" }],
      ["/", { method: "PROPFIND" }],
    ],
  },
  "a form": {
    app: async (request) => {
      const form = await request.formData();
      const file = form.get("file") as File;
      return Response.json([
        form.getAll("name"),
        file.name,
        file.type,
        digestOf(await file.bytes()),
      ]);
    },
    requests: [["/", {
      method: "POST",
      body: (() => {
        const form = new FormData();
        form.append("name", "value");
        form.append("name", "ü");
        form.append("file", new Blob([patterned(50_000)]), "ä.bin");
        return form;
      })(),
    }]],
  },
  "an echo": {
    app: (request) => new Response(request.body),
    requests: [
      ["/", { method: "POST", body: patterned(300_000) }],
      ["/", { method: "POST", body: slowly("one", "two") }],
      ["/", { method: "POST" }],
    ],
    framedOtherwise: true,
  },
  "a body that was read in part": {
    app: async (request) => {
      const reader = request.body!.getReader();
      const { value } = await reader.read();
      return new Response(`${value!.length > 0}`);
    },
    requests: [["/", { method: "POST", body: "text" }]],
  },
  "a clone": {
    app: async (request) => {
      const clone = request.clone();
      return Response.json([await request.text(), await clone.text()]);
    },
    requests: [["/", { method: "POST", body: "text" }]],
  },
  "a handler that throws": {
    app: () => {
      throw new Error("thrown");
    },
  },
  "a handler that rejects": {
    app: () => Promise.reject(new Error("rejected")),
  },
  "no Response": { app: () => "text" as unknown as Response },
  "nothing at all": { app: () => undefined as unknown as Response },
  "a body that was used": {
    app: async () => {
      const response = new Response("hello");
      await response.text();
      return response;
    },
  },
};

const ENCODED_REQUESTS = Object.keys(ENCODERS).flatMap((coding) =>
  ["/whole", "/stream", "/304"].flatMap((path) =>
    ["GET", "HEAD"].map((method) =>
      [`${path}?coding=${encodeURIComponent(coding)}`, { method }] as const
    )
  )
);

/** Applications that serve encoded content, their own or fetched. */
const ENCODED_CASES: Record<string, Case> = {
  "a fetched response": {
    app: (request) => forward(request),
    requests: ENCODED_REQUESTS,
    // For HEAD, Deno.serve sends `Content-Length: 0` after dropping the fields.
    headSaysNoLength: true,
    framedOtherwise: true,
  },
  "a clone of a fetched response": {
    app: async (request) => (await forward(request)).clone(),
    requests: ENCODED_REQUESTS.filter(([, { method }]) => method === "GET"),
    framedOtherwise: true,
  },
  "a fetched response that is not decoded": {
    app: (request) =>
      forward(request, { headers: { "accept-encoding": "identity" } }),
    requests: ENCODED_REQUESTS.filter(([path]) => !path.startsWith("/stream")),
  },
  "a fetched range, which is not decoded": {
    app: (request) => forward(request, { headers: { range: "bytes=0-" } }),
    requests: ENCODED_REQUESTS,
    headSaysNoLength: true,
    framedOtherwise: true,
  },
  "a fetched response made anew without the fields of its coding": {
    app: async (request) => {
      const { body, headers, status } = await forward(request);
      const kept = new Headers(headers);
      kept.delete("content-encoding");
      kept.delete("content-length");
      return new Response(body, { headers: kept, status });
    },
    requests: [["/whole?coding=gzip"], ["/stream?coding=br"]],
    framedOtherwise: true,
  },
  "content that the application encodes": {
    app: () =>
      new Response(
        new Blob([ENCODED_TEXT]).stream()
          .pipeThrough(new CompressionStream("gzip")),
        { headers: { "content-encoding": "gzip" } },
      ),
    framedOtherwise: true,
  },
  "content that the application has encoded": {
    app: () => {
      const bytes = new Uint8Array(brotliCompressSync(ENCODED_TEXT));
      return new Response(bytes, {
        headers: {
          "content-encoding": "br",
          "content-length": `${bytes.length}`,
        },
      });
    },
  },
};

/** The properties of a response that `fetch` exposes. */
async function seenOf(
  url: string,
  client: Deno.HttpClient,
  { framedOtherwise = false, headSaysNoLength = false }: Case,
  init: RequestInit = {},
) {
  const headers = new Headers(init.headers);
  // Deno.serve may compress responses; the comparison ignores that.
  headers.set("accept-encoding", "identity");
  const answer = await fetch(url, {
    ...init,
    headers,
    client,
    redirect: "manual",
  });
  const ignored = new Set(["date", "vary"]);
  if (framedOtherwise) {
    // Deno.serve also closes if it answers before the whole request has arrived.
    ["content-length", "transfer-encoding", "connection"].forEach((name) =>
      ignored.add(name)
    );
  }
  if (headSaysNoLength && init.method === "HEAD") ignored.add("content-length");
  const body = await answer.bytes();
  return {
    status: answer.status,
    headers: [...answer.headers].filter(([name]) => !ignored.has(name))
      .map(([name, value]) => [name, value.replace(/:\d+\//, "/")])
      .sort(),
    body: body.length > 10_000 ? digestOf(body) : textOf(body),
  };
}

Deno.test("fetch sees no difference from Deno.serve", async (t) => {
  let app: FetchApp = () => new Response();
  await using theirs = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    onError: () => new Response("Internal Server Error", { status: 500 }),
  }, (request, info) => app(request, info));
  await withApp((request, info) => app(request, info), async (running) => {
    const { url, client } = running;
    const other = `http://127.0.0.1:${theirs.addr.port}`;
    await using _origin = serveEncoded();
    for (const [name, one] of Object.entries({ ...CASES, ...ENCODED_CASES })) {
      await t.step(name, async () => {
        app = one.app;
        const requests = one.requests ?? [["/"], ["/", { method: "HEAD" }]];
        for (const [path, init] of requests) {
          // A stream can be sent once, so each server gets its own.
          let [mine, their] = [init, init];
          if (init?.body instanceof ReadableStream) {
            const [first, second] = init.body.tee();
            mine = { ...init, body: first };
            their = { ...init, body: second };
          }
          const [ours, expected] = await within(
            Promise.all([
              seenOf(url + path, client, one, mine),
              seenOf(other + path, client, one, their),
            ]),
            "the answers",
          );
          assertEquals(ours, expected, `${init?.method ?? "GET"} ${path}`);
        }
      });
    }
  });
});
