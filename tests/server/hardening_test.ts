/**
 * Regression tests of the server: hanging shutdowns, memory shared for too long, misuse
 * by programs. Each test reproduces a defect.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
} from "@std/assert";
import { stub } from "@std/testing/mock";
import {
  type Duplex,
  fetchHandler,
  type Handler,
  type HttpRequest,
  Pools,
  RequestParser,
  serve,
  serveConnection,
} from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { makeCertificate } from "../support/certificate.ts";
import { MemoryConn } from "../support/memory_conn.ts";
import { RawClient } from "../support/raw_client.ts";
import { GET, get, LAST_GET } from "../support/requests.ts";
import { test, turn, until, within } from "../support/waiting.ts";
import { untilNoConnections, withServer } from "../support/with_server.ts";

const SHORT = {
  headTimeout: 100,
  bodyTimeout: 100,
  idleTimeout: 100,
  goneTimeout: 100,
  writeTimeout: 100,
};

test("a TLS client that sends nothing is dropped", async () => {
  const { cert, key } = await makeCertificate();
  await withServer((_req, res) => res.send("x"), async ({ port, server }) => {
    using silent = await RawClient.connect(port);
    using half = await RawClient.connect(port);
    await half.send("\x16\x03\x01\x02\x00");
    await until(() => server.stats().accepted === 2, "both connections");
    await untilNoConnections(server);
    // Closes the clients explicitly, because the runtime keeps them open.
    silent.conn.close();
    half.conn.close();
  }, {
    ...SHORT,
    cert,
    key,
  });
});

test("a pipelining client that reads nothing is dropped, and serving it ends", async () => {
  const pools = new Pools();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  using client = await Deno.connect({ hostname: "127.0.0.1", port });
  const conn = await listener.accept();
  listener.close();
  const large = "x".repeat(60_000);
  const served = serveConnection(conn, (_req, res) => res.send(large), {
    pools,
    writeTimeout: 100,
  });
  const requests = bytesOf(GET.repeat(500));
  for (let at = 0; at < requests.length;) {
    at += await client.write(requests.subarray(at));
  }
  await served;
  assertAtRest(pools);
});

test("a request released early is not reused elsewhere while its handler runs", async () => {
  for (const end of ["fail", "close"] as const) {
    const pools = new Pools();
    const gate = Promise.withResolvers<void>();
    let second: HttpRequest | null = null;
    const first = new MemoryConn([GET], { ends: "when told" });
    const releasing: Handler = async (req, res) => {
      req.release();
      assert(req.released);
      await gate.promise;
      res.send("late");
    };
    const servedFirst = serveConnection(first, releasing, { pools });
    await until(() => pools.stats().requests.inUse > 0, "the first request");
    if (end === "fail") first.fail(new Deno.errors.ConnectionReset("reset"));
    await turn();
    const other = new MemoryConn([get("/b")], { ends: "when told" });
    const hold = Promise.withResolvers<void>();
    const abort = new AbortController();
    const servedSecond = serveConnection(other, async (req, res) => {
      second = req;
      await hold.promise;
      assertEquals(req.signal.aborted, false);
      res.send(req.path);
    }, { pools, signal: abort.signal });
    await until(() => second !== null, "the second request");
    gate.resolve();
    await turn();
    assertEquals((second as HttpRequest | null)?.released, false);
    hold.resolve();
    await until(() => other.wire.endsWith("/b"), "the second response");
    abort.abort();
    if (end === "close") first.fail(new Deno.errors.ConnectionReset("reset"));
    await Promise.all([servedFirst, servedSecond]);
    assertAtRest(pools);
  }
});

test("the read-ahead does not corrupt a body that is read in small pieces", async () => {
  const head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\n";
  const body = "0123456789".repeat(6);
  const handler: Handler = async (req, res) => {
    const reader = (req.body as ReadableStream<Uint8Array<ArrayBuffer>>)
      .getReader({ mode: "byob" });
    let text = "";
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(10));
      if (value !== undefined) text += textOf(value);
      if (done) break;
      await turn();
      await turn();
    }
    res.send(text);
  };
  // Over TCP, with a half-close right after the body.
  await withServer(handler, async ({ port, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(head);
    await turn();
    await client.send(body);
    await client.conn.closeWrite();
    assert((await client.rest()).endsWith(`\r\n\r\n${body}`), client.received);
    assertEquals(errors, []);
  });
  // From a byte stream, whose reads transfer the buffer.
  const pools = new Pools();
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const readable = byteStreamOf(up.readable);
  let received = "";
  const writable = new WritableStream<Uint8Array>({
    write(chunk) {
      received += textOf(chunk);
    },
  });
  const served = serveConnection({ readable, writable }, handler, { pools });
  const writer = up.writable.getWriter();
  await writer.write(bytesOf(head));
  await turn();
  await writer.write(bytesOf(body));
  await until(() => received.endsWith(body), "the body");
  await writer.close();
  await served;
  assertAtRest(pools);
});

function byteStreamOf(
  source: ReadableStream<Uint8Array>,
): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      const { done, value } = await reader.read();
      if (!done) return controller.enqueue(value as Uint8Array<ArrayBuffer>);
      controller.close();
      controller.byobRequest?.respond(0);
    },
  });
}

test("the end of input does not truncate a body that is read in small pieces", async () => {
  const pools = new Pools();
  {
    using parser = new RequestParser({ pools });
    parser.push(
      bytesOf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef"),
    );
    const request = parser.next()!;
    const reader = (request.body as ReadableStream<Uint8Array<ArrayBuffer>>)
      .getReader({ mode: "byob" });
    assertEquals(textOf((await reader.read(new Uint8Array(4))).value!), "abcd");
    parser.end();
    assertEquals(textOf((await reader.read(new Uint8Array(4))).value!), "ef");
    request.release();
  }
  assertAtRest(pools);
});

test("a connection whose methods throw is closed and leaks nothing", async () => {
  for (const method of ["read", "write", "closeWrite"] as const) {
    const pools = new Pools();
    const conn = new MemoryConn([LAST_GET], { ends: "when told" });
    conn[method] = () => {
      throw new Error(`no ${method}`);
    };
    await serveConnection(conn, async (_req, res) => {
      await turn();
      res.send("x");
    }, { pools });
    assertEquals(conn.closes, 1, method);
    assertAtRest(pools);
  }
});

test("a reentrant send produces one response", async () => {
  const handlers: Handler[] = [
    (_req, res) =>
      res.json({
        toJSON() {
          res.send("inner");
          return "outer";
        },
      }),
    (_req, res) =>
      res.send("outer", {
        headers: {
          *[Symbol.iterator]() {
            res.send("inner");
            yield ["x", "y"];
          },
        } as unknown as HeadersInit,
      }),
  ];
  for (const handler of handlers) {
    await withServer(handler, async ({ port, errors }) => {
      using client = await RawClient.connect(port);
      await client.send(GET + "GET / HTTP/1.0\r\n\r\n");
      const answer = await client.rest();
      assertEquals(answer.match(/HTTP\/1.1 200/g)?.length, 2);
      assert(!answer.includes("outer"), answer);
      assertEquals(errors.length, 2);
      assertInstanceOf(errors[0], TypeError);
    });
  }
});

test("a connection accepted after the server's end is closed", async () => {
  const late = new MemoryConn([]);
  const gate = Promise.withResolvers<void>();
  const server = serve(
    (async function* () {
      await gate.promise;
      yield late;
    })(),
    (_req, res) => res.send("x"),
  );
  await turn();
  await server.shutdown();
  gate.resolve();
  await until(() => late.closed, "the close");
  assertEquals(late.closes, 1);
});

test("a listener that ignores close() does not delay shutdown", async () => {
  const listener = {
    addr: { transport: "tcp", hostname: "127.0.0.1", port: 1 } as Deno.NetAddr,
    accept: () => new Promise<Deno.Conn>(() => {}),
    close: () => {},
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise<IteratorResult<Duplex>>(() => {}),
      return: () => {
        throw new Error("no return");
      },
    }),
  };
  await within(serve(listener, () => {}).shutdown(), "the shutdown");
  const iterable = { [Symbol.asyncIterator]: listener[Symbol.asyncIterator] };
  await within(serve(iterable, () => {}).shutdown(), "the shutdown");
});

test("a thenable whose then() throws counts as a failed handler", async () => {
  const broken = {
    then() {
      throw new Error("then");
    },
  };
  await withServer(
    () => broken as unknown as Promise<void>,
    async ({ port, errors }) => {
      using client = await RawClient.connect(port);
      await client.send("GET / HTTP/1.0\r\n\r\n");
      assertStringIncludes(await client.rest(), "HTTP/1.1 500");
      assertEquals((errors[0] as Error).message, "then");
    },
  );
});

test("response bytes that are transferred before the write close the connection", async () => {
  await withServer((_req, res) => {
    const bytes = new Uint8Array(100_000);
    res.send(bytes);
    bytes.buffer.transfer();
  }, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    const answer = await client.rest().catch(() => client.received);
    assert(answer.length < 1000, `${answer.length} bytes came`);
  });
});

test("a rejection of onError is printed and otherwise ignored", async () => {
  using print = stub(console, "error");
  await withServer(() => {
    throw new Error("handler");
  }, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send("GET / HTTP/1.0\r\n\r\n");
    assertStringIncludes(await client.rest(), "HTTP/1.1 500");
    await until(() => print.calls.length > 0, "the print of the error");
  }, { onError: () => Promise.reject(new Error("onError")) });
  assertEquals(print.calls[0]!.args[0].message, "onError");
});

test("an oversized body is counted, and the response states whether the connection closes", async () => {
  await withServer(async (req, res) => {
    await req.bytes().catch(() => {});
    res.send("no", { status: 413 });
  }, async ({ port, server }) => {
    using client = await RawClient.connect(port);
    await client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\nsome",
    );
    assertStringIncludes(
      await client.until("\r\n\r\nno"),
      "Connection: close\r\n",
    );
    assertEquals(server.stats().refusals, { "body-too-large": 1 });
    using small = await RawClient.connect(port);
    // A short remainder is drained and the connection kept.
    await small.send(
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n${
        "x".repeat(20)
      }`,
    );
    assert(!(await small.until("\r\n\r\nno")).includes("Connection: close"));
    assertEquals(server.stats().refusals, { "body-too-large": 2 });
  }, { maxBodySize: 10 });
});

test("fetchHandler accepts an object with a fetch method", async () => {
  const app = {
    text: "mine",
    fetch(request: Request): Response {
      return new Response(this.text + new URL(request.url).pathname);
    },
  };
  await withServer(fetchHandler(app), async ({ url }) => {
    assertEquals(await (await fetch(`${url}/a`)).text(), "mine/a");
  });
});
