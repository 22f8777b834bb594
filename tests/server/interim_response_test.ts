/**
 * Interim responses (1xx) sent by the program.
 */

import { assertEquals, assertThrows } from "@std/assert";
import { exchange } from "../support/exchange.ts";
import { RawClient } from "../support/raw_client.ts";
import { GET_10, LAST_GET } from "../support/requests.ts";
import { answersIn, valuesOf } from "../support/response_reader.ts";
import { streamOf } from "../support/streams.ts";
import { test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

test("interim responses precede the final response", async () => {
  const { answers } = await exchange((_req, res) => {
    res.send(null, { status: 103, headers: { link: "</a.css>; rel=preload" } });
    assertEquals(res.sent, false);
    res.send(null, { status: 102 });
    res.send(undefined, {
      status: 103,
      statusText: "Once More",
      headers: [["link", "</a>"], ["link", "</b>"]],
    });
    res.send("done");
    assertThrows(
      () => res.send(null, { status: 103 }),
      TypeError,
      "already sent",
    );
  });
  assertEquals(
    answers.map(({ line }) => line),
    [
      "HTTP/1.1 103 Early Hints",
      "HTTP/1.1 102 Processing",
      "HTTP/1.1 103 Once More",
      "HTTP/1.1 200 OK",
    ],
  );
  assertEquals(valuesOf(answers[0]!, "link"), ["</a.css>; rel=preload"]);
  assertEquals(valuesOf(answers[2]!, "link"), ["</a>", "</b>"]);
  assertEquals(answers[3]!.body, "done");
});

test("an interim response is sent without waiting for the final response", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await withServer(async (_req, res) => {
    await new Promise((resolve) => setTimeout(resolve, 0));
    res.send(null, { status: 103 });
    await promise;
    res.send("done");
  }, async ({ port }) => {
    using client = await RawClient.connect(port);
    await client.send(LAST_GET);
    await client.until("103 Early Hints\r\n\r\n");
    resolve();
    assertEquals(
      answersIn(await client.rest()).map(({ status }) => status),
      [103, 200],
    );
  });
});

test("a 100 is sent only to a client that expects it", async () => {
  const { answers } = await exchange((_req, res) => {
    res.send(null, { status: 100 });
    res.send("done");
  });
  assertEquals(answers.map(({ status }) => status), [200]);
});

test("an HTTP/1.0 client gets no interim responses", async () => {
  const { answers } = await exchange((_req, res) => {
    res.send(null, { status: 103 });
    res.send(null, { status: 100 });
    res.send("done");
  }, GET_10);
  assertEquals(answers.map(({ status }) => status), [200]);
});

test("an interim response has no body and no length, and cannot be a 101", async () => {
  const { answers } = await exchange((_req, res) => {
    for (const body of ["a", "", new Uint8Array(1), streamOf(["a"])]) {
      assertThrows(
        () => res.send(body, { status: 103 }),
        TypeError,
        "no body",
      );
    }
    assertThrows(() => res.send(null, { status: 101 }), TypeError, "upgrade()");
    assertThrows(
      () => res.send(null, { status: 103, headers: [["x", "\n"]] }),
      TypeError,
    );
    res.send(null, { status: 103, headers: { "content-length": "5" } });
    res.send("done");
  });
  assertEquals(answers.map(({ status }) => status), [103, 200]);
});
