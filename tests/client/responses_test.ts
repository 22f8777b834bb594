/**
 * Responses of a client: framing, keep-alive, bodies read and unread, bytes that nothing
 * asked for, and truncation at each byte.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect, HttpError, RequestError } from "@pooled/http1";
import { textOf } from "../support/bytes.ts";
import { ok, scripted, withPeer } from "../support/clients.ts";
import { controlled } from "../support/streams.ts";
import { settle, test, turn, until, within } from "../support/waiting.ts";

test("requests use one connection, one after the other", () =>
  scripted(async ({ client, conn, sent }) => {
    assertEquals(client.state, "idle");
    const bodies = ["", "one", "two", "three"];
    const answers = bodies.map(async (body, i) => {
      using response = await client.request({ target: `/${i}` });
      assertEquals(response.status, 200);
      assertEquals(await response.text(), body);
    });
    assertEquals(client.state, "busy");
    for (const [i, body] of bodies.entries()) {
      await sent(`GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await settle();
      assert(!conn.wire.includes(`/${i + 1} `), "not before the response");
      conn.give(ok(body));
    }
    await Promise.all(answers);
    await until(() => client.state === "idle", "the client to be idle");
  }));

test("the framing of a response follows the method and the status", () =>
  scripted(async ({ client, conn, sent }) => {
    const cases: [method: string, wire: string, body: string][] = [
      ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ""],
      ["GET", "HTTP/1.1 204 No Content\r\n\r\n", ""],
      ["GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", ""],
      [
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\nX-T: 1\r\n\r\n",
        "hi!",
      ],
      ["GET", ok("last"), "last"],
    ];
    for (const [method, wire, body] of cases) {
      const asked = client.request({ method, target: "/" });
      await sent(`${method} / `);
      conn.give(wire);
      using response = await within(asked, wire);
      assertEquals(await within(response.text(), wire), body);
      if (wire.includes("X-T")) {
        assertEquals(response.trailers?.get("x-t"), "1");
      }
    }
    assertEquals(client.state, "idle");
  }));

test("a body without length lasts until the connection ends", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = client.request({ target: "/" });
    const behind = assertRejects(
      () => client.request({ target: "/2" }),
      RequestError,
      "the server closes",
    );
    await sent("/ ");
    conn.give("HTTP/1.1 200 OK\r\n\r\nto the ");
    using response = await asked;
    assertEquals(client.state, "closing");
    assertEquals((await behind).retryable, true);
    const text = response.text();
    conn.give("end");
    conn.end();
    assertEquals(await within(text, "the body"), "to the end");
    await within(client.closed, "the end");
    const late = await assertRejects(
      () => client.request({ target: "/" }),
      RequestError,
    );
    assertEquals(late.retryable, true);
  }));

test("Connection: close ends the connection after the response", async () => {
  for (const byRequest of [true, false]) {
    await scripted(async ({ client, conn, sent }) => {
      const asked = client.request({
        target: "/",
        headers: byRequest ? { Connection: "close" } : {},
      });
      if (byRequest) assertEquals(client.state, "closing");
      await sent("\r\n\r\n");
      conn.give(ok("x", byRequest ? "" : "Connection: close\r\n"));
      using response = await asked;
      assertEquals(await response.text(), "x");
      await within(client.closed, "the end");
    });
  }
});

const WIRES = [
  "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
];

test("a response that is cut at any byte is an error, and no other is", async () => {
  for (const wire of WIRES) {
    for (let cut = 0; cut <= wire.length; cut++) {
      await scripted(async ({ client, conn, sent }) => {
        const read = async () => {
          using response = await client.request({ target: "/" });
          return await response.text();
        };
        const result = read().catch((error) => error);
        await sent("\r\n\r\n");
        if (cut > 0) conn.give(wire.slice(0, cut));
        conn.end();
        const got = await within(result, `the result of ${cut} bytes`);
        const interim = wire.includes("103") ? wire.indexOf("HTTP", 1) : -1;
        if (cut === wire.length) assertEquals(got, "abc");
        else if (cut === 0 || cut === interim) {
          assert(got instanceof RequestError, String(got));
          assertEquals(got.retryable, true);
        } else {
          assert(got instanceof HttpError, String(got));
          assertEquals(got.code, "unexpected-eof");
        }
        await within(client.closed, "the end");
      });
    }
  }
});

test("a response split at any byte is read whole, and so is the next", async () => {
  for (const wire of WIRES) {
    for (let cut = 1; cut < wire.length; cut++) {
      await scripted(async ({ client, conn, sent }) => {
        for (let turns = 0; turns < 2; turns++) {
          const asked = client.request({ target: "/" });
          await sent("\r\n\r\n");
          conn.give(wire.slice(0, cut));
          await turn();
          conn.give(wire.slice(cut));
          using response = await within(asked, "the response");
          assertEquals(await within(response.text(), "the body"), "abc");
        }
      });
    }
  }
});

test("an unread body holds the requests behind it, and its release lets them go", () =>
  scripted(async ({ client, conn, sent }) => {
    const first = client.request({ target: "/1" });
    const second = client.request({ target: "/2" });
    await sent("/1 ");
    conn.give("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    const response = await first;
    await settle();
    assert(!conn.wire.includes("/2"));
    response.release();
    await settle();
    assert(!conn.wire.includes("/2"), "the rest is still to come");
    conn.give("defghij");
    await sent("/2 ");
    conn.give(ok("2"));
    using other = await second;
    assertEquals(await other.text(), "2");
  }));

test("an unread body is discarded up to maxDrain bytes", async () => {
  const heads: [head: string, body: string][] = [
    ["Content-Length: 100", "x".repeat(100)],
    ["Transfer-Encoding: chunked", `64\r\n${"x".repeat(100)}\r\n0\r\n\r\n`],
  ];
  for (const [head, body] of heads) {
    for (const maxDrain of [200, 10]) {
      await scripted(async ({ client, conn, sent }) => {
        const asked = client.request({ target: "/" });
        const behind = client.request({ target: "/2" });
        behind.catch(() => {});
        await sent("/ ");
        conn.give(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`);
        (await asked).release();
        for (let at = 0; at < body.length; at += 20) {
          conn.give(body.slice(at, at + 20));
          await turn();
        }
        if (maxDrain === 200) {
          await sent("/2 ");
          conn.give(ok());
          (await behind).release();
        } else {
          const error = await assertRejects(() => behind, RequestError);
          assertEquals(error.retryable, true);
          await within(client.closed, "the end");
        }
      }, { maxDrain });
    }
  }
});

test("a cancelled body stream lets the next request go", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = client.request({ target: "/1" });
    await sent("/1 ");
    conn.give("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    using response = await asked;
    const next = client.request({ target: "/2" });
    await response.body!.cancel();
    conn.give("def");
    await sent("/2 ");
    conn.give(ok());
    (await next).release();
  }));

test("an unread body stops the reading of the connection", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = client.request({ target: "/" });
    await sent("/ ");
    conn.give("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    using response = await asked;
    await settle();
    const { reads } = conn;
    for (let i = 0; i < 20; i++) conn.give("x".repeat(50_000));
    await settle();
    assertEquals(conn.reads, reads);
    let count = 0;
    for await (const chunk of response.body!) count += chunk.length;
    assertEquals(count, 1_000_000);
  }));

test("a body over maxBodySize is refused, and the connection stays usable", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = client.request({ target: "/" });
    await sent("/ ");
    conn.give(ok("x".repeat(20)));
    {
      using response = await asked;
      const error = await assertRejects(() => response.text(), HttpError);
      assertEquals(error.code, "body-too-large");
    }
    const next = client.request({ target: "/2" });
    await sent("/2 ");
    conn.give(ok("x"));
    using response = await next;
    assertEquals(await response.text(), "x");
  }, { maxBodySize: 10 }));

test("bytes that nothing asked for close an idle connection", async () => {
  for (const wire of ["x", ok(), "HTTP/1.1 408 Request Timeout\r\n\r\n"]) {
    await scripted(async ({ client, conn }) => {
      await settle();
      conn.give(wire);
      await within(client.closed, "the end");
      const error = await assertRejects(
        () => client.request({ target: "/" }),
        RequestError,
      );
      assertEquals(error.retryable, true);
      assertEquals((error.cause as HttpError).code, "unasked-response");
    });
  }
});

test("a second answer to one request never answers the next", () =>
  scripted(async ({ client, conn, sent }) => {
    const first = client.request({ target: "/1" });
    const second = client.request({ method: "POST", target: "/2" });
    await sent("/1 ");
    conn.give(ok("mine") + ok("poison"));
    using response = await first;
    assertEquals(await response.text(), "mine");
    const error = await assertRejects(() => second, RequestError);
    assertEquals(error.retryable, true);
    assert(!conn.wire.includes("/2"));
    await within(client.closed, "the end");
  }));

test("nor does one that waits in the same chunk of a stream", async () => {
  const { stream, put } = controlled();
  const written: string[] = [];
  const writable = new WritableStream<Uint8Array>({
    write: (chunk) => void written.push(textOf(chunk)),
  });
  const client = connect({ readable: stream, writable }, { authority: "a" });
  const first = client.request({ target: "/1" });
  const second = client.request({ target: "/2" });
  second.catch(() => {});
  await until(() => written.length > 0, "the request");
  // The window takes large chunks in pieces, and the first ends with the response.
  const head = ok("x".repeat(32_000)).length - 32_000;
  put(ok("x".repeat(32_768 - head)) + ok("poison"));
  using response = await first;
  await response.text();
  const error = await assertRejects(() => within(second, "it"), RequestError);
  assertEquals(error.retryable, true);
  assertEquals(written.join("").includes("/2"), false);
  await within(client.closed, "the end");
});

test("a server that closes an idle connection is noticed", () =>
  withPeer(async (client, peer) => {
    const asked = client.request({ target: "/" });
    await peer.until("\r\n\r\n");
    await peer.send(ok("x"));
    {
      using response = await asked;
      assertEquals(await response.text(), "x");
    }
    peer.close();
    await within(client.closed, "the end");
    const error = await assertRejects(
      () => client.request({ target: "/" }),
      RequestError,
    );
    assertEquals(error.retryable, true);
  }));

test("heads and interim responses are bounded", async () => {
  const floods: [string, string][] = [
    [`HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(101)}`, "too-many-headers"],
    [`HTTP/1.1 200 OK\r\nX: ${"y".repeat(20_000)}`, "headers-too-large"],
    [`HTTP/1.1 200 ${"y".repeat(9000)}`, "status-line-too-long"],
    ["HTTP/1.1 103 Early Hints\r\n\r\n".repeat(40), "too-many-interim"],
    ["SSH-2.0-OpenSSH\r\n", "invalid-status-line"],
    [
      "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
      "unasked-upgrade",
    ],
  ];
  for (const [wire, code] of floods) {
    await scripted(async ({ client, conn, sent }) => {
      const asked = client.request({ target: "/" });
      const behind = client.request({ target: "/2" });
      behind.catch(() => {});
      await sent("/ ");
      conn.give(wire);
      const error = await assertRejects(() => within(asked, code), HttpError);
      assertEquals(error.code, code);
      assertEquals(error.status, 502);
      const other = await assertRejects(() => behind, RequestError);
      assertEquals(other.retryable, true);
      assertEquals(other.cause, error);
    });
  }
});

test("interim responses go to onInterim", () =>
  scripted(async ({ client, conn, sent }) => {
    const seen: string[] = [];
    const asked = client.request({
      target: "/",
      onInterim: ({ status, headers }) => {
        seen.push(`${status} ${headers.get("link")}`);
      },
    });
    await sent("/ ");
    conn.give(
      "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 102 P\r\n\r\n",
    );
    await until(() => seen.length === 2, "the interim responses");
    conn.give(ok());
    (await asked).release();
    assertEquals(seen, ["103 a", "102 null"]);
    const thrown = new Error("thrown");
    const failing = client.request({
      target: "/2",
      onInterim: () => {
        throw thrown;
      },
    });
    failing.catch(() => {});
    await sent("/2 ");
    conn.give("HTTP/1.1 103 Early Hints\r\n\r\n");
    assertEquals(await assertRejects(() => failing), thrown);
    await within(client.closed, "the end");
  }));

test("an onInterim that rejects fails the request", async () => {
  const failure = new Error("rejected");
  for (const answer of ["", ok("x").slice(0, -1), ok("x")]) {
    await scripted(async ({ client, conn, sent }) => {
      const told = Promise.withResolvers<void>();
      const asked = client.request({
        target: "/",
        onInterim: () => told.promise,
      });
      const read = asked.then(async (response) => {
        using _ = response;
        return await response.text();
      });
      read.catch(() => {});
      await sent("/ ");
      conn.give(`HTTP/1.1 103 Early Hints\r\n\r\n${answer}`);
      await turn();
      told.reject(failure);
      // Too late to matter to a response that is complete.
      if (answer === ok("x")) return assertEquals(await read, "x");
      assertEquals(await assertRejects(() => within(read, "it")), failure);
      await within(client.closed, "the end");
    });
  }
});

test("onInterim may release its response", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = client.request({
      target: "/",
      onInterim: (response) => response.release(),
    });
    await sent("\r\n\r\n");
    conn.give(`HTTP/1.1 103 Early Hints\r\n\r\n${ok("x")}`);
    using response = await within(asked, "the response");
    assertEquals(await response.text(), "x");
  }));

test("a body that fails on the way is an error of its read", async () => {
  await withPeer(async (client, peer) => {
    const asked = client.request({ target: "/" });
    await peer.until("\r\n\r\n");
    await peer.send(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nZ\r\n",
    );
    using response = await asked;
    const error = await assertRejects(() => response.text(), HttpError);
    assertEquals(error.code, "invalid-chunk-size");
    await within(client.closed, "the end");
  });
  await scripted(async ({ client, conn, sent }) => {
    const asked = client.request({ target: "/" });
    await sent("/ ");
    conn.give("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
    using response = await asked;
    const text = assertRejects(() => response.text(), RequestError);
    const reset = new Error("reset");
    conn.fail(reset);
    const error = await text;
    assertEquals(error.cause, reset);
    assertEquals(error.retryable, false);
  });
});
