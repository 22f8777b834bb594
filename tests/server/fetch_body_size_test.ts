/**
 * `maxFetchBodySize`: bodies that are read through a Fetch `Request`.
 */

import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { HttpError, Pools, RequestParser } from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf } from "../support/bytes.ts";
import { withApp } from "../support/fetch_app.ts";
import { RawClient } from "../support/raw_client.ts";
import { chunked, last, post } from "../support/requests.ts";
import { answersIn } from "../support/response_reader.ts";
import { test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

const MOST = 100_000;
const WITHIN = "x".repeat(MOST);
const OVER = WITHIN + "x";

for (
  const [framing, write] of [
    ["a length", post],
    [
      "chunks",
      (target: string, body: string) =>
        chunked(target, body.slice(0, 60_000), body.slice(60_000)),
    ],
  ] as const
) {
  test(`a body of ${framing} is read up to the limit`, async () => {
    const caught: unknown[] = [];
    await withApp(async (request) => {
      try {
        return new Response(String((await request.text()).length));
      } catch (error) {
        caught.push(error);
        throw error;
      }
    }, async ({ port, server, errors }) => {
      using client = await RawClient.connect(port);
      await client.send(write("/", WITHIN));
      await client.send(write("/", OVER));
      const answers = answersIn(await client.rest());
      assertEquals(answers.map(({ status }) => status), [200, 413]);
      assertEquals(answers[0]!.body, String(MOST));
      assertEquals(server.stats().refusals, { "body-too-large": 1 });
      assertEquals(errors, []);
    }, { maxFetchBodySize: MOST });
    assertEquals(caught.length, 1);
    assertInstanceOf(caught[0], HttpError);
    assertEquals(caught[0].code, "body-too-large");
  });
}

test("a client that waits for its 100 is refused before it sends", async () => {
  await withApp(async (request) => new Response(await request.text()), async ({
    port,
  }) => {
    using client = await RawClient.connect(port);
    await client.send(
      post("/", OVER, "Expect: 100-continue").slice(0, -OVER.length),
    );
    const answers = answersIn(await client.rest());
    assertEquals(answers.map(({ status }) => status), [413]);
  }, { maxFetchBodySize: MOST });
});

test("an application that does not read the body meets no limit", async () => {
  await withApp(() => new Response("unread"), async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(post("/", OVER) + last());
    const answers = answersIn(await client.rest());
    assertEquals(answers.map(({ body }) => body), ["unread", "unread"]);
  }, { maxFetchBodySize: MOST });
});

test("a native stream has no limit", async () => {
  await withServer(async (req, res) => {
    let count = 0;
    if (req.body !== null) {
      for await (const { length } of req.body) count += length;
    }
    res.send(String(count));
  }, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(post("/", OVER) + last());
    assertEquals(answersIn(await client.rest())[0]!.body, String(OVER.length));
  }, { maxFetchBodySize: MOST });
});

test("a parser has the limit as well", async () => {
  for (const wire of [post("/", OVER), chunked("/", OVER)]) {
    const pools = new Pools();
    {
      using parser = new RequestParser({ maxFetchBodySize: MOST, pools });
      parser.push(bytesOf(wire));
      using pooled = parser.next()!;
      const request = pooled.toRequest();
      const error = await assertRejects(() => request.text(), HttpError);
      assertEquals(error.code, "body-too-large");
    }
    assertAtRest(pools);
  }
});
