/**
 * What `onError` of `fetchHandler` answers, and applications that are none.
 */

import { assertEquals, assertThrows } from "@std/assert";
import {
  type FetchApp,
  fetchHandler,
  HttpError,
  RequestParser,
} from "@pooled/http1";
import { answerTo } from "../support/raw_client.ts";
import { get, post } from "../support/requests.ts";
import { controlled } from "../support/streams.ts";
import { test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

const used = new Response("used");
await used.text();
const locked = new Response("locked");
locked.body!.getReader();

/** Applications that fail, or whose response cannot be sent. */
const FAILING: Record<string, FetchApp> = {
  "throws": () => {
    throw new Error("thrown");
  },
  "rejects": () => Promise.reject(new Error("rejected")),
  "gives no Response": () => "text" as unknown as Response,
  "gives undefined": () => undefined as unknown as Response,
  "gives an error response": () => Response.error(),
  "gives a response whose body was used": () => used,
  "gives a response whose body is locked": () => locked,
  "gives more than it declared": () => {
    const { stream, put } = controlled();
    put("hello");
    return new Response(stream, { headers: { "content-length": "3" } });
  },
  "gives text in a stream": () =>
    new Response(
      ReadableStream.from(["text"]) as unknown as ReadableStream<Uint8Array>,
    ),
  "gives a stream that fails at once": () =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.error(new Error("failed"));
        },
      }),
    ),
  "switches protocols": () => new Response(null, { status: 101 }),
};

for (const [name, app] of Object.entries(FAILING)) {
  test(`onError answers for an application that ${name}`, async () => {
    const told: unknown[] = [];
    const handler = fetchHandler(app, {
      onError: (error) => {
        told.push(error);
        return new Response("of onError", { status: 503 });
      },
    });
    await withServer(handler, async ({ port, errors }) => {
      const answer = await answerTo(port, get("/", "Connection: close"));
      assertEquals(answer.slice(9, 12), "503");
      assertEquals(answer.split("\r\n\r\n")[1], "of onError");
      assertEquals([told.length, told[0] instanceof Error], [1, true]);
      assertEquals(errors, []);
    });
  });
}

test("the server answers where the response of onError cannot be sent either", async () => {
  let told = 0;
  const handler = fetchHandler(() => used, {
    onError: () => {
      told++;
      return Response.error();
    },
  });
  await withServer(handler, async ({ port, errors }) => {
    const answer = await answerTo(port, get("/", "Connection: close"));
    assertEquals(answer.slice(9, 12), "500");
    assertEquals([told, errors.length], [1, 1]);
  });
});

test("onError hears nothing of a body that was refused", async () => {
  let told = 0;
  const handler = fetchHandler(
    async (request) => new Response(await request.text()),
    {
      onError: () => {
        told++;
        return new Response("of onError");
      },
    },
  );
  await withServer(handler, async ({ port, errors }) => {
    const answer = await answerTo(port, post("/", "too long"));
    assertEquals(answer.slice(9, 12), "413");
    assertEquals([told, errors.length], [0, 0]);
  }, { maxFetchBodySize: 4 });
});

test("onError is told of a refusal by another parser, such as a proxy meets", async () => {
  const told: unknown[] = [];
  const handler = fetchHandler(() => {
    const parser = new RequestParser();
    parser.push(new TextEncoder().encode("BAD\r\n\r\n"));
    parser.next();
    return new Response();
  }, {
    onError: (error) => {
      told.push(error);
      return new Response("of onError", { status: 502 });
    },
  });
  await withServer(handler, async ({ port, errors }) => {
    const answer = await answerTo(port, get("/", "Connection: close"));
    assertEquals(answer.slice(9, 12), "502");
    assertEquals([told.length, told[0] instanceof HttpError], [1, true]);
    assertEquals(errors, []);
  });
});

test("the stream of a response that onError replaces is cancelled", async () => {
  let cancelled = 0;
  const handler = fetchHandler(() => {
    const { stream, put } = controlled(() => cancelled++);
    put("hello");
    return new Response(stream, { headers: { "content-length": "3" } });
  }, { onError: () => new Response("of onError") });
  await withServer(handler, async ({ port }) => {
    const answer = await answerTo(port, get("/", "Connection: close"));
    assertEquals(answer.split("\r\n\r\n")[1], "of onError");
    assertEquals(cancelled, 1);
  });
});

Deno.test("fetchHandler refuses what is no application", () => {
  const others: unknown[] = [undefined, null, "app", {}, { fetch: "app" }];
  for (const other of others) {
    assertThrows(() => fetchHandler(other as FetchApp), TypeError, "fetch");
  }
});
