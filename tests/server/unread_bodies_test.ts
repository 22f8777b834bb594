/**
 * Bodies that are not read to their end, upgrades with a failing handler, and errors that
 * are the program's.
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type ErrorHandler,
  type Handler,
  HttpError,
  type HttpResponse,
  prepareResponse,
  RequestParser,
  serveConnection,
} from "@pooled/http1";
import { bytesOf } from "../support/bytes.ts";
import { memoryConn } from "../support/plain_conn.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { sanitized, turn, until } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST_GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

const hello: Handler = (_req, res) => res.send("hello");

// ------------------------------------------------------------------ upgrades

for (const how of ["at once", "later"]) {
  sanitized(
    `a handler that throws after upgrade() (${how}) closes the connection`,
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

// ------------------------------------------ the Connection field of a response

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
    `the response to a partly read body says Connection: close (${name})`,
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
  "piping the request body into the response keeps the connection",
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
    // The connection preface of HTTP/2.
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
  "an abandoned read of a body causes no unhandled rejection",
  async () => {
    await withServer((req, res) => {
      // Starts to read and answers without awaiting the result.
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

sanitized("a refused body rejects its pending read once", async () => {
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

// ------------------------------------------------------ errors of the program

for (const how of ["handler", "stream", "upgraded"]) {
  sanitized(
    `an HttpError from another parser counts as a program error (${how})`,
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
  "a stream of strings and a transferred chunk are reported",
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

sanitized("a rejected stream pair stays unlocked", () => {
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

sanitized("a thenable that settles twice ends only one exchange", async () => {
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
  "reading after a refused body is bounded",
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
      // The socket buffers take a few MiB; the server must not read all 125 MiB.
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
  "a body abandoned during a read is no longer waited for",
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
  // @ts-expect-error -- onError answers through `res`
  const wrong: ErrorHandler = () => new Response("sorry");
  // @ts-expect-error -- also not through a promise
  const later: ErrorHandler = () => Promise.resolve(new Response("sorry"));
  assert(wrong !== later);
});
