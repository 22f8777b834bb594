/**
 * Misuse by the program must not affect other connections: transferred buffers,
 * reentrant sends, thenables, invalid connection sources, failing cleanup.
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type AcceptSource,
  type Conn,
  fetchHandler,
  type FetchInfo,
  type Handler,
  type HttpResponse,
  Pools,
  serve,
  serveConnection,
} from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { memoryConn } from "../support/plain_conn.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { sanitized, turn, until, within } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST_GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const hello: Handler = (_req, res) => res.send("hello");

sanitized(
  "a slab that a connection transferred does not return to the pool",
  async () => {
    const pools = new Pools();
    for (let i = 0; i < 3; i++) {
      const conn = memoryConn(LAST_GET, {
        write(p) {
          const { length } = p;
          structuredClone(p.buffer, { transfer: [p.buffer as ArrayBuffer] });
          return Promise.resolve(length);
        },
      });
      await within(
        serveConnection(conn, hello, { pools, onError() {} }),
        "the end",
      );
    }
    assertAtRest(pools);
    await withServer(hello, async ({ port }) => {
      for (let i = 0; i < 5; i++) {
        assertStringIncludes(await answerTo(port, LAST_GET), "hello");
      }
    }, { pools });
  },
);

for (const method of ["HEAD", "CONNECT"]) {
  sanitized(
    `a stream's cancel callback cannot send a second response (${method})`,
    async () => {
      let thrown: unknown = null;
      await withServer((_req, res) =>
        res.send(
          new ReadableStream({
            cancel() {
              try {
                res.send("inner", { status: 404 });
              } catch (error) {
                thrown = error;
              }
            },
          }),
        ), async ({ port }) => {
        const target = method === "HEAD" ? "/" : "a:1";
        const answer = await answerTo(
          port,
          `${method} ${target} HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n\r\n`,
        );
        assertEquals(answer.match(/HTTP\/1\.1/g)?.length, 1);
        assert(thrown instanceof TypeError, `${thrown}`);
      });
    },
  );
}

/** Values that a source may yield and that are no connections. */
const GARBAGE: Record<string, () => unknown> = {
  undefined: () => undefined,
  "an empty object": () => ({}),
  "a number": () => 7,
  "half a pair": () => ({ readable: new ReadableStream() }),
  null: () => null,
};

for (const [what, make] of Object.entries(GARBAGE)) {
  for (const kind of ["iterator", "listener"]) {
    sanitized(
      `a source that only yields ${what} ends its server (${kind})`,
      async () => {
        const errors: unknown[] = [];
        let closed = 0;
        const source = {
          ...kind === "listener" && { accept: () => Promise.resolve(make()) },
          close: () => void closed++,
          [Symbol.asyncIterator]: () => ({
            next: () => Promise.resolve({ done: false, value: make() }),
          }),
        } as unknown as AcceptSource;
        const server = serve(source, hello, {
          onError: (error) => void errors.push(error),
        });
        await within(server.finished, "the end of the server");
        assertEquals(closed, 1);
        assert(errors.length <= 1, `${errors.length} errors`);
      },
    );
  }
}

sanitized(
  "an endless source of locked pairs does not starve the event loop",
  async () => {
    const { readable, writable } = new TransformStream<
      Uint8Array,
      Uint8Array
    >();
    readable.getReader();
    const aborter = new AbortController();
    const source = (async function* () {
      for (;;) yield { readable, writable };
    })();
    const server = serve(source, hello, {
      signal: aborter.signal,
      onError() {},
    });
    setTimeout(() => aborter.abort(), 20);
    await within(server.finished, "the end of the server");
    await turn();
  },
);

sanitized("a source is closed after it ends by itself", async () => {
  let closed = 0;
  const source = Object.assign(
    (async function* (): AsyncGenerator<Conn> {
      yield memoryConn(LAST_GET);
    })(),
    { close: () => void closed++ },
  );
  const server = serve(source, hello);
  await within(server.finished, "the end of the server");
  assertEquals(closed, 1);
});

sanitized(
  "values that a source yields after the server's end are ignored",
  async () => {
    for (const make of Object.values(GARBAGE)) {
      const gate = Promise.withResolvers<void>();
      const source = {
        [Symbol.asyncIterator]: () => ({
          next: () => gate.promise.then(() => ({ done: false, value: make() })),
        }),
      } as unknown as AcceptSource;
      const server = serve(source, hello);
      await server.shutdown();
      gate.resolve();
      await turn();
    }
  },
);

sanitized(
  "rejections from close methods and writes without a promise do not crash the process",
  async () => {
    const fail = () => Promise.reject(new Error("late")) as unknown as void;
    await within(
      serveConnection(
        memoryConn(LAST_GET, { close: fail, setNoDelay: fail }),
        hello,
        { headTimeout: 50, idleTimeout: 50 },
      ),
      "the end",
    );
    const writes: [write: (p: Uint8Array) => unknown, errors: number][] = [
      [(p) => p.length, 0],
      [() => undefined, 1],
    ];
    for (const [write, count] of writes) {
      const errors: unknown[] = [];
      await within(
        serveConnection(
          memoryConn(GET, { write: write as Conn["write"] }),
          (_req, res) => {
            res.send(null, { status: 103 });
            res.send("hello");
          },
          {
            onError: (error) => void errors.push(error),
            writeTimeout: 50,
            idleTimeout: 50,
          },
        ),
        "the end",
      );
      assertEquals(errors.length, count);
    }
  },
);

class Odd extends Uint8Array {
  constructor(first: unknown) {
    if (typeof first !== "number") throw new Error("not from a buffer");
    super(first);
  }
}

sanitized(
  "Uint8Array subclasses with a broken slice are sent and read",
  async () => {
    await withServer(
      (_req, res) => res.send(new Odd(1_000_000)),
      async ({ url }) => {
        assertEquals((await (await fetch(url)).bytes()).length, 1_000_000);
      },
    );
    const wire = bytesOf(
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 90000\r\n\r\n" +
        "x".repeat(90_000),
    );
    const odd = new Odd(wire.length);
    odd.set(wire);
    let got = "";
    await serveConnection({
      readable: ReadableStream.from([odd as Uint8Array]),
      writable: new WritableStream({
        write: (chunk) => void (got += textOf(chunk)),
      }),
    }, async (req, res) => res.send(`${(await req.bytes()).length}`));
    assert(got.endsWith("90000"), got);
  },
);

sanitized(
  "a response stream that cannot be read is answered with 500",
  async () => {
    class Broken extends ReadableStream<Uint8Array> {
      override getReader(): never {
        throw new Error("no reader");
      }
    }
    await withServer(
      (_req, res) => res.send(new Broken()),
      async ({ port, errors }) => {
        assertStringIncludes(await answerTo(port, LAST_GET), " 500 ");
        assertEquals(errors.length, 1);
      },
    );
  },
);

sanitized(
  "a handler may throw a revoked proxy",
  async () => {
    for (const late of [false, true]) {
      await withServer(async () => {
        if (late) await turn();
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        throw proxy;
      }, async ({ port, errors }) => {
        assertStringIncludes(await answerTo(port, LAST_GET), " 500 ");
        assertEquals(errors.length, 1);
      });
    }
  },
);

sanitized("wrong arguments throw before anything is sent", async () => {
  await withServer((_req, res: HttpResponse) => {
    const gone = new Uint8Array(10);
    structuredClone(gone, { transfer: [gone.buffer] });
    for (
      const send of [
        () => res.send("x", { trailers: 5 as unknown as () => HeadersInit }),
        () => res.send("x", { headers: [["a"]] as unknown as HeadersInit }),
        () => res.send(gone),
      ]
    ) assertThrows(send, TypeError);
    res.send("checked");
  }, async ({ port, errors }) => {
    const answer = await answerTo(port, LAST_GET);
    assert(answer.endsWith("checked"), answer);
    assertEquals(errors, []);
  });
  const received = null as unknown as Uint8Array;
  assertThrows(
    () => serveConnection(memoryConn(GET), hello, { received }),
    TypeError,
  );
});

sanitized(
  "info.completed settles with the fate of the response, however late it is read",
  async () => {
    const infos: FetchInfo[] = [];
    const app = fetchHandler((request, info) => {
      infos.push(info);
      return new URL(request.url).pathname === "/fail"
        ? new Response(
          new ReadableStream({
            async pull(controller) {
              await turn();
              controller.error(new Error("of the body"));
            },
          }),
        )
        : new Response("hello");
    });
    await withServer(app, async ({ port, server }) => {
      for (const path of ["/", "/fail"]) {
        using client = await RawClient.connect(port);
        await client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
        await client.until("\r\n\r\n");
      }
      await until(() => server.stats().connections === 0, "the end");
      await within(infos[0]!.completed, "the first");
      await assertRejects(() => infos[1]!.completed, Error, "of the body");
    });
  },
);

for (const framing of ["in chunks", "after an upgrade"]) {
  sanitized(
    `a trailing byte too short for an element of a BYOB view errors only that stream (${framing})`,
    async () => {
      const seen = Promise.withResolvers<unknown>();
      const half = Promise.withResolvers<void>();
      await withServer(async (req, res) => {
        const raw = framing === "in chunks" ? null : res.upgrade();
        const body = raw?.readable ?? req.body!;
        const reader = body.getReader({ mode: "byob" });
        half.resolve();
        seen.resolve(
          await reader.read(new Uint16Array(4)).then(
            () => reader.read(new Uint16Array(4)),
          ).catch((error) => error),
        );
        if (raw === null) res.send("done");
        else await raw.writable.close();
      }, async ({ server, port }) => {
        using client = await RawClient.connect(port);
        await client.send(
          framing === "in chunks"
            ? "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
            : "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabc",
        );
        await half.promise;
        await turn();
        if (framing === "in chunks") await client.send("0\r\n\r\n");
        else await client.conn.closeWrite();
        assert(await within(seen.promise, "the read") instanceof TypeError);
        client.conn.close();
        await until(() => server.stats().connections === 0, "the end");
      });
    },
  );
}

sanitized(
  "writes after an upgrade arrive, even with unread input",
  async () => {
    await withServer(async (_req, res) => {
      const { readable, writable } = res.upgrade();
      const writer = writable.getWriter();
      await writer.write(new Uint8Array(200_000).fill(0x78));
      await writer.close();
      await readable.cancel();
    }, async ({ server, port }) => {
      using client = await RawClient.connect(port);
      await client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" +
          "y".repeat(70_000),
      );
      await until(() => server.stats().bytesSent > 200_000, "the bytes");
      const answer = await client.rest();
      assertEquals(answer.split("\r\n\r\n")[1]!.length, 200_000);
      client.conn.close();
      await until(() => server.stats().connections === 0, "the end");
    });
  },
);

sanitized("after a refused body, an upgrade is not possible", async () => {
  await withServer(async (req, res) => {
    await req.text().catch(() => {});
    assertThrows(() => res.upgrade(), TypeError, "not read to its end");
    res.send("refused");
  }, async ({ port }) => {
    const answer = await answerTo(
      port,
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n" +
        "Transfer-Encoding: chunked\r\n\r\nXX[1][2][3]",
    );
    assert(answer.endsWith("refused"), answer);
  });
});
