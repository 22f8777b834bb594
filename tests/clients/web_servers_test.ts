/**
 * Responses of nginx and Apache httpd, read from their sockets.
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { type Handler, HttpError, type ReceivedResponse } from "@pooled/http1";
import { digestOf } from "../support/bytes.ts";
import { needs, type Program } from "../support/needs.ts";
import { requestText, SocketClient } from "../support/socket_client.ts";
import { settle, within } from "../support/waiting.ts";
import {
  INDEX,
  LARGE,
  NOTES,
  startApache,
  startNginx,
  type WebServer,
} from "../support/web_servers.ts";
import { withServer } from "../support/with_server.ts";

/** What stands behind `/up/`. */
const upstream: Handler = async (req, res) => {
  switch (req.path) {
    case "/echo":
      return res.send(await req.text());
    case "/chat": {
      const { readable, writable } = res.upgrade();
      return readable.pipeTo(writable);
    }
    case "/stream":
      return res.send(chunks(["one ", "two ", "three"]));
    case "/broken":
      return res.send(chunks(["one ", null]));
    case "/short":
      return res.send(chunks(["one ", null]), {
        headers: { "content-length": "100" },
      });
  }
  res.send("nothing here", { status: 404 });
};

/** A stream of texts that come apart; it fails at `null`. */
function chunks(texts: (string | null)[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await settle();
      const text = texts.shift();
      if (text === undefined) controller.close();
      else if (text === null) controller.error(new Error("as arranged"));
      else controller.enqueue(new TextEncoder().encode(text));
    },
  }, { highWaterMark: 0 });
}

interface Kind {
  program: Program;
  start: (upstream: number) => Promise<WebServer>;
}

const NGINX: Kind = { program: "nginx", start: startNginx };
const APACHE: Kind = { program: "apache2", start: startApache };

/** A test with a server of this kind and a client of one connection to it. */
function test(
  { program, start }: Kind,
  name: string,
  run: (client: SocketClient, server: WebServer) => Promise<void>,
): void {
  Deno.test(
    `${program}: ${name}`,
    needs(program),
    () =>
      withServer(upstream, async ({ port }) => {
        await using server = await start(port);
        await using client = await SocketClient.connect(server.port);
        await within(run(client, server), "the test", 30_000);
      }),
  );
}

/** The text of a response, which is released. */
async function textOf(response: ReceivedResponse): Promise<string> {
  using released = response;
  return await released.text();
}

/** The status of a response, whose body is read. */
async function statusOf(response: ReceivedResponse): Promise<number> {
  const { status } = response;
  await textOf(response);
  return status;
}

for (const kind of [NGINX, APACHE]) {
  test(
    kind,
    "a connection carries responses with and without a body",
    async (client) => {
      for (let i = 0; i < 3; i++) {
        const page = await client.request("/index.html");
        assertEquals([page.status, page.statusText], [200, "OK"]);
        assertEquals(page.contentLength, INDEX.length);
        assertEquals(page.keepAlive, true);
        assertStringIncludes(
          page.headers.get("server")!.toLowerCase(),
          kind.program.slice(0, 5),
        );
        assertEquals(await textOf(page), INDEX);
        const head = await client.request("/index.html", { method: "HEAD" });
        assertEquals([head.contentLength, head.body], [INDEX.length, null]);
        head.release();
        const nothing = await client.request("/nothing");
        assertEquals([nothing.status, nothing.body], [204, null]);
        nothing.release();
      }
      const missing = await client.request("/missing");
      assertEquals(missing.status, 404);
      assertMatch(await textOf(missing), /not found/i);
      const moved = await client.request("/moved");
      assertEquals(moved.status, 301);
      assertMatch(moved.headers.get("location")!, /\/index\.html$/);
      assertEquals(
        await textOf(moved),
        await textOf(await client.request("/moved")),
      );
    },
  );

  test(kind, "Set-Cookie lines stay apart", async (client) => {
    using response = await client.request("/cookies");
    assertEquals(response.headers.getAll("set-cookie"), ["a=1", "b=2; Path=/"]);
    await response.text();
  });

  test(
    kind,
    "Connection: close, and HTTP/1.0, end it",
    async (client, server) => {
      const last = await client.request("/index.html", {
        headers: { connection: "close" },
      });
      assertEquals(last.keepAlive, false);
      assertEquals(await textOf(last), INDEX);
      await client.end();
      await using old = await SocketClient.connect(server.port);
      await old.send("GET /notes.txt HTTP/1.0\r\n\r\n");
      const response = await old.response();
      assertEquals([response.status, response.keepAlive], [200, false]);
      assertEquals(await textOf(response), NOTES);
      await old.end();
    },
  );

  test(
    kind,
    "a validator gets 304, and the connection goes on",
    async (client) => {
      const first = await client.request("/index.html");
      const etag = first.headers.get("etag")!;
      const modified = first.headers.get("last-modified")!;
      await textOf(first);
      for (
        const headers of [
          { "if-none-match": etag },
          { "if-modified-since": modified },
        ]
      ) {
        const same = await client.request("/index.html", { headers });
        assertEquals([same.status, same.body], [304, null]);
        same.release();
      }
      assertEquals(await textOf(await client.request("/index.html")), INDEX);
    },
  );

  test(kind, "ranges: one, several, none that fits", async (client) => {
    const range = (value: string) =>
      client.request("/index.html", { headers: { range: value } });
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
    assertEquals(await textOf(await client.request("/index.html")), INDEX);
  });

  test(kind, "gzip is handed on as it came", async (client) => {
    using response = await client.request("/notes.txt", {
      headers: { "accept-encoding": "gzip" },
    });
    assertEquals(response.headers.get("content-encoding"), "gzip");
    const plain = new Blob([await response.bytes()]).stream()
      .pipeThrough(new DecompressionStream("gzip"));
    assertEquals(await new Response(plain).text(), NOTES);
  });

  test(kind, "chunks from upstream, and a body behind them", async (client) => {
    for (let i = 0; i < 3; i++) {
      const response = await client.request("/up/stream");
      assertEquals([response.chunked, response.contentLength], [true, null]);
      assertEquals(await textOf(response), "one two three");
      assertEquals(await textOf(await client.request("/index.html")), INDEX);
    }
  });

  test(
    kind,
    "a large file passes, read as a stream or at once",
    async (client) => {
      const empty = digestOf(new Uint8Array(LARGE));
      const response = await client.request("/large.bin");
      assertEquals(response.contentLength, LARGE);
      const bytes = await new Response(response.body).bytes();
      response.release();
      assertEquals(digestOf(bytes), empty);
      // A body that nobody reads is discarded for the next response.
      (await client.request("/large.bin")).release();
      assertEquals(await textOf(await client.request("/index.html")), INDEX);
    },
  );

  test(kind, "100-continue comes before the response", async (client) => {
    const head = requestText("/up/echo", {
      method: "POST",
      headers: { expect: "100-continue", "content-length": "5" },
    });
    await client.send(head);
    const interim = await client.any("POST");
    assertEquals([interim.status, interim.body], [100, null]);
    interim.release();
    await client.send("hello");
    assertEquals(await textOf(await client.response("POST")), "hello");
    assertEquals(await textOf(await client.request("/index.html")), INDEX);
  });

  test(kind, "an upgrade leads to the server behind", async (client) => {
    const response = await client.request("/up/chat", {
      headers: { connection: "upgrade", upgrade: "chat" },
    });
    assertEquals([response.status, response.upgrade], [101, "chat"]);
    const reader = response.body!.getReader();
    for (const text of ["hello", "\0\x01\xff", "HTTP/1.1 200 OK\r\n\r\n"]) {
      await client.send(text);
      let received = "";
      while (received.length < text.length) {
        const { value } = await within(reader.read(), text);
        received += String.fromCharCode(...value!);
      }
      assertEquals(received, text);
    }
    await client.endInput();
    assertEquals((await within(reader.read(), "the end")).done, true);
    response.release();
  });

  test(kind, "a 413 comes before the body", async (client) => {
    await client.send(requestText("/small", {
      method: "POST",
      headers: { "content-length": "1000000" },
    }));
    const response = await client.response("POST");
    assertEquals([response.status, response.keepAlive], [413, false]);
    assertMatch(await textOf(response), /too large/i);
    await client.endInput();
    await client.end();
  });

  test(kind, "a malformed request gets 400, and the end", async (client) => {
    await client.send("GET /index.html HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    const response = await client.response();
    assertEquals([response.status, response.keepAlive], [400, false]);
    await textOf(response);
    await client.end();
  });

  test(kind, "pipelined requests are answered in order", async (client) => {
    const targets: [string, string][] = [
      ["GET", "/index.html"],
      ["HEAD", "/notes.txt"],
      ["GET", "/nothing"],
      ["GET", "/up/stream"],
      ["GET", "/notes.txt"],
      ["HEAD", "/missing"],
    ];
    const asked = Array.from({ length: 5 }, () => targets).flat();
    await client.send(
      asked.map(([method, target]) => requestText(target, { method })).join(""),
    );
    const bodies: Record<string, string> = {
      "GET /index.html": INDEX,
      "GET /notes.txt": NOTES,
      "GET /up/stream": "one two three",
    };
    for (const [method, target] of asked) {
      const response = await client.response(method);
      const status = target === "/missing"
        ? 404
        : target === "/nothing"
        ? 204
        : 200;
      assertEquals(response.status, status, `${method} ${target}`);
      assertEquals(await textOf(response), bodies[`${method} ${target}`] ?? "");
    }
  });

  test(
    kind,
    "an upstream that breaks off ends the body early",
    async (client, server) => {
      for (const target of ["/up/broken", "/up/short"]) {
        await using client = await SocketClient.connect(server.port);
        const response = await client.request(target);
        assertEquals(response.status, 200);
        const error = await assertRejects(() => response.text(), HttpError);
        assertEquals(error.code, "unexpected-eof");
        response.release();
        await assertRejects(() => client.end(), HttpError);
      }
      assertEquals(await textOf(await client.request("/index.html")), INDEX);
    },
  );
}

test(NGINX, "trailers come behind the chunks", async (client) => {
  for (let i = 0; i < 2; i++) {
    using response = await client.request("/trailers");
    assertEquals([response.chunked, response.trailers], [true, null]);
    assertEquals(await response.text(), INDEX);
    assertEquals([...response.trailers!], [["X-Check", "abc"]]);
  }
});

test(
  NGINX,
  "a worker that is killed ends the body early",
  async (client, server) => {
    const response = await client.request("/slow");
    assertEquals(response.contentLength, LARGE);
    const reader = response.body!.getReader();
    let received = (await within(reader.read(), "bytes")).value!.length;
    for (const pid of server.workers()) Deno.kill(pid, "SIGKILL");
    await assertRejects(
      async () => {
        for (;;) {
          const { done, value } = await within(reader.read(), "the end");
          if (done) break;
          received += value.length;
        }
      },
      HttpError,
      "",
    );
    assert(received < LARGE, `${received} bytes came`);
    response.release();
  },
);
