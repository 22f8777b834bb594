/**
 * Bodies of Fetch responses: framing, streaming, failures and backpressure.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { FetchApp } from "@pooled/http1";
import { withApp } from "../support/fetch_app.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { GET } from "../support/requests.ts";
import { controlled, slowly } from "../support/streams.ts";
import { turn, until, within } from "../support/waiting.ts";

const encoder = new TextEncoder();

Deno.test("a buffered body is sent with its Content-Length", async () => {
  const bodies: Record<string, () => BodyInit | null> = {
    "/text": () => "hello",
    "/bytes": () => encoder.encode("hello"),
    "/params": () => new URLSearchParams("hello"),
    "/empty": () => "",
    "/none": () => null,
    "/closed": () => {
      const { stream, put, close } = controlled();
      put("hello");
      close();
      return stream;
    },
  };
  const app: FetchApp = ({ url }) =>
    new Response(bodies[new URL(url).pathname]!());
  await withApp(app, async ({ port }) => {
    for (const path of Object.keys(bodies)) {
      const answer = await answerTo(
        port,
        `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      );
      const body = answer.split("\r\n\r\n")[1]!;
      assertEquals(
        body.replace("=", ""),
        /empty|none/.test(path) ? "" : "hello",
      );
      assertStringIncludes(answer, `\r\nContent-Length: ${body.length}\r\n`);
      assertNotMatch(answer, /transfer-encoding/i);
    }
  });
});

Deno.test("the head is sent before the body, and each chunk before the next exists", async () => {
  const { stream, put, close } = controlled();
  await withApp(() => new Response(stream), async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await within(client.until("\r\n\r\n"), "the head");
    assert(client.received.endsWith("\r\n\r\n"), client.received);
    assertStringIncludes(client.received, "Transfer-Encoding: chunked\r\n");
    put("first");
    await within(client.until("5\r\nfirst\r\n"), "the first piece");
    put("second");
    await within(client.until("6\r\nsecond\r\n"), "the second piece");
    assert(!client.received.includes("0\r\n\r\n"), client.received);
    close();
    await within(client.until("\r\n0\r\n\r\n"), "the end");
    // The connection stays open.
    client.received = "";
    await client.send("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n");
    await within(client.until("501 Not Implemented"), "the next");
  });
});

Deno.test("an available chunk does not wait for the next", async () => {
  const { stream, put, close } = controlled();
  put("first");
  await withApp(() => new Response(stream), async ({ url, client }) => {
    const { body } = await within(fetch(url, { client }), "the head");
    const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await within(reader.read(), "the first piece");
    assertEquals(value, "first");
    put("second");
    close();
    assertEquals((await within(reader.read(), "the second")).value, "second");
    assert((await reader.read()).done);
  });
});

Deno.test("HEAD gets the head of GET, and its stream is cancelled", async () => {
  let cancelled = 0;
  const app: FetchApp = ({ url }) =>
    new Response(
      url.endsWith("/text") ? "hello" : controlled(() => cancelled++).stream,
    );
  await withApp(app, async ({ port, errors }) => {
    using client = await RawClient.connect(port);
    const head = async (path: string) => {
      client.received = "";
      await client.send(`HEAD ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      return await within(client.until("\r\n\r\n"), "the head");
    };
    assertStringIncludes(await head("/text"), "Content-Length: 5\r\n");
    assertStringIncludes(await head("/stream"), "200 OK");
    assertStringIncludes(await head("/text"), "Content-Length: 5\r\n");
    assert(client.received.endsWith("\r\n\r\n"), client.received);
    assertEquals(cancelled, 1);
    assertEquals(errors, []);
  });
});

Deno.test("an HTTP/1.0 client gets a stream without chunked coding", async () => {
  await withApp(() => new Response(slowly("one", "two")), async ({ port }) => {
    const answer = await answerTo(port, "GET / HTTP/1.0\r\n\r\n");
    assert(answer.endsWith("\r\n\r\nonetwo"), answer);
    assertStringIncludes(answer, "Connection: close\r\n");
  });
});

Deno.test("a failing body stream closes the connection and is reported", async () => {
  const error = new Error("of the body");
  const app: FetchApp = () => {
    const { stream, put, fail } = controlled();
    put("first");
    turn().then(turn).then(() => fail(error));
    return new Response(stream);
  };
  await withApp(app, async ({ url, port, client, errors, server }) => {
    const answer = await fetch(url, { client });
    assertEquals(answer.status, 200);
    await assertRejects(() => within(answer.text(), "the body"), TypeError);
    assertEquals(errors, [error]);
    // No last chunk, so that the truncated body does not look complete.
    const wire = await answerTo(port, GET);
    assert(wire.endsWith("5\r\nfirst\r\n"), wire);
    assertEquals(errors, [error, error]);
    await until(() => server.stats().connections === 0, "the end");
  });
});

Deno.test("a chunk that is not a Uint8Array closes the connection", async () => {
  const app: FetchApp = () =>
    new Response(
      ReadableStream.from((async function* () {
        yield encoder.encode("first");
        await turn();
        yield "text" as unknown as Uint8Array;
      })()) as ReadableStream<Uint8Array<ArrayBuffer>>,
    );
  await withApp(app, async ({ port, errors }) => {
    const wire = await answerTo(port, GET);
    assert(wire.endsWith("5\r\nfirst\r\n"), wire);
    assertEquals(errors.length, 1);
    assertInstanceOf(errors[0], TypeError);
  });
});

Deno.test("a first chunk that is not a Uint8Array is answered with 500", async () => {
  let cancelled = 0;
  const chunks: Record<string, unknown[]> = {
    "/text": ["text"],
    "/number": [1],
    "/buffer": [new ArrayBuffer(4)],
    "/view": [new DataView(new ArrayBuffer(4))],
    "/undefined": [undefined],
    "/null": [null],
    "/second": [encoder.encode("first"), "second"],
  };
  const app: FetchApp = (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const stream = new ReadableStream({
      start(controller) {
        for (const chunk of chunks[pathname]!) controller.enqueue(chunk);
        if (searchParams.has("close")) controller.close();
      },
      cancel: () => {
        cancelled++;
      },
    });
    const headers = new Headers();
    if (searchParams.has("length")) headers.set("content-length", "4");
    return new Response(stream, { headers });
  };
  await withApp(app, async ({ url, client, errors, server }) => {
    for (const path of Object.keys(chunks)) {
      for (const query of ["", "?length", "?close", "?close&length"]) {
        errors.length = cancelled = 0;
        const answer = await within(
          fetch(url + path + query, { client }),
          path,
        );
        assertEquals(
          [answer.status, await within(answer.text(), path)],
          [500, "Internal Server Error"],
          path + query,
        );
        assertEquals(errors.length, 1, path + query);
        assertInstanceOf(errors[0], TypeError);
        // A stream that has already ended cannot be cancelled.
        if (!query.startsWith("?close")) assertEquals(cancelled, 1, path);
      }
    }
    assertEquals(server.stats().accepted, 1);
  });
});

Deno.test("a body that fails before anything was sent is answered with 500", async () => {
  const error = new Error("of the body");
  const app: FetchApp = ({ url }) => {
    const { stream, put, fail } = controlled();
    if (url.endsWith("/second")) {
      const chunks = [encoder.encode("first")];
      return new Response(
        new ReadableStream({
          pull(controller) {
            const chunk = chunks.pop();
            if (chunk === undefined) throw error;
            controller.enqueue(chunk);
          },
        }, { highWaterMark: 0 }),
      );
    }
    if (url.endsWith("/put")) put("lost");
    fail(error);
    return new Response(stream);
  };
  await withApp(app, async ({ url, client, errors, server }) => {
    for (const path of ["/first", "/second", "/put"]) {
      const answer = await fetch(url + path, { client });
      assertEquals(
        [answer.status, await answer.text()],
        [500, "Internal Server Error"],
        path,
      );
    }
    assertEquals(errors, [error, error, error]);
    assertEquals(server.stats().accepted, 1);
  });
});

Deno.test("a stream is read no faster than the client takes it", async () => {
  let produced = 0;
  const cancelled = Promise.withResolvers<void>();
  const app: FetchApp = () =>
    new Response(
      new ReadableStream({
        pull(controller) {
          produced += 65_536;
          controller.enqueue(new Uint8Array(65_536));
        },
        cancel: () => cancelled.resolve(),
      }, { highWaterMark: 0 }),
    );
  await withApp(app, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await client.until("200 OK");
    // Continues until the socket buffers are full.
    let before = -1;
    await until(() => {
      const stopped = produced === before;
      before = produced;
      return stopped;
    }, "the stream to stop");
    for (let i = 0; i < 20; i++) await turn();
    assert(produced < 64 * 1024 * 1024, `${produced} bytes were produced`);
    client.conn.close();
    await within(cancelled.promise, "the stream to be cancelled");
  });
});

Deno.test("statuses without content are sent without a body", async () => {
  const app: FetchApp = ({ url }) =>
    new Response(null, { status: Number(url.slice(-3)) });
  await withApp(app, async ({ port }) => {
    const answer = async (status: number) =>
      await answerTo(
        port,
        `GET /${status} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      );
    for (const status of [204, 304]) {
      const head = await answer(status);
      assert(head.startsWith(`HTTP/1.1 ${status} `), head);
      assert(head.endsWith("\r\n\r\n"), head);
      assertNotMatch(head, /content-length|transfer-encoding/i);
    }
    // A 205 has a Content-Length of 0 (RFC 9110 §15.3.6), which Deno.serve omits.
    assertStringIncludes(await answer(205), "\r\nContent-Length: 0\r\n");
  });
});

Deno.test("a response stream is cancelled if its client has disconnected", async () => {
  const aborter = new AbortController();
  const begun = Promise.withResolvers<void>();
  const cancelled: string[] = [];
  await withApp(async (request) => {
    begun.resolve();
    const { signal } = request;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    return new Response(controlled(() => cancelled.push("body")).stream);
  }, async ({ port, server, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(GET);
    await within(begun.promise, "the application");
    aborter.abort();
    await within(server.finished, "the end of the server");
    await until(() => cancelled.length > 0, "cancel");
    assertEquals(errors, []);
  }, { signal: aborter.signal });
});

Deno.test("a Response is sent with the fields that it was returned with", async () => {
  for (const awaits of [false, true]) {
    const app: FetchApp = () => {
      const response = new Response(slowly("a"), {
        headers: { "X-Field": "returned" },
      });
      queueMicrotask(() => {
        if (awaits) queueMicrotask(() => response.headers.set("x-field", "no"));
        else response.headers.set("x-field", "no");
      });
      return response;
    };
    await withApp(app, async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send(GET);
      assertStringIncludes(await client.until("0\r\n\r\n"), ": returned\r\n");
    });
  }
});
