/**
 * Bodies that a handler does not read, and bodies over `maxBodySize`.
 */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { Handler } from "@pooled/http1";
import { echoTarget, echoText } from "../support/handlers.ts";
import { MemoryConn, serveMemory } from "../support/memory_conn.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { chunked, get, last, post } from "../support/requests.ts";
import {
  answersIn,
  bodiesOf,
  fieldOf,
  statusesOf,
} from "../support/response_reader.ts";
import { settle, test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

test("an unread body within maxDrain is discarded, and the connection kept", async () => {
  const handlers: Handler[] = [
    echoTarget,
    (req, res) => {
      const { target } = req;
      return settle().then(() => res.send(target));
    },
    // Read in part.
    async (req, res) => {
      const { target } = req;
      const reader = req.body?.getReader();
      await reader?.read();
      res.send(target);
    },
  ];
  const bodies = ["x", "x".repeat(999), "x".repeat(1000)];
  for (const handler of handlers) {
    await withServer(handler, async ({ port, errors }) => {
      for (const body of bodies) {
        for (const request of [post("/a", body), chunked("/a", body, "x")]) {
          if (request.includes("chunked") && body.length > 500) continue;
          using client = await RawClient.connect(port);
          const head = request.indexOf("\r\n\r\n") + 4;
          // Includes the first byte, for the handler that waits for one. A chunked body is
          // sent whole, because its end is known only once it has arrived.
          const cut = request.includes("chunked") ? request.length : head + 8;
          await client.send(request.slice(0, cut));
          await client.send(request.slice(cut) + last());
          assertEquals(bodiesOf(await client.rest()), ["/a", "/last"]);
        }
      }
      assertEquals(errors, []);
    }, { maxDrain: 1000 });
  }
});

test("a handler that releases an unread body is answered alike, however it was cut", async () => {
  const releasing: Handler = (req, res) => {
    const upgrades = req.upgrade !== null;
    req.release();
    if (upgrades) {
      assertThrows(() => res.upgrade(), TypeError, "not read to its end");
    }
    res.send("released");
  };
  const requests: [request: string, closes: boolean][] = [
    [post("/", "body", "Connection: upgrade", "Upgrade: x"), false],
    // Its client got no 100, and may leave the body out.
    [post("/", "body", "Expect: 100-continue"), true],
    [post("/", "body"), false],
  ];
  for (const [request, closes] of requests) {
    for (let cut = 0; cut <= 4; cut++) {
      const at = request.length - cut;
      const conn = new MemoryConn([
        request.slice(0, at) + (cut === 0 ? last() : ""),
        ...(cut === 0 ? [] : [request.slice(at) + last()]),
      ]);
      const out = await serveMemory(conn, releasing);
      assertEquals(statusesOf(out), closes ? [200] : [200, 200], `${cut}`);
    }
  }
});

test("an unread body beyond maxDrain closes the connection", async () => {
  await withServer(echoTarget, async ({ port }) => {
    for (const sent of [0, 10, 1001]) {
      using client = await RawClient.connect(port);
      const head = post("/a", "x".repeat(1001)).split("\r\n\r\n")[0]!;
      await client.send(`${head}\r\n\r\n${"x".repeat(sent)}`);
      const [answer, ...more] = answersIn(await client.rest());
      assertEquals([answer!.body, more.length], ["/a", 0]);
      assertEquals(fieldOf(answer!, "connection"), "close");
    }
  }, { maxDrain: 1000 });
});

test("an unread chunked body closes the connection unless its end has arrived", async () => {
  const head =
    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const chunks = `64\r\n${"x".repeat(100)}\r\n`.repeat(8);
  const readInPart: Handler = async (req, res) => {
    const { target } = req;
    await req.body?.getReader().read();
    res.send(target);
  };
  for (const handler of [echoTarget, readInPart]) {
    for (const end of ["0\r\n\r\n", "0\r\nA: b\r\n\r\n"]) {
      const whole = new MemoryConn([head + chunks + end + last()]);
      const kept = await serveMemory(whole, handler, { maxDrain: 1000 });
      assertEquals(bodiesOf(kept), ["/a", "/last"]);
      const cut = new MemoryConn([head + chunks, end + last()]);
      const wire = await serveMemory(cut, handler, { maxDrain: 1000 });
      assertEquals(bodiesOf(wire), ["/a"]);
      assertEquals(fieldOf(answersIn(wire)[0]!, "connection"), "close");
    }
  }
  await withServer(echoTarget, async ({ port, server }) => {
    using client = await RawClient.connect(port);
    await client.send(head);
    await client.until("/a");
    assertStringIncludes(client.received, "Connection: close");
    await client.send(chunks.repeat(1000) + "0\r\n\r\n" + last())
      .catch(() => {});
    assertEquals(bodiesOf(await client.rest()), ["/a"]);
    assertEquals(server.stats().requests, 1);
  }, { maxDrain: 1000 });
});

test("with a maxDrain of 0, only a fully read body keeps the connection open", async () => {
  await withServer(async (req, res) => {
    const { target } = req;
    if (target === "/read") await req.text();
    res.send(target);
  }, async ({ port }) => {
    const wire = await answerTo(
      port,
      post("/read", "abc") + get("/none") + post("/unread", "abc") + last(),
    );
    assertEquals(bodiesOf(wire), ["/read", "/none", "/unread"]);
  }, { maxDrain: 0 });
});

test("a body over maxBodySize is refused with 413", async () => {
  const large = "x".repeat(101);
  await withServer(echoText, async ({ port, server, errors }) => {
    for (const request of [post("/", large), chunked("/", large, large)]) {
      const answers = answersIn(await answerTo(port, request + last()));
      assertEquals(answers.map(({ status }) => status), [413]);
      assertEquals(fieldOf(answers[0]!, "connection"), "close");
      assertStringIncludes(answers[0]!.body, "body-too-large: ");
    }
    const fitting = post("/", large.slice(1)) + chunked("/", large.slice(1));
    assertEquals(
      statusesOf(await answerTo(port, fitting + last())),
      [200, 200, 200],
    );
    assertEquals(server.stats().refusals, { "body-too-large": 2 });
    assertEquals(errors, []);
  }, { maxBodySize: 100 });
});
