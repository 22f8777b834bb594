/**
 * `onRequestEnd`: each request ends once, with its status, bytes and error.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
} from "@std/assert";
import {
  fetchHandler,
  type Handler,
  HttpError,
  type HttpResponse,
  type RequestEnd,
  serve,
  serveConnection,
  type ServeOptions,
} from "@pooled/http1";
import { echoTarget, echoText, hello } from "../support/handlers.ts";
import { MemoryConn, serveMemory } from "../support/memory_conn.ts";
import { answerTo, RawClient, reset } from "../support/raw_client.ts";
import { ask, GET, get, keep, last, post } from "../support/requests.ts";
import { streamOf } from "../support/streams.ts";
import { settle, test, until } from "../support/waiting.ts";
import {
  clientPortOf,
  type Running,
  untilNoConnections,
  withServer,
} from "../support/with_server.ts";

/** Runs a server, and returns what it told of its requests. */
async function endsOf(
  handler: Handler,
  run: (running: Running & { ends: RequestEnd[] }) => Promise<unknown>,
  options: ServeOptions = {},
): Promise<RequestEnd[]> {
  const ends: RequestEnd[] = [];
  await withServer(handler, async (running) => {
    await run({ ...running, ends });
  }, { onRequestEnd: (end) => void ends.push(end), ...options });
  return ends;
}

/** The ends after `wire` was sent on one connection, and what was answered. */
async function endsAfter(
  wire: string,
  handler: Handler,
  options: ServeOptions = {},
): Promise<{ ends: RequestEnd[]; answer: string }> {
  let answer = "";
  const ends = await endsOf(handler, async ({ port }) => {
    answer = await answerTo(port, wire);
  }, options);
  return { ends, answer };
}

/** What a table can state of an end. */
function stated({ method, target, status, complete, error }: RequestEnd) {
  const text = error instanceof HttpError
    ? error.code
    : error instanceof DOMException
    ? error.name
    : error instanceof Error
    ? error.message
    : error;
  return [method, target, status, complete, text];
}

test("a request ends with its method, target, version, status and bytes", async () => {
  const wires = [
    get("/a?b=%22", "X-A: b  "),
    post("/upload", "body"),
    "FETCH / HTTP/1.0\r\n\r\n",
  ];
  const ends: RequestEnd[] = [];
  const remotes = new Set<number>();
  const responses: HttpResponse[] = [];
  const { answer } = await endsAfter(
    wires.join(""),
    async (req, res, info) => {
      responses.push(res);
      remotes.add(clientPortOf(info));
      await req.text();
      res.send("hello", { status: 201 });
    },
    {
      onRequestEnd(end, info) {
        ends.push(end);
        remotes.add(clientPortOf(info));
      },
    },
  );
  assertEquals(remotes.size, 1);
  assertEquals(
    ends.map(({ method, target, httpVersion, status, complete, error }) => [
      ...[method, target, httpVersion, status, complete, error],
    ]),
    [
      ["GET", "/a?b=%22", "1.1", 201, true, null],
      ["POST", "/upload", "1.1", 201, true, null],
      ["FETCH", "/", "1.0", 201, true, null],
    ],
  );
  assertEquals(ends.length, responses.length);
  ends.forEach(({ response }, i) => assertStrictEquals(response, responses[i]));
  assertEquals(
    ends.map(({ bytesSent }) => bytesSent),
    answer.split(/(?=HTTP\/1\.1 )/).map(({ length }) => length),
  );
  assertEquals(
    ends.map(({ bytesReceived }) => bytesReceived),
    wires.map(({ length }) => length),
  );
  for (const { duration } of ends) {
    assert(Number.isFinite(duration) && duration >= 0);
  }
});

Deno.test("what a request ends with, whatever its handler does", async (t) => {
  const failure = new Error("mine");
  const fails = () => {
    throw failure;
  };
  const half: Handler = (_req, res) =>
    res.send(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(10)),
        pull: fails,
      }, { highWaterMark: 0 }),
    );
  const text: Handler = (_req, res) => res.send("hello");
  const large = post("/", "x".repeat(100), "Connection: close");
  const cases: [name: string, wire: string, Handler, unknown[]][] = [
    ["a response", last("/"), text, [200, true, null]],
    ["HEAD", ask("HEAD"), text, [200, true, null]],
    ["a stream", last("/"), (_req, res) => res.send(streamOf(["a", "b"])), [
      ...[200, true, null],
    ]],
    ["304", last("/"), (_req, res) => res.send(null, { status: 304 }), [
      ...[304, true, null],
    ]],
    [
      "interim responses",
      last("/"),
      (_req, res) => {
        res.send(null, { status: 103 });
        res.json({}, { status: 202 });
      },
      [202, true, null],
    ],
    [
      "Expect, refused",
      post("/", "", "Expect: 100-continue").replace("h: 0", "h: 9"),
      (_req, res) => res.send("no", { status: 417 }),
      [417, true, null],
    ],
    ["a handler that throws", last("/"), fails, [500, true, "mine"]],
    [
      "a handler that rejects",
      last("/"),
      () => settle().then(fails),
      [500, true, "mine"],
    ],
    ["no answer", last("/"), () => {}, [
      ...[500, true, "the handler ended without a response"],
    ]],
    [
      "a handler that throws after its answer",
      last("/"),
      (_req, res) => {
        res.send("hello");
        fails();
      },
      [200, true, "mine"],
    ],
    ["a stream that fails", last("/"), half, [200, false, "mine"]],
    ["a body too large", large, echoText, [413, true, "body-too-large"]],
    [
      "a body refused and answered",
      large,
      (req, res) =>
        req.text().then(
          () => {},
          () => res.send("too much", { status: 400 }),
        ),
      [400, true, null],
    ],
    [
      "a malformed body",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
      echoText,
      [400, true, "invalid-chunk-size"],
    ],
    [
      "a handler that releases its request",
      last("/"),
      async (req, res) => {
        req.release();
        await settle();
        res.send("hello");
      },
      [200, true, null],
    ],
    [
      "CONNECT that nobody accepts",
      "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
      text,
      [501, true, null],
    ],
  ];
  for (const [name, wire, handler, expected] of cases) {
    await t.step(name, async () => {
      const { ends, answer } = await endsAfter(wire, handler, {
        maxBodySize: 99,
        onError: () => {},
      });
      assertEquals(ends.length, 1);
      const [method, target] = wire.split(" ");
      assertEquals(stated(ends[0]!), [method, target, ...expected]);
      assertEquals(ends[0]!.bytesSent, answer.length);
      assertEquals(ends[0]!.bytesReceived, wire.length);
    });
  }
});

Deno.test("a message that is refused ends once, with its error and its answer", async (t) => {
  const refused: [wire: string, status: number | null, code: string][] = [
    ["BAD\r\n\r\n", 400, "invalid-method"],
    ["GET / HTTP/1.1\r\n\r\n", 400, "missing-host"],
    ["GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "unsupported-version"],
    [`GET /${"x".repeat(9000)} HTTP/1.1\r\n`, 414, "request-line-too-long"],
  ];
  for (const [wire, status, code] of refused) {
    await t.step(code, async () => {
      for (const before of ["", GET]) {
        const { ends, answer } = await endsAfter(before + wire, hello);
        assertEquals(ends.length, before === "" ? 1 : 2);
        const end = ends.at(-1)!;
        const { httpVersion, response } = end;
        assertEquals([httpVersion, response], [null, null]);
        assertEquals(stated(end), [null, null, status, true, code]);
        assertEquals(
          end.bytesSent,
          answer.length - answer.lastIndexOf(`HTTP/1.1 ${status}`),
        );
        assertEquals(end.bytesReceived, wire.length);
      }
    });
  }
});

test("a head that its client did not end, or that timed out", async () => {
  const half = "GET /half HTTP/1.1\r\nHo";
  const ended = await endsOf(hello, async ({ port, ends }) => {
    using client = await RawClient.connect(port);
    await client.send(half);
    await client.conn.closeWrite();
    assertEquals(await client.rest(), "");
    await until(() => ends.length === 1, "the end");
  });
  const late = await endsAfter(half, hello, { headTimeout: 500 });
  assert(late.answer.startsWith("HTTP/1.1 408 "), late.answer);
  const ends = [...ended, ...late.ends];
  assertEquals(ends.map(stated), [
    [null, null, null, false, "unexpected-eof"],
    [null, null, 408, true, "head-timeout"],
  ]);
  assertEquals(ends.map(({ bytesReceived }) => bytesReceived), [
    half.length,
    half.length,
  ]);
});

test("a connection that sends nothing, or closes when idle, has no request", async () => {
  const ends = await endsOf(hello, async ({ port, server }) => {
    (await RawClient.connect(port))[Symbol.dispose]();
    using client = await RawClient.connect(port);
    await client.send(GET);
    await client.until("hello");
    assertEquals(await client.rest(), client.received);
    await untilNoConnections(server);
  }, { idleTimeout: 100 });
  assertEquals(ends.map(stated), [["GET", "/", 200, true, null]]);
});

test("pipelined requests end once each, in order", async () => {
  const count = 300;
  const handlers: [Handler, bodies: boolean][] = [
    [echoTarget, false],
    [
      async (req, res) => {
        await req.bytes();
        res.send(req.target);
      },
      true,
    ],
    [(req, res) => res.send(streamOf([req.target])), false],
  ];
  for (const [handler, bodies] of handlers) {
    const wire = Array.from(
      { length: count },
      (_, i) => bodies ? post(`/${i}`, "x".repeat(i)) : keep("GET", `/${i}`),
    ).join("") + last(`/${count}`);
    const { ends, answer } = await endsAfter(wire, handler);
    assertEquals(
      ends.map(({ target }) => target),
      Array.from({ length: count + 1 }, (_, i) => `/${i}`),
    );
    assertEquals(sum(ends, "bytesSent"), answer.length);
    assertEquals(sum(ends, "bytesReceived"), wire.length);
  }
});

function sum(
  ends: RequestEnd[],
  count: "bytesSent" | "bytesReceived",
): number {
  return ends.reduce((sum, end) => sum + end[count], 0);
}

test("large heads whose responses nobody reads stop the pipeline", async () => {
  const wire = get("/", `X: ${"x".repeat(8000)}`);
  const conn = new MemoryConn([wire.repeat(100)]);
  conn.hold();
  let handled = 0;
  const ends: RequestEnd[] = [];
  const served = serveMemory(conn, (_req, res) => {
    handled++;
    res.send();
  }, { onRequestEnd: (end) => void ends.push(end) });
  await settle();
  await settle();
  // 64 KiB of heads, the first write, and the request that went beyond.
  assert(handled < 20, `${handled} requests wait`);
  assertEquals(ends, []);
  conn.letGo();
  await served;
  assertEquals([handled, ends.length], [100, 100]);
  assertEquals(sum(ends, "bytesReceived"), 100 * wire.length);
});

test("a client that leaves: its reason, and what was sent", async () => {
  let begun = 0;
  const ends = await endsOf(async (req, res) => {
    begun++;
    if (req.path === "/stream") {
      res.send(
        new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(1000)),
        }),
      );
    } else {
      await new Promise((_, reject) =>
        req.signal.addEventListener("abort", () => reject(req.signal.reason))
      );
    }
  }, async ({ port, ends }) => {
    for (const [i, path] of ["/waits", "/stream"].entries()) {
      await reset(port, get(path), () => until(() => begun > i, "a request"));
      await until(() => ends.length > i, "its end");
    }
  });
  const [waits, stream] = ends;
  assertEquals([waits!.target, waits!.status, waits!.complete], [
    ...["/waits", null, false],
  ]);
  assertInstanceOf(waits!.error, Error);
  assertEquals([stream!.target, stream!.status, stream!.complete], [
    ...["/stream", 200, false],
  ]);
  assertInstanceOf(stream!.error, Error);
});

test("a response that was written is complete, though its handler still runs", async () => {
  const done = Promise.withResolvers<void>();
  const ends = await endsOf((_req, res) => {
    res.send("hello");
    return done.promise;
  }, async ({ port, ends }) => {
    {
      using client = await RawClient.connect(port);
      await client.send(GET);
      await client.until("hello");
      await settle();
      assertEquals(ends.length, 0);
    }
    await until(() => ends.length === 1, "the end");
    done.resolve();
    await settle();
  }, { goneTimeout: 50 });
  assertEquals(ends.map(stated), [["GET", "/", 200, true, null]]);
});

test("an abort, the deadline of a shutdown, and maxBuffered end requests", async () => {
  const reason = new Error("enough");
  const hang = () => new Promise<void>(() => {});
  for (const how of ["abort", "shutdown"]) {
    const ends: RequestEnd[] = [];
    const aborter = new AbortController();
    const server = serve({
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      signal: aborter.signal,
      onRequestEnd: (end) => void ends.push(end),
    }, hang);
    using client = await RawClient.connect(
      (server.addr as Deno.NetAddr).port,
    );
    await client.send(GET);
    await until(() => server.stats().requests === 1, "the request");
    if (how === "abort") aborter.abort(reason);
    else await server.shutdown({ timeout: 20 });
    await server.finished;
    assertEquals(ends.length, 1, how);
    const { status, complete, error } = ends[0]!;
    assertEquals([status, complete], [null, false]);
    if (how === "abort") assertStrictEquals(error, reason);
    else assertEquals((error as Error).name, "TimeoutError");
  }
});

test("a response that maxBuffered replaces ends with its 503", async () => {
  const held = new MemoryConn([GET], { ends: "when told" });
  held.hold();
  const shed = new MemoryConn([get("/shed")], { ends: "when told" });
  const source = new ReadableStream<MemoryConn>({
    start(controller) {
      controller.enqueue(held);
      controller.enqueue(shed);
    },
  });
  const ends: RequestEnd[] = [];
  const server = serve(
    source,
    (_req, res) => res.send(new Uint8Array(150_000)),
    { maxBuffered: 200_000, onRequestEnd: (end) => void ends.push(end) },
  );
  await until(() => ends.length === 1, "the shed response");
  assertEquals(ends.map(stated), [
    ["GET", "/shed", 503, true, "QuotaExceededError"],
  ]);
  held.letGo();
  held.end();
  shed.end();
  await server.shutdown();
  assertEquals(ends.slice(1).map(stated), [["GET", "/", 200, true, null]]);
});

test("an upgrade ends with its 101, whatever becomes of the connection", async () => {
  const wire = get("/ws", "Connection: Upgrade", "Upgrade: x");
  const failure = new Error("later");
  const errors: unknown[] = [];
  const closing = Promise.withResolvers<void>();
  const ends = await endsOf(async (_req, res) => {
    const { writable } = res.upgrade();
    const writer = writable.getWriter();
    writer.write(new TextEncoder().encode("raw")).catch(() => {});
    await closing.promise;
    throw failure;
  }, async ({ port, ends }) => {
    using client = await RawClient.connect(port);
    await client.send(wire);
    await client.until("raw");
    await until(() => ends.length === 1, "the end");
    closing.resolve();
    await until(() => errors.length === 1, "the report");
    assertEquals(client.received.length - 3, ends[0]!.bytesSent);
  }, {
    onError: (error, _res, request) =>
      void errors.push([error, request?.target]),
  });
  assertEquals(ends.map(stated), [["GET", "/ws", 101, true, null]]);
  assertEquals(ends[0]!.bytesReceived, wire.length);
  assertEquals(errors, [[failure, "/ws"]]);
});

test("what onRequestEnd throws goes to onError, and disturbs nothing", async () => {
  const failure = new Error("in the log");
  const failures: (() => void | Promise<void>)[] = [
    () => {
      throw failure;
    },
    () => Promise.reject(failure),
    () => ({
      then: () => {
        throw failure;
      },
    } as unknown as Promise<void>),
  ];
  for (const fail of failures) {
    const errors: unknown[] = [];
    const { answer } = await endsAfter(GET + last("/b") + "BAD", echoTarget, {
      onRequestEnd: fail,
      onError: (error, res, request) =>
        void errors.push([error, res, request?.method, request?.target]),
    });
    assertEquals(answer.match(/HTTP\/1\.1 200/g)?.length, 2);
    assertEquals(errors, [
      [failure, null, "GET", "/"],
      [failure, null, "GET", "/b"],
    ]);
  }
});

test("onRequestEnd may shut the server down, or abort it", async () => {
  for (const how of ["shutdown", "abort"]) {
    const aborter = new AbortController();
    let told = 0;
    const server = serve({
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      signal: aborter.signal,
      onRequestEnd() {
        told++;
        if (how === "abort") aborter.abort();
        else server.shutdown();
      },
    }, hello);
    using client = await RawClient.connect((server.addr as Deno.NetAddr).port);
    await client.send(GET);
    await client.until("hello");
    await server.finished;
    assertEquals(told, 1, how);
  }
});

test("serveConnection and Fetch applications tell of their requests too", async () => {
  const ends: RequestEnd[] = [];
  const conn = new MemoryConn([get("/a") + get("/b")]);
  await serveConnection(
    conn,
    fetchHandler((request) =>
      request.url.endsWith("/b")
        ? new Response(streamOf(["b"]))
        : Response.json({}, { status: 404 })
    ),
    { onRequestEnd: (end) => void ends.push(end) },
  );
  assertEquals(ends.map(stated), [
    ["GET", "/a", 404, true, null],
    ["GET", "/b", 200, true, null],
  ]);
});
