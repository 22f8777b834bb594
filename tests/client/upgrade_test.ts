/**
 * `client.upgrade()`: other protocols and CONNECT tunnels, accepted, declined and lost.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  connect,
  HttpError,
  RequestError,
  serve,
  serveConnection,
} from "@pooled/http1";
import { bytesOf, textOf } from "../support/bytes.ts";
import { ok, type Scripted, scripted, withClient } from "../support/clients.ts";
import { pipe } from "../support/streams.ts";
import { settle, test, until, within } from "../support/waiting.ts";

const SWITCHED =
  "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
const X = { target: "/", headers: { Upgrade: "x" } };

async function take(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  count: number,
): Promise<string> {
  let text = "";
  while (text.length < count) {
    const { done, value } = await within(reader.read(), "bytes");
    if (done) break;
    text += textOf(value);
  }
  return text;
}

test("an accepted upgrade gives the streams, beginning with bytes that came along", () =>
  scripted(async ({ client, conn, sent, pools }) => {
    const asked = client.upgrade(X);
    await sent(
      "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    );
    conn.give(`${SWITCHED}early `);
    const { response, duplex } = await within(asked, "the response");
    assertEquals(response.status, 101);
    assertEquals(response.headers.get("upgrade"), "x");
    assertEquals(client.state, "closed");
    await within(client.closed, "the handover");
    response.release();
    const { readable, writable } = duplex!;
    const reader = readable.getReader();
    conn.give("late");
    assertEquals(await take(reader, 10), "early late");
    const writer = writable.getWriter();
    await writer.write(bytesOf("raw"));
    await sent("raw");
    const error = await assertRejects(
      () => client.request({ target: "/" }),
      RequestError,
    );
    assertEquals(error.retryable, true);
    conn.end();
    assertEquals((await reader.read()).done, true);
    await writer.close();
    await until(() => conn.closed, "the end");
    assertEquals(pools.stats().responses.inUse, 0);
  }));

test("the body of a 101 is not for reading", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = client.upgrade(X);
    await sent("\r\n\r\n");
    conn.give(`${SWITCHED}raw`);
    using result = await within(asked, "the response");
    await assertRejects(() => result.response.text(), TypeError);
    const reader = result.duplex!.readable.getReader();
    assertEquals(await take(reader, 3), "raw");
    await reader.cancel();
    await result.duplex!.writable.close();
    conn.end();
  }));

test("CONNECT opens a tunnel, whatever length the response claims", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = client.upgrade({ method: "CONNECT", target: "b:443" });
    await sent("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n");
    conn.give("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ntunnel");
    using result = await within(asked, "the response");
    const reader = result.duplex!.readable.getReader();
    assertEquals(await take(reader, 6), "tunnel");
    await result.duplex!.writable.abort(new Error("enough"));
    await until(() => conn.closed, "the end");
  }));

test("a server that declines answers like to any request", async () => {
  for (const init of [X, { method: "CONNECT", target: "b:443" }]) {
    await scripted(async ({ client, conn, sent }) => {
      const asked = client.upgrade(init);
      const next = client.request({ target: "/next" });
      await sent("\r\n\r\n");
      conn.give(`HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno`);
      {
        using result = await within(asked, "the response");
        assertEquals(result.duplex, null);
        assertEquals(result.response.status, 407);
        assertEquals(await result.response.text(), "no");
      }
      await sent("/next ");
      conn.give(ok());
      (await within(next, "the next")).release();
    });
  }
});

test("nothing is sent behind an upgrade before its answer", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = client.upgrade(X);
    const behind = client.request({ target: "/behind" });
    behind.catch(() => {});
    await sent("\r\n\r\n");
    await settle();
    assert(!conn.wire.includes("behind"));
    conn.give(SWITCHED);
    using result = await within(asked, "the response");
    const error = await assertRejects(() => behind, RequestError);
    assertEquals(error.retryable, true);
    await result.duplex!.readable.cancel();
    await result.duplex!.writable.close();
    conn.end();
  }, { pipeline: 4 }));

test("upgrades that go wrong", async () => {
  const cases: [
    wire: string,
    check: (error: unknown, scripted: Scripted) => void,
  ][] = [
    ["", (error) => assert(error instanceof RequestError)],
    [
      SWITCHED.slice(0, 40),
      (error) => assertEquals((error as HttpError).code, "unexpected-eof"),
    ],
    [
      "HTTP/1.1 101 X\r\n\r\n",
      (error) => assertEquals((error as HttpError).code, "missing-upgrade"),
    ],
  ];
  for (const [wire, check] of cases) {
    await scripted(async (all) => {
      const { client, conn, sent } = all;
      const asked = client.upgrade(X);
      asked.catch(() => {});
      await sent("\r\n\r\n");
      if (wire !== "") conn.give(wire);
      conn.end();
      check(await assertRejects(() => within(asked, "it")), all);
    });
  }
});

test("a 101 opens no tunnel", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = client.upgrade({ method: "CONNECT", target: "b:443" });
    asked.catch(() => {});
    await sent("\r\n\r\n");
    conn.give(SWITCHED);
    const error = await assertRejects(() => within(asked, "it"), HttpError);
    assertEquals(error.code, "unasked-upgrade");
  }));

test("a 101 names protocols that were asked for, in any case", async () => {
  const cases: [asked: string, named: string, code: string | null][] = [
    ["websocket", "WebSocket", null],
    ["a/1, B , c", "b", null],
    ["a, b", "B, A", null],
    ["websocket", "h2c", "unasked-upgrade"],
    ["a", "a, b", "unasked-upgrade"],
    ["a/1", "a", "unasked-upgrade"],
    ["a", "a/1", "unasked-upgrade"],
    ["a", ", \ta ,", null],
    // A no-break space is a byte of the name.
    ["a", "\xa0a", "unasked-upgrade"],
    ["a", "b, a\xa0", "unasked-upgrade"],
    ["a, b", "a,\xa0", "unasked-upgrade"],
  ];
  for (const [upgrade, named, code] of cases) {
    await scripted(async ({ client, conn, sent }) => {
      const asked = client.upgrade({ target: "/", headers: { upgrade } });
      asked.catch(() => {});
      await sent("\r\n\r\n");
      conn.give(
        `HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: ${named}\r\n\r\n`,
      );
      if (code === null) {
        using result = await within(asked, "the response");
        assert(result.duplex !== null);
        conn.end();
        await result.duplex.writable.close();
        await result.duplex.readable.cancel();
      } else {
        const error = await assertRejects(() => within(asked, "it"), HttpError);
        assertEquals(error.code, code, `${upgrade}: ${named}`);
      }
    });
  }
});

test("a lost connection errors both streams of an upgrade", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = client.upgrade(X);
    await sent("\r\n\r\n");
    conn.give(SWITCHED);
    using result = await within(asked, "the response");
    const reader = result.duplex!.readable.getReader();
    const read = reader.read();
    read.catch(() => {});
    const reset = new Error("reset");
    conn.fail(reset);
    assertEquals(await assertRejects(() => within(read, "it")), reset);
    await until(() => conn.closed, "the end");
  }));

test("an upgrade between this client and this server, with bytes both ways", async () => {
  await using server = serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (_req, res) => {
      const { readable, writable } = res.upgrade();
      readable.pipeTo(writable).catch(() => {});
    },
  );
  await withClient(server.addr.port, async (client) => {
    const { response, duplex } = await client.upgrade({
      target: "/",
      headers: { upgrade: "echo" },
    });
    response.release();
    const sent = "x".repeat(300_000);
    const writer = duplex!.writable.getWriter();
    const reader = duplex!.readable.getReader();
    const back = take(reader, sent.length);
    await writer.write(bytesOf(sent));
    await writer.close();
    assertEquals((await back).length, sent.length);
    assertEquals((await reader.read()).done, true);
  });
});

test("a client through a CONNECT tunnel, in memory", async () => {
  const [server, outer] = pipe();
  const tunnel = serveConnection(server, (req, res) => {
    assertEquals(req.target, "inner:80");
    serveConnection(res.upgrade(), (req, res) => res.send(`in ${req.path}`));
  });
  const proxy = connect(outer);
  const result = await proxy.upgrade({ method: "CONNECT", target: "inner:80" });
  result.response.release();
  {
    await using client = connect(result.duplex!, { authority: "inner" });
    using response = await within(client.request({ target: "/a" }), "it");
    assertEquals(await response.text(), "in /a");
  }
  await within(tunnel, "the tunnel");
});
