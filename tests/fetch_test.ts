/**
 * `fetchHandler`: applications written for `Deno.serve`. A table of handlers is run
 * under `Deno.serve` and under this server, and `fetch` has to see no difference; a
 * Hono application is used from all sides; and what only shows on the wire (framing,
 * the moment at which a piece leaves, a cut) is looked at there.
 */

import { createHash } from "node:crypto";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  type FetchApp,
  fetchHandler,
  type FetchInfo,
  type Handler,
  Pools,
  serve,
  serveConnection,
  type ServeOptions,
} from "@pooled/http1";
import { Hono } from "hono";
// The import map names the package alone, and not what lies below it.
// deno-lint-ignore no-import-prefix
import { getCookie, setCookie } from "npm:hono@4.13.19/cookie";
// deno-lint-ignore no-import-prefix
import { streamSSE, streamText } from "npm:hono@4.13.19/streaming";
import {
  assertPoolsAtRest,
  makeCertificate,
  patterned,
  RawClient,
  type Running,
  turn,
  until,
  within,
  withServer,
} from "./serving.ts";
import { textOf } from "./support.ts";

// ------------------------------------------------------------------------ helpers

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const encoder = new TextEncoder();

/** Runs a test against an application. */
function withApp(
  app: FetchApp,
  test: (running: Running & { client: Deno.HttpClient }) => Promise<void>,
  options: ServeOptions = {},
): Promise<void> {
  return withServer(fetchHandler(app), async (running) => {
    // A client of the test's own, whose connections end with it.
    using client = Deno.createHttpClient({});
    await test({ ...running, client });
  }, options);
}

/** What a server answers to `text` until it ends the connection. */
async function ask(port: number, text: string): Promise<string> {
  using client = await RawClient.connect(port);
  await client.send(text);
  return await within(client.rest(), "the answer");
}

/** A stream whose pieces come when the test says so. */
function controlled(cancel: (reason: unknown) => void = () => {}) {
  let controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (given) => {
      controller = given;
    },
    cancel,
  });
  return {
    stream,
    put: (text: string) => controller.enqueue(encoder.encode(text)),
    close: () => controller.close(),
    fail: (error: unknown) => controller.error(error),
  };
}

/** A stream that gives its pieces one turn after the other. */
function slowly(...pieces: string[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from((async function* () {
    for (const piece of pieces) {
      await turn();
      yield encoder.encode(piece);
    }
  })());
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

// ----------------------------------------------------------- the same as Deno.serve

/** A handler, and the requests it is sent. */
interface Case {
  app: FetchApp;
  requests?: (readonly [path: string, init?: RequestInit])[];
  /** Whether Deno.serve frames the body otherwise, which is its good right. */
  framedOtherwise?: boolean;
  /** Whether a HEAD is not told of the length, where nobody said what GET would get. */
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
    // Its bytes come in time of their own, so nobody here knows how many.
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

/** A text that is shorter when it is encoded. */
const ENCODED_TEXT = "an encoded text, ".repeat(50);

const ENCODERS: Record<string, (text: string) => Uint8Array> = {
  gzip: gzipSync,
  GZIP: gzipSync,
  "x-gzip": gzipSync,
  br: brotliCompressSync,
  deflate: deflateSync,
  "gzip, br": (text) => brotliCompressSync(gzipSync(text)),
};

/** Serves encoded content, of a length that is declared or not. */
function serveEncoded(): Deno.HttpServer<Deno.NetAddr> {
  const listen = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  return Deno.serve(listen, (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const coding = searchParams.get("coding")!;
    const headers = { "content-encoding": coding, "x-origin": "yes" };
    const bytes = new Uint8Array(ENCODERS[coding]!(ENCODED_TEXT));
    if (pathname === "/304") {
      return new Response(null, { status: 304, headers });
    }
    return new Response(
      pathname === "/stream"
        ? ReadableStream.from([bytes.slice(0, 7), bytes.slice(7)])
        : bytes,
      { headers },
    );
  });
}

const ENCODED_REQUESTS = Object.keys(ENCODERS).flatMap((coding) =>
  ["/whole", "/stream", "/304"].flatMap((path) =>
    ["GET", "HEAD"].map((method) =>
      [`${path}?coding=${encodeURIComponent(coding)}`, { method }] as const
    )
  )
);

/** Where `serveEncoded` listens. */
let encodedOrigin = "";

/** Asks the origin what was asked. */
function forward(request: Request, init: RequestInit = {}): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const { method } = request;
  return fetch(encodedOrigin + pathname + search, { method, ...init });
}

/** Applications of content that somebody has encoded, the runtime or themselves. */
const ENCODED_CASES: Record<string, Case> = {
  "a fetched response": {
    app: (request) => forward(request),
    requests: ENCODED_REQUESTS,
    // Deno.serve says `Content-Length: 0` where the fields were dropped from a HEAD.
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

/** What `fetch` can tell of an answer. */
async function seenOf(
  url: string,
  client: Deno.HttpClient,
  { framedOtherwise = false, headSaysNoLength = false }: Case,
  init: RequestInit = {},
) {
  const headers = new Headers(init.headers);
  // Deno.serve compresses where it may, which is no part of what is compared.
  headers.set("accept-encoding", "identity");
  const answer = await fetch(url, {
    ...init,
    headers,
    client,
    redirect: "manual",
  });
  const ignored = new Set(["date", "vary"]);
  if (framedOtherwise) {
    // Deno.serve also closes where it answers before the request has all come.
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

Deno.test("fetch sees no difference to Deno.serve", async (t) => {
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
    await using origin = serveEncoded();
    encodedOrigin = `http://127.0.0.1:${origin.addr.port}`;
    for (const [name, one] of Object.entries({ ...CASES, ...ENCODED_CASES })) {
      await t.step(name, async () => {
        app = one.app;
        const requests = one.requests ?? [["/"], ["/", { method: "HEAD" }]];
        for (const [path, init] of requests) {
          // A stream can be sent once, so each gets one of its own.
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

// -------------------------------------------------------------------------------- Hono

/** An application that uses what Hono has. */
function honoApp(aborted: () => void): Hono {
  const app = new Hono();
  app.use("*", async (c, next) => {
    await next();
    c.header("x-middleware", `${c.req.method} ${c.res.status}`);
  });
  app.get("/", (c) => c.text("home"));
  app.get("/users/:id/posts/:post{[0-9]+}", (c) => {
    const { id, post } = c.req.param();
    return c.text(`${id} ${post}`);
  });
  app.get("/search", (c) => c.json([c.req.query("q"), c.req.queries("tag")]));
  app.post("/json", async (c) => c.json({ got: await c.req.json() }, 201));
  app.post("/upload", async (c) => {
    const { title, file } = await c.req.parseBody();
    if (!(file instanceof File)) return c.text("no file", 400);
    return c.json({
      title,
      name: file.name,
      type: file.type,
      digest: digestOf(await file.bytes()),
    });
  });
  app.get("/cookies", (c) => {
    setCookie(c, "first", getCookie(c, "old") ?? "none", { httpOnly: true });
    setCookie(c, "second", "2", { path: "/a" });
    return c.body(null, 204);
  });
  app.get("/redirect", (c) => c.redirect("/", 303));
  app.get("/text", (c) =>
    streamText(c, async (stream) => {
      for (const word of ["one", "two", "three"]) {
        await stream.writeln(word);
        await stream.sleep(1);
      }
    }));
  app.get("/events", (c) =>
    streamSSE(c, async (stream) => {
      stream.onAbort(aborted);
      for (let id = 0; !stream.aborted; id++) {
        await stream.writeSSE({ data: `event ${id}`, id: String(id) });
        await stream.sleep(1);
      }
    }));
  app.get("/fail", () => {
    throw new Error("of the application");
  });
  app.onError((error, c) => c.text(`caught ${error.message}`, 500));
  app.notFound((c) => c.text("nobody home", 404));
  const inner = new Hono().basePath("/inner");
  inner.all("/*", (c) => c.text(`${c.req.method} ${c.req.path}`));
  app.route("/", inner);
  return app;
}

Deno.test("Hono: routes, parameters, JSON, middleware, errors", async () => {
  const app = honoApp(() => {});
  await withApp(app.fetch, async ({ url, client, errors }) => {
    const ask = async (path: string, init: RequestInit = {}) => {
      const answer = await fetch(url + path, {
        client,
        redirect: "manual",
        ...init,
      });
      const { status, headers } = answer;
      return [status, headers.get("x-middleware"), await answer.text()];
    };
    assertEquals(await ask("/"), [200, "GET 200", "home"]);
    assertEquals(await ask("/users/j%C3%B6rg/posts/7"), [
      200,
      "GET 200",
      "jörg 7",
    ]);
    assertEquals(await ask("/users/a/posts/b"), [
      404,
      "GET 404",
      "nobody home",
    ]);
    assertEquals(await ask("/search?q=a+b&tag=1&tag=2"), [
      200,
      "GET 200",
      '["a b",["1","2"]]',
    ]);
    assertEquals(
      await ask("/json", { method: "POST", body: '{"a":["ü"]}' }),
      [201, "POST 201", '{"got":{"a":["ü"]}}'],
    );
    assertEquals(
      await ask("/json", { method: "POST", body: "no JSON" }),
      [500, "POST 500", `caught ${jsonComplaint()}`],
    );
    assertEquals(await ask("/fail"), [
      500,
      "GET 500",
      "caught of the application",
    ]);
    assertEquals(await ask("/redirect"), [303, "GET 303", ""]);
    assertEquals(await ask("/inner/a/b", { method: "DELETE" }), [
      200,
      "DELETE 200",
      "DELETE /inner/a/b",
    ]);
    assertEquals(await ask("/", { method: "HEAD" }), [200, "HEAD 200", ""]);
    // The application has its own way with errors.
    assertEquals(errors, []);
  });
});

function jsonComplaint(): string {
  try {
    return JSON.parse("no JSON");
  } catch (error) {
    return (error as Error).message;
  }
}

Deno.test("Hono: a file is uploaded, in one piece and in chunks", async () => {
  const file = patterned(400_000);
  const form = new FormData();
  form.append("title", "a title");
  form.append("file", new Blob([file], { type: "image/x-test" }), "a b.bin");
  const app = honoApp(() => {});
  await withApp(app.fetch, async ({ url, client }) => {
    const expected = {
      title: "a title",
      name: "a b.bin",
      type: "image/x-test",
      digest: digestOf(file),
    };
    const whole = await fetch(`${url}/upload`, {
      client,
      method: "POST",
      body: form,
    });
    assertEquals(await whole.json(), expected);
    const { headers, body } = new Response(form);
    const chunked = await fetch(`${url}/upload`, {
      client,
      method: "POST",
      headers,
      body,
    });
    assertEquals(await chunked.json(), expected);
  });
});

Deno.test("Hono: cookies come in lines of their own", async () => {
  await withApp(honoApp(() => {}).fetch, async ({ url, client, port }) => {
    const answer = await fetch(`${url}/cookies`, {
      client,
      headers: { cookie: "other=1; old=value" },
    });
    assertEquals(answer.status, 204);
    assertEquals(answer.headers.getSetCookie(), [
      "first=value; Path=/; HttpOnly",
      "second=2; Path=/a",
    ]);
    const wire = await ask(
      port,
      "GET /cookies HTTP/1.1\r\nHost: a\r\nCookie: x=2; old=1\r\n" +
        "Connection: close\r\n\r\n",
    );
    assertEquals(wire.match(/^set-cookie: [^;]+/gim), [
      "set-cookie: first=1",
      "set-cookie: second=2",
    ]);
  });
});

Deno.test("several Cookie lines are one list of cookies", async () => {
  // As under Deno.serve; with a comma, all but the first would be part of its value.
  const app: FetchApp = ({ headers }) => new Response(headers.get("cookie"));
  await withApp(app, async ({ port }) => {
    const answer = await ask(
      port,
      "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2; c=3\r\n" +
        "Connection: close\r\n\r\n",
    );
    assert(answer.endsWith("\r\n\r\na=1; b=2; c=3"), answer);
  });
});

Deno.test("Hono: streamed text, and events until the client leaves", async () => {
  const aborted = Promise.withResolvers<void>();
  const app = honoApp(aborted.resolve);
  await withApp(app.fetch, async ({ url, client, server }) => {
    const text = await fetch(`${url}/text`, { client });
    assertEquals(await text.text(), "one\ntwo\nthree\n");
    const events = await fetch(`${url}/events`, { client });
    assertEquals(events.headers.get("content-type"), "text/event-stream");
    let got = "";
    const decoder = new TextDecoderStream();
    for await (const piece of events.body!.pipeThrough(decoder)) {
      got += piece;
      if (got.includes("data: event 5\n")) break;
    }
    assert(got.startsWith("data: event 0\nid: 0\n\ndata: event 1\n"), got);
    await within(aborted.promise, "onAbort");
    await until(() => server.stats().connections <= 1, "the end");
  });
});

// ---------------------------------------------------- content that the runtime decoded

Deno.test("what the runtime decoded goes out without the fields of its coding", async () => {
  await using origin = serveEncoded();
  encodedOrigin = `http://127.0.0.1:${origin.addr.port}`;
  await withApp((request) => forward(request), async ({ port, errors }) => {
    for (const coding of ["gzip", "br"]) {
      for (const path of ["/whole", "/stream", "/304"]) {
        for (const method of ["GET", "HEAD"]) {
          const answer = await ask(
            port,
            `${method} ${path}?coding=${coding} HTTP/1.1\r\nHost: a\r\n` +
              "Connection: close\r\n\r\n",
          );
          const [head, body] = answer.split("\r\n\r\n", 2);
          const title = `${method} ${path} ${coding}`;
          assertStringIncludes(head!, "\r\nx-origin: yes", title);
          assert(!/content-encoding/i.test(head!), `${title}: ${head}`);
          const hasBody = method === "GET" && path !== "/304";
          const text = body!.replaceAll(/(^|\r\n)[0-9a-f]+\r\n/g, "");
          assertEquals(text.includes(ENCODED_TEXT), hasBody, title);
          // Where all of it was at hand, it has a length, which is its own.
          const length = head!.match(/content-length: (\d+)/i)?.[1];
          if (length !== undefined) {
            assertEquals([hasBody, length], [true, `${body!.length}`], title);
          }
          if (!hasBody) assertEquals(body, "", title);
        }
      }
    }
    assertEquals(errors, []);
  });
});

Deno.test("where the runtime does not tell what it decoded, fetched gzip and br count as decoded", async () => {
  await using origin = serveEncoded();
  encodedOrigin = `http://127.0.0.1:${origin.addr.port}`;
  let hidden = 0;
  await withApp(async (request) => {
    const response = await forward(request);
    for (const key of Object.getOwnPropertySymbols(response)) {
      const inner = (response as unknown as Record<symbol, unknown>)[key];
      if (inner instanceof Object && "bodyDecoded" in inner) {
        delete inner.bodyDecoded;
        hidden++;
      }
    }
    return response;
  }, async ({ url, client, errors }) => {
    const seen: Record<string, string | null> = {};
    for (const coding of Object.keys(ENCODERS)) {
      const query = `?coding=${encodeURIComponent(coding)}`;
      const { headers, body } = await fetch(`${url}/whole${query}`, {
        client,
        headers: { "accept-encoding": "identity" },
      });
      await body?.cancel();
      seen[coding] = headers.get("content-encoding");
    }
    assertEquals(seen, {
      gzip: null,
      GZIP: null,
      "x-gzip": "x-gzip",
      br: null,
      deflate: "deflate",
      "gzip, br": "gzip, br",
    });
    assertEquals(hidden, Object.keys(ENCODERS).length);
    assertEquals(errors, []);
  });
});

// ------------------------------------------------------------------- how bodies leave

Deno.test("a body that is whole goes out with its length", async () => {
  const bodies: Record<string, () => BodyInit | null> = {
    "/text": () => "hello",
    "/bytes": () => encoder.encode("hello"),
    "/params": () => new URLSearchParams("hello"),
    "/empty": () => "",
    "/none": () => null,
    "/closed": () => {
      const { stream, put, close } = controlled();
      put("hello");
      close();
      return stream;
    },
  };
  const app: FetchApp = ({ url }) =>
    new Response(bodies[new URL(url).pathname]!());
  await withApp(app, async ({ port }) => {
    for (const path of Object.keys(bodies)) {
      const answer = await ask(
        port,
        `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      );
      const body = answer.split("\r\n\r\n")[1]!;
      assertEquals(
        body.replace("=", ""),
        /empty|none/.test(path) ? "" : "hello",
      );
      assertStringIncludes(answer, `\r\nContent-Length: ${body.length}\r\n`);
      assert(!/transfer-encoding/i.test(answer), answer);
    }
  });
});

Deno.test("a head leaves before its body, and a piece before the next", async () => {
  const { stream, put, close } = controlled();
  await withApp(() => new Response(stream), async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await within(client.until("\r\n\r\n"), "the head");
    assert(client.received.endsWith("\r\n\r\n"), client.received);
    assertStringIncludes(client.received, "Transfer-Encoding: chunked\r\n");
    put("first");
    await within(client.until("5\r\nfirst\r\n"), "the first piece");
    put("second");
    await within(client.until("6\r\nsecond\r\n"), "the second piece");
    assert(!client.received.includes("0\r\n\r\n"), client.received);
    close();
    await within(client.until("\r\n0\r\n\r\n"), "the end");
    // And the connection goes on.
    client.received = "";
    await client.send("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n");
    await within(client.until("501 Not Implemented"), "the next");
  });
});

Deno.test("one piece that is there does not wait for the next", async () => {
  const { stream, put, close } = controlled();
  put("first");
  await withApp(() => new Response(stream), async ({ url, client }) => {
    const { body } = await within(fetch(url, { client }), "the head");
    const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await within(reader.read(), "the first piece");
    assertEquals(value, "first");
    put("second");
    close();
    assertEquals((await within(reader.read(), "the second")).value, "second");
    assert((await reader.read()).done);
  });
});

Deno.test("HEAD gets the head of GET, and its stream is cancelled", async () => {
  let cancelled = 0;
  const app: FetchApp = ({ url }) =>
    new Response(
      url.endsWith("/text") ? "hello" : controlled(() => cancelled++).stream,
    );
  await withApp(app, async ({ port, errors }) => {
    using client = await RawClient.connect(port);
    const head = async (path: string) => {
      client.received = "";
      await client.send(`HEAD ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      return await within(client.until("\r\n\r\n"), "the head");
    };
    assertStringIncludes(await head("/text"), "Content-Length: 5\r\n");
    assertStringIncludes(await head("/stream"), "200 OK");
    assertStringIncludes(await head("/text"), "Content-Length: 5\r\n");
    assert(client.received.endsWith("\r\n\r\n"), client.received);
    assertEquals(cancelled, 1);
    assertEquals(errors, []);
  });
});

Deno.test("an HTTP/1.0 client gets a stream without chunks", async () => {
  await withApp(() => new Response(slowly("one", "two")), async ({ port }) => {
    const answer = await ask(port, "GET / HTTP/1.0\r\n\r\n");
    assert(answer.endsWith("\r\n\r\nonetwo"), answer);
    assertStringIncludes(answer, "Connection: close\r\n");
  });
});

Deno.test("a body stream that fails cuts the connection and is reported", async () => {
  const error = new Error("of the body");
  const app: FetchApp = () => {
    const { stream, put, fail } = controlled();
    put("first");
    turn().then(turn).then(() => fail(error));
    return new Response(stream);
  };
  await withApp(app, async ({ url, port, client, errors, server }) => {
    const answer = await fetch(url, { client });
    assertEquals(answer.status, 200);
    await assertRejects(() => within(answer.text(), "the body"), TypeError);
    assertEquals(errors, [error]);
    // No last chunk, which would make what came pass for the whole.
    const wire = await ask(port, GET);
    assert(wire.endsWith("5\r\nfirst\r\n"), wire);
    assertEquals(errors, [error, error]);
    await until(() => server.stats().connections === 0, "the end");
  });
});

Deno.test("a chunk that is no Uint8Array cuts the connection", async () => {
  const app: FetchApp = () =>
    new Response(
      ReadableStream.from((async function* () {
        yield encoder.encode("first");
        await turn();
        yield "text" as unknown as Uint8Array;
      })()) as ReadableStream<Uint8Array<ArrayBuffer>>,
    );
  await withApp(app, async ({ port, errors }) => {
    const wire = await ask(port, GET);
    assert(wire.endsWith("5\r\nfirst\r\n"), wire);
    assertEquals(errors.length, 1);
    assertInstanceOf(errors[0], TypeError);
  });
});

Deno.test("a chunk at hand that is no Uint8Array is a 500", async () => {
  let cancelled = 0;
  const chunks: Record<string, unknown[]> = {
    "/text": ["text"],
    "/number": [1],
    "/buffer": [new ArrayBuffer(4)],
    "/view": [new DataView(new ArrayBuffer(4))],
    "/undefined": [undefined],
    "/null": [null],
    "/second": [encoder.encode("first"), "second"],
  };
  const app: FetchApp = (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const stream = new ReadableStream({
      start(controller) {
        for (const chunk of chunks[pathname]!) controller.enqueue(chunk);
        if (searchParams.has("close")) controller.close();
      },
      cancel: () => {
        cancelled++;
      },
    });
    const headers = new Headers();
    if (searchParams.has("length")) headers.set("content-length", "4");
    return new Response(stream, { headers });
  };
  await withApp(app, async ({ url, client, errors, server }) => {
    for (const path of Object.keys(chunks)) {
      for (const query of ["", "?length", "?close", "?close&length"]) {
        errors.length = cancelled = 0;
        const answer = await within(
          fetch(url + path + query, { client }),
          path,
        );
        assertEquals(
          [answer.status, await within(answer.text(), path)],
          [500, "Internal Server Error"],
          path + query,
        );
        assertEquals(errors.length, 1, path + query);
        assertInstanceOf(errors[0], TypeError);
        // One that has ended in the meantime is not there to be cancelled.
        if (!query.startsWith("?close")) assertEquals(cancelled, 1, path);
      }
    }
    assertEquals(server.stats().accepted, 1);
  });
});

Deno.test("a body that fails before anything was sent is a 500", async () => {
  const error = new Error("of the body");
  const app: FetchApp = ({ url }) => {
    const { stream, put, fail } = controlled();
    if (url.endsWith("/second")) {
      const chunks = [encoder.encode("first")];
      return new Response(
        new ReadableStream({
          pull(controller) {
            const chunk = chunks.pop();
            if (chunk === undefined) throw error;
            controller.enqueue(chunk);
          },
        }, { highWaterMark: 0 }),
      );
    }
    if (url.endsWith("/put")) put("lost");
    fail(error);
    return new Response(stream);
  };
  await withApp(app, async ({ url, client, errors, server }) => {
    for (const path of ["/first", "/second", "/put"]) {
      const answer = await fetch(url + path, { client });
      assertEquals(
        [answer.status, await answer.text()],
        [500, "Internal Server Error"],
        path,
      );
    }
    assertEquals(errors, [error, error, error]);
    assertEquals(server.stats().accepted, 1);
  });
});

Deno.test("a stream is read no faster than the client takes it", async () => {
  let produced = 0;
  const cancelled = Promise.withResolvers<void>();
  const app: FetchApp = () =>
    new Response(
      new ReadableStream({
        pull(controller) {
          produced += 65_536;
          controller.enqueue(new Uint8Array(65_536));
        },
        cancel: () => cancelled.resolve(),
      }, { highWaterMark: 0 }),
    );
  await withApp(app, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await client.until("200 OK");
    // Until the buffers of the system are full.
    let before = -1;
    await until(() => {
      const stopped = produced === before;
      before = produced;
      return stopped;
    }, "the stream to stop");
    for (let i = 0; i < 20; i++) await turn();
    assert(produced < 64 * 1024 * 1024, `${produced} bytes were produced`);
    client.conn.close();
    await within(cancelled.promise, "the stream to be cancelled");
  });
});

Deno.test("a response of a status without content has none", async () => {
  const app: FetchApp = ({ url }) =>
    new Response(null, { status: Number(url.slice(-3)) });
  await withApp(app, async ({ port }) => {
    const answer = async (status: number) =>
      await ask(
        port,
        `GET /${status} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      );
    for (const status of [204, 304]) {
      const head = await answer(status);
      assert(head.startsWith(`HTTP/1.1 ${status} `), head);
      assert(head.endsWith("\r\n\r\n"), head);
      assert(!/content-length|transfer-encoding/i.test(head), head);
    }
    // Framed like any other, and empty (RFC 9110 §15.3.6); Deno.serve leaves it out.
    assertStringIncludes(await answer(205), "\r\nContent-Length: 0\r\n");
  });
});

Deno.test("a stream for a client that has left is cancelled", async () => {
  const aborter = new AbortController();
  const begun = Promise.withResolvers<void>();
  const cancelled: string[] = [];
  await withApp(async (request) => {
    begun.resolve();
    const { signal } = request;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    return new Response(controlled(() => cancelled.push("body")).stream);
  }, async ({ port, server, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await within(begun.promise, "the application");
    aborter.abort();
    await within(server.finished, "the end of the server");
    await until(() => cancelled.length > 0, "cancel");
    assertEquals(errors, []);
  }, { signal: aborter.signal });
});

// ---------------------------------------------------------------- what cannot be sent

Deno.test("a stream that cannot be sent is cancelled", async () => {
  let cancelled = 0;
  const app: FetchApp = ({ url }) => {
    const { stream, put } = controlled(() => cancelled++);
    if (url.endsWith("/begun")) put("first");
    const headers = { "transfer-encoding": "gzip" };
    return new Response(stream, { headers });
  };
  await withApp(app, async ({ url, client, errors }) => {
    for (const path of ["/begun", "/empty"]) {
      const answer = await fetch(url + path, { client });
      assertEquals(answer.status, 500);
      await answer.text();
    }
    assertEquals(errors.length, 2);
    await until(() => cancelled === 2, "both to be cancelled");
  });
});

Deno.test("what is no response to send is a 500, and is reported", async () => {
  const used = new Response("used");
  await used.text();
  const locked = new Response("locked");
  locked.body!.getReader();
  const apps: Record<string, FetchApp> = {
    "/error": () => Response.error(),
    "/used": () => used,
    "/locked": () => locked,
    // To switch protocols is not for a Response.
    "/switch": () => new Response(null, { status: 101 }),
    "/text": () => "text" as unknown as Response,
    "/null": () => null as unknown as Response,
    "/length": () =>
      new Response("hello", { headers: { "content-length": "many" } }),
    "/coding": () =>
      new Response("hello", { headers: { "transfer-encoding": "gzip" } }),
    "/throws": () => {
      throw new TypeError("thrown");
    },
    "/rejects": () => Promise.reject(new TypeError("rejected")),
  };
  const app: FetchApp = (request, info) =>
    apps[new URL(request.url).pathname]!(request, info);
  await withApp(app, async ({ url, client, errors, server }) => {
    for (const path of Object.keys(apps)) {
      const before = errors.length;
      const answer = await fetch(url + path, { client });
      assertEquals(
        [answer.status, await answer.text()],
        [500, "Internal Server Error"],
        path,
      );
      assertEquals(errors.length, before + 1, path);
      assert(errors.at(-1) instanceof Error, path);
    }
    // None of it costs the connection.
    assertEquals(server.stats().accepted, 1);
  });
});

Deno.test("a Response with a body can be sent once, one without as often as wanted", async () => {
  const whole = new Response("hello");
  const { stream, put, close } = controlled();
  const streamed = new Response(stream);
  const redirect = Response.redirect("http://a/there");
  const app: FetchApp = ({ url }) =>
    url.endsWith("/whole")
      ? whole
      : url.endsWith("/stream")
      ? streamed
      : redirect;
  await withApp(app, async ({ url, client, errors }) => {
    const get = (path: string) =>
      within(fetch(url + path, { client, redirect: "manual" }), path);
    const statuses = [];
    for (const path of ["/whole", "/whole", "/whole", "/none", "/none"]) {
      const answer = await get(path);
      statuses.push(answer.status);
      await answer.body?.cancel();
    }
    assertEquals(statuses, [200, 500, 500, 302, 302]);
    // Also while it is on its way to somebody else.
    const first = await get("/stream");
    const second = await get("/stream");
    assertEquals([first.status, second.status], [200, 500]);
    await second.body?.cancel();
    put("hello");
    close();
    assertEquals(await within(first.text(), "the body"), "hello");
    assertEquals(errors.length, 3);
  });
});

Deno.test("onError can answer in the place of the 500", async () => {
  const told: unknown[] = [];
  await withApp(() => Response.error(), async ({ url, client }) => {
    const answer = await fetch(url, { client });
    assertEquals([answer.status, await answer.text()], [503, "later"]);
    assertEquals(told.length, 1);
  }, {
    onError: (error, res) => {
      told.push(error);
      res?.send("later", { status: 503 });
    },
  });
});

Deno.test("a declared length that is not that of the body at hand is a 500", async () => {
  let cancelled = 0;
  const headers = (length: number) => ({ "content-length": `${length}` });
  const apps: Record<string, () => Response> = {
    "/more": () => new Response("hello", { headers: headers(3) }),
    "/less": () => new Response("hello", { headers: headers(9) }),
    "/none": () => new Response("hello", { headers: headers(0) }),
    "/empty": () => new Response("", { headers: headers(5) }),
    "/null": () => new Response(null, { headers: headers(5) }),
    "/closed": () => {
      const { stream, put, close } = controlled();
      put("hello");
      close();
      return new Response(stream, { headers: headers(9) });
    },
    // What is there is too much already, whatever follows.
    "/begun": () => {
      const { stream, put } = controlled(() => cancelled++);
      put("hello");
      return new Response(stream, { headers: headers(3) });
    },
    "/two": () => {
      const { stream, put } = controlled(() => cancelled++);
      put("hello");
      put("world");
      return new Response(stream, { headers: headers(9) });
    },
  };
  const app: FetchApp = ({ url }) => apps[new URL(url).pathname]!();
  await withApp(app, async ({ url, client, errors, server }) => {
    for (const path of Object.keys(apps)) {
      errors.length = 0;
      const answer = await within(fetch(url + path, { client }), path);
      assertEquals(
        [answer.status, await within(answer.text(), path)],
        [500, "Internal Server Error"],
        path,
      );
      assertEquals(errors.length, 1, path);
      assertInstanceOf(errors[0], TypeError);
    }
    assertEquals(cancelled, 2);
    assertEquals(server.stats().accepted, 1);
  });
});

Deno.test("a stream that does not keep its declared length cuts the connection", async () => {
  const app: FetchApp = ({ url }) =>
    new Response(slowly("hel", "lo"), {
      headers: { "content-length": url.endsWith("/more") ? "3" : "9" },
    });
  await withApp(app, async ({ port, errors }) => {
    for (const path of ["/more", "/less"]) {
      const answer = await ask(port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      const [head, body] = answer.split("\r\n\r\n");
      assert(head!.startsWith("HTTP/1.1 200 "), answer);
      // No more than was declared, which might pass for another response.
      assertEquals(body, path === "/more" ? "hel" : "hello");
    }
    assertEquals(errors.length, 2);
  });
});

Deno.test("HEAD and 304 keep a declared length, which is that of GET", async () => {
  let cancelled = 0;
  const app: FetchApp = ({ url }) => {
    const { pathname } = new URL(url);
    const headers = { "content-length": "9" };
    if (pathname === "/304") {
      return new Response(null, { status: 304, headers });
    }
    const body: BodyInit | null = pathname === "/stream"
      ? controlled(() => cancelled++).stream
      : pathname === "/text"
      ? ""
      : null;
    return new Response(body, { headers });
  };
  await withApp(app, async ({ port, errors }) => {
    for (const path of ["/null", "/text", "/stream", "/304"]) {
      const method = path === "/304" ? "GET" : "HEAD";
      const answer = await ask(
        port,
        `${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      );
      assertStringIncludes(answer, "\r\nContent-Length: 9\r\n");
      assert(answer.endsWith("\r\n\r\n"), answer);
    }
    assertEquals(cancelled, 1);
    assertEquals(errors, []);
  });
});

Deno.test("CONNECT and TRACE, which Fetch does not know, are answered with 501", async () => {
  let called = false;
  await withApp(() => {
    called = true;
    return new Response();
  }, async ({ port, errors }) => {
    for (const method of ["TRACE", "TRACK", "trace"]) {
      const answer = await ask(
        port,
        `${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      );
      assert(answer.startsWith("HTTP/1.1 501 Not Implemented\r\n"), answer);
    }
    const answer = await ask(
      port,
      "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    );
    assert(answer.startsWith("HTTP/1.1 501 Not Implemented\r\n"), answer);
    assertStringIncludes(answer, "Connection: close\r\n");
    assert(!called, "the application was asked");
    assertEquals(errors, []);
  });
});

Deno.test("the application sees the method that was sent, or none", async () => {
  const seen: string[] = [];
  await withApp(async (request) => {
    seen.push(request.method);
    return new Response(await request.text());
  }, async ({ port, errors }) => {
    const answer = async (method: string, rest: string) =>
      await within(
        ask(
          port,
          `${method} / HTTP/1.1\r\nHost: a\r\n${rest}GET /next HTTP/1.1\r\n` +
            "Host: a\r\nConnection: close\r\n\r\n",
        ),
        method,
      );
    const body = "Content-Length: 4\r\n\r\nbody";
    const names = "GET HEAD POST PUT DELETE OPTIONS PATCH QUERY PROPFIND";
    for (const name of names.split(" ")) {
      const lower = name.toLowerCase();
      for (const method of [name, lower, name[0] + lower.slice(1)]) {
        for (const rest of ["\r\n", body]) {
          seen.length = 0;
          const text = await answer(method, rest);
          // Fetch writes six of them in capitals, which makes them another method.
          const normalized = new Request("http://a", { method }).method;
          const [status, methods] = normalized === method
            ? ["200 OK", [method, "GET"]]
            : ["501 Not Implemented", ["GET"]];
          assert(text.startsWith(`HTTP/1.1 ${status}\r\n`), text);
          assertEquals(seen, methods);
          assertEquals(text.match(/HTTP\/1.1 /g)?.length, 2, text);
        }
      }
    }
    assertEquals(errors, []);
  });
});

// ------------------------------------------------------------------ requests as Fetch

Deno.test("a GET or HEAD with a body has none for the application", async () => {
  const app: FetchApp = (request) =>
    Response.json([request.method, request.body]);
  await withApp(app, async ({ port, errors }) => {
    const body = "Content-Length: 4\r\n\r\nbody";
    const answer = await ask(
      port,
      `GET / HTTP/1.1\r\nHost: a\r\n${body}` +
        `HEAD / HTTP/1.1\r\nHost: a\r\n${body}` +
        `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    );
    assertEquals(answer.match(/HTTP\/1.1 \d+/g), [
      "HTTP/1.1 200",
      "HTTP/1.1 200",
      "HTTP/1.1 200",
    ]);
    assertEquals(answer.match(/\["\w+",null\]/g)?.length, 2);
    assertEquals(errors, []);
  });
});

Deno.test("request.url is the target URI", async () => {
  const app: FetchApp = (request) => new Response(`<${request.url}>`);
  await withApp(app, async ({ port, errors }) => {
    const urls: Record<string, string> = {
      "GET /a?b HTTP/1.1\r\nHost: example.test:81":
        "http://example.test:81/a?b",
      "GET //a/b HTTP/1.1\r\nHost: example.test": "http://example.test//a/b",
      "GET http://other.test/c?d HTTP/1.1\r\nHost: a": "http://other.test/c?d",
      "OPTIONS * HTTP/1.1\r\nHost: example.test": "http://example.test/",
      "GET /a HTTP/1.0": "http://localhost/a",
      "GET /a HTTP/1.1\r\nHost: [::1]:8000": "http://[::1]:8000/a",
    };
    for (const [head, url] of Object.entries(urls)) {
      const answer = await ask(port, `${head}\r\nConnection: close\r\n\r\n`);
      assertEquals(answer.match(/<.*>/)?.[0], `<${url}>`, head);
    }
    assertEquals(errors, []);
  });
});

Deno.test("a scheme that is not the connection's is misdirected", async () => {
  const { cert, key } = await makeCertificate();
  const app: FetchApp = (request) => new Response(`<${request.url}>`);
  const get = (target: string) =>
    `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
  await withApp(app, async ({ port, errors }) => {
    assertStringIncludes(await ask(port, get("HTTP://b/c")), "<http://b/c>");
    for (const target of ["https://b/c", "HTTPS://b:80", "hTTpS://a/"]) {
      const answer = await ask(port, get(target));
      assert(
        answer.startsWith("HTTP/1.1 421 Misdirected Request\r\n"),
        answer,
      );
    }
    // Nothing is wrong with the message itself: the connection goes on.
    const answer = await ask(
      port,
      "POST https://b/ HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\n\r\nbody" +
        get("/next"),
    );
    assertEquals(answer.match(/HTTP\/1.1 \d+/g), [
      "HTTP/1.1 421",
      "HTTP/1.1 200",
    ]);
    assertEquals(errors, []);
  });
  await withApp(app, async ({ port, errors }) => {
    const ask = async (target: string) => {
      const hostname = "127.0.0.1";
      using conn = await Deno.connectTls({ hostname, port, caCerts: [cert] });
      await conn.write(encoder.encode(get(target)));
      return await within(new Response(conn.readable).text(), "the answer");
    };
    assertStringIncludes(await ask("Https://b/c"), "<https://b/c>");
    assertStringIncludes(await ask("http://b/c"), "HTTP/1.1 421 ");
    assertEquals(errors, []);
  }, { cert, key });
});

Deno.test("a target of another scheme reaches no application that fetches", async () => {
  const app = fetchHandler((request) => fetch(request));
  await withServer(app, async ({ port, errors }) => {
    const path = await Deno.makeTempFile();
    await Deno.writeTextFile(path, "secret");
    for (const host of ["localhost", "", "a"]) {
      const answer = await ask(
        port,
        `GET file://${host}${path} HTTP/1.1\r\nHost: a\r\n\r\n`,
      );
      assert(answer.startsWith("HTTP/1.1 400 Bad Request\r\n"), answer);
      assert(!answer.includes("secret"), answer);
    }
    await Deno.remove(path);
    assertEquals(errors, []);
  });
});

Deno.test("a request that Fetch cannot have is the client's fault", async () => {
  const app: FetchApp = (request) => new Response(`<${request.url}>`);
  await withApp(app, async ({ port, errors }) => {
    // None of these is for the application to be blamed for.
    for (
      const head of [
        "GET / HTTP/1.1\r\nHost: a:99999",
        "GET / HTTP/1.1\r\nHost: 1.2.3.999",
        "GET / HTTP/1.1\r\nHost: a%zz",
        "GET / HTTP/1.1\r\nHost: [::z]",
        "GET http://a:b@c.test/ HTTP/1.1\r\nHost: c.test",
        "GET http://a:99999/ HTTP/1.1\r\nHost: a",
      ]
    ) {
      const answer = await ask(port, `${head}\r\nConnection: close\r\n\r\n`);
      assert(
        /^HTTP\/1.1 (200|400) /.test(answer),
        `${head} was answered ${answer}`,
      );
    }
    assertEquals(errors, []);
  });
});

Deno.test("request.url has the scheme https under TLS", async () => {
  const { cert, key } = await makeCertificate();
  await withApp(async (request) => {
    return new Response(`${request.url} ${await request.text()}`);
  }, async ({ port }) => {
    using client = Deno.createHttpClient({ caCerts: [cert] });
    const url = `https://127.0.0.1:${port}/a`;
    const answer = await fetch(url, { client, method: "POST", body: "text" });
    assertEquals(await answer.text(), `${url} text`);
  }, { cert, key });
});

Deno.test("info tells the client's address", async () => {
  const app: FetchApp = (_request, { remoteAddr }) => Response.json(remoteAddr);
  await withApp(app, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET.replace("1.1", "1.0"));
    const [, body] = (await client.rest()).split("\r\n\r\n");
    assertEquals(JSON.parse(body!), { ...client.conn.localAddr });
  });
});

Deno.test("info has no address where the connection has none", async () => {
  const app: FetchApp = (_request, { remoteAddr }) => Response.json(remoteAddr);
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const down = new TransformStream<Uint8Array, Uint8Array>();
  const served = serveConnection(
    { readable: up.readable, writable: down.writable },
    fetchHandler(app),
  );
  const writer = up.writable.getWriter();
  writer.write(encoder.encode("GET / HTTP/1.0\r\n\r\n"));
  const answer = await within(new Response(down.readable).text(), "the answer");
  assert(answer.endsWith("\r\n\r\nnull"), answer);
  await writer.close();
  await within(served, "the end");
});

Deno.test("the type of an application says what it is told", () => {
  // Deno.serve takes these, each typed for another kind of address.
  const any: Deno.ServeHandler = (_request, { remoteAddr }) =>
    Response.json(remoteAddr.transport);
  const tcp: Deno.ServeHandler<Deno.NetAddr> = (_request, { remoteAddr }) =>
    new Response(`${remoteAddr.port}`);
  const unix: Deno.ServeHandler<Deno.UnixAddr> = (_request, { remoteAddr }) =>
    new Response(remoteAddr.path);
  const module = { fetch: any } satisfies Deno.ServeDefaultExport;
  const hono = new Hono();
  const handlers: Handler[] = [
    ...[any, tcp, unix, hono.fetch].map((app) => fetchHandler(app)),
    ...[module, hono, { fetch: tcp }].map((app) => fetchHandler(app)),
    fetchHandler((_request, info: Deno.ServeHandlerInfo<Deno.NetAddr>) =>
      new Response(info.remoteAddr.hostname)
    ),
    fetchHandler((_request, { remoteAddr }) =>
      new Response(
        remoteAddr !== null && "port" in remoteAddr
          ? `${remoteAddr.port}`
          : "no port",
      )
    ),
    // @ts-expect-error -- there may be no address.
    fetchHandler((_, info) => new Response(info.remoteAddr.transport)),
    // @ts-expect-error -- nor need it be one of TCP.
    fetchHandler((_, info) => new Response(info.remoteAddr?.hostname)),
    // @ts-expect-error -- the same for an object.
    fetchHandler({ fetch: (_, info) => new Response(info.remoteAddr.port) }),
    // @ts-expect-error -- no server tells that.
    fetchHandler((_, info: { user: string }) => new Response(info.user)),
    // @ts-expect-error -- text is no Response.
    fetchHandler(() => "text"),
  ];
  assert(handlers.every((handler) => typeof handler === "function"));
});

Deno.test("a client that waits for its 100 (Continue) gets it when the body is read", async () => {
  const app: FetchApp = async (request) =>
    request.url.endsWith("/read")
      ? new Response(await request.text())
      : request.url.endsWith("/echo")
      ? new Response(request.body)
      : new Response("not wanted", { status: 413 });
  await withApp(app, async ({ port }) => {
    const head = (path: string) =>
      `POST ${path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n` +
      "Content-Length: 4\r\n\r\n";
    using client = await RawClient.connect(port);
    for (const path of ["/read", "/echo"]) {
      client.received = "";
      await client.send(head(path));
      await within(client.until("100 Continue\r\n\r\n"), "the 100");
      await client.send("body");
      await within(client.until("body"), "the answer");
    }
    const refused = await ask(port, head("/refuse"));
    assert(refused.startsWith("HTTP/1.1 413 "), refused);
  });
});

Deno.test("a body of many sizes comes back as it went, on many connections", async () => {
  const app: FetchApp = async (request) => {
    const bytes = await request.bytes();
    return new Response(bytes, { headers: { "x-digest": digestOf(bytes) } });
  };
  await withApp(app, async ({ url, client, errors }) => {
    const answers = Array.from({ length: 60 }, async (_, i) => {
      const body = patterned(Math.floor(1.25 ** i) % 400_000);
      const answer = await fetch(url, { client, method: "POST", body });
      assertEquals(answer.headers.get("x-digest"), digestOf(body));
      assertEquals(digestOf(await answer.bytes()), digestOf(body));
    });
    await within(Promise.all(answers), "the answers");
    assertEquals(errors, []);
  });
});

Deno.test("a body can be read while the response is on its way", async () => {
  const { stream, put, close } = controlled();
  const app: FetchApp = (request) => {
    request.text().then((text) => put(`got ${text}`)).finally(close);
    put("first ");
    return new Response(stream);
  };
  await withApp(app, async ({ port, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome",
    );
    await within(client.until("first "), "the first piece");
    await client.send(" text");
    await within(client.until("got some text"), "what was got");
    assertEquals(errors, []);
  });
});

Deno.test("a body that is read after the answer fails, and costs nothing else", async () => {
  const text = Promise.withResolvers<string>();
  const app: FetchApp = (request) => {
    if (request.method === "GET") return new Response("next");
    // Nobody waits for it, as for a task that goes on behind the answer.
    turn().then(() => request.text()).then(text.resolve, text.reject);
    return new Response("answered");
  };
  await withApp(app, async ({ port, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome",
    );
    await within(client.until("answered"), "the answer");
    await client.send(" text");
    await assertRejects(() => within(text.promise, "the body"), TypeError);
    await client.send(GET);
    await within(client.until("next"), "the next answer");
    assertEquals(errors, []);
  });
});

Deno.test("a body that somebody has read before is the program's fault", async () => {
  const app = fetchHandler(async (request) =>
    new Response(await request.text())
  );
  await withServer(async (req, res, info) => {
    await req.text();
    await app(req, res, info);
  }, async ({ port, errors }) => {
    const answer = await ask(
      port,
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n" +
        "Connection: close\r\n\r\nbody",
    );
    assert(answer.startsWith("HTTP/1.1 500 "), answer);
    assertEquals(errors.length, 1);
    assertInstanceOf(errors[0], TypeError);
  });
});

// ------------------------------------------------------------------ clients that leave

Deno.test("request.signal is aborted when the client leaves", async () => {
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

Deno.test("request.signal stays as it is where the client stays", async () => {
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

Deno.test("an application that fails because its client left is not reported", async () => {
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

/** What became of a promise. */
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
    // Asked for when all is over, it tells the same.
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
    // The stream's own timer may be under way.
    await turn();
  });
});

Deno.test("info.completed rejects also when it is asked for late", async () => {
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
    await ask(port, GET);
    assertEquals(await within(outcome.promise, "completed"), "rejected");
    assertEquals(errors.length, 1);
  });
});

// ----------------------------------------------------------------------- side by side

Deno.test("an application and a handler share a server", async () => {
  const app = fetchHandler((request) =>
    new Response(`app ${new URL(request.url).pathname}`)
  );
  const handler: Handler = (req, res, info) =>
    req.path.startsWith("/app")
      ? app(req, res, info)
      : res.send(`own ${req.path}`);
  await withServer(handler, async ({ port }) => {
    const answer = await ask(
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
  const { port } = server.addr as Deno.NetAddr;
  const answer = await fetch(`http://127.0.0.1:${port}/path`, { client });
  assertEquals(await answer.text(), "/path");
  await within(server.shutdown(), "the end of the server");
  assertPoolsAtRest(pools);
});
