/**
 * The end of a server: by a signal, by `shutdown()` or by the end of its source. The
 * sanitizers check that no port, timer or pending operation is left.
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { toText } from "@std/streams";
import {
  type AcceptSource,
  type Conn,
  type Duplex,
  fetchHandler,
  type Handler,
  type HttpServer,
  serve,
  serveConnection,
  type ServerOptions,
} from "@pooled/http1";
import { makeCertificate } from "../support/certificate.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { withoutTimeout } from "../support/sweeps.ts";
import { sanitized, turn, until, within } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST_GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

const hello: Handler = (_req, res) => res.send("hello");
const never = () => new Promise<void>(() => {});

function listen(port = 0): Deno.Listener {
  return Deno.listen({ hostname: "127.0.0.1", port });
}

function portOf(server: HttpServer): number {
  return (server.addr as Deno.NetAddr).port;
}

// ------------------------------------------------------------------------ signal

/** Handlers that hang at different points. */
const HUNG: Record<string, Handler> = {
  "before its answer": never,
  "after its answer": (_req, res) => {
    res.send("hello");
    return never();
  },
  "in a read of the body": async (req, res) => {
    await req.text();
    res.send("for nobody");
  },
  "in a stream that it sends": (_req, res) =>
    res.send(new ReadableStream({ pull: never })),
  "in the cancel of a stream that it sends": (_req, res) =>
    res.send(new ReadableStream({ pull: never, cancel: never })),
  "under fetchHandler": fetchHandler(() => new Promise<Response>(() => {})),
};

for (const [where, handler] of Object.entries(HUNG)) {
  sanitized(`a signal ends a server whose handler hangs ${where}`, async () => {
    const aborter = new AbortController();
    const server = serve(listen(), handler, { signal: aborter.signal });
    const port = portOf(server);
    using client = await RawClient.connect(port);
    await client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
    );
    await until(() => server.stats().requests === 1, "the request");
    aborter.abort(new Error("enough"));
    await withoutTimeout(server.finished, "the end of the server");
    assertEquals(server.stats().connections, 0);
    await client.rest().catch(() => {});
    listen(port).close();
  });
}

sanitized(
  "a handler that aborts its server can await the server's end",
  async () => {
    const aborter = new AbortController();
    const ended = Promise.withResolvers<void>();
    const server = serve(listen(), async (_req, res) => {
      aborter.abort();
      await server.finished;
      ended.resolve();
      res.send("for nobody");
    }, { signal: aborter.signal });
    using client = await RawClient.connect(portOf(server));
    await client.send(GET);
    await withoutTimeout(ended.promise, "the end of the server");
    await client.rest().catch(() => {});
  },
);

sanitized(
  "serveConnection resolves at once when its signal is aborted",
  async () => {
    const aborter = new AbortController();
    const listener = listen();
    const accepted = listener.accept();
    using client = await RawClient.connect(
      (listener.addr as Deno.NetAddr).port,
    );
    const served = serveConnection(await accepted, never, {
      signal: aborter.signal,
    });
    await client.send(GET);
    await turn();
    aborter.abort();
    await withoutTimeout(served, "the end");
    listener.close();
    await client.rest().catch(() => {});
  },
);

sanitized(
  "a hanging handler frees its maxConnections slot once its client is gone",
  async () => {
    const server = serve(listen(), async (req, res) => {
      if (req.path === "/hang") await never();
      res.send("served");
    }, { maxConnections: 1, goneTimeout: 100 });
    using client = await RawClient.connect(portOf(server));
    await client.send(
      "GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /hang HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    await until(() => server.stats().requests === 2, "the requests");
    await until(() => server.stats().bytesSent > 0, "the first answer");
    client.conn.close();
    await until(() => server.stats().connections === 0, "the end");
    const answer = answerTo(portOf(server), LAST_GET);
    assertStringIncludes(await within(answer, "an answer"), "served");
    await server.shutdown();
  },
);

sanitized(
  "the signal ends a write to a client that does not read",
  async () => {
    const aborter = new AbortController();
    const server = serve(
      listen(),
      (_req, res) => res.send(new Uint8Array(30_000_000)),
      { signal: aborter.signal },
    );
    using client = await RawClient.connect(portOf(server));
    await client.send(GET);
    await until(() => server.stats().requests === 1, "the request");
    await turn();
    aborter.abort();
    await withoutTimeout(server.finished, "the end of the server");
    client.conn.close();
    // The pending write ends with its connection.
    await turn();
  },
);

// ------------------------------------------------------------- the port is free

type Kind = "TCP" | "TLS";
type How = "shutdown" | "abort";

for (const kind of ["TCP", "TLS"] as Kind[]) {
  for (const how of ["shutdown", "abort"] as How[]) {
    for (const used of ["idle", "after a connection"]) {
      sanitized(
        `the port is free after ${how} (${kind} server, ${used})`,
        async () => {
          const tls = kind === "TLS" ? await makeCertificate() : {};
          const aborter = new AbortController();
          const options = {
            hostname: "127.0.0.1",
            onListen() {},
            signal: aborter.signal,
            ...tls,
          };
          const first = serve({ ...options, port: 0 }, hello);
          const port = portOf(first);
          if (used !== "idle") {
            const client = await RawClient.connect(port);
            await client.send(LAST_GET);
            await client.rest().catch(() => {});
            client.conn.close();
            await until(() => first.stats().connections === 0, "the end");
          }
          if (how === "abort") aborter.abort();
          else first.shutdown();
          await within(first.finished, "the end");
          // Would throw AddrInUse.
          const { signal: _, ...again } = options;
          const second = serve({ ...again, port }, hello);
          await second.shutdown();
          await serve({ ...again, port }, hello)[Symbol.asyncDispose]();
        },
      );
    }
  }
}

sanitized("a Unix socket's path is free after the end", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/s.sock`;
  for (let i = 0; i < 3; i++) {
    const server = serve({ path, onListen() {} }, hello);
    await server.shutdown();
  }
  await Deno.remove(folder, { recursive: true });
});

sanitized(
  "a server that is ended in its first turn leaks nothing",
  async () => {
    for (const how of ["shutdown", "abort"]) {
      const aborter = new AbortController();
      const server = serve(listen(), hello, { signal: aborter.signal });
      if (how === "abort") aborter.abort();
      else await server.shutdown();
      await server.finished;
      listen(portOf(server)).close();
    }
  },
);

sanitized("a listener closed by its owner leaks nothing", async () => {
  const listener = listen();
  const server = serve(listener, hello);
  await turn();
  listener.close();
  await within(server.finished, "the end");
  listen(portOf(server)).close();
});

sanitized(
  "shutdown does not wait for the retry of a failing listener",
  async () => {
    const listener = listen();
    // Like a system that has run out of file descriptors.
    let accepts = 0;
    const accept = () => {
      accepts++;
      return Promise.reject(new Error("Too many open files"));
    };
    const server = serve(
      Object.assign(listener, { accept }),
      hello,
      { onError() {} },
    );
    await turn();
    const before = accepts;
    await within(server.shutdown(), "the end");
    assertEquals(accepts, before);
  },
);

// ------------------------------------------------------------ continuous pipelining

for (const how of ["sync", "async"]) {
  sanitized(
    `a client that keeps pipelining does not delay shutdown (${how})`,
    async () => {
      let handled = 0;
      const handler: Handler = how === "sync"
        ? (_req, res) => {
          handled++;
          res.send("hello");
        }
        : async (_req, res) => {
          handled++;
          await turn();
          res.send("hello");
        };
      await withServer(handler, async ({ server, port }) => {
        using client = await RawClient.connect(port);
        // The window always contains the beginning of the next request.
        let going = true;
        const sending = (async () => {
          await client.send(GET + GET.slice(0, 10));
          while (going) {
            await client.send(GET.slice(10) + GET.slice(0, 10));
            await turn();
          }
        })().catch(() => {});
        await client.until("hello");
        await until(() => server.stats().requests > 5, "some requests");
        const before = handled;
        const finished = server.shutdown();
        // Reads to the end: requests that the server drops must not corrupt the output.
        const answers = await client.rest();
        going = false;
        await sending;
        client.conn.close();
        await within(finished, "the end of the server");
        assert(
          handled - before <= 50,
          `${handled - before} more were answered`,
        );
        assertEquals(answers.match(/hello/g)?.length, handled);
        if (answers.endsWith("hello") && handled > before) {
          const last = answers.slice(answers.lastIndexOf("HTTP/1.1"));
          assertStringIncludes(last, "Connection: close\r\n");
        }
      });
    },
  );
}

sanitized(
  "shutdown answers complete requests, and the last response says close",
  async () => {
    const gate = Promise.withResolvers<void>();
    await withServer(async (req, res) => {
      if (req.path === "/slow") await gate.promise;
      res.send(`<${req.path} ${await req.text()}>`);
    }, async ({ server, port }) => {
      using client = await RawClient.connect(port);
      const post = (path: string, body: string, length = body.length) =>
        `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${body}`;
      await client.send(
        "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + post("/one", "body") +
          "GET /two HTTP/1.1\r\nHost: a\r\n\r\n" + post("/cut", "bo", 4),
      );
      await until(() => server.stats().requests === 1, "the request");
      await turn();
      const finished = server.shutdown();
      await turn();
      await turn();
      await client.send("dyGET /three HTTP/1.1\r\nHost: a\r\n\r\n");
      await turn();
      gate.resolve();
      const answers = await client.rest();
      client.conn.close();
      await within(finished, "the end of the server");
      assertEquals(answers.match(/<[^>]*>/g), [
        "</slow >",
        "</one body>",
        "</two >",
      ]);
      const heads = answers.split("HTTP/1.1 200 OK").slice(1);
      assertEquals(
        heads.map((head) => head.includes("Connection: close\r\n")),
        [false, false, true],
      );
    });
  },
);

for (
  const [what, body] of Object.entries({
    "of a known length": "Content-Length: 5\r\n\r\nhello",
    "in chunks": "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  })
) {
  sanitized(
    `shutdown answers complete requests behind an unread body ${what}`,
    async () => {
      const gate = Promise.withResolvers<void>();
      await withServer(async (req, res) => {
        if (req.method === "POST") await gate.promise;
        res.send(`<${req.path}>`);
      }, async ({ server, port }) => {
        using client = await RawClient.connect(port);
        await client.send(
          `POST /1 HTTP/1.1\r\nHost: a\r\n${body}` +
            "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        );
        await until(() => server.stats().requests === 1, "the request");
        await turn();
        const finished = server.shutdown();
        await turn();
        await turn();
        gate.resolve();
        const answers = await client.rest();
        assertEquals(answers.match(/<[^>]*>/g), ["</1>", "</2>"]);
        client.conn.close();
        await within(finished, "the end of the server");
      });
    },
  );
}

sanitized("shutdown works with maxHeaders at MAX_SAFE_INTEGER", async () => {
  const gate = Promise.withResolvers<void>();
  await withServer(async (_req, res) => {
    await gate.promise;
    res.send("hello");
  }, async ({ server, port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET + GET);
    await until(() => server.stats().requests === 1, "the request");
    const finished = server.shutdown();
    await turn();
    gate.resolve();
    assertEquals((await client.rest()).match(/hello/g)?.length, 2);
    client.conn.close();
    await within(finished, "the end of the server");
  }, { maxHeaders: Number.MAX_SAFE_INTEGER });
});

for (const how of ["serve", "serveConnection"]) {
  sanitized(
    `${how}: a signal ends upgraded connections, also after the server's end`,
    async () => {
      const aborter = new AbortController();
      const pair = Promise.withResolvers<Duplex>();
      const listener = listen();
      const accepting = how === "serve" ? null : listener.accept();
      const handler: Handler = (_req, res) => pair.resolve(res.upgrade());
      const server = how === "serve"
        ? serve(listener, handler, { signal: aborter.signal })
        : null;
      using client = await RawClient.connect(
        (listener.addr as Deno.NetAddr).port,
      );
      await client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
      );
      if (accepting !== null) {
        await serveConnection(await accepting, handler, {
          signal: aborter.signal,
        });
        listener.close();
      }
      const { readable } = await pair.promise;
      await server?.shutdown();
      const reading = readable.getReader().read();
      aborter.abort(new Error("enough"));
      await assertRejects(() => within(reading, "the end"), Error, "enough");
      await client.rest().catch(() => {});
    },
  );
}

sanitized("shutdown does not wait for the rest of a head", async () => {
  await withServer(hello, async ({ server, port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET.slice(0, 20));
    await until(() => server.stats().bytesReceived === 20, "the bytes");
    const finished = server.shutdown();
    assertEquals(await client.rest(), "");
    client.conn.close();
    await within(finished, "the end of the server");
  });
});

// ------------------------------------------------------------------------- sources

/** A stream-pair connection and the client's end of it. */
function pipe(): [server: Duplex, client: Duplex] {
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const down = new TransformStream<Uint8Array, Uint8Array>();
  return [
    { readable: up.readable, writable: down.writable },
    { readable: down.readable, writable: up.writable },
  ];
}

for (const how of ["shutdown", "abort"]) {
  const end = (server: HttpServer, aborter: AbortController) => {
    if (how === "abort") aborter.abort();
    else server.shutdown();
    return withoutTimeout(server.finished, "the end of the server");
  };
  const start = (source: AcceptSource, options: ServerOptions = {}) => {
    const aborter = new AbortController();
    const server = serve(source, hello, { signal: aborter.signal, ...options });
    return { server, aborter };
  };

  sanitized(`${how} cancels an idle stream of connections`, async () => {
    let cancelled = false;
    const source = new ReadableStream<Duplex>({
      pull: never,
      cancel: () => void (cancelled = true),
    });
    const { server, aborter } = start(source);
    await turn();
    await end(server, aborter);
    assert(cancelled);
    assert(!source.locked);
  });

  sanitized(`${how} calls the source's close method`, async () => {
    const waiting = Promise.withResolvers<void>();
    let cleaned = false;
    const source = Object.assign(
      (async function* (): AsyncGenerator<Duplex> {
        try {
          await waiting.promise;
          yield* [];
        } finally {
          cleaned = true;
        }
      })(),
      { close: () => waiting.resolve() },
    );
    const { server, aborter } = start(source);
    await turn();
    await end(server, aborter);
    await turn();
    assert(cleaned);
  });

  sanitized(
    `${how} calls return() on an iterator whose next() is pending`,
    async () => {
      let returned = false;
      const source: AsyncIterable<Duplex> = {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise(() => {}),
          return: () => {
            returned = true;
            return Promise.resolve({ done: true, value: undefined });
          },
        }),
      };
      const { server, aborter } = start(source);
      await turn();
      await end(server, aborter);
      assert(returned);
    },
  );

  sanitized(`${how} does not wait for a suspended generator`, async () => {
    const waiting = Promise.withResolvers<void>();
    const [late, client] = pipe();
    const source = (async function* (): AsyncGenerator<Duplex> {
      await waiting.promise;
      yield late;
    })();
    const { server, aborter } = start(source);
    await turn();
    await end(server, aborter);
    // Connections that it yields afterwards are closed.
    waiting.resolve();
    const reading = client.readable.getReader().read();
    await within(reading.catch(() => {}), "the end of the late one");
    assertEquals((await source.next()).done, true);
  });

  sanitized(`${how} tolerates a source whose cleanup fails`, async () => {
    for (
      const broken of [
        {
          next: () => new Promise(() => {}),
          return: () => Promise.reject(new Error("return")),
        },
        {
          next: () => new Promise(() => {}),
          return: () => {
            throw new Error("return");
          },
        },
        { next: () => new Promise(() => {}) },
      ]
    ) {
      const source = {
        [Symbol.asyncIterator]: () => broken,
        close() {
          throw new Error("close");
        },
      } as unknown as AcceptSource;
      const { server, aborter } = start(source);
      await turn();
      await end(server, aborter);
    }
  });
}

sanitized(
  "a source with only an `accept` or only an `addr` is iterated",
  async () => {
    // Only both together make a listener.
    const [near, far] = pipe();
    const source = Object.assign(
      (async function* (): AsyncGenerator<Conn | Duplex> {
        yield near;
      })(),
      { accept: () => Promise.reject(new Error("never to be called")) },
    );
    const errors: unknown[] = [];
    const server = serve(source, hello, {
      onError: (error) => void errors.push(error),
    });
    const writer = far.writable.getWriter();
    writer.write(new TextEncoder().encode(LAST_GET)).catch(() => {});
    const text = await within(toText(far.readable), "an answer");
    assertStringIncludes(text, "hello");
    await writer.close().catch(() => {});
    await server.shutdown();
    assertEquals(errors, []);
  },
);
