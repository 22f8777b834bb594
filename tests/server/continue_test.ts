/**
 * 100 (Continue): when the server asks for a body (RFC 9110 §10.1.1).
 */

import { assert, assertEquals } from "@std/assert";
import type { Handler } from "@pooled/http1";
import { textOf } from "../support/bytes.ts";
import { echoText } from "../support/handlers.ts";
import { MemoryConn, serveMemory } from "../support/memory_conn.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { get, last } from "../support/requests.ts";
import { answersIn, fieldOf, statusesOf } from "../support/response_reader.ts";
import { settle, test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

/** The head of a request with `Expect: 100-continue` and a body of 5 bytes. */
function expecting(target: string, length = 5): string {
  return `POST ${target} HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n` +
    `Content-Length: ${length}\r\n\r\n`;
}

test("a 100 is sent once, when the handler asks for the body", async () => {
  const readers: [string, Handler][] = [
    ["text", echoText],
    ["bytes", async (req, res) => res.send(await req.bytes())],
    ["a stream", async (req, res) => {
      let text = "";
      for await (const chunk of req.body!) text += textOf(chunk);
      res.send(text);
    }],
    ["later", async (req, res) => {
      await settle();
      res.send(await req.text());
    }],
    ["after one of its own", async (req, res) => {
      res.send(null, { status: 100 });
      res.send(null, { status: 100 });
      res.send(await req.text());
    }],
    ["BYOB", async (req, res) => {
      const reader = req.body!.getReader({ mode: "byob" });
      let text = "";
      for (;;) {
        const { done, value } = await reader.read(new Uint8Array(2));
        if (done) break;
        text += textOf(value);
      }
      res.send(text);
    }],
    ["sent back", (req, res) => res.send(req.body)],
  ];
  for (const [what, handler] of readers) {
    await withServer(handler, async ({ port, errors }) => {
      using client = await RawClient.connect(port);
      (client.conn as Deno.TcpConn).setNoDelay();
      // The second request gets its own 100, independent of the first.
      for (const body of ["hello", "world"]) {
        client.received = "";
        await client.send(expecting("/"));
        await client.until("\r\n\r\n");
        assert(client.received.startsWith(CONTINUE), what);
        await client.send(body.slice(0, 2));
        await client.send(body.slice(2));
        const sent = () =>
          answersIn(client.received, { mayBeCut: true }).at(-1)!.body;
        while (sent() !== body) assert(await client.read(), client.received);
        assertEquals(statusesOf(client.received), [100, 200], what);
      }
      assertEquals(errors, [], what);
    });
  }
});

test("if no 100 was sent, the connection closes after the response", async () => {
  for (const wait of [false, true]) {
    await withServer((_req, res) => {
      if (!wait) return res.send("no", { status: 403 });
      return settle().then(() => res.send("no", { status: 403 }));
    }, async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send(expecting("/"));
      const [answer, ...more] = answersIn(await client.rest());
      assertEquals(
        [answer!.status, fieldOf(answer!, "connection"), more.length],
        [403, "close", 0],
      );
    });
  }
});

test("no 100 is sent if the body has already arrived", async () => {
  for (
    const handler of [echoText, (req, res) => res.send(req.body)] as Handler[]
  ) {
    const conn = new MemoryConn([expecting("/") + "hello" + get("/")]);
    const wire = await serveMemory(conn, async (req, res, info) => {
      if (req.method === "GET") return res.send("next");
      await handler(req, res, info);
    });
    const answers = answersIn(wire).filter(({ status }) => status >= 200);
    assertEquals(answers.map(({ body }) => body), ["hello", "next"]);
    if (handler === echoText) assert(!wire.includes("100 Continue"));
  }
});

test("no 100 is sent for an empty or oversized body, or to HTTP/1.0", async () => {
  await withServer(echoText, async ({ port }) => {
    const empty = await answerTo(port, expecting("/", 0) + last());
    assertEquals(statusesOf(empty), [200, 200]);
    const old = "POST / HTTP/1.0\r\nExpect: 100-continue\r\n" +
      "Content-Length: 2\r\n\r\n";
    {
      using client = await RawClient.connect(port);
      await client.send(old);
      // RFC 9110 §10.1.1: the expectation is ignored in HTTP/1.0.
      await client.send("ab");
      assertEquals(statusesOf(await client.rest()), [200]);
    }
    const large = answersIn(await answerTo(port, expecting("/", 101)));
    assertEquals(large.map(({ status }) => status), [413]);
    assertEquals(fieldOf(large[0]!, "connection"), "close");
  }, { maxBodySize: 100 });
});

test("reading a body through another stream sends a 100", async () => {
  await withServer((req, res) => {
    res.send(req.body!.pipeThrough(new TransformStream()));
  }, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(expecting("/"));
    await client.until("\r\n\r\n");
    assert(
      client.received.startsWith(CONTINUE) ||
        // Or the server answers at once and declines the body.
        client.received.includes("Connection: close"),
      client.received,
    );
    await client.send("hello");
    await client.until("hello");
  }, { bodyTimeout: 300 });
});
