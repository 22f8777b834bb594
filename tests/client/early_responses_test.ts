/**
 * `Expect: 100-continue`, and final responses that come before the whole request was sent
 * (RFC 9110 §10.1.1, RFC 9112 §9.5).
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { type HttpRequestInit, RequestError } from "@pooled/http1";
import { ok, scripted, withPeer } from "../support/clients.ts";
import { cancellable, controlled, streamOf } from "../support/streams.ts";
import { settle, test, until, within } from "../support/waiting.ts";

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
