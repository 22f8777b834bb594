/**
 * Requests as a Fetch application sees them.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { toText } from "@std/streams";
import {
  type FetchApp,
  fetchHandler,
  type Handler,
  serve,
  serveConnection,
} from "@pooled/http1";
import { Hono } from "hono";
import { digestOf, patterned } from "../support/bytes.ts";
import { makeCertificate } from "../support/certificate.ts";
import { withApp } from "../support/fetch_app.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { GET } from "../support/requests.ts";
import { controlled } from "../support/streams.ts";
import { turn, within } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

const encoder = new TextEncoder();

Deno.test("the body of a GET or HEAD is hidden from the application", async () => {
  const app: FetchApp = (request) =>
    Response.json([request.method, request.body]);
  await withApp(app, async ({ port, errors }) => {
    const body = "Content-Length: 4\r\n\r\nbody";
    const answer = await answerTo(
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
      const answer = await answerTo(
        port,
        `${head}\r\nConnection: close\r\n\r\n`,
      );
      assertEquals(answer.match(/<.*>/)?.[0], `<${url}>`, head);
    }
    assertEquals(errors, []);
  });
});

Deno.test("a target whose scheme differs from the connection's is answered with 421", async () => {
  const { cert, key } = await makeCertificate();
  const app: FetchApp = (request) => new Response(`<${request.url}>`);
  const get = (target: string) =>
    `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
  await withApp(app, async ({ port, errors }) => {
    assertStringIncludes(
      await answerTo(port, get("HTTP://b/c")),
      "<http://b/c>",
    );
    for (const target of ["https://b/c", "HTTPS://b:80", "hTTpS://a/"]) {
      const answer = await answerTo(port, get(target));
      assert(
        answer.startsWith("HTTP/1.1 421 Misdirected Request\r\n"),
        answer,
      );
    }
    // The message is valid HTTP, so the connection stays open.
    const answer = await answerTo(
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
      return await within(toText(conn.readable), "the answer");
    };
    assertStringIncludes(await ask("Https://b/c"), "<https://b/c>");
    assertStringIncludes(await ask("http://b/c"), "HTTP/1.1 421 ");
    assertEquals(errors, []);
  }, { cert, key });
});

Deno.test("a target with another scheme does not reach a proxying application", async () => {
  const app = fetchHandler((request) => fetch(request));
  await withServer(app, async ({ port, errors }) => {
    const path = await Deno.makeTempFile();
    await Deno.writeTextFile(path, "secret");
    for (const host of ["localhost", "", "a"]) {
      const answer = await answerTo(
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

Deno.test("a request that Fetch cannot represent is a client error", async () => {
  const app: FetchApp = (request) => new Response(`<${request.url}>`);
  await withApp(app, async ({ port, errors }) => {
    // None of these is reported as an application error.
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
      const answer = await answerTo(
        port,
        `${head}\r\nConnection: close\r\n\r\n`,
      );
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

Deno.test("info has the client's address", async () => {
  const app: FetchApp = (_request, { remoteAddr }) => Response.json(remoteAddr);
  await withApp(app, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET.replace("1.1", "1.0"));
    const [, body] = (await client.rest()).split("\r\n\r\n");
    assertEquals(JSON.parse(body!), { ...client.conn.localAddr });
  });
});

Deno.test("info has no address if the connection has none", async () => {
  const app: FetchApp = (_request, { remoteAddr }) => Response.json(remoteAddr);
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const down = new TransformStream<Uint8Array, Uint8Array>();
  const served = serveConnection(
    { readable: up.readable, writable: down.writable },
    fetchHandler(app),
  );
  const writer = up.writable.getWriter();
  writer.write(encoder.encode("GET / HTTP/1.0\r\n\r\n"));
  const answer = await within(toText(down.readable), "the answer");
  assert(answer.endsWith("\r\n\r\nnull"), answer);
  await writer.close();
  await within(served, "the end");
});

Deno.test("the types of an application match its arguments", () => {
  // Deno.serve accepts these handlers, each typed for a different kind of address.
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
    // @ts-expect-error -- the address may be null.
    fetchHandler((_, info) => new Response(info.remoteAddr.transport)),
    // @ts-expect-error -- the address may not be TCP.
    fetchHandler((_, info) => new Response(info.remoteAddr?.hostname)),
    // @ts-expect-error -- the same for an object with fetch.
    fetchHandler({ fetch: (_, info) => new Response(info.remoteAddr.port) }),
    // @ts-expect-error -- info has no such property.
    fetchHandler((_, info: { user: string }) => new Response(info.user)),
    // @ts-expect-error -- a string is not a Response.
    fetchHandler(() => "text"),
  ];
  assert(handlers.every((handler) => typeof handler === "function"));
});

Deno.test("reading the body sends 100 (Continue) to a waiting client", async () => {
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
    const refused = await answerTo(port, head("/refuse"));
    assert(refused.startsWith("HTTP/1.1 413 "), refused);
  });
});

Deno.test("bodies of many sizes are echoed unchanged on many connections", async () => {
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

Deno.test("a body can be read while the response is being sent", async () => {
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

Deno.test("reading a body after the answer rejects without side effects", async () => {
  const text = Promise.withResolvers<string>();
  const app: FetchApp = (request) => {
    if (request.method === "GET") return new Response("next");
    // A background task that nobody awaits.
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

Deno.test("an application that reads a used body gets a 500 and a report", async () => {
  const app = fetchHandler(async (request) =>
    new Response(await request.text())
  );
  await withServer(async (req, res, info) => {
    await req.text();
    await app(req, res, info);
  }, async ({ port, errors }) => {
    const answer = await answerTo(
      port,
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n" +
        "Connection: close\r\n\r\nbody",
    );
    assert(answer.startsWith("HTTP/1.1 500 "), answer);
    assertEquals(errors.length, 1);
    assertInstanceOf(errors[0], TypeError);
  });
});

Deno.test("the client of a Unix socket has the path of the server", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/socket`;
  try {
    await using _server = serve(
      { path, onListen: () => {} },
      fetchHandler((_request, { remoteAddr }) => Response.json(remoteAddr)),
    );
    using conn = await Deno.connect({ transport: "unix", path });
    await conn.write(new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));
    const answer = await within(new Response(conn.readable).text(), "answer");
    assertEquals(JSON.parse(answer.split("\r\n\r\n")[1]!), {
      transport: "unix",
      path,
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
