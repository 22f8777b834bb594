/**
 * The ends of a client: close, signals at every stage, timeouts, and states.
 */

import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  connect,
  HttpError,
  type HttpRequestInit,
  RequestError,
} from "@pooled/http1";
import { ok, scripted, withPeer } from "../support/clients.ts";
import { MemoryConn } from "../support/memory_conn.ts";
import { cancellable, pipe } from "../support/streams.ts";
import { sanitized, settle, test, until, within } from "../support/waiting.ts";

/** Timeouts that a test can wait for. */
const SHORT = 40;

test("close() answers what was asked before, and nothing after", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = [1, 2].map((i) => client.request({ target: `/${i}` }));
    await sent("/1 ");
    const closed = client.close();
    assertStrictEquals(client.close(), closed);
    assertStrictEquals(client.closed, closed);
    assertEquals(client.state, "closing");
    const error = await assertRejects(
      () => client.request({ target: "/3" }),
      RequestError,
    );
    assertEquals(error.retryable, true);
    for (const [i, response] of asked.entries()) {
      if (i === 1) await sent("/2 ");
      conn.give(ok(`${i}`));
      using got = await within(response, "a response");
      assertEquals(await got.text(), `${i}`);
    }
    await within(closed, "the end");
    assertEquals(client.state, "closed");
    assertEquals(conn.outputEnded, true);
  }));

sanitized("an idle client leaves nothing behind", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [conn, peer] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
    listener.accept(),
  ]);
  {
    await using client = connect(conn);
    assertEquals(client.state, "idle");
  }
  assertEquals(await peer.read(new Uint8Array(1)), null);
  peer.close();
});

test("close() gives up a body that nobody reads after bodyTimeout", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = client.request({ target: "/" });
    await sent("/ ");
    conn.give("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
    using response = await asked;
    await within(client.close(), "the end");
    const error = await assertRejects(() => response.text(), HttpError);
    assertEquals(error.code, "body-timeout");
  }, { bodyTimeout: SHORT }));

test("a signal ends its request at every stage", async () => {
  const stages = ["before", "queued", "sent", "head", "body", "over"] as const;
  for (const stage of stages) {
    await scripted(async ({ client, conn, sent }) => {
      const controller = new AbortController();
      const { signal } = controller;
      const reason = new Error(stage);
      const abort = () => controller.abort(reason);
      if (stage === "before") abort();
      const first = stage === "queued"
        ? client.request({ target: "/0" })
        : null;
      const read = async () => {
        using response = await client.request({ target: "/", signal });
        if (stage === "head") abort();
        return await response.text();
      };
      const result = read().catch((error) => error);
      if (stage === "before") {
        assertEquals(await result, reason);
        assertEquals(conn.writesBegun, 0);
        return;
      }
      if (first !== null) {
        await sent("/0 ");
        abort();
        assertEquals(await within(result, stage), reason);
        conn.give(ok());
        (await first).release();
        await until(() => client.state === "idle", "the client to be idle");
        return;
      }
      await sent("/ ");
      if (stage === "sent") abort();
      else conn.give("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
      if (stage === "body" || stage === "over") await settle();
      if (stage === "body") abort();
      if (stage === "over") {
        conn.give("b");
        assertEquals(await within(result, stage), "ab");
        abort();
        await settle();
        assertEquals(client.state, "idle");
        return;
      }
      assertEquals(await within(result, stage), reason);
      await within(client.closed, "the end");
      assertEquals(client.state, "closed");
    });
  }
});

test("a request fails with the very reason of its program, whatever it is", async () => {
  const fails: (() => Partial<HttpRequestInit>)[] = [
    () => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(null), 20);
      return { signal: controller.signal };
    },
    () => ({
      onInterim: () => {
        throw null;
      },
    }),
    () => ({
      method: "POST",
      body: new ReadableStream({
        pull: () => settle().then(() => Promise.reject(null)),
      }),
    }),
  ];
  for (const init of fails) {
    await scripted(async ({ client, conn, sent }) => {
      const result = client.request({ target: "/", ...init() })
        .catch((error) => error);
      await sent("/ ");
      conn.give("HTTP/1.1 103 Early Hints\r\n\r\n");
      assertEquals(await within(result, "the failure"), null);
      await within(client.closed, "the end");
    });
  }
});

test("a signal that aborts in the middle of an upload cancels its stream", () =>
  scripted(async ({ client, sent }) => {
    const controller = new AbortController();
    const { stream, cancelled } = cancellable("begun");
    const asked = client.request({
      method: "PUT",
      target: "/",
      body: stream,
      signal: controller.signal,
    });
    asked.catch(() => {});
    await sent("begun");
    const reason = new Error("enough");
    controller.abort(reason);
    assertEquals(await assertRejects(() => asked), reason);
    assertEquals(await within(cancelled, "the cancel"), reason);
  }));

test("the signal of the client closes it at once", async () => {
  const controller = new AbortController();
  await scripted(async ({ client, sent }) => {
    const asked = client.request({ target: "/" });
    asked.catch(() => {});
    await sent("/ ");
    const reason = new Error("enough");
    controller.abort(reason);
    const error = await assertRejects(() => asked, RequestError);
    assertEquals(error.cause, reason);
    await within(client.closed, "the end");
  }, { signal: controller.signal });
  const conn = new MemoryConn([], { ends: "when told" });
  const late = connect(conn, { authority: "a", signal: controller.signal });
  await within(late.closed, "the end");
  assertEquals(late.state, "closed");
  assertEquals(conn.closed, true);
});

test("a response head that does not come in time", async () => {
  for (const part of ["", "HTTP/1.1 200 OK\r\nX: "]) {
    await scripted(async ({ client, conn, sent }) => {
      const asked = client.request({ target: "/" });
      asked.catch(() => {});
      const behind = client.request({ target: "/2" });
      behind.catch(() => {});
      await sent("/ ");
      if (part !== "") conn.give(part);
      const error = await assertRejects(() => within(asked, "it"), HttpError);
      assertEquals(error.code, "head-timeout");
      assertEquals(error.status, 504);
      const other = await assertRejects(() => behind, RequestError);
      assertEquals(other.retryable, true);
    }, { headTimeout: SHORT });
  }
});

test("headTimeout counts from the end of the request", () =>
  scripted(async ({ client, conn, sent }) => {
    const { stream, cancelled: _ } = cancellable("begun");
    const asked = client.request({ method: "PUT", target: "/", body: stream });
    asked.catch(() => {});
    await sent("begun");
    await new Promise((resolve) => setTimeout(resolve, 4 * SHORT));
    assertEquals(client.state, "busy");
    conn.give("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    (await within(asked, "the response")).release();
  }, { headTimeout: SHORT }));

test("a body that stalls while the program reads", async () => {
  for (const slow of [false, true]) {
    await scripted(async ({ client, conn, sent }) => {
      const asked = client.request({ target: "/" });
      await sent("/ ");
      conn.give("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\na");
      using response = await asked;
      const timer = slow ? setInterval(() => conn.give("a"), 5) : 0;
      const text = response.text();
      text.catch(() => {});
      const error = await assertRejects(() => within(text, "it"), HttpError);
      clearInterval(timer);
      assertEquals(error.code, "body-timeout");
      await within(client.closed, "the end");
    }, { bodyTimeout: SHORT, minBodyRate: slow ? 10_000 : 0 });
  }
});

test("a body without end that trickles is not discarded for long", async () => {
  for (const leave of ["release", "cancel"]) {
    await scripted(async ({ client, conn, sent }) => {
      const asked = client.request({ target: "/" });
      await sent("/ ");
      conn.give("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      const response = await asked;
      const timer = setInterval(() => conn.give("3\r\nabc\r\n"), 5);
      if (leave === "cancel") await response.body!.cancel();
      else response.release();
      const behind = client.request({ target: "/2" });
      const lost = assertRejects(() => behind, RequestError);
      await within(client.closed, "the end").finally(() =>
        clearInterval(timer)
      );
      assertEquals((await lost).retryable, true);
      if (leave === "cancel") response.release();
    });
  }
});

test("a server that stops reading", async () => {
  for (const kind of ["bytes", "stream"]) {
    await scripted(async ({ client, conn }) => {
      const { stream, cancelled } = cancellable("x".repeat(100_000));
      conn.hold();
      const asked = client.request({
        method: "POST",
        target: "/",
        body: kind === "bytes" ? new Uint8Array(100_000) : stream,
      });
      asked.catch(() => {});
      const error = await assertRejects(
        () => within(asked, "it"),
        RequestError,
      );
      assertEquals((error.cause as DOMException).name, "TimeoutError");
      assertEquals(error.retryable, false);
      if (kind === "stream") await within(cancelled, "the cancel");
    }, { writeTimeout: SHORT });
  }
});

test("an idle client closes after idleTimeout", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = client.request({ target: "/" });
    await sent("/ ");
    conn.give(ok());
    (await asked).release();
    await within(client.closed, "the end");
    const error = await assertRejects(
      () => client.request({ target: "/" }),
      RequestError,
    );
    assertEquals(error.retryable, true);
    assertEquals((error.cause as DOMException).name, "TimeoutError");
  }, { idleTimeout: SHORT }));

test("a pair of streams: orderly end, failing and locked streams", async () => {
  const [server, duplex] = pipe();
  const client = connect(duplex, { authority: "a" });
  const writer = server.writable.getWriter();
  const reader = server.readable.getReader();
  const asked = client.request({ target: "/" });
  const { value } = await within(reader.read(), "the request");
  assertEquals(new TextDecoder().decode(value).slice(0, 5), "GET /");
  writer.write(new TextEncoder().encode(ok("hi"))).catch(() => {});
  {
    using response = await within(asked, "the response");
    assertEquals(await response.text(), "hi");
  }
  const end = reader.read();
  await within(client.close(), "the end");
  assertEquals((await within(end, "the end of the input")).done, true);

  const [other, failing] = pipe();
  const second = connect(failing, { authority: "a" });
  const lost = second.request({ target: "/" });
  lost.catch(() => {});
  const broken = new Error("broken");
  await other.writable.abort(broken);
  const error = await assertRejects(() => within(lost, "it"), RequestError);
  assertEquals(error.cause, broken);

  const [, locked] = pipe();
  locked.writable.getWriter();
  const thrown = await assertRejects(
    // deno-lint-ignore require-await -- a throw becomes a rejection
    async () => connect(locked),
    TypeError,
  );
  assertEquals(thrown.name, "TypeError");
  assertEquals(locked.readable.locked, false);
});

test("a connection that gives impossible counts, or throws", async () => {
  for (const bad of [-1, 1.5, 1e9, "1"]) {
    await scripted(async ({ client, conn }) => {
      conn.write = () => Promise.resolve(bad as number);
      const asked = client.request({ target: "/" });
      asked.catch(() => {});
      await settle();
      conn.end();
      const error = await assertRejects(
        () => within(asked, "it"),
        RequestError,
      );
      assertEquals(error.cause instanceof TypeError, true);
    });
  }
  const conn = new MemoryConn([], { ends: "when told" });
  conn.read = () => {
    throw new Error("read");
  };
  const client = connect(conn, { authority: "a" });
  await within(client.closed, "the end");
});

test("a server that leaves with a reset", () =>
  withPeer(async (client, peer) => {
    const asked = client.request({ method: "POST", target: "/", body: "x" });
    asked.catch(() => {});
    await peer.until("POST");
    peer.close();
    const error = await assertRejects(() => within(asked, "it"), RequestError);
    assertEquals(error.retryable, false);
    await within(client.closed, "the end");
  }));

Deno.test("a signal that is none leaves the streams unlocked", () => {
  for (const signal of [5, {}]) {
    const { readable, writable } = new TransformStream<
      Uint8Array,
      Uint8Array
    >();
    assertThrows(
      () => connect({ readable, writable }, { signal: signal as never }),
      TypeError,
      "signal",
    );
    assertEquals([readable.locked, writable.locked], [false, false]);
  }
});
