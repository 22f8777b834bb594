/**
 * The reverse proxy example passes heads, bodies, trailers and upgrades on, bounds its
 * memory, and handles upstreams that fail and clients that leave.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { connect, type Handler, serve } from "../../mod.ts";
import {
  assertSockets,
  Example,
  type ExampleOptions,
  sockets,
} from "../support/example.ts";
import {
  answerTo,
  assertEnds,
  RawClient,
  reset,
} from "../support/raw_client.ts";
import {
  count,
  free,
  head,
  listen,
  refusingPort,
  resident,
  zeros,
} from "../support/upstream.ts";
import { test, within } from "../support/waiting.ts";

const encoder = new TextEncoder();

function start(upstream: number, options?: ExampleOptions): Example {
  const args = ["0", `127.0.0.1:${upstream}`];
  return Example.start("reverse_proxy.ts", args, options);
}

/** Runs a test against the proxy with an upstream of this package. */
async function withUpstream(
  handler: Handler<Deno.NetAddr>,
  run: (port: number, proxy: Example) => Promise<void>,
) {
  await using upstream = serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, maxBodySize: Infinity },
    handler,
  );
  await using proxy = start(upstream.addr.port);
  await run(await proxy.port(), proxy);
}

test("reverse proxy: names keep case and order, hop-by-hop fields are dropped", async () => {
  using listener = listen();
  await using proxy = start(listener.addr.port);
  using client = await RawClient.connect(await proxy.port());
  await client.send(
    "GET /a?b HTTP/1.1\r\nX-lower-UPPER: 1\r\nhOST: example.com\r\n" +
      "Connection: x-mine, Keep-Alive, host\r\nX-Mine: dropped\r\n" +
      "Keep-Alive: 5\r\nProxy-Connection: a\r\nTE: trailers\r\n" +
      "x-TWICE: 1\r\nAccept: */*\r\nX-Twice: 2\r\n\r\n",
  );
  const { conn, text } = await head(listener);
  using _ = conn;
  const [via] = text.match(/pooled-[0-9a-f]{8}/)!;
  assertEquals(
    text,
    "GET /a?b HTTP/1.1\r\nX-lower-UPPER: 1\r\nhOST: example.com\r\n" +
      `x-TWICE: 1\r\nAccept: */*\r\nX-Twice: 2\r\nVia: 1.1 ${via}\r\n` +
      "Forwarded: for=127.0.0.1\r\n\r\n",
  );
  await conn.write(encoder.encode(
    "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" +
      "HTTP/1.1 299 Fine\r\nsErVeR: s\r\nDATE: now\r\nX-b: 1\r\nX-A: 2\r\n" +
      "Connection: x-gone\r\nX-Gone: 1\r\nContent-Length: 2\r\n\r\nhi",
  ));
  await client.until("\r\n\r\nhi");
  assertStringIncludes(client.received, "HTTP/1.1 103 Early Hints\r\n");
  assertStringIncludes(client.received, "Link: </a.css>\r\n");
  assertStringIncludes(
    client.received,
    "HTTP/1.1 299 Fine\r\nsErVeR: s\r\nDATE: now\r\nX-b: 1\r\nX-A: 2\r\n" +
      `Via: 1.1 ${via}\r\nContent-Length: 2\r\n\r\nhi`,
  );
  // The connection is reused.
  await client.send("HEAD /second HTTP/1.1\r\nHost: a\r\n\r\n");
  const buffer = new Uint8Array(4096);
  const count = await within(conn.read(buffer), "the second request");
  assertStringIncludes(
    new TextDecoder().decode(buffer.subarray(0, count!)),
    "HEAD /second HTTP/1.1\r\n",
  );
});

test("reverse proxy: a target in absolute-form decides on the host", () =>
  withUpstream(
    (req, res) =>
      res.send(`${req.method} ${req.target} ${req.headers.get("host")}`),
    async (port) => {
      for (
        const [line, expected] of [
          ["GET http://a.example:81/x?y", "GET /x?y a.example:81"],
          ["GET http://a.example?y", "GET /?y a.example"],
          ["OPTIONS http://a.example", "OPTIONS * a.example"],
          ["OPTIONS *", "OPTIONS * b.example"],
          ["GET //a.example/", "GET //a.example/ b.example"],
        ]
      ) {
        const answer = await answerTo(
          port,
          `${line} HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n`,
        );
        assert(answer.endsWith(`\r\n\r\n${expected}`), answer);
      }
    },
  ));

test("reverse proxy: trailers pass both ways", () =>
  withUpstream(async (req, res) => {
    const text = await req.text();
    const sum = req.trailers?.get("x-sum") ?? "none";
    const stream = ReadableStream.from([encoder.encode(text)]);
    res.send(stream, { trailers: () => [["X-Sum-Back", sum]] });
  }, async (port) => {
    const answer = await answerTo(
      port,
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" +
        "Connection: close\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
    assertStringIncludes(
      answer,
      "\r\n\r\n3\r\nabc\r\n0\r\nX-Sum-Back: 7\r\n\r\n",
    );
  }));

test("reverse proxy: a length goes on without leading zeros", async () => {
  using listener = listen();
  await using proxy = start(listener.addr.port);
  using client = await RawClient.connect(await proxy.port());
  const fields = `Content-lEngth: ${"0".repeat(20)}2\r\nA: b\r\n\r\nhi`;
  await client.send(`POST / HTTP/1.1\r\nHost: a\r\n${fields}`);
  const { conn, text } = await head(listener);
  using _ = conn;
  assertStringIncludes(text, "\r\nContent-lEngth: 2\r\nA: b\r\n");
  await conn.write(encoder.encode(`HTTP/1.1 200 OK\r\n${fields}`));
  assertStringIncludes(await client.until("hi"), "\r\nContent-Length: 2\r\n");
});

test("reverse proxy: trailers that cannot go on are dropped, both ways", async () => {
  using listener = listen();
  await using proxy = start(listener.addr.port);
  using client = await RawClient.connect(await proxy.port());
  const fields = "cOntent-Type: a\r\nContent-Encoding: gzip\r\n" +
    "Content-Range: bytes 0-1/2\r\nKeep-Alive: 5\r\nProxy-Authorization: b\r\n";
  const body = `3\r\nabc\r\n0\r\n${fields}X-Sum: 7\r\n\r\n`;
  const chunked = `Transfer-Encoding: chunked\r\n\r\n${body}`;
  await client.send(`POST / HTTP/1.1\r\nHost: a\r\n${chunked}`);
  const { conn, text } = await head(listener);
  using _ = conn;
  let sent = text;
  const buffer = new Uint8Array(4096);
  while (!sent.includes("X-Sum: 7\r\n\r\n")) {
    const count = await within(conn.read(buffer), "the trailers");
    assert(count !== null, sent);
    sent += new TextDecoder().decode(buffer.subarray(0, count));
  }
  const passed = "\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n";
  assert(sent.endsWith(passed), sent);
  await conn.write(encoder.encode(`HTTP/1.1 200 OK\r\n${chunked}`));
  assert((await client.until("X-Sum: 7\r\n\r\n")).endsWith(passed));
});

test("reverse proxy: a body waits for the upstream's 100 (Continue)", async () => {
  using listener = listen();
  await using proxy = start(listener.addr.port);
  const port = await proxy.port();
  const expect = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n";
  for (const refused of [false, true]) {
    using client = await RawClient.connect(port);
    await client.send(`${expect}Content-Length: 2\r\n\r\n`);
    const { conn, text } = await head(listener);
    using _ = conn;
    assertStringIncludes(text, "Expect: 100-continue\r\n");
    if (refused) {
      await conn.write(encoder.encode(
        "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n",
      ));
      await client.until("\r\n\r\n");
      assertStringIncludes(client.received, "HTTP/1.1 417 No\r\n");
      continue;
    }
    await conn.write(encoder.encode("HTTP/1.1 100 Continue\r\n\r\n"));
    await client.until("HTTP/1.1 100 Continue\r\n\r\n");
    await client.send("hi");
    const buffer = new Uint8Array(100);
    assertEquals(await within(conn.read(buffer), "the body"), 2);
    await conn.write(encoder.encode(
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ));
    await client.until("HTTP/1.1 200 OK\r\n");
  }
  // Without a body there is nothing to wait for.
  for (const rest of ["", "Content-Length: 0\r\n"]) {
    const answer = answerTo(port, `${expect}${rest}Connection: close\r\n\r\n`);
    const { conn, text } = await head(listener);
    using _ = conn;
    assert(!text.includes("Expect"), text);
    await conn.write(encoder.encode(
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ));
    assertStringIncludes(await answer, "HTTP/1.1 200 OK\r\n");
  }
});

test("reverse proxy: an upload may be answered before its end", () =>
  withUpstream(
    (_req, res) => res.send("too large", { status: 413 }),
    async (port) => {
      using client = await RawClient.connect(port);
      await client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\nstart",
      );
      await client.until("\r\n\r\ntoo large");
      assertStringIncludes(client.received, "HTTP/1.1 413 ");
    },
  ));

test("reverse proxy: an upstream that stalls in a body breaks the response off", async () => {
  using listener = listen();
  await using proxy = start(listener.addr.port, {
    constants: { ANSWER_MS: 200 },
  });
  const port = await proxy.port();
  const half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
  for (let isLate = true; isLate;) {
    // Again if this write came too late.
    using client = await RawClient.connect(port);
    await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const { conn } = await head(listener);
    using _ = conn;
    await conn.write(encoder.encode(half)).catch(() => {});
    await client.until("\r\n\r\n");
    isLate = client.received.startsWith("HTTP/1.1 504 ");
    if (isLate) continue;
    await client.until("half");
    await within(assertEnds(conn), "the upstream's end");
    assert(!(await client.rest()).includes("HTTP/1.1 5"));
  }
  proxy.process.kill("SIGTERM");
  assertStringIncludes((await proxy.end()).errors, "a response broke off");
});

test("reverse proxy: an upgrade becomes a tunnel, or the upstream's refusal", () =>
  withUpstream((req, res) => {
    if (req.upgrade !== "echo") return res.send("no", { status: 426 });
    const { readable, writable } = res.upgrade({ headers: { "X-Yes": "1" } });
    readable.pipeTo(writable).catch(() => {});
  }, async (port, proxy) => {
    const before = sockets(proxy);
    const request = (protocol: string) =>
      "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n" +
      `Upgrade: ${protocol}\r\n\r\n`;
    {
      using client = await RawClient.connect(port);
      await client.send(request("other"));
      await client.until("\r\n\r\nno");
      assertStringIncludes(client.received, "HTTP/1.1 426 ");
    }
    {
      using client = await RawClient.connect(port);
      await client.send(request("echo") + "early");
      await client.until("\r\n\r\nearly");
      assertStringIncludes(client.received, "HTTP/1.1 101 ");
      assertStringIncludes(client.received, "X-Yes: 1\r\n");
      await client.send(" late");
      await client.until("early late");
      await client.conn.closeWrite();
      assert((await client.rest()).endsWith("early late"));
    }
    await assertSockets(proxy, before);
    // A client that resets ends the upstream's side.
    await reset(port, request("echo"), () => Promise.resolve());
    await assertSockets(proxy, before);
  }));

/** Upgrades the client's connection; returns the upstream's end, which the test holds. */
async function openTunnel(
  listener: Deno.Listener,
  client: RawClient,
): Promise<Deno.Conn> {
  await client.send(
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
  );
  const { conn } = await head(listener);
  await conn.write(encoder.encode(
    "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
  ));
  await client.until("\r\n\r\n");
  return conn;
}

test("reverse proxy: an idle tunnel is closed on both sides", async () => {
  using listener = listen();
  await using proxy = start(listener.addr.port, {
    constants: { IDLE_MS: 200 },
  });
  using client = await RawClient.connect(await proxy.port());
  using conn = await openTunnel(listener, client);
  await within(assertEnds(conn), "the upstream's end");
  await within(assertEnds(client.conn), "the client's end");
});

test("reverse proxy: a tunnel whose bytes one side does not take is closed", async () => {
  for (const side of ["client", "upstream"]) {
    using listener = listen();
    await using proxy = start(listener.addr.port, {
      constants: { IDLE_MS: 200 },
    });
    const port = await proxy.port();
    const before = sockets(proxy);
    using client = await RawClient.connect(port);
    using conn = await openTunnel(listener, client);
    const from = side === "client" ? conn : client.conn;
    const flood = (async () => {
      for (;;) await from.write(new Uint8Array(65536));
    })();
    await within(flood.catch(() => {}), `the end of the ${side}'s flood`);
    await assertSockets(proxy, before);
  }
});

test("reverse proxy: an upstream that is down, closes, or talks nonsense is a 502", async () => {
  using closed = await refusingPort();
  const get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  {
    await using proxy = start(closed.port);
    assertStringIncludes(await answerTo(await proxy.port(), get), " 502 ");
  }
  using listener = listen();
  await using proxy = start(listener.addr.port);
  const port = await proxy.port();
  {
    const answer = answerTo(port, get.replace("GET", "POST"));
    const { conn } = await head(listener);
    conn.close();
    assertStringIncludes(await answer, "HTTP/1.1 502 ");
  }
  {
    const answer = answerTo(port, get);
    const { conn } = await head(listener);
    using _ = conn;
    await conn.write(encoder.encode("HTTP/1.1 200 OK\nA: b\n\n"));
    assertStringIncludes(await answer, "HTTP/1.1 502 ");
  }
});

test("reverse proxy: an upstream that does not answer is a 504", async () => {
  using listener = listen();
  await using proxy = start(listener.addr.port, {
    constants: { ANSWER_MS: 200 },
  });
  const answer = answerTo(
    await proxy.port(),
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  );
  const { conn } = await head(listener);
  using _ = conn;
  assertStringIncludes(await answer, "HTTP/1.1 504 ");
});

test("reverse proxy: requests beyond the limit wait, and beyond that get a 503", async () => {
  using listener = listen();
  await using proxy = start(listener.addr.port, {
    constants: { MAX_REQUESTS: 1, MAX_WAITING: 1 },
  });
  const port = await proxy.port();
  const get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const first = answerTo(port, get);
  const { conn } = await head(listener);
  using _ = conn;
  const others = [answerTo(port, get), answerTo(port, get)];
  assertStringIncludes(await Promise.race(others), "HTTP/1.1 503 ");
  const answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  await conn.write(encoder.encode(answer));
  assertStringIncludes(await first, "HTTP/1.1 200 ");
  await conn.read(new Uint8Array(4096));
  await conn.write(encoder.encode(answer));
  const statuses = (await Promise.all(others)).map((text) => text.slice(9, 12));
  assertEquals(statuses.sort(), ["200", "503"]);
});

test("reverse proxy: a GET is repeated once, a POST is not", async () => {
  using listener = listen();
  await using proxy = start(listener.addr.port);
  using client = await RawClient.connect(await proxy.port());
  await client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
  const first = await head(listener);
  first.conn.close();
  const second = await head(listener);
  assertStringIncludes(second.text, "GET /1 ");
  second.conn.close();
  await client.until("HTTP/1.1 502 ");
  await client.until("no answer\n");
  client.received = "";
  await client.send(
    "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
  );
  const third = await head(listener);
  assertStringIncludes(third.text, "POST /2 ");
  third.conn.close();
  await client.until("HTTP/1.1 502 ");
});

test("reverse proxy: the upstream's connection closes when the client leaves", async () => {
  using listener = listen();
  await using proxy = start(listener.addr.port);
  const port = await proxy.port();
  const before = sockets(proxy);
  const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (
    const answer of [
      "",
      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ]
  ) {
    const client = await RawClient.connect(port);
    await client.send(get);
    const { conn } = await head(listener);
    using _ = conn;
    if (answer !== "") {
      await conn.write(encoder.encode(answer));
      await client.until("half");
    }
    client[Symbol.dispose]();
    await within(assertEnds(conn), "the upstream's end");
    await assertSockets(proxy, before);
  }
  // In the middle of an upload.
  const client = await RawClient.connect(port);
  await client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nha");
  const { conn } = await head(listener);
  using _ = conn;
  client[Symbol.dispose]();
  await within(assertEnds(conn), "the upstream's end");
  await assertSockets(proxy, before);
  // Clients that leave are no errors.
  proxy.process.kill("SIGTERM");
  assertEquals((await proxy.end()).errors, "");
});

Deno.test("reverse proxy: 1 GB each way at once passes through flat memory", () => {
  const moved = withUpstream(async (req, res) => {
    if (req.method === "GET") return res.send(zeros(1e9));
    res.send(`${await count(req.body!)}`);
  }, async (port, proxy) => {
    const url = `http://127.0.0.1:${port}/`;
    await (await fetch(url, { method: "POST", body: "warm" })).text();
    const before = resident(proxy).now;
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await using client = connect(conn);
    const [posted, got] = await Promise.all([
      client.request({ method: "POST", target: "/", body: zeros(1e9) })
        .then((response) => response.text()),
      fetch(url).then((response) => count(response.body!)),
    ]);
    assertEquals([posted, got], ["1000000000", 1e9]);
    const grown = resident(proxy).most - before;
    // Its V8 collects chunks late, the later the longer they pass; it holds none of them.
    assert(grown < 150e6, `grown by ${grown / 1e6} MB`);
  });
  return within(moved, "two gigabytes", 300_000);
});

test("reverse proxy: a request that comes back is refused", async () => {
  // Its own upstream: the port is known before it starts.
  const { port } = free();
  await using proxy = Example.start("reverse_proxy.ts", [
    `${port}`,
    `127.0.0.1:${port}`,
  ]);
  const answer = await answerTo(
    await proxy.port(),
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  );
  assertStringIncludes(answer, "HTTP/1.1 508 Loop Detected\r\n");
  assertStringIncludes(answer, "has come through here before\n");
});

test("reverse proxy: another proxy of its kind is no loop", () =>
  withUpstream((req, res) => res.send(req.headers.get("via")), async (port) => {
    await using front = start(port);
    const answer = await answerTo(
      await front.port(),
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assertStringIncludes(answer, "HTTP/1.1 200 ");
    assert(
      /\r\n\r\n1\.1 pooled-(\w{8}), 1\.1 pooled-(?!\1)\w{8}$/.test(answer),
      answer,
    );
  }));

test("reverse proxy: backpressure reaches the upstream", async () => {
  using listener = listen();
  await using proxy = start(listener.addr.port);
  using client = await RawClient.connect(await proxy.port());
  await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const { conn } = await head(listener);
  using _ = conn;
  await conn.write(encoder.encode("HTTP/1.1 200 OK\r\n\r\n"));
  let sent = 0;
  let moved = true;
  const flood = (async () => {
    for (;;) {
      sent += await conn.write(new Uint8Array(65536));
      moved = true;
    }
  })().catch(() => {});
  // Ends when nothing was taken for a while; the client reads nothing.
  while (moved) {
    moved = false;
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert(sent < 64e6, "the proxy takes what nobody reads");
  }
  client[Symbol.dispose]();
  await within(flood, "the end of the flood");
});
