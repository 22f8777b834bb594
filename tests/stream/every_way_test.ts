/**
 * Behavior common to `readRequests` and `RequestStream`, on byte and default streams.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  HttpError,
  type HttpRequest,
  Pools,
  readRequests,
  RequestStream,
} from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { chunked, GET, post } from "../support/requests.ts";
import { streamOf } from "../support/streams.ts";
import { settle } from "../support/waiting.ts";

/** Every combination of API and source stream. */
const WAYS: [
  string,
  (chunks: string[], pools: Pools) => ReadableStream<HttpRequest>,
][] = [
  [
    "readRequests, BYOB",
    (chunks, pools) => readRequests(streamOf(chunks, "bytes"), { pools }),
  ],
  [
    "readRequests, default",
    (chunks, pools) => readRequests(streamOf(chunks), { pools }),
  ],
  [
    "RequestStream",
    (chunks, pools) =>
      streamOf(chunks).pipeThrough(new RequestStream({ pools })),
  ],
];

for (const [way, open] of WAYS) {
  Deno.test(`${way}: requests arrive in order, however the source is chunked`, async () => {
    const wire = GET + post("/post", "hello") + GET +
      chunked("/chunked", "a", "bc", "d".repeat(600)) +
      post("/post", "") + GET;
    const expected = ["", "hello", "", "abc" + "d".repeat(600), "", ""];
    for (const size of [1, 2, 7, 30, 1000, wire.length]) {
      const pools = new Pools();
      const chunks: string[] = [];
      for (let i = 0; i < wire.length; i += size) {
        chunks.push(wire.slice(i, i + size));
      }
      const bodies: string[] = [];
      for await (using request of open(chunks, pools)) {
        bodies.push(await request.text());
      }
      assertEquals(bodies, expected);
      assertAtRest(pools);
    }
  });

  Deno.test(`${way}: the next request discards an unread or partly read body`, async () => {
    const pools = new Pools();
    const big = "x".repeat(200_000);
    const wire = post("/post", big) + chunked("/chunked", big, big) +
      post("/post", big) + GET;
    const seen: string[] = [];
    for await (using request of open([wire], pools)) {
      seen.push(request.path);
      if (seen.length === 3) {
        const reader = request.body!.getReader();
        const { value } = await reader.read();
        assert(value!.length > 0 && value!.length < big.length);
        assertEquals(request.bodyUsed, true);
      }
    }
    assertEquals(seen, ["/post", "/chunked", "/post", "/"]);
    assertAtRest(pools);
  });

  Deno.test(`${way}: a refusal arrives after the valid requests and ends the stream`, async () => {
    const pools = new Pools();
    const seen: string[] = [];
    const error = await assertRejects(async () => {
      const wire = [
        GET + post("/post", "x") + GET + "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
      ];
      for await (using request of open(wire, pools)) seen.push(request.path);
    }, HttpError);
    assertEquals(seen, ["/", "/post", "/"]);
    assertEquals(error.code, "space-before-colon");
    assertAtRest(pools);
  });

  Deno.test(`${way}: the end of the input inside a message is an error`, async () => {
    for (
      const cut of [
        "GET / HT",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "\r",
        post("/post", "hello").slice(0, -1),
        chunked("/chunked", "hello").slice(0, -1),
        chunked("/chunked", "hello").slice(0, -5),
      ]
    ) {
      const pools = new Pools();
      const error = await assertRejects(async () => {
        for await (using request of open([GET, cut], pools)) request.method;
      }, HttpError);
      assertEquals(error.code, "unexpected-eof", cut);
      assertAtRest(pools);
    }
  });

  Deno.test(`${way}: reading a truncated body rejects`, async () => {
    for (
      const wire of [
        post("/post", "hello").slice(0, -1),
        chunked("/chunked", "hello").slice(0, -5),
      ]
    ) {
      const pools = new Pools();
      const requests = open([wire], pools).getReader();
      const request = (await requests.read()).value!;
      const error = await assertRejects(() => request.bytes(), HttpError);
      assertEquals(error.code, "unexpected-eof");
      request.release();
      await assertRejects(() => requests.read(), HttpError);
      assertAtRest(pools);
    }
  });

  Deno.test(`${way}: leaving the loop releases everything`, async () => {
    const pools = new Pools();
    for await (using request of open([GET, GET.slice(0, 20)], pools)) {
      assertEquals(request.method, "GET");
      break;
    }
    assertAtRest(pools);
  });

  Deno.test(`${way}: cancelling a pending read releases everything`, async () => {
    const pools = new Pools();
    const requests = open([post("/post", "hello").slice(0, -3)], pools);
    const reader = requests.getReader();
    const request = (await reader.read()).value!;
    const body = request.body!.getReader();
    await body.read();
    const cancelled = reader.cancel("enough");
    // The body is truncated: its reader rejects with the reason instead of ending.
    const outcome = await body.read().then(
      ({ done }) => `done: ${done}`,
      (reason) => reason,
    );
    assertEquals(outcome, "enough");
    await cancelled;
    request.release();
    await settle();
    assertAtRest(pools);
  });

  Deno.test(`${way}: the Request of toRequest() and its body outlive the pooled request`, async () => {
    const pools = new Pools();
    const reader = open([post("/post", "hello") + GET], pools).getReader();
    const request = (await reader.read()).value!;
    const fetched = request.toRequest();
    assertEquals(request.bodyUsed, true);
    request.release();
    assertEquals(fetched.method, "POST");
    assertEquals(fetched.url, "http://a/post");
    assertEquals(fetched.headers.get("content-length"), "5");
    assertEquals(await fetched.text(), "hello");
    const next = (await reader.read()).value!;
    assertEquals(next.method, "GET");
    next.release();
    assertEquals((await reader.read()).done, true);
    assertAtRest(pools);
  });
}
