/**
 * Persistence of connections, and the Connection field of responses (RFC 9112 §9.3).
 */

import { assertEquals, assertThrows } from "@std/assert";
import { serveConnection, type ServeConnectionOptions } from "@pooled/http1";
import { echoTarget } from "../support/handlers.ts";
import { MemoryConn } from "../support/memory_conn.ts";
import { answerTo } from "../support/raw_client.ts";
import { get, last } from "../support/requests.ts";
import { answersIn, fieldOf } from "../support/response_reader.ts";
import { test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

test("version and Connection field decide whether the connection is kept", async () => {
  // [version, Connection lines, kept, Connection of the response]
  const cases: [string, string[], boolean, string | null][] = [
    ["1.1", [], true, null],
    ["1.1", ["keep-alive"], true, null],
    ["1.1", ["foo"], true, null],
    ["1.1", ["closed, close-not"], true, null],
    ["1.1", [""], true, null],
    ["1.1", ["close"], false, "close"],
    ["1.1", ["CLOSE"], false, "close"],
    ["1.1", ["keep-alive, close"], false, "close"],
    ["1.1", ["close,keep-alive"], false, "close"],
    ["1.1", ["foo ,\tClose , bar"], false, "close"],
    ["1.1", ["foo", "close"], false, "close"],
    ["1.1", [",,close,"], false, "close"],
    ["1.2", [], true, null],
    ["1.0", [], false, "close"],
    ["1.0", ["close"], false, "close"],
    ["1.0", ["foo"], false, "close"],
    ["1.0", ["keep-alive"], true, "keep-alive"],
    ["1.0", ["Keep-Alive"], true, "keep-alive"],
    ["1.0", ["foo, keep-alive"], true, "keep-alive"],
    ["1.0", ["foo", "keep-alive"], true, "keep-alive"],
    ["1.0", ["keep-alive, close"], false, "close"],
    ["1.0", ["close, keep-alive"], false, "close"],
  ];
  await withServer(echoTarget, async ({ port }) => {
    for (const [version, lines, kept, told] of cases) {
      const request = [
        `GET /first HTTP/${version}`,
        "Host: a",
        ...lines.map((line) => `Connection: ${line}`),
        "",
        "",
      ].join("\r\n");
      const answers = answersIn(await answerTo(port, request + last()));
      const what = `${version} ${JSON.stringify(lines)}`;
      assertEquals(
        answers.map(({ body }) => body),
        kept ? ["/first", "/last"] : ["/first"],
        what,
      );
      assertEquals(fieldOf(answers[0]!, "connection"), told, what);
    }
  });
});

test("the last of maxRequests responses says close, and later requests are not answered", async () => {
  await withServer(echoTarget, async ({ port, server }) => {
    const requests = [1, 2, 3, 4, 5].map((i) => get(`/${i}`));
    const answers = answersIn(await answerTo(port, requests.join("")));
    assertEquals(
      answers.map((answer) => [answer.body, fieldOf(answer, "connection")]),
      [["/1", null], ["/2", null], ["/3", "close"]],
    );
    assertEquals(server.stats().requests, 3);
  }, { maxRequests: 3 });
});

test("limits out of range throw at once", () => {
  const wrong: ServeConnectionOptions[] = [
    { headTimeout: 0 },
    { bodyTimeout: -1 },
    { idleTimeout: NaN },
    { writeTimeout: 1.5 },
    { maxRequests: 0 },
    { maxDrain: -1 },
    { maxBodySize: -1 },
  ];
  for (const options of wrong) {
    const conn = new MemoryConn([get("/")]);
    assertThrows(() => serveConnection(conn, echoTarget, options), RangeError);
    assertEquals(conn.reads, 0);
  }
  return Promise.resolve();
});
