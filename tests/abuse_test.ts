/**
 * What a hostile peer or a careless program does to a server, and what it may not
 * cost anybody else: connections that are reset or left, lengths that no memory has,
 * late answers, broken transports. Operations and resources are sanitized.
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type Conn,
  type ErrorHandler,
  fetchHandler,
  type Handler,
  HttpError,
  type HttpResponse,
  Pools,
  prepareResponse,
  RequestParser,
  serve,
  serveConnection,
} from "@pooled/http1";
import {
  answerTo,
  makeCertificate,
  RawClient,
  sanitized,
  turn,
  until,
  within,
  withServer,
} from "./serving.ts";
import { bytesOf, textOf } from "./support.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST_GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

const hello: Handler = (_req, res) => res.send("hello");

// ------------------------------------------------------------------ accepting

/** A listener that answers `accept` with what is given, then waits to be closed. */
class ScriptedListener {
  readonly addr: Deno.Addr = {
    transport: "tcp",
    hostname: "127.0.0.1",
    port: 1,
  };
  accepts = 0;
  closed = false;
  readonly #script: (() => Promise<Deno.Conn>)[];
  readonly #end = Promise.withResolvers<never>();

  constructor(script: (() => Promise<Deno.Conn>)[]) {
    this.#script = script;
    // Nobody may wait when it is closed.
    this.#end.promise.catch(() => {});
  }

  accept(): Promise<Deno.Conn> {
    this.accepts++;
    return this.#script.shift()?.() ?? this.#end.promise;
  }

  close(): void {
    this.closed = true;
    this.#end.reject(new Deno.errors.BadResource("closed"));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Deno.Conn> {
    for (;;) yield await this.accept();
  }
}

for (
  const name of [
    "ConnectionReset",
    "ConnectionAborted",
    "NotConnected",
  ] as const
) {
  sanitized(
    `a peer that is gone before it is accepted (${name}) delays nobody`,
    async () => {
      const errors: unknown[] = [];
      const failing = () => Promise.reject(new Deno.errors[name]("gone"));
      const listener = new ScriptedListener(Array(500).fill(failing));
      const server = serve(listener, hello, {
        onError: (error) => void errors.push(error),
      });
      // With a pause for each, even of 1 ms, these would take half a second and more.
      for (let turns = 0; listener.accepts < 501 && turns < 250; turns++) {
        await turn();
      }
      assertEquals(listener.accepts, 501);
      assertEquals(errors, []);
      assertEquals(server.stats().aborted, 500);
      assertEquals(server.stats().accepted, 0);
      await server.shutdown();
    },
  );
}

sanitized(
  "a listener that fails for ever with a client's error lets others run",
  async () => {
    const listener = new ScriptedListener([]);
    listener.accept = () => {
      listener.accepts++;
      return Promise.reject(
        listener.closed
          ? new Deno.errors.BadResource("closed")
          : new Deno.errors.ConnectionReset("gone"),
      );
    };
    const server = serve(listener, hello);
    await turn();
    await turn();
    assert(listener.accepts > 1);
    await server.shutdown();
  },
);

sanitized("an exhausted system is reported, and accepting pauses", async () => {
  const errors: unknown[] = [];
  const full = Object.assign(new Error("Too many open files (os error 24)"), {
    code: "EMFILE",
  });
  const listener = new ScriptedListener([() => Promise.reject(full)]);
  const server = serve(listener, hello, {
    onError: (error) => void errors.push(error),
  });
  await turn();
  assertEquals([errors, listener.accepts], [[full], 1]);
  await until(() => listener.accepts === 2, "the next try");
  await server.shutdown();
});

/** Resets `count` connections to `port` as soon as they are made. */
async function resetMany(port: number, count: number): Promise<void> {
  const script = `
import socket, struct, sys
for i in range(int(sys.argv[2])):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.connect(("127.0.0.1", int(sys.argv[1])))
    s.close()
`;
  const { success, stderr } = await new Deno.Command("python3", {
    args: ["-c", script, `${port}`, `${count}`],
  }).output();
  assert(success, textOf(stderr));
}

for (const kind of ["TCP", "TLS"]) {
  sanitized(
    `${kind}: hundreds of resets, and the next client is served`,
    async () => {
      const tls = kind === "TLS" ? await makeCertificate() : {};
      await withServer(hello, async ({ server, port, errors }) => {
        await resetMany(port, 600);
        if (kind === "TLS") {
          const conn = await Deno.connectTls({
            hostname: "127.0.0.1",
            port,
            caCerts: [(tls as { cert: string }).cert],
          });
          await conn.write(bytesOf(LAST_GET));
          const answer = new Uint8Array(1000);
          const count = await within(conn.read(answer), "an answer", 2000);
          assertStringIncludes(textOf(answer.subarray(0, count!)), "hello");
          conn.close();
        } else {
          const answer = within(answerTo(port, LAST_GET), "an answer", 2000);
          assertStringIncludes(await answer, "hello");
        }
        assertEquals(errors, []);
        await until(() => server.stats().connections === 0, "the end of all");
      }, tls);
    },
  );
}

// ------------------------------------------------------- clients that are gone

/** What a client may leave unread in the server's window. */
const LEFTOVERS: Record<string, string> = {
  "nothing": GET,
  "a byte": GET + "G",
  "a trailing CRLF": GET + "\r\n",
  "half of a head": GET + GET.slice(0, 20),
  "a whole request": GET + GET,
  "forty requests": GET.repeat(41),
  "a whole body":
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
  "half of a body":
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhello",
  "a chunked body": "POST / HTTP/1.1\r\nHost: a\r\n" +
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  "a body on a GET":
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
  "a body of 40 kB":
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n" +
    "x".repeat(40_000),
  "a fault": GET + "\0\0\0",
};

/** Resolves when `signal` is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

const WAITERS: Record<string, Handler> = {
  "a handler": async (req, res) => {
    await aborted(req.signal);
    res.send("for nobody");
  },
  "fetchHandler": fetchHandler(async (request) => {
    await aborted(request.signal);
    return new Response("for nobody");
  }),
  "an event stream": (req, res) => {
    let cancelled = false;
    res.send(
      new ReadableStream({
        start(controller) {
          req.signal.addEventListener("abort", () => {
            if (!cancelled) controller.close();
          }, { once: true });
        },
        cancel: () => void (cancelled = true),
      }),
    );
  },
};

for (const [waiter, handler] of Object.entries(WAITERS)) {
  for (const [left, wire] of Object.entries(LEFTOVERS)) {
    sanitized(
      `${waiter} is told that its client left, with ${left} unread`,
      async () => {
        await withServer(handler, async ({ server, port }) => {
          for (const how of ["close", "half-close"]) {
            const client = await RawClient.connect(port);
            await client.send(wire);
            await until(() => server.stats().requests > 0, "the request");
            if (how === "close") client.conn.close();
            else {
              await client.conn.closeWrite();
              await client.rest();
              client.conn.close();
            }
            await until(() => server.stats().connections === 0, "the end");
          }
        });
      },
    );
  }
}

sanitized(
  "a client that fills the read-ahead and is then silent is let go",
  async () => {
    await withServer(
      WAITERS["a handler"]!,
      async ({ server, port, errors }) => {
        using client = await RawClient.connect(port);
        // More than is read ahead; whether the client is still there can't be seen.
        const sent = client.send(GET.repeat(40_000)).catch(() => {});
        await until(() => server.stats().requests > 0, "the request");
        assert(server.stats().bytesReceived <= 200_000);
        await until(() => server.stats().connections === 0, "the end");
        await sent;
        assertEquals(errors, []);
      },
      { idleTimeout: 100 },
    );
  },
);

sanitized("a slow handler may leave a large body unread for long", async () => {
  // The read-ahead is full, but the handler takes of it before the time is up.
  await withServer(async (req, res) => {
    let length = 0;
    for await (const chunk of req.body!) {
      length += chunk.length;
      if (length < 600_000) await new Promise((done) => setTimeout(done, 20));
    }
    res.send(`${length}`);
  }, async ({ port }) => {
    const answer = await answerTo(
      port,
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" +
        `Content-Length: 800000\r\n\r\n${"x".repeat(800_000)}`,
    );
    assert(answer.endsWith("\r\n\r\n800000"), answer);
  }, { idleTimeout: 200 });
});

sanitized(
  "a client that ends its side gets its answer, with bytes unread behind",
  async () => {
    const gate = Promise.withResolvers<void>();
    await withServer(async (req, res) => {
      await gate.promise;
      res.send(`${req.path}, ${await req.text()}`);
    }, async ({ server, port }) => {
      using client = await RawClient.connect(port);
      await client.send(
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" +
          "GET /b HTTP/1.1\r\nHost: a\r\n\r\n",
      );
      await client.conn.closeWrite();
      await until(() => server.stats().requests === 1, "the request");
      await turn();
      gate.resolve();
      const answers = await client.rest();
      assertStringIncludes(answers, "/a, hello");
      assert(answers.endsWith("/b, "), answers);
    });
  },
);

sanitized(
  "a silent stream is cancelled soon after its client has left",
  async () => {
    const cancelled = Promise.withResolvers<unknown>();
    const handlers: Handler[] = [
      (_req, res) =>
        res.send(
          new ReadableStream({
            start: (controller) => controller.enqueue(bytesOf("first")),
            cancel: (reason) => cancelled.resolve(reason),
          }),
        ),
      fetchHandler(() =>
        new Response(
          new ReadableStream({
            start: (controller) => controller.enqueue(bytesOf("first")),
            cancel: (reason) => cancelled.resolve(reason),
          }),
        )
      ),
    ];
    for (const handler of handlers) {
      // The default timeouts: what ends it is none of them.
      await withServer(handler, async ({ server, port, errors }) => {
        const client = await RawClient.connect(port);
        await client.send(GET);
        await client.until("first");
        client.conn.close();
        await within(cancelled.promise, "the cancel", 5000);
        await until(() => server.stats().connections === 0, "the end");
        assertEquals(errors, []);
      });
    }
  },
);

// -------------------------------------------------------------------- memory

for (
  const [what, maxBodySize] of [
    ["the largest number", Number.MAX_SAFE_INTEGER],
    ["Infinity", Infinity],
  ] as const
) {
  sanitized(
    `a length that no memory has is 413, with maxBodySize at ${what}`,
    async () => {
      await withServer(async (req, res) => {
        res.send(`${(await req.bytes()).length}`);
      }, async ({ server, port, errors }) => {
        const answer = await answerTo(
          port,
          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9007199254740991\r\n\r\nabc",
        );
        assertStringIncludes(answer, "HTTP/1.1 413 ");
        assertEquals(server.stats().refusals, { "body-too-large": 1 });
        assertEquals(errors, []);
        // The process and the server go on.
        assertStringIncludes(
          await answerTo(
            port,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n" +
              "Connection: close\r\n\r\nok",
          ),
          "\r\n\r\n2",
        );
      }, { maxBodySize });
    },
  );
}

sanitized("no memory is taken for bytes that are only declared", async () => {
  const GIB = 1024 ** 3;
  await withServer(async (req, res) => {
    res.send(`${(await req.bytes()).length}`);
  }, async ({ server, port }) => {
    const before = Deno.memoryUsage();
    const clients: RawClient[] = [];
    for (let i = 0; i < 8; i++) {
      const client = await RawClient.connect(port);
      clients.push(client);
      await client.send(
        `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${GIB}\r\n\r\nabc`,
      );
    }
    await until(() => server.stats().requests === 8, "the requests");
    const after = Deno.memoryUsage();
    const taken = after.external - before.external;
    assert(taken < 16 * 1024 * 1024, `${taken} bytes for 24 that came`);
    for (const client of clients) client.conn.close();
    await until(() => server.stats().connections === 0, "the end");
  }, { maxBodySize: Infinity });
});

sanitized(
  "a large body is gathered whole, whatever the first allocation",
  async () => {
    await withServer(async (req, res) => {
      const bytes = await req.bytes();
      let sum = 0;
      for (let i = 0; i < bytes.length; i++) sum = (sum * 31 + bytes[i]!) | 0;
      res.send(`${bytes.length} ${sum} ${bytes.buffer.byteLength}`);
    }, async ({ url }) => {
      for (
        const size of [1, 4096, 1_048_576, 1_048_577, 5_000_000, 9_437_184]
      ) {
        const body = new Uint8Array(size).map((_, i) => i * 7);
        let sum = 0;
        for (let i = 0; i < size; i++) sum = (sum * 31 + body[i]!) | 0;
        const answer = await fetch(url, { method: "POST", body });
        assertEquals(await answer.text(), `${size} ${sum} ${size}`);
      }
    }, { maxBodySize: Infinity });
  },
);

// ------------------------------------------------------------- late responses

sanitized("a response that is kept answers no other request", async () => {
  // For every connection anew: what one has learned must not be needed by another.
  for (let round = 0; round < 3; round++) {
    let kept: HttpResponse | null = null;
    let thrown: unknown = null;
    const pools = new Pools();
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const accepted = listener.accept();
    using client = await RawClient.connect(
      (listener.addr as Deno.NetAddr).port,
    );
    const served = serveConnection(await accepted, (req, res) => {
      if (req.path === "/first") {
        res.send("first");
        kept = res;
        queueMicrotask(() => {
          try {
            kept!.send("the first's answer again");
          } catch (error) {
            thrown = error;
          }
        });
        return;
      }
      return turn().then(() => res.send("second"));
    }, { pools });
    await client.send(
      "GET /first HTTP/1.1\r\nHost: a\r\n\r\n" +
        "GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    const answers = await client.rest();
    assert(answers.endsWith("second"), answers);
    assert(!answers.includes("again"), answers);
    assert(thrown instanceof TypeError, `${thrown}`);
    await served;
    listener.close();
  }
});

sanitized(
  "a response that is kept cannot be used inside a later handler",
  async () => {
    const kept: HttpResponse[] = [];
    await withServer((req, res) => {
      for (const old of kept) {
        assertThrows(() => old.send("x"), TypeError, "already sent");
        assertThrows(() => old.json(1), TypeError, "already sent");
        assertThrows(() => old.upgrade(), TypeError, "already sent");
        assert(old.sent);
      }
      kept.push(res);
      res.send(req.path);
    }, async ({ port, errors }) => {
      const answers = await answerTo(port, GET.repeat(5) + LAST_GET);
      assertEquals(answers.match(/200 OK/g)?.length, 6);
      assertEquals(errors, []);
    });
  },
);

// ---------------------------------------------------------- a program's values

sanitized(
  "a status of another type is refused, also one that was sent before",
  async () => {
    const wrong: unknown[] = [
      "204",
      "304",
      "200",
      [204],
      [200],
      { valueOf: () => 204 },
      null,
      true,
      NaN,
      204.5,
      99,
      600,
      1000,
      -1,
      150,
      104.5,
      105,
      199,
      0,
      "",
      new Number(204),
      204n,
    ];
    const thrown: string[] = [];
    await withServer((req, res) => {
      const index = Number(req.query);
      if (req.path === "/warm") return res.send(null, { status: index });
      const status = wrong[index] as number;
      for (
        const [name, send] of Object.entries({
          send: () => res.send("text", { status }),
          none: () => res.send(null, { status }),
          bytes: () => res.send(new Uint8Array(2), { status }),
          stream: () => res.send(new ReadableStream(), { status }),
          json: () => res.json({ a: 1 }, { status }),
          prepare: () => prepareResponse({ status, body: "text" }),
          prepareNone: () => prepareResponse({ status }),
        })
      ) {
        try {
          send();
        } catch (error) {
          if (
            error instanceof TypeError || error instanceof RangeError
          ) continue;
          thrown.push(`${name} threw ${error}`);
          continue;
        }
        thrown.push(`${name} took ${typeof status} ${String(status)}`);
      }
      if (!res.sent) res.send("checked");
    }, async ({ port }) => {
      const ask = (path: string) =>
        answerTo(
          port,
          `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
        );
      for (const status of [200, 204, 304]) {
        assertStringIncludes(await ask(`/warm?${status}`), `${status} `);
      }
      for (let i = 0; i < wrong.length; i++) {
        const answer = await ask(`/?${i}`);
        assert(answer.endsWith("checked"), answer);
      }
      assertEquals(thrown, []);
    });
  },
);

sanitized("a reason phrase that is no text is refused", async () => {
  const evil = { toString: () => "OK\r\nX: y\r\n\r\n" } as unknown as string;
  const thrown: string[] = [];
  await withServer((req, res) => {
    const upgrading = req.path === "/upgrade";
    for (
      const statusText of [
        evil,
        7 as unknown as string,
        ["a"] as unknown as string,
      ]
    ) {
      for (
        const send of [
          () => res.send("x", { statusText }),
          () => res.json(1, { statusText }),
          () => prepareResponse({ statusText }),
          ...upgrading ? [() => res.upgrade({ statusText })] : [],
        ]
      ) {
        try {
          send();
          thrown.push(`${send} took it`);
        } catch (error) {
          if (!(error instanceof TypeError)) thrown.push(`${send}: ${error}`);
        }
      }
    }
    if (!res.sent) res.send("checked");
  }, async ({ port }) => {
    for (const path of ["/", "/upgrade"]) {
      const answer = await answerTo(
        port,
        `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\n` +
          "Upgrade: x\r\n\r\n",
      );
      assert(answer.endsWith("checked"), answer);
    }
    assertEquals(thrown, []);
  });
});

sanitized("the status of an upgrade is checked by its type, too", async () => {
  const thrown: unknown[] = [];
  await withServer((_req, res) => {
    for (const status of ["101", [101], "200", 101.5]) {
      try {
        res.upgrade({ status: status as number });
        thrown.push(`${status} was taken`);
      } catch (error) {
        if (!(error instanceof TypeError || error instanceof RangeError)) {
          thrown.push(error);
        }
      }
    }
    if (!res.sent) res.send("checked");
  }, async ({ port }) => {
    const answer = await answerTo(
      port,
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: x\r\n\r\n",
    );
    assert(answer.endsWith("checked"), answer);
    assertEquals(thrown, []);
  });
});

sanitized("interim responses: 100, 102, 103 and 104", async () => {
  await withServer((_req, res) => {
    for (const status of [102, 103, 104]) res.send(null, { status });
    res.send("done");
  }, async ({ port }) => {
    const answer = await answerTo(port, LAST_GET);
    for (const status of [102, 103, 104, 200]) {
      assertStringIncludes(answer, `HTTP/1.1 ${status} `);
    }
  });
});

// -------------------------------------------------------------------- CONNECT

const TUNNEL_ANSWERS: Record<string, Handler> = {
  "text": (_req, res) => res.send("hello"),
  "JSON": (_req, res) => res.json({ a: 1 }),
  "nothing": (_req, res) => res.send(),
  "bytes": (_req, res) => res.send(new Uint8Array(3), { status: 201 }),
  "a stream": (_req, res) => res.send(new ReadableStream()),
  "prepared": (_req, res) => res.send(prepareResponse({ body: "hello" })),
  "204": (_req, res) => res.send(null, { status: 204 }),
  "an async handler": async (_req, res) => {
    await turn();
    res.send("hello");
  },
};

for (const [name, handler] of Object.entries(TUNNEL_ANSWERS)) {
  sanitized(
    `CONNECT that a handler answers with a 2xx (${name}) gets 501, untold`,
    async () => {
      await withServer(handler, async ({ port, errors }) => {
        const answer = await answerTo(
          port,
          "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        );
        assertStringIncludes(answer, "HTTP/1.1 501 Not Implemented\r\n");
        assertStringIncludes(answer, "Connection: close\r\n");
        assertEquals(answer.match(/HTTP\/1\.1 /g)?.length, 1);
        assertEquals(errors, []);
      });
    },
  );
}

sanitized(
  "CONNECT gets what a handler says with a status of 300 and above",
  async () => {
    await withServer(
      (_req, res) => res.send("no\n", { status: 403 }),
      async ({ port, errors }) => {
        const answer = await answerTo(
          port,
          "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
        );
        assertStringIncludes(answer, "HTTP/1.1 403 ");
        assert(answer.endsWith("no\n"), answer);
        assertEquals(errors, []);
      },
    );
  },
);

// ------------------------------------------- connections of a program's own make

/** A connection in memory that reads `wire` and then waits. */
function memoryConn(wire: string, overrides: Partial<Conn> = {}) {
  const end = Promise.withResolvers<number | null>();
  let left = bytesOf(wire);
  const conn = {
    written: "",
    closed: false,
    read(p: Uint8Array): Promise<number | null> {
      if (left.length === 0) return end.promise;
      const count = Math.min(p.length, left.length);
      p.set(left.subarray(0, count));
      left = left.subarray(count);
      return Promise.resolve(count);
    },
    write(p: Uint8Array): Promise<number> {
      conn.written += textOf(p);
      return Promise.resolve(p.length);
    },
    closeWrite: () => Promise.resolve(),
    close() {
      conn.closed = true;
      end.reject(new Deno.errors.BadResource("closed"));
    },
    ...overrides,
  };
  end.promise.catch(() => {});
  return conn;
}

for (const count of [0, -1, -100, 1.5, NaN, 1e9, "3", undefined, null]) {
  sanitized(
    `a write that gives ${count} is an error of the connection`,
    async () => {
      const errors: unknown[] = [];
      const conn = memoryConn(GET, {
        write: () => Promise.resolve(count as number),
      });
      await within(
        serveConnection(conn, hello, {
          onError: (error) => void errors.push(error),
        }),
        "the end",
      );
      assert(conn.closed);
      assertEquals(errors.length, 1);
      assert(errors[0] instanceof TypeError, `${errors[0]}`);
      assertStringIncludes(errors[0].message, "write");
    },
  );
}

for (const count of [0, -1, -100, 1.5, NaN, 1e9, "3", undefined]) {
  sanitized(
    `a read that gives ${count} is an error of the connection`,
    async () => {
      const errors: unknown[] = [];
      const conn = memoryConn("", {
        read: () => Promise.resolve(count as number),
      });
      await within(
        serveConnection(conn, hello, {
          onError: (error) => void errors.push(error),
        }),
        "the end",
      );
      assert(conn.closed);
      assertEquals(errors.length, 1);
      assert(errors[0] instanceof TypeError, `${errors[0]}`);
      assertStringIncludes(errors[0].message, "read");
    },
  );
}

sanitized("a write that never settles ends with writeTimeout", async () => {
  const pools = new Pools();
  const conn = memoryConn(GET, { write: () => new Promise(() => {}) });
  await within(
    serveConnection(conn, hello, { pools, writeTimeout: 50 }),
    "the end",
  );
  assert(conn.closed);
  assertEquals(pools.stats().requests.inUse, 0);
});

sanitized(
  "a closeWrite that never settles does not hold the end up",
  async () => {
    const conn = memoryConn(LAST_GET, {
      closeWrite: () => new Promise(() => {}),
    });
    await within(serveConnection(conn, hello), "the end");
    assert(conn.closed);
  },
);

// -------------------------------------------------------------------- upgrades

for (const how of ["at once", "later"]) {
  sanitized(
    `a handler that throws after upgrade() (${how}) loses its connection`,
    async () => {
      const wrong = new Error("wrong");
      const handler: Handler = how === "at once"
        ? (_req, res) => {
          res.upgrade();
          throw wrong;
        }
        : async (_req, res) => {
          res.upgrade();
          await turn();
          throw wrong;
        };
      await withServer(handler, async ({ server, port, errors }) => {
        using client = await RawClient.connect(port);
        await client.send(
          "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        );
        await client.rest().catch(() => {});
        await until(() => server.stats().connections === 0, "the end");
        assertEquals(errors, [wrong]);
      });
    },
  );
}

// ------------------------------------------------------- what a response says

for (
  const [name, send] of Object.entries<
    (res: HttpResponse) => void
  >({
    text: (res) => res.send("enough"),
    JSON: (res) => res.json("enough"),
    prepared: (res) => res.send(prepareResponse({ body: "enough" })),
  })
) {
  sanitized(
    `a body that was read in part is told in the response (${name})`,
    async () => {
      await withServer(async (req, res) => {
        const reader = req.body!.getReader();
        await reader.read();
        send(res);
      }, async ({ port }) => {
        using client = await RawClient.connect(port);
        await client.send(
          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\nbegin",
        );
        const head = await client.until("\r\n\r\n");
        assertStringIncludes(head, "Connection: close\r\n");
        await client.rest().catch(() => {});
      });
    },
  );
}

sanitized(
  "a body that goes on into the response keeps its connection",
  async () => {
    await withServer((req, res) => res.send(req.body), async ({ port }) => {
      using client = await RawClient.connect(port);
      const body = "x".repeat(600_000);
      const reading = client.until("\r\n0\r\n\r\n");
      await client.send(
        `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      const answer = await reading;
      assert(!answer.includes("Connection: close"), answer.slice(0, 200));
      await client.send(LAST_GET);
      await client.rest();
    });
  },
);

sanitized("HTTP/2 with prior knowledge gets 505", async () => {
  await withServer(hello, async ({ server, port }) => {
    const answer = await answerTo(port, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assertStringIncludes(answer, "HTTP/1.1 505 ");
    assertEquals(server.stats().refusals, { "unsupported-version": 1 });
    // The preface of another version of HTTP means nothing in this one.
    for (
      const wire of [
        "PRI * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
      ]
    ) {
      assertStringIncludes(await answerTo(port, wire), "HTTP/1.1 400 ");
    }
  });
});

sanitized(
  "a body that nobody waits for any more does not end the process",
  async () => {
    await withServer((req, res) => {
      // A careless program: begins to read, and answers without waiting.
      req.json();
      req.text().catch(() => {});
      res.send("ok");
    }, async ({ port, server }) => {
      for (const how of ["leaves", "is refused"]) {
        using client = await RawClient.connect(port);
        await client.send(
          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        );
        await client.until("ok");
        if (how === "is refused") {
          await client.send("loXX");
          await client.rest().catch(() => {});
        }
      }
      await until(() => server.stats().connections === 0, "the end");
    });
  },
);

sanitized("a refused body rejects whoever reads it, once", async () => {
  await withServer(async (req, res) => {
    const error = await assertRejects(() => req.bytes(), HttpError);
    res.send(error.code, { status: error.status });
  }, async ({ port }) => {
    const answer = await answerTo(
      port,
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX",
    );
    assert(answer.endsWith("chunk-data-end"), answer);
  });
});

// ------------------------------------------------- errors that are no client's

for (const how of ["handler", "stream", "upgraded"]) {
  sanitized(
    `an HttpError of another parser is the program's (${how})`,
    async () => {
      const foreign = (() => {
        using parser = new RequestParser();
        parser.push(bytesOf("GET / HTTP/1.1\r\nHo"));
        parser.end();
        let thrown: unknown;
        try {
          parser.next();
        } catch (error) {
          thrown = error;
        }
        return thrown;
      })();
      await withServer(async (_req, res) => {
        if (how === "upgraded") res.upgrade();
        if (how === "stream") {
          return res.send(
            new ReadableStream({ pull: () => Promise.reject(foreign) }),
          );
        }
        await turn();
        throw foreign;
      }, async ({ port, server, errors }) => {
        const answer = await answerTo(
          port,
          "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\n" +
            "Upgrade: x\r\n\r\n",
        ).catch(() => "");
        if (how === "handler") assertStringIncludes(answer, " 500 ");
        assertEquals(errors, [foreign]);
        assertEquals(server.stats().refusals, {});
      });
    },
  );
}

sanitized(
  "a stream that gives strings, and bytes that are transferred, are reported",
  async () => {
    const errors: unknown[] = [];
    const onError = (error: unknown) => void errors.push(error);
    const readable = new ReadableStream({
      pull: (controller) => controller.enqueue("text" as unknown as Uint8Array),
    });
    await serveConnection(
      { readable, writable: new WritableStream() },
      hello,
      { onError },
    );
    assertEquals(errors.length, 1);
    const conn = memoryConn(GET);
    await serveConnection(conn, (_req, res) => {
      const bytes = new Uint8Array(100_000);
      res.send(bytes);
      bytes.buffer.transfer();
    }, { onError });
    assertEquals(errors.length, 2);
    for (const error of errors) assert(error instanceof TypeError, `${error}`);
  },
);

sanitized("a pair that cannot be served keeps no lock", () => {
  for (const locked of ["readable", "writable"] as const) {
    const { readable, writable } = new TransformStream<
      Uint8Array,
      Uint8Array
    >();
    if (locked === "readable") readable.getReader();
    else writable.getWriter();
    assertThrows(
      () => serveConnection({ readable, writable }, hello),
      TypeError,
    );
    assertEquals([readable.locked, writable.locked], [
      locked === "readable",
      locked === "writable",
    ]);
  }
  return Promise.resolve();
});

sanitized("a thenable that settles twice ends one exchange", async () => {
  await withServer((req, res) => {
    if (req.path === "/next") return turn().then(() => res.send("next"));
    res.send("first");
    return {
      then(resolve: () => void) {
        resolve();
        queueMicrotask(resolve);
        setTimeout(resolve);
      },
    } as Promise<void>;
  }, async ({ port, errors }) => {
    const answer = await answerTo(
      port,
      GET + "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assert(answer.endsWith("next"), answer);
    assertEquals(errors, []);
  });
});

sanitized(
  "nothing is read without a bound behind a body at fault",
  async () => {
    const gate = Promise.withResolvers<void>();
    await withServer(async (req, res) => {
      await req.bytes().catch(() => {});
      await gate.promise;
      res.send("done");
    }, async ({ port, server }) => {
      using client = await RawClient.connect(port);
      await client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nXX",
      );
      await until(
        () => server.stats().requests === 1,
        "the request",
      );
      let sent = 0;
      const flood = (async () => {
        const bytes = new Uint8Array(65536);
        for (let i = 0; i < 2000; i++) sent += await client.conn.write(bytes);
      })().catch(() => {});
      // The sockets take a few MiB; the server takes nothing of the 125.
      let before = -1;
      while (sent > before) {
        before = sent;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      assert(sent < 50_000_000, `${sent} bytes were taken`);
      gate.resolve();
      await client.until("done").catch(() => {});
      client.conn.close();
      await flood;
    });
  },
);

sanitized(
  "a body that is left in the middle of a read is waited for no more",
  async () => {
    await withServer(async (req, res) => {
      const reader = req.body!.getReader();
      await reader.read();
      reader.read().catch(() => {});
      await reader.cancel();
      await new Promise((resolve) => setTimeout(resolve, 400));
      res.send("done");
    }, async ({ port, server }) => {
      const answer = await answerTo(
        port,
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" +
          "Content-Length: 10\r\n\r\nhello",
      );
      assert(answer.endsWith("done"), answer);
      assertEquals(server.stats().refusals, {});
    }, { bodyTimeout: 100 });
  },
);

Deno.test("onError returns nothing: a Response would be ignored", () => {
  // @ts-expect-error -- answer by `res`
  const wrong: ErrorHandler = () => new Response("sorry");
  // @ts-expect-error -- nor from a promise
  const later: ErrorHandler = () => Promise.resolve(new Response("sorry"));
  assert(wrong !== later);
});
