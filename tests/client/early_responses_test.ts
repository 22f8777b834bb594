/**
 * `Expect: 100-continue`, and final responses that come before the whole request was sent
 * (RFC 9110 §10.1.1, RFC 9112 §9.5).
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { HttpError, type HttpRequestInit, RequestError } from "@pooled/http1";
import { ok, scripted, withPeer } from "../support/clients.ts";
import { cancellable, controlled, streamOf } from "../support/streams.ts";
import { settle, sleep, test, until, within } from "../support/waiting.ts";

const EXPECT = { headers: { Expect: "100-continue" } };
const REFUSED = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";

/** A request that expects a 100, with each kind of body. */
function expecting(): [HttpRequestInit, wire: string][] {
  return [
    [{ method: "PUT", target: "/", body: "hello", ...EXPECT }, "hello"],
    [
      { method: "PUT", target: "/", body: streamOf(["hel", "lo"]), ...EXPECT },
      "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    ],
    [
      {
        method: "PUT",
        target: "/",
        body: streamOf(["hello"]),
        headers: [["expect", "100-Continue"], ["content-length", "5"]],
      },
      "hello",
    ],
  ];
}

test("a body waits for a 100, and is sent after it", async () => {
  for (const [init, body] of expecting()) {
    await scripted(async ({ client, conn, sent }) => {
      const seen: number[] = [];
      const asked = client.request({
        ...init,
        onInterim: ({ status }) => void seen.push(status),
      });
      await sent("\r\n\r\n");
      const head = conn.wire;
      await settle();
      assertEquals(conn.wire, head);
      conn.give("HTTP/1.1 100 Continue\r\n\r\n");
      await sent(body);
      assertEquals(conn.wire, head + body);
      conn.give(ok("x"));
      using response = await within(asked, "the response");
      assertEquals(await response.text(), "x");
      assertEquals(seen, [100]);
    }, { continueTimeout: 60_000 });
  }
});

test("a body waits for a 100 no longer than continueTimeout", async () => {
  for (const continueTimeout of [0, 20]) {
    for (const [init, body] of expecting()) {
      await scripted(async ({ client, conn, sent }) => {
        const asked = client.request(init);
        await sent(`\r\n\r\n${body}`);
        // Too late, and harmless.
        conn.give(`HTTP/1.1 100 Continue\r\n\r\n${ok("x")}`);
        using response = await within(asked, "the response");
        assertEquals(await response.text(), "x");
      }, { continueTimeout });
    }
  }
});

test("after a final status the body that waited is not sent", async () => {
  for (const wire of [REFUSED, ok("no"), REFUSED.replace("413", "417")]) {
    for (const [init] of expecting()) {
      await scripted(async ({ client, conn, sent }) => {
        const asked = client.request(init);
        const behind = client.request({ method: "POST", target: "/2" });
        const lost = assertRejects(() => behind, RequestError);
        await sent("\r\n\r\n");
        const head = conn.wire;
        conn.give(wire);
        {
          using response = await within(asked, "the response");
          assertEquals(await response.text(), "no");
        }
        await within(client.closed, "the end");
        assertEquals(conn.wire, head);
        assertEquals((await lost).retryable, true);
        assertEquals(
          (init.body as { locked?: boolean }).locked ?? false,
          false,
        );
      }, { continueTimeout: 60_000 });
    }
  }
});

test("a body that waited is cancelled when it is not sent", () =>
  scripted(async ({ client, conn, sent }) => {
    const { stream, cancelled } = cancellable("x");
    const asked = client.request({
      method: "PUT",
      target: "/",
      body: stream,
      ...EXPECT,
    });
    await sent("\r\n\r\n");
    conn.give(REFUSED);
    (await within(asked, "the response")).release();
    await within(cancelled, "the cancel");
  }));

test("a connection that ends while a body waits for its 100", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = client.request({
      method: "POST",
      target: "/",
      body: "x",
      ...EXPECT,
    });
    asked.catch(() => {});
    await sent("\r\n\r\n");
    conn.end();
    const error = await assertRejects(() => asked, RequestError);
    assertEquals(error.retryable, false);
  }, { continueTimeout: 60_000 }));

test("an early error stops the body, is read, and ends the connection", async () => {
  for (const length of [null, "1000000"]) {
    await scripted(async ({ client, conn, sent }) => {
      const { stream, cancelled } = cancellable("begun");
      const asked = client.request({
        method: "PUT",
        target: "/",
        body: stream,
        headers: length === null ? [] : { "Content-Length": length },
      });
      await sent("begun");
      conn.give(REFUSED.slice(0, -1));
      using response = await within(asked, "the response");
      assertEquals(response.status, 413);
      await within(cancelled, "the cancel");
      const text = response.text();
      conn.give("o");
      assertEquals(await text, "no");
      await within(client.closed, "the end");
      assert(!conn.wire.includes("\n0\r\n"), "the message is incomplete");
    });
  }
});

test("an early 2xx goes along with the body, which is sent on", () =>
  scripted(async ({ client, conn, sent }) => {
    const { stream, put, close } = controlled();
    const asked = client.request({ method: "POST", target: "/", body: stream });
    put("ping");
    await sent("ping");
    conn.give("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    using response = await within(asked, "the response");
    const reader = response.body!.getReader();
    for (let i = 0; i < 3; i++) {
      conn.give(`4\r\npon${i}\r\n`);
      const { value } = await within(reader.read(), "a chunk");
      assertEquals(new TextDecoder().decode(value), `pon${i}`);
      put(`pin${i}`);
      await sent(`pin${i}`);
    }
    close();
    await sent("0\r\n\r\n");
    conn.give("0\r\n\r\n");
    assertEquals((await reader.read()).done, true);
    await until(() => client.state === "idle", "the client to be idle");
  }));

test("a whole 2xx before the whole body stops it and ends the connection", () =>
  scripted(async ({ client, conn, sent }) => {
    const { stream, cancelled } = cancellable("begun");
    const asked = client.request({ method: "POST", target: "/", body: stream });
    await sent("begun");
    conn.give(ok("done"));
    using response = await within(asked, "the response");
    assertEquals(await response.text(), "done");
    await within(cancelled, "the cancel");
    await within(client.closed, "the end");
    assert(!conn.wire.includes("0\r\n\r\n"));
  }));

test("nor is the rest of large bytes sent after a whole response", async () => {
  for (const wire of [REFUSED, ok("no")]) {
    await withPeer(async (client, peer) => {
      const asked = client.request({
        method: "POST",
        target: "/",
        body: new Uint8Array(32 << 20),
      });
      await peer.until("\r\n\r\n");
      await peer.send(wire);
      {
        using response = await within(asked, "the response");
        assertEquals(await response.text(), "no");
      }
      await within(client.closed, "the end");
      await peer.rest();
      assert(peer.received.length < 32 << 20);
    }, { writeTimeout: Infinity });
  }
});

test("a server that answers and closes while a large body comes", () =>
  withPeer(async (client, peer) => {
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(60_000)),
    });
    const asked = client.request({ method: "POST", target: "/", body });
    await peer.until("\r\n\r\n");
    await peer.send(`${REFUSED}`);
    using response = await within(asked, "the response");
    assertEquals(response.status, 413);
    assertEquals(await response.text(), "no");
    await within(client.closed, "the end");
    await peer.rest();
  }));

test("a failed write does not hide the response that is on its way", () =>
  scripted(async ({ client, conn, sent }) => {
    const { stream, put } = controlled();
    const asked = client.request({ method: "POST", target: "/", body: stream });
    put("begun");
    await sent("begun");
    const broken = new Error("broken pipe");
    conn.write = () => Promise.reject(broken);
    put("more");
    await settle();
    assertEquals(client.state, "closing");
    conn.give(REFUSED);
    using response = await within(asked, "the response");
    assertEquals(await response.text(), "no");
    await within(client.closed, "the end");
  }));

test("a failed write without a response is the cause of the error", () =>
  scripted(async ({ client, conn }) => {
    const broken = new Error("broken pipe");
    conn.write = () => Promise.reject(broken);
    const asked = client.request({ method: "POST", target: "/" });
    asked.catch(() => {});
    await settle();
    conn.end();
    const error = await assertRejects(() => within(asked, "it"), RequestError);
    assertEquals(error.retryable, false);
    await within(client.closed, "the end");
    assertEquals(error.cause, broken);
  }));

test("a stream may end after the response to all its declared bytes", async () => {
  for (const length of [0, 5]) {
    await scripted(async ({ client, conn, sent }) => {
      let cancelled = false;
      const { stream, put, close } = controlled(() => cancelled = true);
      const asked = client.request({
        method: "PUT",
        target: "/1",
        body: stream,
        headers: { "Content-Length": `${length}` },
      });
      if (length > 0) put("hello");
      await sent(length > 0 ? "hello" : "\r\n\r\n");
      const behind = client.request({ target: "/2" });
      conn.give(ok("1"));
      {
        using response = await within(asked, "the response");
        assertEquals(await response.text(), "1");
      }
      await sent("GET /2 ");
      conn.give(ok("2"));
      (await within(behind, "the next response")).release();
      close();
      await settle();
      assertEquals([client.state, cancelled], ["idle", false]);
    });
  }
});

test("nor does the next request wait for the end of such a stream", () =>
  scripted(async ({ client, conn, sent }) => {
    const streams = [controlled(), controlled()];
    const asked = streams.map(({ stream, put }, i) => {
      put("hello");
      return client.request({
        method: "PUT",
        target: `/${i}`,
        body: stream,
        headers: { "Content-Length": "5" },
      });
    });
    await sent("hello");
    await sent("hello");
    for (const { close } of streams) close();
    for (const response of asked) {
      conn.give(ok());
      (await within(response, "a response")).release();
    }
    await until(() => client.state === "idle", "the client to be idle");
  }, { pipeline: 2 }));

test("a stream with more than its declared bytes fails the request until the response", async () => {
  for (
    const [declared, early] of [[5, false], [5, true], [4, false]] as const
  ) {
    await scripted(async ({ client, conn, sent }) => {
      const { promise: cancelled, resolve } = Promise.withResolvers<unknown>();
      const { stream, put } = controlled(resolve);
      const asked = client.request({
        method: "PUT",
        target: "/",
        body: stream,
        headers: { "Content-Length": `${declared}` },
      });
      asked.catch(() => {});
      if (declared === 5) {
        put("hello");
        await sent("hello");
      }
      if (early) {
        conn.give(ok());
        (await within(asked, "the response")).release();
        await until(() => client.state === "idle", "the client to be idle");
      }
      put("hello");
      const reason = await within(cancelled, "the cancel");
      assertMatch(`${reason}`, new RegExp(`more than the ${declared} bytes`));
      if (early) return assertEquals(client.state, "idle");
      assertEquals(await assertRejects(() => asked), reason);
      await within(client.closed, "the end");
    });
  }
});

test("the response to declared bytes is awaited no longer for an open stream", () =>
  scripted(async ({ client, sent }) => {
    const { stream, put } = controlled();
    const asked = client.request({
      method: "PUT",
      target: "/",
      body: stream,
      headers: { "Content-Length": "5" },
    });
    asked.catch(() => {});
    put("hello");
    await sent("hello");
    const error = await assertRejects(() => within(asked, "it"), HttpError);
    assertEquals(error.code, "head-timeout");
  }, { headTimeout: 40 }));

test("a body in chunks is not whole before its trailers", async () => {
  for (const body of ["", "hello"]) {
    await scripted(async ({ client, conn, sent }) => {
      const { promise, resolve } = Promise.withResolvers<HeadersInit>();
      const asked = client.request({
        method: "PUT",
        target: "/1",
        body,
        trailers: () => promise,
      });
      const behind = client.request({ target: "/2" });
      await sent(body === "" ? "\r\n\r\n" : "5\r\nhello\r\n");
      await settle();
      assert(!conn.wire.includes("/2"));
      resolve({ "X-T": "1" });
      await sent("0\r\nX-T: 1\r\n\r\nGET /2 ");
      for (const response of [asked, behind]) {
        conn.give(ok());
        (await within(response, "a response")).release();
      }
    }, { pipeline: 2 });
  }
});

test("a server that answers and reads no more, but takes its time to answer", async () => {
  for (const kind of ["bytes", "stream"]) {
    for (const status of ["200 OK", "413 Content Too Large"]) {
      await scripted(async ({ client, conn }) => {
        const { stream, cancelled } = cancellable("x".repeat(100_000));
        conn.hold();
        const asked = client.request({
          method: "POST",
          target: "/",
          body: kind === "bytes" ? new Uint8Array(100_000) : stream,
        });
        await until(() => conn.writesBegun > 0, "the request");
        conn.give(`HTTP/1.1 ${status}\r\nContent-Length: 4\r\n\r\na`);
        using response = await within(asked, "the response");
        const text = response.text();
        for (const piece of ["b", "c", "d"]) {
          await sleep(60);
          conn.give(piece);
        }
        assertEquals(await within(text, "the body"), "abcd");
        if (kind === "stream") await within(cancelled, "the cancel");
        await within(client.closed, "the end");
      }, { writeTimeout: 40 });
    }
  }
});

test("nor does a body that stalls wait for a request that does", () =>
  scripted(async ({ client, conn }) => {
    conn.hold();
    const asked = client.request({
      method: "POST",
      target: "/",
      body: new Uint8Array(100_000),
    });
    await until(() => conn.writesBegun > 0, "the request");
    conn.give("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na");
    using response = await within(asked, "the response");
    const error = await assertRejects(
      () => within(response.text(), "the end"),
      HttpError,
    );
    assertEquals(error.code, "body-timeout");
    await within(client.closed, "the end");
  }, { writeTimeout: 40, bodyTimeout: 200 }));
