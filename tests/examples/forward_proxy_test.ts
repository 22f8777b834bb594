/**
 * The forward proxy example: what it sends on, what it refuses, and how messages that
 * break off end. `forward_proxy_tunnels_test.ts` tests CONNECT,
 * `forward_proxy_reach_test.ts` whom it connects to.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Handler, serve } from "../../mod.ts";
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
  readAll,
} from "../support/raw_client.ts";
import { bytesOf } from "../support/bytes.ts";
import { head, listen, refusingPort } from "../support/upstream.ts";
import { test, until, within } from "../support/waiting.ts";

/** The proxy, which may reach all ports of 127.0.0.1. */
function start(options?: ExampleOptions): Example {
  return Example.start("forward_proxy.ts", ["0", "127.0.0.1"], options);
}

/** Sends a request line and fields, and returns the whole answer. */
function ask(port: number, line: string, ...fields: string[]) {
  const lines = [
    `${line} HTTP/1.1`,
    ...["Host: ignored", "Connection: close", ...fields],
  ];
  return answerTo(port, `${lines.join("\r\n")}\r\n\r\n`);
}

/** Runs a test against the proxy with a server of this package behind it. */
async function withOrigin(
  handler: Handler<Deno.NetAddr>,
  run: (port: number, origin: string, proxy: Example) => Promise<void>,
) {
  await using origin = serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    handler,
  );
  await using proxy = start();
  await run(await proxy.port(), `127.0.0.1:${origin.addr.port}`, proxy);
}

/** What the origin received: its request line and the named fields. */
const echo: Handler = (req, res) => {
  const fields = [...req.headers].map(([name, value]) => `${name}: ${value}`);
  res.send([`${req.method} ${req.target}`, ...fields, ""].join("\n"));
};

test("forward proxy: Host comes from the target, fields of one connection end here", async () => {
  using listener = listen();
  await using proxy = start();
  const { port } = listener.addr;
  using client = await RawClient.connect(await proxy.port());
  await client.send(
    `GET http://127.0.0.1:${port}/a/../%41?b=/c? HTTP/1.1\r\nX-lower-UPPER: 1\r\n` +
      "hOST: other.example:99\r\nProxy-Authorization: Basic c2VjcmV0\r\n" +
      "Proxy-Connection: Keep-Alive\r\nX-Mine: dropped\r\nTE: trailers\r\n" +
      "Connection: x-mine, HOST, via, Content-Length, Max-Forwards\r\n" +
      "Via: 1.0 first\r\nAuthorization: Basic a2VwdA==\r\nX-lower-UPPER: 2\r\n\r\n",
  );
  const { conn, text } = await head(listener);
  using _ = conn;
  const [via] = text.match(/pooled-[0-9a-f]{8}/)!;
  assertEquals(
    text,
    "GET /a/../%41?b=/c? HTTP/1.1\r\nX-lower-UPPER: 1\r\n" +
      `hOST: 127.0.0.1:${port}\r\nVia: 1.0 first\r\n` +
      "Authorization: Basic a2VwdA==\r\nX-lower-UPPER: 2\r\n" +
      `Via: 1.1 ${via}\r\n\r\n`,
  );
  await conn.write(bytesOf(
    "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" +
      "HTTP/1.1 407 Odd\r\nsErVeR: s\r\nDATE: now\r\nProxy-Authenticate: Basic\r\n" +
      "Connection: x-gone, content-length\r\nX-Gone: 1\r\nContent-Length: 2\r\n\r\nhi",
  ));
  await client.until("\r\n\r\nhi");
  assertStringIncludes(
    client.received,
    `HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nVia: 1.1 ${via}\r\n`,
  );
  assertStringIncludes(
    client.received,
    "HTTP/1.1 407 Odd\r\nsErVeR: s\r\nDATE: now\r\n" +
      `Via: 1.1 ${via}\r\nContent-Length: 2\r\n\r\nhi`,
  );
});

test("forward proxy: the forms of a target, and a Host that is missing", () =>
  withOrigin(echo, async (port, origin) => {
    for (
      const [line, expected] of [
        [`GET http://${origin}`, "GET /"],
        [`GET http://${origin}?a=/b`, "GET /?a=/b"],
        [`GET HTTP://${origin}/?`, "GET /?"],
        [`GET http://${origin}//x//y`, "GET //x//y"],
        [`GET http://0x7F.1:${origin.slice(10)}/`, "GET /"],
        [`OPTIONS http://${origin}`, "OPTIONS *"],
        [`OPTIONS http://${origin}/`, "OPTIONS /"],
        [`OPTIONS http://${origin}?q`, "OPTIONS /?q"],
        [`M-SEARCH http://${origin}/m`, "M-SEARCH /m"],
      ] as const
    ) {
      const answer = await ask(port, line);
      assertStringIncludes(answer, `\r\n\r\n${expected}\nHost: ${origin}\n`);
    }
    assertStringIncludes(
      await answerTo(port, `GET http://${origin}/old HTTP/1.0\r\nA: b\r\n\r\n`),
      `\r\n\r\nGET /old\nHost: ${origin}\nA: b\nVia: 1.0 pooled-`,
    );
  }));

test("forward proxy: what is no http: URL with a host is refused", async () => {
  using listener = listen();
  await using proxy = start();
  const port = await proxy.port();
  const origin = `127.0.0.1:${listener.addr.port}`;
  for (
    const [target, status] of [
      ["/", 400],
      ["//127.0.0.1/", 400],
      ["/http://127.0.0.1/", 400],
      [`https://${origin}/`, 501],
      [`ftp://${origin}/`, 400],
      [`http:${origin}/`, 400],
      ["http:///", 400],
      ["http://:80/", 400],
      [`http://user@${origin}/`, 400],
      [`http://user:password@${origin}/`, 400],
      [`http://example.com@${origin}/`, 400],
      [`http://${origin}#@example.com/`, 400],
      [`http://${origin}\\@example.com/`, 400],
      ["http://127.0.0.1:65536/", 400],
      ["http://127.0.0.1:-1/", 400],
      ["http://127.0.0.1:80a/", 400],
      ["http://256.0.0.1/", 400],
      ["http://[::1/", 400],
      ["http://[127.0.0.1]/", 400],
      ["http://%00/", 400],
      ["http://%2f/", 400],
    ] as const
  ) {
    const answer = await ask(port, `GET ${target}`);
    assertStringIncludes(answer, `HTTP/1.1 ${status} `, target);
  }
  assertStringIncludes(await ask(port, "OPTIONS *"), "HTTP/1.1 400 ");
  // No request above reached the server: this one is its first.
  const last = ask(port, `GET http://${origin}/last`);
  const { conn, text } = await head(listener);
  using _ = conn;
  assertStringIncludes(text, "GET /last ");
  await conn.write(bytesOf("HTTP/1.1 204 No Content\r\n\r\n"));
  assertStringIncludes(await last, "HTTP/1.1 204 ");
});

test("forward proxy: a message that can be read in two ways reaches no server", async () => {
  using listener = listen();
  await using proxy = start();
  const port = await proxy.port();
  const origin = `127.0.0.1:${listener.addr.port}`;
  const smuggled = `0\r\n\r\nGET http://${origin}/smuggled HTTP/1.1\r\n`;
  for (
    const fields of [
      "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
      "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
      "Content-Length: 5\r\nContent-Length: 6\r\n",
      "Content-Length: 5, 5\r\n",
      "Content-Length: +5\r\n",
      "Transfer-Encoding: chunked, identity\r\n",
      "Transfer-Encoding: xchunked\r\n",
      "Transfer-Encoding : chunked\r\n",
      "Transfer-Encoding:\x0bchunked\r\n",
      "X: 1\nTransfer-Encoding: chunked\r\n",
      "Host: a\r\nHost: b\r\n",
      "X: 1\r\n Transfer-Encoding: chunked\r\n",
    ]
  ) {
    const answer = await answerTo(
      port,
      `POST http://${origin}/ HTTP/1.1\r\nHost: a\r\n${fields}\r\n${smuggled}`,
    );
    assert(/^HTTP\/1\.1 (400|501) /.test(answer), fields + answer);
    assertEquals(answer.match(/HTTP\/1\.1 /g)?.length, 1, fields);
  }
  // Connection cannot drop the framing: the second request is no part of the first.
  using client = await RawClient.connect(port);
  await client.send(
    `POST http://${origin}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n` +
      "Connection: content-length, host, transfer-encoding\r\n\r\nabc" +
      `GET http://${origin}/2 HTTP/1.1\r\nHost: a\r\n\r\n`,
  );
  const { conn, text } = await head(listener);
  using _ = conn;
  assertStringIncludes(text, `POST /1 HTTP/1.1\r\nHost: ${origin}\r\n`);
  assertStringIncludes(text, "Content-Length: 3\r\n");
  const ok = bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  let rest = text.split("\r\n\r\n")[1]!;
  const buffer = new Uint8Array(4096);
  const read = async (part: string) => {
    while (!rest.includes(part)) {
      const count = await within(conn.read(buffer), part);
      assert(count !== null, rest);
      rest += new TextDecoder().decode(buffer.subarray(0, count));
    }
  };
  await read("abc");
  assertEquals(rest, "abc");
  await conn.write(ok);
  await read("GET /2 HTTP/1.1\r\n");
  await conn.write(ok);
  await client.until("HTTP/1.1 200 OK");
});

test("forward proxy: Max-Forwards counts TRACE and OPTIONS down", () =>
  withOrigin(echo, async (port, origin) => {
    for (const method of ["TRACE", "OPTIONS"]) {
      const line = `${method} http://${origin}/`;
      for (
        const [given, sent] of [
          ["1", "0"],
          ["010", "9"],
          ["255", "254"],
          ["256", "255"],
          ["9".repeat(400), "255"],
        ]
      ) {
        assertStringIncludes(
          await ask(port, line, `max-FORWARDS: ${given}`),
          `\nmax-FORWARDS: ${sent}\n`,
        );
      }
      for (const value of ["", "-1", "1.5", "1, 2", "1 1", "a"]) {
        const answer = await ask(port, line, `Max-Forwards: ${value}`);
        assertStringIncludes(answer, "HTTP/1.1 400 ", value);
      }
      const twice = ["Max-Forwards: 1", "Max-Forwards: 1"];
      assertStringIncludes(await ask(port, line, ...twice), "HTTP/1.1 400 ");
    }
    const last = ["Max-Forwards: 0", "Authorization: a", "Cookie: b", "X-Y: z"];
    const traced = await ask(port, `TRACE http://${origin}/p`, ...last);
    assertStringIncludes(traced, "Content-Type: message/http\r\n");
    assert(
      traced.endsWith(
        `\r\n\r\nTRACE http://${origin}/p HTTP/1.1\r\nHost: ignored\r\n` +
          "Connection: close\r\nMax-Forwards: 0\r\nX-Y: z\r\n\r\n",
      ),
      traced,
    );
    const options = await ask(port, `OPTIONS http://${origin}/`, ...last);
    assertStringIncludes(options, "HTTP/1.1 200 OK\r\n");
    assert(options.endsWith("\r\n\r\n"), options);
    // Other methods ignore it.
    assertStringIncludes(
      await ask(port, `GET http://${origin}/`, "Max-Forwards: 0"),
      "\nMax-Forwards: 0\n",
    );
    assertStringIncludes(
      await answerTo(
        port,
        `TRACE http://${origin}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n` +
          "Connection: close\r\n\r\nhi",
      ),
      "HTTP/1.1 400 ",
    );
  }));

test("forward proxy: a request that comes back is refused", () =>
  withOrigin(echo, async (port, origin) => {
    const line = `GET http://${origin}/`;
    const [via] = (await ask(port, line)).match(/1\.1 pooled-\w{8}\n/)!;
    const again = `1.0 other (a, b), ${via!.trim()}, 1.1 third`;
    assertStringIncludes(
      await ask(port, line, "Via: 1.1 x", `vIA: ${again}`),
      "HTTP/1.1 508 ",
    );
    // Connection cannot hide it.
    assertStringIncludes(
      await ask(port, line, "Connection: via", `Via: ${again}`),
      "HTTP/1.1 508 ",
    );
    assertStringIncludes(
      await ask(port, line, "Via: 1.1 pooled-00000000"),
      "HTTP/1.1 200 ",
    );
  }));

test("forward proxy: a server that is down, unknown, closes or talks nonsense is a 502", async () => {
  using closed = await refusingPort();
  using listener = listen();
  await using proxy = start();
  const port = await proxy.port();
  for (
    const authority of [
      `127.0.0.1:${closed.port}`,
      "127.0.0.1:0",
      "no-such-host.invalid",
      "a..b",
    ]
  ) {
    const answer = await ask(port, `GET http://${authority}/`);
    assertStringIncludes(answer, "HTTP/1.1 502 ", authority);
    assertStringIncludes(answer, "\r\n\r\nthe server cannot be reached\n");
  }
  for (
    const [from, text] of [
      ["", "the server gave no answer"],
      ["HTTP/1.1 103 Early Hints\r\n\r\n", "the server gave no answer"],
      ["HTTP/1.1 200 OK\r\nContent-Le", "the server's answer failed: "],
      ["HTTP/1.1 200 OK\nA: b\n\n", "the server's answer failed: bare-lf"],
      [
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "the server's answer failed: ",
      ],
      ["HTTP/1.1 700 Odd\r\nContent-Length: 0\r\n\r\n", "cannot be passed on"],
      ["SSH-2.0-x\r\n", "the server's answer failed: "],
    ] as const
  ) {
    const line = `POST http://127.0.0.1:${listener.addr.port}/`;
    const answer = ask(port, line, "Content-Length: 0");
    const { conn } = await head(listener);
    await conn.write(bytesOf(from));
    conn.close();
    assertStringIncludes(await answer, "HTTP/1.1 502 ");
    assertStringIncludes(await answer, text);
  }
});

test("forward proxy: a server that does not answer, or go on, is a 504 or the end", async () => {
  using listener = listen();
  await using proxy = start({ constants: { ANSWER_MS: 200 } });
  const port = await proxy.port();
  const line = `GET http://127.0.0.1:${listener.addr.port}/`;
  for (const from of ["", "HTTP/1.1 200 OK\r\nA: "]) {
    const answer = ask(port, line);
    const { conn } = await head(listener);
    using _ = conn;
    await conn.write(bytesOf(from));
    assertStringIncludes(await answer, "HTTP/1.1 504 ");
    await within(assertEnds(conn), "the server's end");
  }
  const half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
  for (let answer = " 504 "; answer.includes(" 504 ");) {
    // Again if this write came too late.
    const asked = ask(port, line);
    const { conn } = await head(listener);
    using _ = conn;
    await conn.write(bytesOf(half)).catch(() => {});
    answer = await asked;
    await within(assertEnds(conn), "the server's end");
    assert(/ 504 |\r\n\r\nhalf$/.test(answer), answer);
  }
});

test("forward proxy: a response that breaks off has no clean end", async () => {
  using listener = listen();
  await using proxy = start();
  const port = await proxy.port();
  const before = sockets(proxy);
  for (
    const [fields, end] of [
      ["Content-Length: 9\r\n\r\nhalf", "half"],
      ["Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "4\r\nhalf\r\n"],
      ["Transfer-Encoding: chunked\r\n\r\n9\r\nhalf", "4\r\nhalf\r\n"],
    ] as const
  ) {
    const line = `GET http://127.0.0.1:${listener.addr.port}/`;
    using client = await RawClient.connect(port);
    await client.send(`${line} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const { conn } = await head(listener);
    await conn.write(bytesOf(`HTTP/1.1 200 OK\r\n${fields}`));
    await client.until("half");
    conn.close();
    const answer = await client.rest();
    assert(answer.endsWith(`\r\n\r\n${end}`), answer);
  }
  await assertSockets(proxy, before);
  proxy.process.kill("SIGTERM");
  const { errors } = await proxy.end();
  assertEquals(errors.match(/a response broke off/g)?.length, 3, errors);
});

test("forward proxy: a client that leaves or half-closes frees the server", async () => {
  using listener = listen();
  await using proxy = start();
  const port = await proxy.port();
  const before = sockets(proxy);
  const origin = `http://127.0.0.1:${listener.addr.port}`;
  const put = `PUT ${origin}/ HTTP/1.1\r\nHost: a\r\n`;
  for (
    const [request, part] of [
      [`GET ${origin}/ HTTP/1.1\r\nHost: a\r\n\r\n`, "GET / "],
      [`${put}Content-Length: 9\r\n\r\nhalf`, "PUT / "],
      [`${put}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`, "PUT / "],
      [`${put}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`, "PUT / "],
    ] as const
  ) {
    for (const leave of ["close", "closeWrite"] as const) {
      using client = await RawClient.connect(port);
      await client.send(request);
      const { conn, text } = await head(listener);
      using _ = conn;
      assertStringIncludes(text, part);
      await client.conn[leave]();
      await within(assertEnds(conn), `the server's end after ${leave}`);
      if (leave === "closeWrite") await within(client.rest(), "the end");
      await assertSockets(proxy, before);
    }
  }
  proxy.process.kill("SIGTERM");
  assertEquals((await proxy.end()).errors, "");
});

test("forward proxy: an upload that turns malformed is a 400, and ends at the server", async () => {
  using listener = listen();
  await using proxy = start();
  const answer = answerTo(
    await proxy.port(),
    `PUT http://127.0.0.1:${listener.addr.port}/ HTTP/1.1\r\nHost: a\r\n` +
      "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nZZ\r\n",
  );
  const { conn } = await head(listener);
  using _ = conn;
  const rest = await within(readAll(conn), "the server's end");
  assert(!rest.includes("0\r\n\r\n"), rest);
  assertStringIncludes(await answer, "HTTP/1.1 400 ");
  assertStringIncludes(await answer, "the request failed: invalid-chunk-size");
});

test("forward proxy: an Upgrade becomes a tunnel to the server of the target", () =>
  withOrigin((_req, res) => {
    const { readable, writable } = res.upgrade();
    readable.pipeTo(writable).catch(() => {});
  }, async (port, origin, proxy) => {
    const before = sockets(proxy);
    using client = await RawClient.connect(port);
    await client.send(
      `GET http://${origin}/chat HTTP/1.1\r\nHost: a\r\n` +
        "Connection: Upgrade\r\nUpgrade: echo\r\n\r\nearly",
    );
    await client.until("\r\n\r\nearly");
    assertStringIncludes(client.received, "HTTP/1.1 101 ");
    await client.send(" late");
    await client.conn.closeWrite();
    assert((await client.rest()).endsWith("early late"));
    await assertSockets(proxy, before);
  }));

test("forward proxy: connections are reused, and kept for so many servers", async () => {
  await using one = serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (_req, res, info) => res.send(`port ${info.remoteAddr.port}.`),
  );
  await using two = serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (_req, res) => res.send("two."),
  );
  await using proxy = start({ constants: { MAX_SERVERS: 1 } });
  using client = await RawClient.connect(await proxy.port());
  const get = async ({ addr }: typeof one) => {
    client.received = "";
    await client.send(
      `GET http://127.0.0.1:${addr.port}/ HTTP/1.1\r\nHost: a\r\n\r\n`,
    );
    return (await client.until(".")).split("\r\n\r\n")[1] ?? "";
  };
  const body = async (server: typeof one) => {
    let text = await get(server);
    while (!text.includes(".")) {
      await client.read();
      text = client.received.split("\r\n\r\n")[1] ?? "";
    }
    return text;
  };
  const first = await body(one);
  assertEquals(await body(one), first);
  assertEquals(one.stats().accepted, 1);
  assertEquals(await body(two), "two.");
  await until(() => one.stats().connections === 0, "the end of the other");
  assert(await body(one) !== first);
});

test("forward proxy: requests beyond the limit of a server get a 503", async () => {
  using listener = listen();
  await using proxy = start({ constants: { MAX_REQUESTS: 1, MAX_WAITING: 0 } });
  const port = await proxy.port();
  const line = `GET http://127.0.0.1:${listener.addr.port}/`;
  const first = ask(port, line);
  const { conn } = await head(listener);
  using _ = conn;
  assertStringIncludes(await ask(port, line), "HTTP/1.1 503 ");
  await conn.write(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  assertStringIncludes(await first, "HTTP/1.1 200 ");
});

test("forward proxy: clients beyond the limit wait, and tunnels count", async () => {
  using listener = listen();
  await using proxy = start({ constants: { MAX_CLIENTS: 1 } });
  const port = await proxy.port();
  const target = `127.0.0.1:${listener.addr.port}`;
  using client = await RawClient.connect(port);
  await client.send(`CONNECT ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
  using conn = await listener.accept();
  await client.until("\r\n\r\n");
  const next = ask(port, "GET /");
  const early = await Promise.race([
    next,
    new Promise((resolve) => setTimeout(resolve, 300)),
  ]);
  assertEquals(early, undefined);
  client.conn.close();
  await within(assertEnds(conn), "the server's end");
  await conn.closeWrite();
  assertStringIncludes(await next, "HTTP/1.1 400 ");
});
