/**
 * Requests of a client: their bytes, what is refused before a byte is sent, bodies and
 * trailers.
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { connect, type HttpRequestInit, RequestError } from "@pooled/http1";
import { bytesOf } from "../support/bytes.ts";
import { ok, scripted } from "../support/clients.ts";
import { MemoryConn } from "../support/memory_conn.ts";
import { cancellable, controlled, streamOf } from "../support/streams.ts";
import { settle, test, until, within } from "../support/waiting.ts";

const H = "Host: a\r\n";

// A search for the space at the end took seconds for each 100 KB.
test("many spaces inside a value cost no more than other bytes", () =>
  scripted(async ({ client, conn, sent }) => {
    const value = `a${" ".repeat(2_000_000)}b`;
    const asked = client.request({ target: "/", headers: { "x-a": value } });
    await sent(`x-a: ${value}\r\n\r\n`);
    conn.give(ok("hi"));
    using response = await within(asked, "the response");
    assertEquals(await response.text(), "hi");
  }));

test("a request is written as given, framed by the client", () =>
  scripted(async ({ client, conn, sent }) => {
    const cases: [HttpRequestInit, wire: string][] = [
      [{ target: "/" }, `GET / HTTP/1.1\r\n${H}\r\n`],
      [
        { target: "/a?b", headers: { "x-A": "1", HOST: "b:80", "X-a": "2" } },
        "GET /a?b HTTP/1.1\r\nx-A: 1\r\nHOST: b:80\r\nX-a: 2\r\n\r\n",
      ],
      [
        { target: "*", method: "OPTIONS", headers: [["A", ""], ["A", "\xe4"]] },
        `OPTIONS * HTTP/1.1\r\n${H}A: \r\nA: \xe4\r\n\r\n`,
      ],
      [
        { target: "http://b:8/c" },
        "GET http://b:8/c HTTP/1.1\r\nHost: b:8\r\n\r\n",
      ],
      [
        { target: "/", method: "POST" },
        `POST / HTTP/1.1\r\n${H}Content-Length: 0\r\n\r\n`,
      ],
      [
        { target: "/", method: "brew", body: "\u00e4" },
        `brew / HTTP/1.1\r\n${H}Content-Type: text/plain;charset=UTF-8\r\n` +
        "Content-Length: 2\r\n\r\n\xc3\xa4",
      ],
      [
        {
          target: "/",
          method: "PUT",
          headers: { "Content-Length": "2", "content-type": "x/y" },
          body: "hi",
        },
        `PUT / HTTP/1.1\r\n${H}Content-Length: 2\r\ncontent-type: x/y\r\n\r\nhi`,
      ],
      [
        { target: "/", method: "PUT", body: bytesOf("hi") },
        `PUT / HTTP/1.1\r\n${H}Content-Length: 2\r\n\r\nhi`,
      ],
      [
        { target: "/", method: "PUT", body: streamOf(["hi", "", "you"]) },
        `PUT / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n` +
        "2\r\nhi\r\n3\r\nyou\r\n0\r\n\r\n",
      ],
      [
        {
          target: "/",
          method: "PUT",
          headers: { "content-length": "5" },
          body: streamOf(["hi", "you"]),
        },
        `PUT / HTTP/1.1\r\n${H}content-length: 5\r\n\r\nhiyou`,
      ],
      [
        {
          target: "/",
          method: "PUT",
          headers: { Trailer: "X-Sum" },
          body: bytesOf("hi"),
          trailers: () => Promise.resolve({ "X-Sum": "1" }),
        },
        `PUT / HTTP/1.1\r\n${H}Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n` +
        "2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n",
      ],
    ];
    for (const [init, wire] of cases) {
      const before = conn.wire.length;
      const asked = client.request(init);
      await sent(wire);
      assertEquals(conn.wire.slice(before), wire);
      conn.give(ok());
      (await within(asked, wire)).release();
      await until(() => client.state === "idle", "the client to be idle");
    }
  }));

test("malformed and contradictory requests are refused before a byte is sent", () =>
  scripted(async ({ client, conn }) => {
    const locked = streamOf(["x"]);
    locked.getReader();
    const detached = bytesOf("x");
    structuredClone(detached, { transfer: [detached.buffer] });
    const body = "x";
    const bad: HttpRequestInit[] = [
      { target: "" },
      { target: "a" },
      { target: "/ HTTP/1.1\r\nX: y\r\n\r\nGET /" },
      { target: "/a b" },
      { target: "/#a" },
      { target: "/\u0100" },
      { target: "/\u010d" },
      { target: "/\xe4" },
      { target: "ftp://a/" },
      { target: "http://u@a/" },
      { target: "*" },
      { target: 1 as never },
      { target: "/", method: "" },
      { target: "/", method: "G T" },
      { target: "/", method: "GET / HTTP/1.1\r\nX:" },
      { target: "/", method: 5 as never },
      { target: "/", headers: { "a b": "c" } },
      { target: "/", headers: { "": "c" } },
      { target: "/", headers: [["a", "b\r\nc: d"]] },
      { target: "/", headers: [["a", "b\nc"]] },
      { target: "/", headers: [["a", "\0"]] },
      { target: "/", headers: [["a", "\u0100"]] },
      { target: "/", headers: [["a:", "b"]] },
      { target: "/", headers: [["Host", "a"], ["host", "a"]] },
      { target: "/", headers: { Host: "a b" } },
      { target: "/", headers: { Host: "u@a" } },
      { target: "http://a/", headers: { Host: "b" } },
      { target: "/", headers: { "Content-Length": "1" } },
      { target: "/", headers: { "Transfer-Encoding": "chunked" } },
      { target: "/", headers: { "Transfer-Encoding": "gzip, chunked" }, body },
      { target: "/", headers: { "Content-Length": "2" }, body },
      { target: "/", headers: { "Content-Length": "+1" }, body },
      {
        target: "/",
        headers: [["Content-Length", "1"], ["Content-Length", "1"]],
        body,
      },
      {
        target: "/",
        headers: [["Content-Length", "1"], ["Transfer-Encoding", "chunked"]],
        body,
      },
      {
        target: "/",
        headers: { "Content-Length": "1" },
        body,
        trailers: () => [],
      },
      // No-break space is no whitespace to HTTP.
      { target: "/", headers: { "Content-Length": "1\xa0" }, body },
      { target: "/", headers: { "Transfer-Encoding": "\xa0chunked" }, body },
      { target: "/", headers: { Host: "a\xa0" } },
      { target: "/", trailers: () => [] },
      { target: "/", trailers: 5 as never, body },
      { target: "/", headers: { Expect: "100-continue" } },
      { target: "/", headers: { Expect: "100-continue" }, body: "" },
      { target: "/", method: "TRACE", body },
      { target: "a:1", method: "CONNECT" },
      { target: "/", headers: { Upgrade: "x" } },
      { target: "/", body, trailers: {} as never },
      { target: "/", onInterim: 5 as never },
      { target: "/", signal: {} as never },
      { target: "/", body: locked },
      { target: "/", body: detached },
      { target: "/", body: 7 as never },
    ];
    for (const init of bad) {
      await assertRejects(() => client.request(init), TypeError);
    }
    await assertRejects(
      () => client.upgrade({ target: "/" }),
      TypeError,
      "needs the field Upgrade",
    );
    await assertRejects(
      () => client.upgrade({ target: "/", method: "CONNECT" }),
      TypeError,
    );
    // The type has no body, but an object with one fits it.
    for (const body of ["", "text", new ReadableStream()]) {
      const init = { target: "/", headers: { Upgrade: "x" }, body };
      await assertRejects(() => client.upgrade(init), TypeError, "no body");
    }
    await assertRejects(
      () => client.request("/" as never),
      TypeError,
      'as in { target: "/a?b=c" }',
    );
    assertEquals(client.state, "idle");
    assertEquals(conn.writesBegun, 0);
  }));

test("without a Host and an authority there is no request", async () => {
  const conn = new MemoryConn([], { ends: "when told" });
  await using client = connect(conn);
  await assertRejects(
    () => client.request({ target: "/" }),
    TypeError,
    "no Host",
  );
  for (const other of [null, undefined, {}, "conn", { readable: 1 }]) {
    assertThrows(() => connect(other as never), TypeError, "no connection");
  }
  assertThrows(() => connect(conn, { authority: "a b" }), TypeError);
  assertThrows(() => connect(conn, { pipeline: 0 }), RangeError);
  assertThrows(() => connect(conn, { continueTimeout: 2 ** 31 }), RangeError);
  conn.end();
});

test("what is no request line or no body is refused with what is expected", async () => {
  const refusals: [HttpRequestInit, string][] = [
    [
      { target: "/a b" },
      '"GET /a b" is no request line: invalid-request-line; expected a method ' +
      'and a percent-encoded target such as "/a?b=c"',
    ],
    [
      { target: "/", method: "A B" },
      '"A B /" is no request line: invalid-request-line; expected',
    ],
    [{ target: "a" }, '"GET a" is no request line: target-form; expected'],
    [
      { method: "CONNECT", target: "example.com" },
      '"CONNECT example.com" is no request line: invalid-authority; expected a ' +
      'host and a port such as "example.com:443"',
    ],
    [
      { target: "/", body: new Blob(["a"]) as never },
      "a body is text, a Uint8Array, a ReadableStream or null; fetch() of the client " +
      "takes other kinds",
    ],
  ];
  for (const [init, message] of refusals) {
    await scripted(async ({ client, conn }) => {
      await assertRejects(() => client.request(init), TypeError, message);
      assertEquals([conn.wire, client.state], ["", "idle"]);
    });
  }
});

test("a stream that misses its length is never sent as a whole message", async () => {
  for (const chunks of [["ab"], ["abc", "de"], ["abcdefg"]]) {
    await scripted(async ({ client, conn }) => {
      const asked = client.request({
        target: "/",
        method: "PUT",
        headers: { "Content-Length": "4" },
        body: streamOf(chunks),
      });
      await assertRejects(() => within(asked, "a refusal"), TypeError);
      const sent = conn.wire.split("\r\n\r\n")[1] ?? "";
      assert(sent.length < 4, sent);
      assertEquals(client.state, "closed");
    });
  }
});

test("a stream that fails leaves an incomplete message", () =>
  scripted(async ({ client, conn, sent }) => {
    const { stream, put, fail } = controlled();
    const asked = client.request({ target: "/", method: "PUT", body: stream });
    asked.catch(() => {});
    put("ab");
    await sent("2\r\nab\r\n");
    const error = new Error("failed");
    fail(error);
    assertEquals(await assertRejects(() => within(asked, "it")), error);
    assert(!conn.wire.includes("0\r\n\r\n"));
  }));

test("a wrong chunk and a wrong trailer leave an incomplete message", async () => {
  const inits: HttpRequestInit[] = [
    { target: "/", body: streamOf(["a", 5 as never]) },
    { target: "/", body: "a", trailers: () => ({ Host: "b" }) },
    { target: "/", body: "a", trailers: () => Promise.reject(new TypeError()) },
  ];
  for (const init of inits) {
    await scripted(async ({ client, conn }) => {
      const asked = client.request({ method: "PUT", ...init });
      await assertRejects(() => within(asked, "it"), TypeError);
      assert(!conn.wire.includes("0\r\n"));
    });
  }
});

test("a body stream waits for a slow server, and is cancelled when that leaves", () =>
  scripted(async ({ client, conn }) => {
    let pulled = 0;
    const cancelled = Promise.withResolvers<unknown>();
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 10_000;
        controller.enqueue(new Uint8Array(10_000));
      },
      cancel: cancelled.resolve,
    }, { highWaterMark: 0 });
    conn.hold();
    const asked = client.request({ target: "/", method: "PUT", body });
    asked.catch(() => {});
    await settle();
    await settle();
    assert(pulled > 0 && pulled < 200_000, `${pulled} bytes`);
    conn.fail(new Error("reset"));
    const error = await assertRejects(() => asked, RequestError);
    assertEquals(error.retryable, true); // PUT is idempotent.
    await within(cancelled.promise, "the cancel");
  }));

test("a body that was never begun is left alone", () =>
  scripted(async ({ client, conn, sent }) => {
    const first = client.request({ target: "/1" });
    first.catch(() => {});
    const { stream, cancelled } = cancellable("x");
    let told = false;
    cancelled.then(() => told = true);
    const second = client.request({
      target: "/2",
      method: "POST",
      body: stream,
    });
    second.catch(() => {});
    await sent("/1 ");
    conn.fail(new Error("reset"));
    const error = await assertRejects(() => second, RequestError);
    assertEquals(error.retryable, true);
    await settle();
    assert(!told && !stream.locked);
    await stream.cancel();
  }));

test("more than maxQueued waiting requests are refused", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = [1, 2, 3].map((i) => client.request({ target: `/${i}` }));
    const error = await assertRejects(
      () => client.request({ target: "/4" }),
      RequestError,
    );
    assertEquals(error.retryable, true);
    for (const [i, response] of asked.entries()) {
      await sent(`/${i + 1} `);
      conn.give(ok());
      (await response).release();
    }
  }, { maxQueued: 2 }));

test("a request that could be pipelined does not overtake a full queue", () =>
  scripted(async ({ client, conn, sent }) => {
    const inits = [
      { target: "/1" },
      { target: "/2", method: "POST" },
      { target: "/3" },
    ];
    const asked = inits.map((init) => client.request(init));
    const outcomes = asked.map((response) =>
      response.then((got) => got.release(), (error) => error.retryable)
    );
    assertEquals(await within(outcomes[2]!, "the refusal"), true);
    for (const target of ["/1 ", "/2 "]) {
      await sent(target);
      conn.give(ok());
    }
    await Promise.all(outcomes);
  }, { maxQueued: 1, pipeline: 3 }));

test("an address that is no authority gives no Host", async () => {
  for (const hostname of ["a\r\nX: y", "fe80::1%eth0", ""]) {
    const conn = Object.assign(new MemoryConn([], { ends: "when told" }), {
      remoteAddr: { transport: "tcp", hostname, port: 80 },
    });
    await using client = connect(conn);
    await assertRejects(() => client.request({ target: "/" }), TypeError);
    conn.end();
  }
});

test("the address of a connection is the default of Host", async () => {
  const conn = Object.assign(new MemoryConn([], { ends: "when told" }), {
    remoteAddr: { transport: "tcp", hostname: "::1", port: 80 },
  });
  await using client = connect(conn);
  const asked = client.request({ target: "/" });
  await until(() => conn.wire !== "", "the request");
  assertStringIncludes(conn.wire, "Host: [::1]:80\r\n");
  conn.give(ok());
  (await asked).release();
  conn.end();
});

test("bytes that leave or shrink while their request waits are not sent", async () => {
  const framings: Omit<HttpRequestInit, "target">[] = [
    {},
    { headers: { "Transfer-Encoding": "chunked" } },
    { trailers: () => [["a", "b"]] },
  ];
  const losses: ((buffer: ArrayBuffer) => void)[] = [
    (buffer) => structuredClone(buffer, { transfer: [buffer] }),
    (buffer) => buffer.resize(2),
  ];
  for (const framing of framings) {
    for (const lose of losses) {
      await scripted(async ({ client, conn, sent }) => {
        const first = client.request({ target: "/1" });
        await sent("GET /1");
        const buffer = new ArrayBuffer(5, { maxByteLength: 10 });
        const asked = client.request({
          method: "POST",
          target: "/2",
          body: new Uint8Array(buffer),
          ...framing,
        });
        const failed = assertRejects(() => asked, TypeError, "transferred");
        lose(buffer);
        conn.give(ok());
        (await within(first, "the first response")).release();
        await within(failed, "the failure");
        assertEquals(/\r\n\r\n.*\r\n\r\n./s.test(conn.wire), false);
      });
    }
  }
});
