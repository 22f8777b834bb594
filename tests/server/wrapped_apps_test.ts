/**
 * Fetch applications inside a native handler that does more with the pooled request:
 * releases it, or passes it to a second application.
 */

import { assertEquals } from "@std/assert";
import { fetchHandler, type Handler } from "@pooled/http1";
import { RawClient } from "../support/raw_client.ts";
import { get, post } from "../support/requests.ts";
import { test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

/** What a kept request tells. */
function seen({ url, headers }: Request): [string, string | null] {
  return [new URL(url).pathname, headers.get("x-id")];
}

/** Sends requests with the ids 0 to 9, each once the one before was answered. */
async function sendTen(port: number): Promise<void> {
  using client = await RawClient.connect(port);
  for (let id = 0; id < 10; id++) {
    await client.send(get(`/${id}`, `X-Id: ${id}`));
    await client.until(`\r\n\r\nanswer ${id}`);
  }
}

const TEN = Array.from(
  { length: 10 },
  (_, id): [string, string | null] => [`/${id}`, `${id}`],
);

const apps: [name: string, wait: () => unknown][] = [
  ["at once", () => {}],
  ["later", () => new Promise((resolve) => setTimeout(resolve, 1))],
];

for (const [name, wait] of apps) {
  test(`a handler releases the request of an application that answers ${name}`, async () => {
    const kept: Request[] = [];
    const app = fetchHandler(async (request) => {
      kept.push(request);
      await wait();
      return new Response(`answer ${request.headers.get("x-id")}`);
    });
    await withServer(async (req, res, info) => {
      using _released = req;
      await app(req, res, info);
    }, async ({ port, errors }) => {
      await sendTen(port);
      assertEquals(errors, []);
    });
    assertEquals(kept.map(seen), TEN);
  });
}

test("a handler releases the request while the application reads its body", async () => {
  const failures: unknown[] = [];
  const app = fetchHandler(async (request) => {
    await request.text().catch((error) => failures.push(error.name));
    return new Response(seen(request).join());
  });
  await withServer((req, res, info) => {
    const answered = app(req, res, info);
    req.release();
    return answered;
  }, async ({ port, errors }) => {
    using client = await RawClient.connect(port);
    await client.send(post("/a", "whole").replace("whole", ""));
    await client.until("\r\n\r\n/a,");
    assertEquals([failures, errors], [["TypeError"], []]);
  });
});

test("each of two applications keeps its own view of a request", async () => {
  const kept: Request[][] = [[], []];
  const failing = fetchHandler((request) => {
    kept[0]!.push(request);
    throw new Error("the second one answers");
  });
  const second = fetchHandler((request) => {
    kept[1]!.push(request);
    // While this request lives, the ones before must not show it.
    for (const [id, earlier] of kept[0]!.entries()) {
      assertEquals(seen(earlier), [`/${id}`, `${id}`]);
    }
    return new Response(`answer ${request.headers.get("x-id")}`);
  });
  const handler: Handler = async (req, res, info) => {
    try {
      await failing(req, res, info);
    } catch {
      await second(req, res, info);
    }
  };
  await withServer(handler, async ({ port, errors }) => {
    await sendTen(port);
    assertEquals(errors, []);
  });
  for (const requests of kept) assertEquals(requests.map(seen), TEN);
});
