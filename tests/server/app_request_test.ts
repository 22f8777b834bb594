/**
 * The `Request` of a Fetch application beside one of the runtime's own, made by hand: an
 * application sees no difference, neither during the exchange nor after it.
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { withApp } from "../support/fetch_app.ts";
import { RawClient } from "../support/raw_client.ts";
import { OPERATIONS } from "../support/request_operations.ts";
import { get } from "../support/requests.ts";
import { test, until } from "../support/waiting.ts";

const BODY = '{"a":[1,"ü"]}';

/** A request as it is on the wire, and what makes the same by hand. */
interface Sample {
  method: string;
  target: string;
  host?: string;
  fields: [string, string][];
  body?: string;
}

const FIELDS: [string, string][] = [
  ["Accept", "text/html"],
  ["X-Twice", "one"],
  ["x-twice", "two"],
  ["Cookie", "a=1"],
  ["Cookie", "b=2"],
];

const SAMPLES: Sample[] = [
  { method: "GET", target: "/a/b?c=d", fields: FIELDS },
  {
    method: "GET",
    target: "/a%20file.txt",
    fields: [
      ["If-None-Match", 'W/"1"'],
      ["If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"],
      ["Range", "bytes=0-9"],
      ["Origin", "http://b.example"],
    ],
  },
  {
    method: "POST",
    target: "/a",
    fields: [...FIELDS, ["Content-Type", "application/json"]],
    body: BODY,
  },
  {
    method: "PUT",
    target: "/form",
    fields: [["Content-Type", "application/x-www-form-urlencoded"]],
    body: "a=b&c=d%20e",
  },
  { method: "HEAD", target: "/", fields: [] },
  { method: "POST", target: "/untyped", fields: [], body: BODY },
  { method: "GET", target: "/with-a-body", fields: [], body: "ignored" },
  { method: "DELETE", target: "/x", fields: [] },
  { method: "PROPFIND", target: "/x", fields: [] },
  { method: "OPTIONS", target: "*", fields: [] },
];

/** One without and one with a body, to be kept beyond the exchange. */
const KEPT = [SAMPLES[0]!, SAMPLES[2]!];

/** Targets and hosts that a URL changes, and such as it leaves alone. */
const URLS: [host: string, target: string][] = [
  "/",
  "/a/../b",
  "/a/./b",
  "/.",
  "/..",
  "/a/.",
  "/a/..",
  "/.a/..b/c.d",
  "/a/%2e%2e/b",
  "/a/%2E/b",
  "/a/.%2e/b",
  "/%2e",
  "/a%2eb",
  "//a//b",
  "/a'b",
  "/a?b'c",
  "/a|b^c`d",
  "/{a}",
  "/[a]",
  '/"a"',
  "/<a>",
  "/%zz%",
  "/a\\b",
  "/a\\.b",
  "/a\\./b",
  "/a\\..\\.b",
  "/{.",
  "/`.",
  '/".a',
  "/<.>",
  "/a?'.b",
  "/a..b...",
  "/%41.%42..",
  "/a;b=c,d:e@f",
  "/a?b=../c&d=%2e",
  "/a?",
  "/a??",
].map((target): [string, string] => ["a.example:8080", target]).concat(
  [
    "A.Example",
    "a.example:80",
    "a.example:443",
    "a.example:0080",
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "[::1]",
    "[0:0::1]:81",
    "a_b",
    "xn--a",
    "a..b",
    "a.",
    "a-",
    "1",
    "a.1",
  ].map((host): [string, string] => [host, "/a?b"]),
);

function wireOf(sample: Sample): string {
  const lines = sample.fields.map(([name, value]) => `${name}: ${value}`);
  const host = sample.host ?? "a.example";
  const body = new TextEncoder().encode(sample.body ?? "");
  if (body.length > 0) lines.push(`Content-Length: ${body.length}`);
  const head = [
    `${sample.method} ${sample.target} HTTP/1.1`,
    `Host: ${host}`,
    ...lines,
    "",
    "",
  ].join("\r\n");
  return head + String.fromCharCode(...body);
}

function byHand(sample: Sample): Request {
  const { method, target, fields, body } = sample;
  const origin = `http://${sample.host ?? "a.example"}`;
  const headers = new Headers([["Host", sample.host ?? "a.example"]]);
  for (const [name, value] of fields) {
    if (name !== "Cookie") headers.append(name, value);
  }
  const cookies = fields.filter(([name]) => name === "Cookie")
    .map(([, value]) => value);
  if (cookies.length > 0) headers.set("Cookie", cookies.join("; "));
  if (body !== undefined) {
    const { length } = new TextEncoder().encode(body);
    headers.set("Content-Length", String(length));
  }
  const hasBody = body !== undefined && method !== "GET" && method !== "HEAD";
  return new Request(target === "*" ? origin : origin + target, {
    method,
    headers,
    // A stream, so that no type is added.
    ...hasBody ? { body: new Blob([body]).stream(), duplex: "half" } : {},
  } as RequestInit);
}

/** What an operation gave: a value that can be compared, or the name of its error. */
async function outcome(run: () => unknown): Promise<unknown> {
  try {
    return await plain(await run());
  } catch (error) {
    return (error as Error).constructor.name;
  }
}

async function plain(value: unknown): Promise<unknown> {
  if (value instanceof Request) {
    return {
      method: value.method,
      url: value.url,
      headers: [...value.headers],
      bodyUsed: value.bodyUsed,
      text: value.bodyUsed ? null : await value.text(),
    };
  }
  if (value instanceof Headers) return [...value];
  if (value instanceof FormData) return [...value];
  if (value instanceof Blob) return [value.type, await value.text()];
  if (value instanceof ArrayBuffer) return [...new Uint8Array(value)];
  if (value instanceof Uint8Array) return [...value];
  if (value instanceof ReadableStream) return await new Response(value).text();
  if (value instanceof AbortSignal) return value.aborted;
  return value;
}

/** Sends requests one after another, and gives what `run` gave for each. */
async function inApp(
  samples: Sample[],
  run: (request: Request) => unknown,
): Promise<unknown[]> {
  const results: unknown[] = [];
  await withApp(async (request) => {
    results.push(await run(request));
    return new Response("x");
  }, async ({ port, errors }) => {
    for (const sample of samples) {
      using client = await RawClient.connect(port);
      await client.send(wireOf(sample));
      assertEquals((await client.until("\r\n\r\n")).slice(9, 12), "200");
    }
    assertEquals(errors, []);
  });
  return results;
}

for (const [name, operation] of Object.entries(OPERATIONS)) {
  test(`an application sees the same: ${name}`, async () => {
    const found = await inApp(
      SAMPLES,
      (request) => outcome(() => operation(request)),
    );
    const expected = [];
    for (const sample of SAMPLES) {
      const request = byHand(sample);
      expected.push(await outcome(() => operation(request)));
    }
    assertEquals(found, expected);
  });
}

test("request.url is what URL makes of Host and target", async () => {
  const samples = URLS.map(([host, target]): Sample => {
    return { method: "GET", host, target, fields: [] };
  });
  for (const sample of samples) {
    const url = `http://${sample.host}${sample.target}`;
    await withApp((request) => new Response(request.url), async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send(
        wireOf(sample).replace("\r\n", "\r\nConnection: close\r\n"),
      );
      const answer = await client.rest();
      const status = Number(answer.slice(9, 12));
      if (status === 200) assert(answer.endsWith(new URL(url).href), url);
      // What is no URL, or no target in HTTP.
      else assertEquals(status, 400);
      if (!URL.canParse(url)) assertEquals(status, 400);
    });
  }
});

test("a request that outlives its exchange tells the same as before", async () => {
  for (const asked of [false, true]) {
    const kept: Request[] = [];
    await withApp((request) => {
      kept.push(request);
      if (asked) void [request.url, request.headers.get("accept")];
      return new Response("x");
    }, async ({ port }) => {
      using client = await RawClient.connect(port);
      for (const sample of KEPT) {
        await client.send(wireOf(sample));
        await client.until("x");
        client.received = "";
      }
      // The memory of both serves these.
      for (let i = 0; i < 20; i++) {
        await client.send(
          get(`/other/${i}`, "Accept: other", "X-Twice: other"),
        );
        await client.until("x");
        client.received = "";
      }
    });
    for (const [i, sample] of KEPT.entries()) {
      const request = kept[i]!;
      const expected = byHand(sample);
      assertEquals(request.method, expected.method);
      assertEquals(request.url, expected.url);
      assertEquals(request.headers.get("accept"), "text/html");
      assertEquals([...request.headers], [...expected.headers]);
      assertInstanceOf(request.signal, AbortSignal);
      assertEquals(request.bodyUsed, sample.body !== undefined);
    }
    // What was not read of a body is gone with the exchange.
    assertEquals(await outcome(() => kept[1]!.text()), "TypeError");
  }
});

test("a real Request that was made in time keeps its signal and body", async () => {
  await withApp(async (request) => {
    const { signal } = request;
    const copy = new Request(request);
    assert(request.signal === signal);
    assertEquals(copy.signal.aborted, false);
    return new Response(await copy.text());
  }, async ({ url, client }) => {
    const answer = await fetch(url, { method: "POST", body: BODY, client });
    assertEquals(await answer.text(), BODY);
  });
});

test("fetch takes it, as a proxy gives it", async () => {
  await withApp(
    async (request) =>
      Response.json([
        request.method,
        request.headers.get("x-test"),
        await request.text(),
      ]),
    async (origin) => {
      await withApp(async (request) => {
        const { pathname } = new URL(request.url);
        const through = await fetch(
          pathname === "/rewrite"
            ? new Request(`${origin.url}/`, request)
            : new Request(`${origin.url}/`, {
              method: request.method,
              headers: request.headers,
              body: request.body,
            }),
          { client: origin.client },
        );
        return new Response(through.body, through);
      }, async ({ url, client }) => {
        for (const path of ["/rewrite", "/copy"]) {
          const answer = await fetch(url + path, {
            method: "POST",
            headers: { "x-test": "yes" },
            body: BODY,
            client,
          });
          assertEquals(await answer.json(), ["POST", "yes", BODY]);
        }
      });
    },
  );
});

test("a request with the longest head outlives its exchange", async () => {
  const line = `GET /${"t".repeat(1000)} HTTP/1.1`;
  const fields = `Host: a.example\r\nX-Long: `;
  const maxRequestLine = line.length;
  const maxHeaderBytes = 65_000 - maxRequestLine;
  const long = "v".repeat(maxHeaderBytes - fields.length - 4);
  const kept: Request[] = [];
  await withApp((request) => {
    kept.push(request);
    return new Response("x");
  }, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(`${line}\r\n${fields}${long}\r\n\r\n`);
    await client.until("\r\n\r\nx");
  }, { maxRequestLine, maxHeaderBytes });
  assertEquals(kept[0]!.headers.get("x-long"), long);
  assertEquals(kept[0]!.url, `http://a.example/${"t".repeat(1000)}`);
});

test("a request tells after its exchange that its client had left", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const kept: Request[] = [];
  await withApp(async (request) => {
    kept.push(request);
    if (request.url.endsWith("/left")) await promise;
    return new Response("x");
  }, async ({ port, server }) => {
    using staying = await RawClient.connect(port);
    await staying.send(get("/stays"));
    await staying.until("\r\n\r\nx");
    using leaving = await RawClient.connect(port);
    await leaving.send(get("/left"));
    await until(() => kept.length === 2, "the request");
    await leaving.conn.closeWrite();
    leaving.conn.close();
    await until(() => server.stats().connections === 1, "the end");
    resolve();
  }, { goneTimeout: 100 });
  assertEquals(kept.map(({ signal }) => signal.aborted), [false, true]);
});
