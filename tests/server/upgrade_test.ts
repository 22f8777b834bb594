/**
 * Upgraded connections and accepted CONNECTs: the response, bytes read ahead,
 * backpressure, and the end of each direction.
 */

import {
  assert,
  assertEquals,
  assertNotMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type Duplex,
  type Handler,
  Pools,
  serveConnection,
} from "@pooled/http1";
import { assertAtRest, untilAtRest } from "../support/at_rest.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { MemoryConn, serveMemory } from "../support/memory_conn.ts";
import { RawClient, ResettingClient } from "../support/raw_client.ts";
import { CONNECT, get, post, UPGRADE } from "../support/requests.ts";
import { answersIn, fieldOf, statusesOf } from "../support/response_reader.ts";
import {
  settle,
  sleep,
  test,
  turn,
  until,
  within,
} from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

/** A handler that accepts an upgrade, and a promise of its stream pair. */
function accepting(
  init?: Parameters<Parameters<Handler>[1]["upgrade"]>[0],
): { handler: Handler; duplex: Promise<Duplex> } {
  const { promise, resolve } = Promise.withResolvers<Duplex>();
  return {
    handler: (req, res) => {
      if (req.target === "/first") return res.send("first");
      resolve(res.upgrade(init));
    },
    duplex: promise,
  };
}

/** Reads `count` bytes from a stream, or all if it ends earlier. */
async function take(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  count = Infinity,
): Promise<string> {
  let text = "";
  while (text.length < count) {
    const { done, value } = await reader.read();
    if (done) break;
    text += textOf(value);
  }
  return text;
}

/** Closes both directions. */
async function end({ readable, writable }: Duplex): Promise<void> {
  await readable.cancel();
  await writable.close();
}

test("upgrade() passes over empty elements of the offer, and takes no other space for OWS", async () => {
  const cases = [[", ,\tb , c", "b"], ["\xa0b, c", "\xa0b"]];
  for (const [offer, taken] of cases) {
    const { handler, duplex } = accepting();
    await withServer(handler, async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send(UPGRADE.replace("x/1", offer!));
      const [answer] = answersIn(await client.until("\r\n\r\n"));
      assertEquals(fieldOf(answer!, "upgrade"), taken);
      await end(await duplex);
    });
  }
});

test("upgrade() accepts the first protocol that the request offers", async () => {
  const cases: [
    Parameters<typeof accepting>[0],
    string,
    [string, string][],
  ][] = [
    [undefined, "HTTP/1.1 101 Switching Protocols", [
      ["connection", "Upgrade"],
      ["upgrade", "x/1"],
    ]],
    [
      { headers: { Upgrade: "y", "X-A": "1" }, statusText: "Yes" },
      "HTTP/1.1 101 Yes",
      [["connection", "Upgrade"], ["upgrade", "y"], ["x-a", "1"]],
    ],
  ];
  for (const [init, line, fields] of cases) {
    const { handler, duplex } = accepting(init);
    await withServer(handler, async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send(UPGRADE);
      const wire = await client.until("\r\n\r\n");
      assert(wire.startsWith(`${line}\r\n`), wire);
      const [answer] = answersIn(wire);
      for (const [name, value] of fields) {
        assertEquals(fieldOf(answer!, name), value);
      }
      assertEquals(fieldOf(answer!, "content-length"), null);
      assertEquals(fieldOf(answer!, "transfer-encoding"), null);
      await end(await duplex);
      await client.rest();
    });
  }
});

test("a CONNECT is accepted with a 2xx without framing fields", async () => {
  for (const init of [undefined, { status: 202, headers: { "x-a": "1" } }]) {
    const { handler, duplex } = accepting(init);
    await withServer(handler, async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send(CONNECT);
      const wire = await client.until("\r\n\r\n");
      const head = wire.split("\r\n");
      assertEquals(
        head[0],
        `HTTP/1.1 ${init?.status ?? 200} Connection Established`,
      );
      assertEquals(head.includes("x-a: 1"), init !== undefined);
      // RFC 9110 §9.3.6.
      assertNotMatch(wire, /content-length|transfer-encoding|upgrade/i);
      const { readable, writable } = await duplex;
      const writer = writable.getWriter();
      await writer.write(bytesOf("to the client"));
      await client.until("to the client");
      await client.send("to the server");
      const reader = readable.getReader();
      assertEquals(await take(reader, 13), "to the server");
      await client.conn.closeWrite();
      assertEquals(await take(reader), "");
      await writer.close();
      await client.rest();
    });
  }
});

test("a 2xx to CONNECT has a Date", async () => {
  const { handler, duplex } = accepting();
  await withServer(handler, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(CONNECT);
    // RFC 9110 §6.6.1 requires it in every 2xx.
    assertStringIncludes(await client.until("\r\n\r\n"), "\r\nDate: ");
    await end(await duplex);
  });
});

test("bytes read ahead come first from the upgraded stream, in order", async () => {
  for (const early of [0, 1, 1000, 100_000]) {
    const { handler, duplex } = accepting();
    const data = Array.from({ length: 20_000 }, (_, i) => `${i},`).join("");
    await withServer(handler, async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send(get("/first") + UPGRADE + data.slice(0, early));
      await client.until("101 Switching Protocols");
      assertEquals(statusesOf(client.received), [200, 101]);
      const { readable, writable } = await duplex;
      const sending = client.send(data.slice(early))
        .then(() => client.conn.closeWrite());
      const came = await take(readable.getReader());
      await sending;
      assert(came === data, `${came.length} of ${data.length} bytes`);
      await writable.close();
      await client.rest();
    });
  }
});

test("an upgraded connection reads into the buffers of a BYOB reader", async () => {
  const { handler, duplex } = accepting();
  const data = "0123456789".repeat(50);
  await withServer(handler, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(UPGRADE + data.slice(0, 100));
    const { readable, writable } = await duplex;
    const reader = readable.getReader({ mode: "byob" });
    let came = "";
    let buffer = new Uint8Array(7);
    while (came.length < data.length) {
      if (came.length === 98) await client.send(data.slice(100));
      const { value } = await reader.read(buffer);
      assert(value!.length > 0 && value!.length <= 7);
      came += textOf(value!);
      buffer = new Uint8Array(value!.buffer);
      assertEquals(buffer.length, 7);
    }
    assertEquals(came, data);
    await client.conn.closeWrite();
    const { done, value } = await reader.read(buffer);
    assertEquals([done, value?.length], [true, 0]);
    await writable.close();
    await client.rest();
  });
});

test("an upgraded connection is read only on demand", async () => {
  const conn = new MemoryConn([UPGRADE, "a", "b", "c"]);
  const pools = new Pools();
  const { handler, duplex } = accepting();
  await serveConnection(conn, handler, { pools });
  const { readable, writable } = await duplex;
  await settle();
  const { reads } = conn;
  assert(reads <= 2, `${reads} reads`);
  const reader = readable.getReader();
  assertEquals(textOf((await reader.read()).value!), "a");
  await settle();
  assert(conn.reads <= 3, `${conn.reads} reads for one byte`);
  assertEquals(await take(reader), "bc");
  await writable.close();
  assertEquals(conn.closed, true);
  assertAtRest(pools);
});

test("a write to an upgraded connection resolves once the socket has accepted it", async () => {
  const conn = new MemoryConn([UPGRADE], { ends: "when told" });
  const pools = new Pools();
  const { handler, duplex } = accepting();
  await serveConnection(conn, handler, { pools });
  const { readable, writable } = await duplex;
  await settle();
  const writer = writable.getWriter();
  conn.hold();
  let written = 0;
  const chunk = bytesOf("x".repeat(1000));
  const writes = [1, 2, 3].map(() =>
    writer.write(chunk).then(() => void written++)
  );
  await settle();
  assertEquals([written, writer.desiredSize! <= 0], [0, true]);
  conn.letGo();
  await Promise.all(writes);
  assert(conn.wire.endsWith(`\r\n\r\n${"x".repeat(3000)}`));
  // Now the writer may reuse its chunk.
  chunk.fill(0x79);
  await writer.write(chunk);
  assert(conn.wire.endsWith(`${"x".repeat(3000)}${"y".repeat(1000)}`));
  await end({ readable, writable: { close: () => writer.close() } as never });
  // Reads the input to its end, so that no reset overtakes the output.
  conn.end();
  await settle();
  assertEquals(conn.closed, true);
  assertAtRest(pools);
});

test("writing anything but bytes errors the upgraded connection", async () => {
  const conn = new MemoryConn([UPGRADE], { ends: "when told" });
  const pools = new Pools();
  const { handler, duplex } = accepting();
  await serveConnection(conn, handler, { pools });
  const { readable, writable } = await duplex;
  await assertRejects(
    () => writable.getWriter().write("text" as never),
    TypeError,
  );
  // The writable side has failed, so cancelling the readable side closes the connection.
  await readable.cancel().catch(() => {});
  assertEquals(conn.closed, true);
  // The pending write of the head holds its slab until it completes.
  await untilAtRest(pools);
});

test("each direction of an upgraded connection can end first", async () => {
  for (const first of ["client", "server"]) {
    const { handler, duplex } = accepting();
    await withServer(handler, async ({ port, server }) => {
      using client = await RawClient.connect(port);
      await client.send(UPGRADE + "early");
      const { readable, writable } = await duplex;
      const reader = readable.getReader();
      const writer = writable.getWriter();
      assertEquals(await take(reader, 5), "early");
      if (first === "client") {
        await client.conn.closeWrite();
        assertEquals(await take(reader), "");
        await writer.write(bytesOf("still here"));
        await client.until("still here");
        await writer.close();
        await client.rest();
      } else {
        await writer.write(bytesOf("bye"));
        await writer.close();
        assert((await client.rest()).endsWith("bye"));
        await client.send("still here");
        await client.conn.closeWrite();
        assertEquals(await take(reader), "still here");
      }
      assertEquals(server.stats().connections, 0);
    });
  }
});

test("cancelling or aborting an upgraded connection closes it", async () => {
  const ways: [string, (duplex: Duplex) => Promise<void>][] = [
    ["cancel and close", end],
    ["close and cancel", async ({ readable, writable }) => {
      await writable.close();
      await readable.cancel();
    }],
    ["abort", async ({ readable, writable }) => {
      const reason = new Error("enough");
      await writable.abort(reason);
      await readable.getReader().closed.then(
        () => assert(false, "the readable has ended well"),
        (error) => assertStrictEquals(error, reason),
      );
    }],
  ];
  for (const [what, leave] of ways) {
    const { handler, duplex } = accepting();
    await withServer(handler, async ({ port, server, errors }) => {
      using client = await RawClient.connect(port);
      await client.send(UPGRADE);
      await client.until("\r\n\r\n");
      assertEquals(server.stats().connections, 1, what);
      await leave(await duplex);
      await client.rest();
      client.conn.close();
      await until(() => server.stats().connections === 0, what);
      assertEquals(errors, [], what);
    });
  }
});

test("a client that resets an upgraded connection errors both streams", async () => {
  const { handler, duplex } = accepting();
  await withServer(handler, async ({ port, errors }) => {
    const client = new ResettingClient(port, UPGRADE);
    await client.until("101");
    const { readable, writable } = await duplex;
    const reader = readable.getReader();
    const reading = reader.read();
    const writer = writable.getWriter();
    await client.reset();
    await assertRejects(() => reading);
    await assertRejects(() => writer.closed);
    await assertRejects(() => writer.write(bytesOf("x")));
    assertEquals(errors, []);
  });
});

test("an upgraded connection has no timeouts", async () => {
  const { handler, duplex } = accepting();
  await withServer(handler, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(UPGRADE);
    const { readable, writable } = await duplex;
    await sleep(250);
    await client.send("late");
    const reader = readable.getReader();
    assertEquals(await take(reader, 4), "late");
    const writer = writable.getWriter();
    await writer.write(bytesOf("as well"));
    await client.until("as well");
    await client.conn.closeWrite();
    assertEquals(await take(reader), "");
    await writer.close();
    await client.rest();
  }, {
    headTimeout: 100,
    bodyTimeout: 100,
    idleTimeout: 100,
    writeTimeout: 100,
  });
});

test("serveConnection resolves after an upgrade", async () => {
  const { handler, duplex } = accepting();
  const conn = new MemoryConn([UPGRADE], { ends: "when told" });
  const pools = new Pools();
  await serveConnection(conn, handler, { pools });
  assertEquals(conn.closed, false);
  const { readable, writable } = await duplex;
  const writer = writable.getWriter();
  await writer.write(bytesOf("on and on"));
  assert(conn.wire.endsWith("on and on"));
  conn.end();
  assertEquals(await take(readable.getReader()), "");
  await writer.close();
  assertEquals(conn.closed, true);
  assertAtRest(pools);
});

test("a handler that continues after an upgrade does not delay serveConnection", async () => {
  const conn = new MemoryConn([UPGRADE], { ends: "when told" });
  const pools = new Pools();
  let over = false;
  const { promise: handled, resolve } = Promise.withResolvers<void>();
  const served = serveConnection(conn, async (_req, res) => {
    const { readable, writable } = res.upgrade();
    await readable.pipeTo(writable);
    over = true;
    resolve();
  }, { pools });
  await within(served, "the hand-over");
  assertEquals(over, false);
  conn.end();
  await handled;
  // The server releases the request when the handler returns.
  await turn();
  assertAtRest(pools);
});

test("upgrade() throws if the request does not ask for one or does not allow it", async () => {
  const notAsked = [
    get("/"),
    get("/", "Upgrade: x"),
    get("/", "Connection: upgrade"),
    // RFC 9110 §7.8: Upgrade is ignored in HTTP/1.0.
    "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
  ];
  let thrown = 0;
  await withServer((_req, res) => {
    assertThrows(() => res.upgrade(), TypeError, "no other protocol");
    thrown++;
    assertEquals(res.sent, false);
    res.send("as usual");
  }, async ({ port, errors }) => {
    for (const request of notAsked) {
      using client = await RawClient.connect(port);
      await client.send(request);
      await client.until("as usual");
    }
    assertEquals([thrown, errors.length], [notAsked.length, 0]);
  });
  const conn = new MemoryConn([UPGRADE + CONNECT]);
  const out = await serveMemory(conn, (req, res) => {
    const connects = req.method === "CONNECT";
    for (const status of [100, 204, 300, 404, 199]) {
      if (connects && status === 204) continue;
      assertThrows(() => res.upgrade({ status }), TypeError, "status");
    }
    assertThrows(
      () => res.upgrade({ headers: { "content-length": "0" } }),
      TypeError,
      "Content-Length",
    );
    assertThrows(() => res.upgrade({ headers: [["a", "\n"]] }), TypeError);
    assertThrows(() => res.upgrade({ statusText: "\n" }), TypeError);
    res.send("as usual", { status: 400 });
  });
  assertEquals(statusesOf(out), [400, 400]);
});

test("upgrade() throws until the request body is read", async () => {
  const request = post("/", "body", "Connection: upgrade", "Upgrade: x") +
    "raw";
  const { promise, resolve } = Promise.withResolvers<Duplex>();
  const conn = new MemoryConn([request.slice(0, -5), request.slice(-5)]);
  const pools = new Pools();
  await serveConnection(conn, async (req, res) => {
    assertThrows(() => res.upgrade(), TypeError, "was not read");
    const reading = req.text();
    assertThrows(() => res.upgrade(), TypeError, "was not read");
    assertEquals(await reading, "body");
    resolve(res.upgrade());
    assertThrows(() => res.upgrade(), TypeError, "already sent");
    assertThrows(() => res.send("more"), TypeError, "already sent");
  }, { pools });
  const { readable, writable } = await promise;
  assertEquals(await take(readable.getReader()), "raw");
  await writable.close();
  assertEquals(statusesOf(conn.wire), [101]);
  assertAtRest(pools);
});

test("upgrading a disconnected client gives errored streams", async () => {
  const { promise, resolve } = Promise.withResolvers<Duplex>();
  await withServer(async (req, res) => {
    const { signal } = req;
    res.send(null, { status: 103 });
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    resolve(res.upgrade());
  }, async ({ port, errors }) => {
    const client = new ResettingClient(port, UPGRADE);
    await client.until("103");
    await client.reset();
    const { readable, writable } = await promise;
    await assertRejects(() => readable.getReader().read());
    await assertRejects(() => writable.getWriter().closed);
    assertEquals(errors, []);
  });
});
