/**
 * The life of a server: where it listens and takes connections from, how it ends by
 * `shutdown()` and by a signal, what it counts, and that no way in which a client can
 * leave costs it anything. All of it over real sockets, but for the sources that are
 * made to fail; what needs a process of its own gets one.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type Conn,
  type Duplex,
  type Handler,
  Pools,
  serve,
  serveConnection,
  type ServeOptions,
} from "@pooled/http1";
import {
  answerTo,
  assertPoolsAtRest,
  makeCertificate,
  RawClient,
  turn,
  until,
  within,
  withServer,
} from "./serving.ts";
import { textOf } from "./support.ts";

// ------------------------------------------------------------------------ helpers

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST_GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const encoder = new TextEncoder();

/** A POST, with the rest of its fields and its body. */
function request(path: string, rest = "\r\n"): string {
  return `POST ${path} HTTP/1.1\r\nHost: a\r\n${rest}`;
}

/** Says hello. */
const hello: Handler = (_req, res) => res.send("hello");

function portOf(addr: Deno.Addr | null): number {
  return (addr as Deno.NetAddr).port;
}

/** Waits until nobody listens there: the system takes its time with that. */
async function untilRefused(port: number): Promise<void> {
  const refused = (async () => {
    for (;;) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      } catch (error) {
        if (error instanceof Deno.errors.ConnectionRefused) return;
        // Accepted by the system, and by nobody else.
        assertInstanceOf(error, Deno.errors.ConnectionReset);
      }
      await turn();
    }
  })();
  await within(refused, "the listener to close");
}

/** A port on which nobody listens. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return portOf(listener.addr);
}

/** Two pairs of streams: what is written to the one is read from the other. */
function pipe(): [server: Duplex, client: Duplex] {
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const down = new TransformStream<Uint8Array, Uint8Array>();
  return [
    { readable: up.readable, writable: down.writable },
    { readable: down.readable, writable: up.writable },
  ];
}

/** What a server says to `text` on such a pipe, until it ends its side. */
async function ask({ readable, writable }: Duplex, text: string) {
  const writer = writable.getWriter();
  writer.write(encoder.encode(text)).catch(() => {});
  const answer = await within(new Response(readable).text(), "an answer");
  await writer.close().catch(() => {});
  return answer;
}

/** A source of connections that are given one by one. */
class Source<T> implements AsyncIterable<T> {
  readonly stream: ReadableStream<T>;
  controller!: ReadableStreamDefaultController<T>;

  constructor() {
    this.stream = new ReadableStream({
      start: (controller) => {
        this.controller = controller;
      },
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this.stream[Symbol.asyncIterator]();
  }
}

/** What a program prints that runs on its own. It is killed when it does not end. */
async function runProgram(text: string): Promise<string> {
  const mod = new URL("../mod.ts", import.meta.url).href;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", "--no-lock", "--ext=ts", "-"],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(
    encoder.encode(`import { serve } from "${mod}";\n${text}`),
  );
  await writer.close();
  const output = child.output();
  try {
    const { stdout, stderr } = await within(output, "the program to end");
    return textOf(stdout) + textOf(stderr);
  } catch (error) {
    child.kill();
    await output;
    throw error;
  }
}

/** Silences the console for a while, and gives what was said. */
function listeningTo(test: () => void): string[] {
  const { log } = console;
  const lines: string[] = [];
  console.log = (...args: unknown[]) => void lines.push(args.join(" "));
  try {
    test();
  } finally {
    console.log = log;
  }
  return lines;
}

// ---------------------------------------------------------------- where it listens

Deno.test("serve(options, handler) tells onListen where it listens", async () => {
  const pools = new Pools();
  let told: Deno.Addr | undefined;
  const server = serve({
    hostname: "127.0.0.1",
    port: 0,
    pools,
    onListen: (addr) => {
      told = addr;
    },
  }, hello);
  assertEquals(told, server.addr!);
  assertEquals(server.addr?.transport, "tcp");
  const answer = await answerTo(portOf(server.addr), LAST_GET);
  assert(answer.endsWith("\r\n\r\nhello"), answer);
  await server.shutdown();
  assertPoolsAtRest(pools);
});

Deno.test("the address is announced where nobody asks to be told", async () => {
  const pools = new Pools();
  const servers: ReturnType<typeof serve>[] = [];
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/socket`;
  const lines = listeningTo(() => {
    servers.push(
      serve({ hostname: "127.0.0.1", port: 0, pools }, hello),
      serve({ hostname: "::1", port: 0, pools }, hello),
      serve({ path, pools }, hello),
      // Who opened a listener knows of it.
      serve(Deno.listen({ hostname: "127.0.0.1", port: 0 }), hello, { pools }),
    );
  });
  const [first, second] = servers.map(({ addr }) => addr);
  assertEquals(lines, [
    `Listening on http://127.0.0.1:${portOf(first!)}/`,
    `Listening on http://[::1]:${portOf(second!)}/`,
    `Listening on ${path}`,
  ]);
  await Promise.all(servers.map((server) => server.shutdown()));
  Deno.removeSync(directory, { recursive: true });
  assertPoolsAtRest(pools);
});

Deno.test("serve(listener, handler, options)", async () => {
  const pools = new Pools();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let told: Deno.Addr | undefined;
  const server = serve(listener, hello, {
    pools,
    onListen: (addr) => {
      told = addr;
    },
  });
  assertEquals(server.addr, listener.addr);
  assertEquals(told, listener.addr);
  const { port } = listener.addr as Deno.NetAddr;
  assertStringIncludes(await answerTo(port, LAST_GET), "hello");
  await server.shutdown();
  await untilRefused(port);
  assertPoolsAtRest(pools);
});

Deno.test("a listener that its owner closes ends the server", async () => {
  const pools = new Pools();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const errors: unknown[] = [];
  const server = serve(listener, hello, {
    pools,
    onError: (error) => void errors.push(error),
  });
  const { port } = listener.addr as Deno.NetAddr;
  using idle = await RawClient.connect(port);
  await idle.send(GET);
  await idle.until("hello");
  listener.close();
  await within(idle.rest(), "the end of an idle connection");
  idle.conn.close();
  await within(server.finished, "the end of the server");
  assertEquals(errors, []);
  assertPoolsAtRest(pools);
});

Deno.test("a port in use is the caller's to hear of", async () => {
  await withServer(hello, async ({ port, url }) => {
    assertThrows(
      () => serve({ hostname: "127.0.0.1", port, onListen() {} }, hello),
      Deno.errors.AddrInUse,
    );
    assertEquals(await (await fetch(url)).text(), "hello");
  });
});

Deno.test("options out of range throw, and leave no listener open", () => {
  const port = freePort();
  const wrong: ServeOptions[] = [
    ...[0, -1, 1.5, NaN].flatMap((value) => [
      { headTimeout: value },
      { bodyTimeout: value },
      { idleTimeout: value },
      { writeTimeout: value },
      { maxRequests: value },
    ]),
    ...[-1, 0.5, NaN].map((maxDrain) => ({ maxDrain })),
    ...[0, -1, NaN].map((maxConnections) => ({ maxConnections })),
    { maxRequestLine: -1 },
    { maxHeaderBytes: 65_000 },
    { maxHeaders: 1.5 },
    { maxBodySize: NaN },
  ];
  for (const options of wrong) {
    const what = JSON.stringify(options);
    const where = { hostname: "127.0.0.1", port, onListen: () => {} };
    let error: unknown;
    try {
      serve({ ...where, ...options }, hello).shutdown();
    } catch (thrown) {
      error = thrown;
    }
    assertInstanceOf(error, RangeError, `${what} was taken`);
    // Listening here works only if the server does not.
    Deno.listen({ hostname: "127.0.0.1", port }).close();
  }
});

Deno.test("options that contradict each other throw, as does a missing handler", () => {
  const port = freePort();
  const where = { hostname: "127.0.0.1", port, onListen: () => {} };
  assertThrows(() => serve({ ...where, cert: "a" }, hello), TypeError, "key");
  assertThrows(() => serve({ ...where, key: "a" }, hello), TypeError, "cert");
  assertThrows(
    () => serve({ path: "/tmp/none", cert: "a", key: "b" }, hello),
    TypeError,
    "Unix",
  );
  const none = undefined as unknown as Handler;
  assertThrows(() => serve(where, none), TypeError, "handler");
  assertThrows(
    () =>
      serve({
        ...where,
        onListen() {
          throw new Error("from onListen");
        },
      }, hello),
    Error,
    "from onListen",
  );
  Deno.listen({ hostname: "127.0.0.1", port }).close();
});

// ------------------------------------------------------------- where conns come from

Deno.test("pairs of streams from an async iterable are served", async () => {
  const pools = new Pools();
  const source = new Source<Duplex>();
  const seen: unknown[] = [];
  const server = serve(source, (req, res, info) => {
    seen.push([info.remoteAddr, info.localAddr, info.secure]);
    res.send(req.path);
  }, { pools });
  assertEquals(server.addr, null);
  const answers = ["/a", "/b"].map((path) => {
    const [ours, theirs] = pipe();
    source.controller.enqueue(ours);
    return ask(theirs, `GET ${path} HTTP/1.0\r\n\r\n`);
  });
  const [first, second] = await Promise.all(answers);
  assert(first!.endsWith("\r\n\r\n/a"), first);
  assert(second!.endsWith("\r\n\r\n/b"), second);
  assertEquals(seen, [[null, null, false], [null, null, false]]);
  source.controller.close();
  await within(server.finished, "the end of the server");
  assertEquals(server.stats().accepted, 2);
  assertPoolsAtRest(pools);
});

Deno.test("the last connection of an iterable is served like any other", async () => {
  const pools = new Pools();
  const source = new Source<Duplex>();
  const server = serve(source, hello, { pools });
  const [ours, theirs] = pipe();
  source.controller.enqueue(ours);
  source.controller.close();
  await until(() => server.stats().accepted === 1, "the connection");
  // Long enough for the server to see that no more connections come.
  for (let i = 0; i < 5; i++) await turn();
  const answer = await ask(theirs, GET.replace("1.1", "1.0"));
  assert(answer.endsWith("hello"), `the answer was ${JSON.stringify(answer)}`);
  await within(server.finished, "the end of the server");
  assertPoolsAtRest(pools);
});

Deno.test("an iterable that throws is reported and ends the server", async () => {
  const pools = new Pools();
  const source = new Source<Duplex>();
  const errors: unknown[] = [];
  const release = Promise.withResolvers<void>();
  const server = serve(source, async (_req, res) => {
    await release.promise;
    res.send("late");
  }, { pools, onError: (error) => void errors.push(error) });
  const [ours, theirs] = pipe();
  source.controller.enqueue(ours);
  const answer = ask(theirs, GET);
  await until(() => server.stats().requests === 1, "the request");
  const broken = new Error("no more");
  source.controller.error(broken);
  await until(() => errors.length > 0, "the report");
  // What was begun is answered.
  release.resolve();
  assertStringIncludes(await answer, "Connection: close\r\n\r\nlate");
  await within(server.finished, "the end of the server");
  assertEquals(errors, [broken]);
  assertPoolsAtRest(pools);
});

Deno.test("shutdown lets go of an iterable that waits", async () => {
  const pools = new Pools();
  let returned = false;
  const server = serve(
    {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => {}),
        return: () => {
          returned = true;
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    },
    hello,
    { pools },
  );
  await turn();
  await within(server.shutdown(), "the end of the server");
  assert(returned, "the iterator was not told");
  assertPoolsAtRest(pools);
});

Deno.test("a pair with a locked stream is reported, and others are served", async () => {
  const pools = new Pools();
  const source = new Source<Duplex>();
  const errors: unknown[] = [];
  const server = serve(source, hello, {
    pools,
    onError: (error) => void errors.push(error),
  });
  const [locked] = pipe();
  locked.readable.getReader();
  source.controller.enqueue(locked);
  const [ours, theirs] = pipe();
  source.controller.enqueue(ours);
  assertStringIncludes(await ask(theirs, LAST_GET), "hello");
  assertEquals(errors.length, 1);
  assertInstanceOf(errors[0], TypeError);
  source.controller.close();
  await within(server.finished, "the end of the server");
  assertPoolsAtRest(pools);
});

/** A listener that asks before it accepts how it is to fail. */
function failingListener(
  listener: Deno.Listener,
  failure: () => Error | undefined,
): AsyncIterable<Conn> {
  const failing = {
    addr: listener.addr,
    async accept(): Promise<Deno.Conn> {
      const error = failure();
      if (error !== undefined) throw error;
      return await listener.accept();
    },
    close: () => listener.close(),
    // Never used: a listener is asked to accept.
    [Symbol.asyncIterator]: () => listener[Symbol.asyncIterator](),
  };
  return failing;
}

Deno.test("a failing accept is reported and tried again", async () => {
  const pools = new Pools();
  const errors: unknown[] = [];
  const failures = [1, 2, 3].map((i) => new Error(`too many open files ${i}`));
  const expected = [...failures];
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const server = serve(
    failingListener(listener, () => failures.shift()),
    hello,
    {
      pools,
      onError: (error) => void errors.push(error),
    },
  );
  const answer = await answerTo(portOf(server.addr), LAST_GET);
  assertStringIncludes(answer, "hello");
  assertEquals(errors, expected);
  await within(server.shutdown(), "the end of the server");
  assertPoolsAtRest(pools);
});

Deno.test("shutdown ends a server whose accept keeps failing", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let errors = 0;
  const never = failingListener(listener, () => new Error("never"));
  const pools = new Pools();
  const server = serve(never, hello, { pools, onError: () => void errors++ });
  await until(() => errors === 2, "two failures");
  await within(server.shutdown(), "the end of the server");
  await untilRefused(portOf(listener.addr));
  assertPoolsAtRest(pools);
});

// -------------------------------------------------------------------- serveConnection

Deno.test("serveConnection serves one socket, and closes it", async () => {
  const pools = new Pools();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await RawClient.connect(portOf(listener.addr));
  const conn = await listener.accept();
  const seen: (Deno.Addr | null)[] = [];
  const served = serveConnection(conn, (req, res, info) => {
    seen.push(info.remoteAddr, info.localAddr);
    res.send(`${req.path};`);
  }, { pools });
  await client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n" + LAST_GET);
  assert((await client.rest()).endsWith("/;"), client.received);
  assertStringIncludes(client.received, "/a;");
  assertEquals(seen.slice(0, 2), [client.conn.localAddr, listener.addr]);
  client.conn.close();
  await within(served, "the end of the connection");
  assertThrows(() => conn.close(), Deno.errors.BadResource);
  assertPoolsAtRest(pools);
});

Deno.test("serveConnection takes bytes read before, and another address", async () => {
  const pools = new Pools();
  const [ours, theirs] = pipe();
  const remoteAddr: Deno.NetAddr = {
    transport: "tcp",
    hostname: "192.0.2.1",
    port: 7,
  };
  const received = encoder.encode(
    "POST /a HTTP/1.0\r\nContent-Length: 9\r\n\r\nsome",
  );
  const served = serveConnection(ours, async (req, res, info) => {
    res.json([info.remoteAddr, await req.text()]);
  }, { pools, remoteAddr, received });
  // They were copied.
  received.fill(0x58);
  const answer = await ask(theirs, " text");
  const [, body] = answer.split("\r\n\r\n");
  assertEquals(JSON.parse(body!), [remoteAddr, "some text"]);
  await within(served, "the end of the connection");
  assertPoolsAtRest(pools);
});

Deno.test("serveConnection: a signal ends it at once, also one aborted before", async () => {
  const pools = new Pools();
  const reason = new Error("enough");
  const aborter = new AbortController();
  const aborted = Promise.withResolvers<unknown>();
  const release = Promise.withResolvers<void>();
  const [ours, theirs] = pipe();
  const served = serveConnection(ours, async (req, res) => {
    req.signal.onabort = () => aborted.resolve(req.signal.reason);
    aborter.abort(reason);
    await release.promise;
    res.send("for nobody");
  }, { pools, signal: aborter.signal });
  const answer = ask(theirs, GET);
  assertEquals(await within(aborted.promise, "the signal"), reason);
  await assertRejects(() => answer);
  // Its memory is the handler's until it is done.
  assertEquals(pools.stats().requests.inUse, 1);
  release.resolve();
  await within(served, "the end of the connection");
  assertPoolsAtRest(pools);

  const [late] = pipe();
  let called = false;
  await within(
    serveConnection(late, () => void (called = true), {
      pools,
      signal: AbortSignal.abort(reason),
      received: encoder.encode(GET),
    }),
    "the end of a connection that was never wanted",
  );
  assert(!called, "a handler was asked for a connection that nobody wants");
  assertPoolsAtRest(pools);
});

Deno.test("serveConnection throws what is wrong with its arguments", () => {
  const pools = new Pools();
  for (const options of [{ maxHeaders: -1 }, { idleTimeout: 0 }]) {
    const [ours] = pipe();
    assertThrows(
      () => serveConnection(ours, hello, { pools, ...options }),
      RangeError,
    );
    assert(!ours.readable.locked && !ours.writable.locked);
  }
  const [locked] = pipe();
  locked.readable.getReader();
  assertThrows(() => serveConnection(locked, hello, { pools }), TypeError);
  assertPoolsAtRest(pools);
});

// --------------------------------------------------------------------------- shutdown

Deno.test("shutdown closes idle connections and answers what was begun", async () => {
  const release = Promise.withResolvers<void>();
  const produced = Promise.withResolvers<void>();
  await withServer(async (req, res) => {
    if (req.path === "/late") await release.promise;
    if (req.path !== "/stream") return res.send(`${req.path} done`);
    res.send(ReadableStream.from((async function* () {
      yield encoder.encode("first ");
      await produced.promise;
      yield encoder.encode("second");
    })()));
  }, async ({ server, port }) => {
    const connect = async (path: string, wait: string) => {
      const client = await RawClient.connect(port);
      await client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      if (wait !== "") await client.until(wait);
      return client;
    };
    using fresh = await RawClient.connect(port);
    using idle = await connect("/idle", "/idle done");
    using late = await connect("/late", "");
    using streamed = await connect("/stream", "first");
    await until(() => server.stats().requests === 3, "the requests");

    const finished = server.shutdown();
    assertEquals(finished, server.finished);
    assertEquals(server.shutdown(), finished);
    // Those that nothing was asked of.
    assertEquals(await within(fresh.rest(), "the end of a fresh one"), "");
    await within(idle.rest(), "the end of an idle one");
    assertEquals(idle.received.match(/HTTP/g)?.length, 1);
    await untilRefused(port);
    let over = false;
    finished.then(() => over = true);
    await turn();
    assert(!over, "it did not wait for what was begun");

    release.resolve();
    await within(late.rest(), "the late response");
    assert(late.received.endsWith("/late done"), late.received);
    assertStringIncludes(late.received, "Connection: close\r\n");
    // This head was out before anybody knew; its end closes all the same.
    produced.resolve();
    await within(streamed.rest(), "the rest of the stream");
    assert(
      streamed.received.endsWith("6\r\nsecond\r\n0\r\n\r\n"),
      streamed.received,
    );
    for (const client of [fresh, idle, late, streamed]) client.conn.close();
    await within(finished, "the end of the server");
    assertEquals(server.stats().connections, 0);
  });
});

Deno.test("shutdown answers a request whose body has half arrived", async () => {
  await withServer(async (req, res) => {
    res.send(`got ${await req.text()}`);
  }, async ({ server, port }) => {
    const most = request("/", "Content-Length: 9\r\n\r\nsome");
    using body = await RawClient.connect(port);
    await body.send(most);
    await until(() => server.stats().requests === 1, "the request");
    const finished = server.shutdown();
    await turn();
    await turn();
    await body.send(" text");
    await within(body.rest(), "the answer");
    assert(body.received.endsWith("\r\n\r\ngot some text"), body.received);
    assertStringIncludes(body.received, "Connection: close\r\n");
    body.conn.close();
    await within(finished, "the end of the server");
  });
});

/** Whether this is the whole of a response of the server below. */
function isWhole(response: string): boolean {
  const [head, ...rest] = response.split("\r\n\r\n");
  if (rest.length === 0) return false;
  const body = rest.join("\r\n\r\n");
  const length = head!.match(/content-length: (\d+)/i)?.[1];
  return length === undefined
    ? body.endsWith("0\r\n\r\n")
    : body.length === Number(length);
}

Deno.test("shutdown under load breaks no response", async () => {
  const CLIENTS = 50;
  const handled = new Set<number>();
  const answered = new Set<number>();
  const busy = Promise.withResolvers<void>();
  await withServer(async (req, res) => {
    const id = Number(req.query);
    handled.add(id);
    if (handled.size === 20 * CLIENTS) busy.resolve();
    if (id % 3 === 1) await turn();
    if (id % 3 < 2) return res.send(`<${id}>`.padEnd(1000, "."));
    res.send(ReadableStream.from((async function* () {
      for (const text of ["<", `${id}`, ">"]) {
        await turn();
        yield encoder.encode(text);
      }
    })()));
  }, async ({ server, port, errors }) => {
    const served = Promise.withResolvers<void>();
    let begun = 0;
    const clients = Array.from({ length: CLIENTS }, async (_, n) => {
      using client = await RawClient.connect(port);
      for (let i = 0;; i++) {
        const id = n + i * CLIENTS;
        client.received = "";
        await client.send(`GET /?${id} HTTP/1.1\r\nHost: a\r\n\r\n`);
        while (!isWhole(client.received) && await client.read());
        if (client.ended && client.received === "") return;
        assert(
          isWhole(client.received),
          `a response was cut: ${JSON.stringify(client.received)}`,
        );
        answered.add(id);
        if (i === 0 && ++begun === CLIENTS) served.resolve();
        if (client.received.includes("Connection: close")) {
          assertEquals(await client.read(), false);
          return;
        }
      }
    });
    const all = Promise.all(clients);
    await within(Promise.race([all, served.promise]), "the first answers");
    await within(Promise.race([all, busy.promise]), "some load");
    await within(server.shutdown(), "the end of the server");
    await within(all, "the clients");
    assert(handled.size >= 20 * CLIENTS);
    assertEquals([...answered].sort(), [...handled].sort());
    assertEquals(errors, []);
  });
});

Deno.test("await using shuts the server down", async () => {
  const pools = new Pools();
  let port: number;
  {
    await using server = serve(
      { hostname: "127.0.0.1", port: 0, pools, onListen() {} },
      hello,
    );
    port = portOf(server.addr);
    assertStringIncludes(await answerTo(port, LAST_GET), "hello");
  }
  await untilRefused(port);
  assertPoolsAtRest(pools);
});

Deno.test("shutdown leaves alone what was handed over", async () => {
  const pair = Promise.withResolvers<Duplex>();
  await withServer(
    (_req, res) => pair.resolve(res.upgrade()),
    async (running) => {
      const { server, port } = running;
      using client = await RawClient.connect(port);
      await client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n",
      );
      await client.until("\r\n\r\n");
      const { readable, writable } = await pair.promise;
      await within(server.shutdown(), "the end of the server");
      assertEquals(server.stats().connections, 1);
      const writer = writable.getWriter();
      await writer.write(encoder.encode("still here"));
      await client.until("still here");
      await client.send("and here");
      const reader = readable.getReader();
      assertEquals(textOf((await reader.read()).value!), "and here");
      await writer.close();
      client.conn.close();
      assert((await reader.read()).done);
      await until(() => server.stats().connections === 0, "the end");
    },
  );
});

Deno.test("a client that does not end its side is dropped", async () => {
  await withServer(hello, async ({ server, port }) => {
    using client = await RawClient.connect(port);
    await client.send(LAST_GET);
    await client.rest();
    // The client keeps its side open for good.
    await within(server.shutdown(), "the end of the server");
    assertEquals(server.stats().connections, 0);
  }, { idleTimeout: 100 });
});

// ----------------------------------------------------------------------------- signal

Deno.test("a signal ends everything at once", async () => {
  const aborter = new AbortController();
  const reason = new Error("enough");
  const aborted = Promise.withResolvers<unknown>();
  const cancelled = Promise.withResolvers<unknown>();
  const release = Promise.withResolvers<void>();
  const raw = Promise.withResolvers<Duplex>();
  await withServer(async (req, res) => {
    if (req.path === "/raw") return raw.resolve(res.upgrade());
    if (req.path === "/stream") {
      return res.send(
        new ReadableStream({
          start: (controller) => controller.enqueue(encoder.encode("first")),
          cancel: (why) => cancelled.resolve(why),
        }),
      );
    }
    if (req.path === "/late") {
      req.signal.onabort = () => aborted.resolve(req.signal.reason);
      await release.promise;
    }
    res.send("done");
  }, async ({ server, port, errors }) => {
    const clients: RawClient[] = [];
    for (
      const [path, wait] of [
        ["/idle", "done"],
        ["/late", ""],
        ["/stream", "first"],
        ["/raw", "\r\n\r\n"],
      ]
    ) {
      const client = await RawClient.connect(port);
      clients.push(client);
      await client.send(
        `GET ${path} HTTP/1.1\r\nHost: a\r\n` +
          "Connection: upgrade\r\nUpgrade: raw\r\n\r\n",
      );
      await client.until(wait!);
    }
    const { readable } = await raw.promise;
    const rawRead = readable.getReader().read();
    await until(() => server.stats().requests === 4, "the requests");
    aborter.abort(reason);
    assertEquals(await within(aborted.promise, "req.signal"), reason);
    assertEquals(await within(cancelled.promise, "cancel"), reason);
    await assertRejects(() => within(rawRead, "the raw read"), Error, "enough");
    await until(() => server.stats().connections === 0, "the connections");
    await untilRefused(port);
    for (const client of clients) {
      await within(client.rest(), "the end").catch((error) => {
        assertInstanceOf(error, Deno.errors.ConnectionReset);
      });
      client.conn.close();
    }
    release.resolve();
    await within(server.finished, "the end of the server");
    assertEquals(errors, []);
  }, { signal: aborter.signal });
});

Deno.test("a signal that was aborted before lets nothing in", async () => {
  const pools = new Pools();
  let called = false;
  const server = serve({
    hostname: "127.0.0.1",
    port: 0,
    pools,
    onListen: () => {},
    signal: AbortSignal.abort(),
  }, () => void (called = true));
  await within(server.finished, "the end of the server");
  await untilRefused(portOf(server.addr));
  assert(!called);
  assertPoolsAtRest(pools);
});

Deno.test("a signal cuts a shutdown short", async () => {
  const aborter = new AbortController();
  await withServer(async (req, res) => {
    await new Promise((resolve) => req.signal.onabort = resolve);
    res.send("for nobody");
  }, async ({ server, port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await until(() => server.stats().requests === 1, "the request");
    const finished = server.shutdown();
    await turn();
    aborter.abort();
    await within(finished, "the end of the server");
  }, { signal: aborter.signal });
});

// ------------------------------------------------------------------------ ref and unref

const PROGRAM = `
const server = serve(
  { hostname: "127.0.0.1", port: 0, onListen() {}, bodyTimeout: 100 },
  (req, res) => {
    if (req.path !== "/stream") return res.send("hello");
    res.send(new ReadableStream({
      start: (controller) => controller.enqueue(new Uint8Array([33])),
    }));
  },
);
const { port } = server.addr;
const conn = await Deno.connect({ hostname: "127.0.0.1", port });
const ask = async (path) => {
  await conn.write(new TextEncoder().encode(
    "GET " + path + " HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"));
  await conn.read(new Uint8Array(1000));
};
`;

Deno.test("a program ends in spite of a server that is unref'ed", async () => {
  // Once with a connection that was there before, once with one that came later.
  assertStringIncludes(
    await runProgram(`${PROGRAM}
      await ask("/");
      server.unref();
      addEventListener("unload", () => console.log("ended"));`),
    "ended",
  );
  assertStringIncludes(
    await runProgram(`${PROGRAM}
      server.unref();
      await ask("/");
      addEventListener("unload", () => console.log("ended"));`),
    "ended",
  );
});

Deno.test("a server keeps the program running, also after unref and ref", async () => {
  // The timer holds nothing; so it fires only if the server does.
  const text = (before: string) =>
    `${PROGRAM}
    conn.close();
    ${before}
    Deno.unrefTimer(setTimeout(() => {
      console.log("was kept");
      Deno.exit();
    }, 100));`;
  assertEquals(await runProgram(text("")), "was kept\n");
  assertEquals(
    await runProgram(text("server.unref(); server.ref();")),
    "was kept\n",
  );
  assertEquals(await runProgram(text("server.unref();")), "");
});

Deno.test("shutdown resolves though only a stream without a client is left", async () => {
  assertEquals(
    await runProgram(`${PROGRAM}
      await ask("/stream");
      conn.close();
      await new Promise((resolve) => setTimeout(resolve, 20));
      // As a signal's listener would: nothing else keeps the program running.
      server.shutdown().then(() => console.log("over"));`),
    "over\n",
  );
});

// -------------------------------------------------------------------- many connections

Deno.test("with maxConnections, the next one waits and is served later", async () => {
  await withServer(hello, async ({ server, port }) => {
    using first = await RawClient.connect(port);
    using second = await RawClient.connect(port);
    for (const client of [first, second]) {
      await client.send(GET);
      await client.until("hello");
    }
    using third = await RawClient.connect(port);
    await third.send(GET);
    const answer = third.until("hello");
    let answered = false;
    answer.then(() => answered = true);
    for (let i = 0; i < 20; i++) {
      first.received = "";
      await first.send(GET);
      await first.until("hello");
    }
    assert(!answered, "a third one was served");
    assertEquals(server.stats().accepted, 2);
    second.conn.close();
    await within(answer, "the third one to be served");
    assertEquals(server.stats().accepted, 3);
  }, { maxConnections: 2 });
});

Deno.test("maxConnections counts what was handed over", async () => {
  const pair = Promise.withResolvers<Duplex>();
  await withServer((req, res) => {
    if (req.upgrade === null) return res.send("hello");
    pair.resolve(res.upgrade());
  }, async ({ server, port }) => {
    using raw = await RawClient.connect(port);
    await raw.send(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n",
    );
    await raw.until("\r\n\r\n");
    using next = await RawClient.connect(port);
    await next.send(GET);
    for (let i = 0; i < 10; i++) await turn();
    assertEquals(server.stats().accepted, 1);
    const { readable, writable } = await pair.promise;
    await readable.cancel();
    await writable.close();
    await within(next.until("hello"), "the next one");
  }, { maxConnections: 1 });
});

Deno.test("shutdown ends a server that waits for a connection to close", async () => {
  await withServer(hello, async ({ server, port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await client.until("hello");
    const finished = server.shutdown();
    await within(client.rest(), "the end of the connection");
    client.conn.close();
    await within(finished, "the end of the server");
  }, { maxConnections: 1 });
});

Deno.test("a thousand connections at once are served twice each", async () => {
  const COUNT = 1000;
  await withServer(async (req, res) => {
    await turn();
    res.send(`<${req.query}>`);
  }, async ({ server, port, errors }) => {
    const clients = await Promise.all(
      Array.from({ length: COUNT }, () => RawClient.connect(port)),
    );
    for (let round = 0; round < 2; round++) {
      const answers = clients.map(async (client, n) => {
        await client.send(`GET /?${round}-${n} HTTP/1.1\r\nHost: a\r\n\r\n`);
        await client.until(`<${round}-${n}>`);
      });
      await within(Promise.all(answers), "the answers");
      assertEquals(server.stats().connections, COUNT);
    }
    const { accepted, requests } = server.stats();
    assertEquals([accepted, requests], [COUNT, 2 * COUNT]);
    for (const client of clients) client[Symbol.dispose]();
    await until(() => server.stats().connections === 0, "all to close");
    assertEquals(errors, []);
  });
});

// --------------------------------------------------------------- clients that misbehave

/** A handler for every way in which a client can leave. */
function manyWays(signals: { begun: () => void }): Handler {
  return async (req, res) => {
    signals.begun();
    switch (req.path) {
      case "/body":
        return res.send(await req.text());
      case "/echo":
        return res.send(req.body);
      case "/late":
        await new Promise((resolve) => setTimeout(resolve, 30));
        return res.send("late");
      case "/endless":
        return res.send(
          new ReadableStream({
            async pull(controller) {
              await turn();
              controller.enqueue(new Uint8Array(20_000));
            },
          }),
        );
      case "/stalled":
        return res.send(
          new ReadableStream({
            start: (controller) => controller.enqueue(new Uint8Array(10)),
          }),
        );
      case "/large":
        return res.send(new Uint8Array(8_000_000));
    }
    res.send("hello");
  };
}

/** What was sent before the client leaves, and what it waits for. */
const LEAVINGS: Record<
  string,
  [sends: string, awaits: "" | "handler" | string]
> = {
  "before a byte": ["", ""],
  "in the middle of a request line": ["GET /a", ""],
  "in the middle of a head": [request("/a", "X-Na"), ""],
  "before a body": [
    request("/body", "Content-Length: 9\r\n\r\n"),
    "handler",
  ],
  "before a 100 (Continue)": [
    request("/body", "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"),
    "100 Continue",
  ],
  "in the middle of a body": [
    request("/body", "Content-Length: 9\r\n\r\nsome"),
    "handler",
  ],
  "in the middle of a chunk": [
    request("/body", "Transfer-Encoding: chunked\r\n\r\n9\r\nsome"),
    "handler",
  ],
  "in the middle of a body that is sent back": [
    request("/echo", "Content-Length: 9\r\n\r\nsome"),
    "some",
  ],
  "in the middle of a body that nobody reads": [
    request("/late", "Content-Length: 9\r\n\r\nsome"),
    "handler",
  ],
  "while the handler works": [request("/late"), "handler"],
  "while the handler works, with more requests behind": [
    request("/late") + request("/late") + request("/a"),
    "handler",
  ],
  "before a large response": [request("/large"), "handler"],
  "in the middle of a large response": [request("/large"), "200 OK"],
  "in the middle of an endless response": [request("/endless"), "200 OK"],
  "while a response waits for its next piece": [
    request("/stalled"),
    "200 OK",
  ],
  "in the middle of an endless response, with more requests behind": [
    request("/endless") + request("/a"),
    "200 OK",
  ],
  "after a response": [request("/a"), "hello"],
  "while the server lingers": [
    request("/a", "Connection: close\r\n\r\n"),
    "hello",
  ],
  "after a refusal": ["GET /\r\n", "400 Bad Request"],
};

for (const how of ["closes", "ends its side first"]) {
  Deno.test(`a client that ${how}, at any time, leaves nothing behind`, async (t) => {
    let begun = () => {};
    await withServer(manyWays({ begun: () => begun() }), async (running) => {
      const { server, port, pools, errors } = running;
      for (const [when, [sends, awaits]] of Object.entries(LEAVINGS)) {
        await t.step(when, async () => {
          const handler = new Promise<void>((resolve) => begun = resolve);
          using client = await RawClient.connect(port);
          const { accepted } = server.stats();
          await client.send(sends);
          if (awaits === "handler") await within(handler, "the handler");
          else if (awaits !== "") await within(client.until(awaits), awaits);
          else {
            // Taken from the queue of the system, so that the server knows it.
            await until(
              () => server.stats().connections === 1,
              `the connection, of ${accepted}`,
            );
          }
          if (how !== "closes") {
            await client.conn.closeWrite();
            await turn();
          }
          client.conn.close();
          await until(
            () => server.stats().connections === 0,
            "the connection to be given up",
          );
          await until(
            () => pools.stats().requests.inUse === 0,
            "the handler to be done",
          );
          assertPoolsAtRest(pools);
          assertStringIncludes(await answerTo(port, LAST_GET), "hello");
          await until(() => server.stats().connections === 0, "the end");
        });
      }
      assertEquals(errors, [], "what a client does is no fault of the program");
    }, { bodyTimeout: 100, writeTimeout: 100 });
  });
}

Deno.test("a client that ends its side early is answered", async () => {
  await withServer(async (req, res) => {
    const text = await req.text();
    await turn();
    res.send(`got ${text}`);
  }, async ({ port, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(request("/", "Content-Length: 4\r\n\r\nbody") + GET);
    await client.conn.closeWrite();
    const answer = await within(client.rest(), "the answers");
    assertEquals(answer.match(/got (body)?/g), ["got body", "got "]);
    assertEquals(errors, []);
  });
});

Deno.test("a sender of single bytes is served", async () => {
  await withServer(async (req, res) => {
    const text = await req.text();
    res.json([req.target, text, req.trailers?.get("x-sum") ?? null]);
  }, async ({ port }) => {
    using client = await RawClient.connect(port);
    (client.conn as Deno.TcpConn).setNoDelay(true);
    const wire = request("/a?b", "Content-Length: 4\r\n\r\nbody") +
      request(
        "/c",
        "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nX-Sum: 7\r\n\r\n",
      ) + LAST_GET;
    for (const byte of wire) {
      await client.send(byte);
      // The next one comes in a read of its own.
      await turn();
    }
    await within(client.rest(), "the answers");
    assertEquals(client.received.match(/\[.*\]/g), [
      '["/a?b","body",null]',
      '["/c","abcd","7"]',
      '["/","",null]',
    ]);
  });
});

Deno.test("a reader that stalls is dropped, and its stream cancelled", async () => {
  const cancelled = Promise.withResolvers<unknown>();
  let aborted = false;
  await withServer((req, res) => {
    req.signal.onabort = () => aborted = true;
    res.send(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
        cancel: (reason) => cancelled.resolve(reason),
      }),
    );
  }, async ({ server, port, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await client.until("200 OK");
    const reason = await within(cancelled.promise, "the stream's cancel");
    assertEquals((reason as DOMException).name, "TimeoutError");
    await until(() => server.stats().connections === 0, "the drop");
    assert(aborted, "the signal was not aborted");
    assertEquals(errors, []);
  }, { writeTimeout: 150 });
});

Deno.test("requests of a client that reads no answers wait", async () => {
  const COUNT = 20_000;
  await withServer(
    (_req, res) => res.send("x".repeat(10_000)),
    async (running) => {
      const { server, port, errors } = running;
      using client = await RawClient.connect(port);
      const sent = client.send(GET.repeat(COUNT)).catch(() => {});
      await until(() => server.stats().accepted === 1, "the connection");
      await until(() => server.stats().connections === 0, "the drop");
      const { requests } = server.stats();
      assert(requests > 0 && requests < COUNT, `${requests} were answered`);
      client.conn.close();
      await sent;
      assertEquals(errors, []);
    },
    { writeTimeout: 150 },
  );
});

Deno.test("a reader that pauses gets all of it", async () => {
  const COUNT = 3000;
  await withServer((req, res) => {
    res.send(`<${req.query}>`.padEnd(10_000, "x"));
  }, async ({ server, port }) => {
    using client = await RawClient.connect(port);
    let wire = "";
    for (let i = 0; i < COUNT; i++) {
      wire += `GET /?${i} HTTP/1.1\r\nHost: a\r\n\r\n`;
    }
    const sent = client.send(wire + LAST_GET);
    // It begins to read when the server has stopped.
    let before = -1;
    await until(() => {
      const { requests } = server.stats();
      const stopped = requests === before && requests > 0;
      before = requests;
      return stopped;
    }, "the server to stop");
    assert(server.stats().requests < COUNT, "it never stopped");
    const parts: string[] = [];
    while (await client.read()) {
      parts.push(client.received);
      client.received = "";
    }
    await sent;
    assertEquals(
      parts.join("").match(/<\d*>/g),
      [...Array.from({ length: COUNT }, (_, i) => `<${i}>`), "<>"],
    );
  });
});

// -------------------------------------------------------------------------------- TLS

Deno.test("TLS: clients that break the handshake do no harm", async () => {
  const { cert, key } = await makeCertificate();

  await withServer((_req, res, info) => {
    res.send(`secure: ${info.secure}`);
  }, async ({ server, port, errors }) => {
    using client = Deno.createHttpClient({ caCerts: [cert] });
    const served = async () => {
      const answer = await fetch(`https://127.0.0.1:${port}/`, { client });
      assertEquals(await answer.text(), "secure: true");
    };
    await served();
    // Plain text; the server answers with an alert, if at all.
    using plain = await RawClient.connect(port);
    await plain.send(GET);
    await within(plain.rest(), "the end").catch((error) => {
      assertInstanceOf(error, Deno.errors.ConnectionReset);
    });
    assert(!plain.received.includes("HTTP/"), plain.received);
    plain.conn.close();
    // Nothing at all; the begin of a handshake.
    for (const text of ["", "\x16\x03\x01", "\x16\x03\x01\x02\x00\x01\x00"]) {
      using dropped = await RawClient.connect(port);
      await dropped.send(text);
      dropped.conn.close();
    }
    // A client that does not trust the certificate.
    using strict = Deno.createHttpClient({});
    await assertRejects(
      () => fetch(`https://127.0.0.1:${port}/`, { client: strict }),
      TypeError,
    );
    await served();
    await until(() => server.stats().connections <= 1, "the broken to go");
    assertEquals(server.stats().requests, 2);
    assertEquals(errors, []);
  }, { cert, key });
});

// ------------------------------------------------------------------------------ stats

Deno.test("stats count connections, requests, bytes and refusals", async () => {
  await withServer(async (req, res) => {
    res.send(await req.text());
  }, async ({ server, port, pools }) => {
    const zero = server.stats();
    assertEquals({ ...zero, pools: null }, {
      connections: 0,
      accepted: 0,
      aborted: 0,
      requests: 0,
      bytesReceived: 0,
      bytesSent: 0,
      refusals: {},
      pools: null,
    });
    assertEquals(zero.pools, pools.stats());

    let sent = 0;
    let got = 0;
    using client = await RawClient.connect(port);
    const wire = request("/", "Content-Length: 4\r\n\r\nbody") + GET;
    for (let i = 0; i < 3; i++) {
      client.received = "";
      await client.send(wire);
      while ((client.received.match(/HTTP/g)?.length ?? 0) < 2) {
        await client.read();
      }
      sent += wire.length;
      got += client.received.length;
      const { connections, accepted, requests, ...more } = server.stats();
      assertEquals([connections, accepted, requests], [1, 1, 2 * (i + 1)]);
      assertEquals([more.bytesReceived, more.bytesSent], [sent, got]);
    }
    client.conn.close();
    for (
      const refused of ["GET / HTTP/1.1\n", "GET /\r\n", "GET /\r\n\r\n"]
    ) {
      sent += refused.length;
      got += (await answerTo(port, refused)).length;
    }
    await until(() => server.stats().connections === 0, "the end");
    const { accepted, requests, bytesReceived, bytesSent, refusals } = server
      .stats();
    assertEquals({ accepted, requests, bytesReceived, bytesSent, refusals }, {
      accepted: 4,
      requests: 6,
      bytesReceived: sent,
      bytesSent: got,
      refusals: { "bare-lf": 1, "invalid-request-line": 2 },
    });
  });
});

Deno.test("stats keep the bytes of a connection that was cut", async () => {
  const aborter = new AbortController();
  const release = Promise.withResolvers<void>();
  await withServer(async (_req, res) => {
    await release.promise;
    res.send();
  }, async ({ server, port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await until(() => server.stats().requests === 1, "the request");
    assertEquals(server.stats().bytesReceived, GET.length);
    aborter.abort();
    assertEquals(server.stats().connections, 0);
    assertEquals(server.stats().bytesReceived, GET.length);
    release.resolve();
    await within(server.finished, "the end of the server");
  }, { signal: aborter.signal });
});

Deno.test("a connection of any make is read and written directly", async () => {
  // A `Conn` that is no `Deno.Conn`: it has no address, and nothing that is optional.
  const pools = new Pools();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const plain = async function* (): AsyncGenerator<Conn> {
    for await (const conn of listener) {
      yield {
        read: (p) => conn.read(p),
        // Not more than a few bytes at a time.
        write: (p) => conn.write(p.subarray(0, 7)),
        closeWrite: () => conn.closeWrite(),
        close: () => conn.close(),
      };
    }
  };
  const server = serve(plain(), (req, res, info) => {
    res.send(`${req.path} ${info.remoteAddr}`);
  }, { pools });
  const answer = await answerTo(portOf(listener.addr), GET + LAST_GET);
  assertEquals(answer.match(/\/ null/g)?.length, 2, answer);
  listener.close();
  await within(server.finished, "the end of the server");
  assertPoolsAtRest(pools);
});
