/**
 * Hostile clients must not affect others: resets and disconnects at any moment, and
 * declared lengths beyond any memory.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fetchHandler, type Handler, serve } from "@pooled/http1";
import { bytesOf, textOf } from "../support/bytes.ts";
import { makeCertificate } from "../support/certificate.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { withoutTimeout } from "../support/sweeps.ts";
import { sanitized, turn, until, within } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST_GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

const hello: Handler = (_req, res) => res.send("hello");

// ----------------------------------------------------------------- accepting

/** A listener whose `accept` follows a script and then waits until `close`. */
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
    // `close` may come while no `accept` is pending.
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
    `a peer that disconnects before accept (${name}) delays no other`,
    async () => {
      const errors: unknown[] = [];
      const failing = () => Promise.reject(new Deno.errors[name]("gone"));
      const listener = new ScriptedListener(Array(500).fill(failing));
      const server = serve(listener, hello, {
        onError: (error) => void errors.push(error),
      });
      // So many that even a pause of 1 ms per failure would be noticeable.
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
  "a listener that fails endlessly with client errors does not starve the event loop",
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

sanitized("resource exhaustion is reported and pauses accepting", async () => {
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

/** Opens `count` connections to `port` and resets each at once. */
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
    `${kind}: after hundreds of resets the next client is served`,
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
          const count = await within(conn.read(answer), "an answer");
          assertStringIncludes(textOf(answer.subarray(0, count!)), "hello");
          conn.close();
        } else {
          const answer = within(answerTo(port, LAST_GET), "an answer");
          assertStringIncludes(await answer, "hello");
        }
        assertEquals(errors, []);
        await until(() => server.stats().connections === 0, "the end of all");
      }, tls);
    },
  );
}

// ------------------------------------------------------ disconnected clients

/** Input that a client leaves unread in the server's window. */
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
      `${waiter} learns that its client disconnected, with ${left} unread`,
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
  "a client that fills the read-ahead and then stays silent is dropped",
  async () => {
    await withServer(
      WAITERS["a handler"]!,
      async ({ server, port, errors }) => {
        using client = await RawClient.connect(port);
        // Exceeds the read-ahead, so the server cannot detect a disconnect by reading.
        const sent = client.send(GET.repeat(40_000)).catch(() => {});
        await until(() => server.stats().requests > 0, "the request");
        assert(server.stats().bytesReceived <= 200_000);
        await until(() => server.stats().connections === 0, "the end");
        await sent;
        assertEquals(errors, []);
      },
      { goneTimeout: 100 },
    );
  },
);

sanitized("a slow handler may pause before reading a large body", async () => {
  // The read-ahead is full, but the handler reads before the timeout.
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
  }, { goneTimeout: 200 });
});

sanitized(
  "a half-closed client gets its answer despite unread bytes behind the request",
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
  "a silent response stream is cancelled soon after a disconnect",
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
      // With the default timeouts, none of which expires during the test.
      await withServer(handler, async ({ server, port, errors }) => {
        const client = await RawClient.connect(port);
        await client.send(GET);
        await client.until("first");
        client.conn.close();
        await withoutTimeout(cancelled.promise, "the cancel", 9);
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
    `a length beyond any memory is answered with 413, with maxBodySize at ${what}`,
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
        // The process and the server survive.
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

sanitized(
  "no memory is allocated for declared bytes that have not arrived",
  async () => {
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
  },
);

sanitized(
  "a large body is buffered in full, however small the first allocation",
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
