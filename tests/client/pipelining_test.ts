/**
 * Pipelined requests (RFC 9112 §9.3.2): which go out together, the order of responses, and
 * which may be repeated after the loss of the connection.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type HttpError,
  type HttpRequestInit,
  RequestError,
} from "@pooled/http1";
import { ok, scripted } from "../support/clients.ts";
import { streamOf } from "../support/streams.ts";
import { settle, test, within } from "../support/waiting.ts";

const PIPELINED = { pipeline: 4 };

/** The targets of the requests in `wire`. */
function targetsIn(wire: string): string[] {
  return [...wire.matchAll(/[A-Z]+ \/(\S+) HTTP/g)].map(([, name]) => name!);
}

test("as many idempotent requests as allowed go out together", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = [1, 2, 3, 4, 5, 6].map(async (i) => {
      using response = await client.request({ target: `/${i}` });
      return await response.text();
    });
    await sent("/4 ");
    await settle();
    assertEquals(targetsIn(conn.wire), ["1", "2", "3", "4"]);
    conn.give(ok("1") + ok("2"));
    await sent("/6 ");
    conn.give(ok("3") + ok("4") + ok("5") + ok("6"));
    assertEquals(await Promise.all(asked), ["1", "2", "3", "4", "5", "6"]);
  }, PIPELINED));

test("a request that is not idempotent goes alone, unless the program says otherwise", async () => {
  const cases: [HttpRequestInit[], together: string[][]][] = [
    [
      [
        { target: "/1" },
        { target: "/2", method: "POST" },
        { target: "/3" },
        { target: "/4" },
      ],
      [["1"], ["2"], ["3", "4"]],
    ],
    [
      [
        { target: "/1" },
        { target: "/2", method: "POST", idempotent: true },
        { target: "/3" },
      ],
      [["1", "2", "3"]],
    ],
    [
      [{ target: "/1" }, { target: "/2", idempotent: false }, { target: "/3" }],
      [["1"], ["2"], ["3"]],
    ],
    [
      [
        { target: "/1" },
        { target: "/2", method: "PUT", body: streamOf(["x"]) },
        { target: "/3" },
      ],
      [["1", "2", "3"]],
    ],
    [
      [
        { target: "/1" },
        {
          target: "/2",
          method: "PUT",
          body: "x",
          headers: { Expect: "100-continue" },
        },
        { target: "/3" },
      ],
      [["1"], ["2"], ["3"]],
    ],
  ];
  for (const [inits, groups] of cases) {
    await scripted(async ({ client, conn, sent }) => {
      const asked = inits.map((init) => client.request(init));
      let seen = 0;
      for (const group of groups) {
        await sent(`/${group.at(-1)} `);
        await settle();
        await settle();
        const targets = targetsIn(conn.wire);
        assertEquals(targets.slice(seen), group);
        seen = targets.length;
        for (const name of group) {
          conn.give("HTTP/1.1 100 Continue\r\n\r\n");
          if (conn.wire.includes("Expect")) await settle();
          conn.give(ok(name));
          using response = await within(asked[Number(name) - 1]!, name);
          assertEquals(await response.text(), name);
        }
      }
    }, PIPELINED);
  }
});

test("responses of different framing in one piece find their requests", () =>
  scripted(async ({ client, conn, sent }) => {
    const inits: HttpRequestInit[] = [
      { target: "/1", method: "HEAD" },
      { target: "/2" },
      { target: "/3", method: "HEAD" },
      { target: "/4" },
    ];
    const asked = inits.map(async (init) => {
      using response = await client.request(init);
      return `${response.headers.get("x-id")}${await response.text()}`;
    });
    await sent("/4 ");
    const head = (id: number) =>
      `HTTP/1.1 200 OK\r\nX-Id: ${id}\r\nContent-Length: 1\r\n\r\n`;
    conn.give(
      `${head(1)}HTTP/1.1 103 E\r\n\r\n${head(2)}b${head(3)}${head(4)}d`,
    );
    assertEquals(await Promise.all(asked), ["1", "2b", "3", "4d"]);
  }, PIPELINED));

test("after a loss, `retryable` tells which requests may be sent again", async () => {
  const ends: [string, HttpRequestInit[], expected: (string | boolean)[]][] = [
    [
      ok("1"),
      [{ target: "/1" }, { target: "/2" }, { target: "/3", method: "POST" }],
      ["1", true, true],
    ],
    ["", [{ target: "/1", method: "POST" }, { target: "/2" }], [false, true]],
    [
      "",
      [{ target: "/1" }, { target: "/2", method: "POST", idempotent: true }],
      [true, true],
    ],
    [
      ok("1", "Connection: close\r\n"),
      [{ target: "/1" }, { target: "/2" }, { target: "/3", method: "POST" }],
      ["1", true, true],
    ],
    [
      `${ok("1")}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx`,
      [{ target: "/1" }, { target: "/2" }, { target: "/3" }],
      ["1", "unexpected-eof", true],
    ],
    [
      `${ok("1")}garbage\r\n`,
      [{ target: "/1" }, { target: "/2" }, { target: "/3" }],
      ["1", "invalid-status-line", true],
    ],
  ];
  for (const [wire, inits, expected] of ends) {
    await scripted(async ({ client, conn, sent }) => {
      const asked = inits.map(async (init) => {
        try {
          using response = await client.request(init);
          return await response.text();
        } catch (error) {
          return error instanceof RequestError
            ? error.retryable
            : (error as { code: string }).code;
        }
      });
      await sent("\r\n\r\n");
      await settle();
      if (wire !== "") conn.give(wire);
      conn.end();
      assertEquals(await within(Promise.all(asked), "the results"), expected);
    }, PIPELINED);
  }
});

test("an abort of a sent request closes the connection, one that waits just leaves", () =>
  scripted(async ({ client, conn, sent }) => {
    const aborts = [1, 2, 3, 4, 5, 6].map(() => new AbortController());
    const asked = aborts.map(({ signal }, i) => {
      const response = client.request({ target: `/${i + 1}`, signal });
      response.catch(() => {});
      return response;
    });
    await sent("/4 ");
    const reason = new Error("enough");
    aborts[4]!.abort(reason);
    assertEquals(await assertRejects(() => asked[4]!), reason);
    conn.give(ok("1"));
    {
      using response = await asked[0]!;
      assertEquals(await response.text(), "1");
    }
    await sent("/6 ");
    assert(!conn.wire.includes("/5"));
    aborts[2]!.abort(reason);
    assertEquals(await assertRejects(() => asked[2]!), reason);
    for (const i of [1, 3, 5]) {
      const error = await assertRejects(() => asked[i]!, RequestError);
      assertEquals(error.retryable, true);
      assertEquals(error.cause, reason);
    }
    await within(client.closed, "the end");
  }, PIPELINED));

test("a write that fails costs no request whose response comes all the same", () =>
  scripted(async ({ client, conn, sent }) => {
    const ask = async (i: number) => {
      using response = await client.request({ target: `/${i}` });
      return await response.text();
    };
    const asked = [ask(1), ask(2)];
    await sent("/2 ");
    const broken = new Error("broken pipe");
    conn.write = () => Promise.reject(broken);
    const last = ask(3);
    const lost = assertRejects(() => last, RequestError);
    await settle();
    assertEquals(client.state, "closing");
    conn.give(ok("1") + ok("2"));
    assertEquals(await within(Promise.all(asked), "it"), ["1", "2"]);
    conn.end();
    const { retryable, cause } = await within(lost, "the last");
    assertEquals([retryable, cause], [true, broken]);
    await within(client.closed, "the end");
  }, PIPELINED));

test("a response that came before its request was sent is none", async () => {
  const EXTRA = ok("", "X-Extra: yes\r\n");
  // The third request goes out when the first response is over, amid the same piece.
  for (const extra of [EXTRA, EXTRA.slice(0, 9), "\r\n"]) {
    await scripted(async ({ client, conn, sent }) => {
      const asked = [1, 2, 3].map((i) => client.request({ target: `/${i}` }));
      const lost = assertRejects(() => asked[2]!, RequestError);
      await sent("/2 ");
      conn.give(ok() + ok() + extra);
      for (const response of asked.slice(0, 2)) {
        const { headers } = await within(response, "a response");
        assertEquals(headers.get("x-extra"), null);
        (await response).release();
      }
      const error = await within(lost, "the third");
      assertEquals(error.retryable, true);
      assertEquals((error.cause as HttpError).code, "unasked-response");
      await within(client.closed, "the end");
    }, { pipeline: 2 });
  }
});
