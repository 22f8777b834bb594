/**
 * The Date field of responses.
 */

import { assert, assertEquals } from "@std/assert";
import { stub } from "@std/testing/mock";
import { prepareResponse } from "@pooled/http1";
import { exchange } from "../support/exchange.ts";
import { RawClient } from "../support/raw_client.ts";
import { keep, LAST_GET } from "../support/requests.ts";
import { answersIn, fieldOf } from "../support/response_reader.ts";
import { test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

/** Runs `test` with a stopped clock that `set` moves. */
async function withClock(
  test: (set: (now: string) => void) => Promise<void>,
): Promise<void> {
  let time = 0;
  using _clock = stub(Date, "now", () => time);
  await test((now) => {
    time = Date.parse(now);
  });
}

test("the Date is the current time", async () => {
  const before = Math.floor(Date.now() / 1000) * 1000;
  const { answer } = await exchange((_req, res) => res.send("a"));
  const date = Date.parse(fieldOf(answer, "date")!);
  assert(date >= before && date <= Date.now(), fieldOf(answer, "date")!);
});

test("a Date set by the program is kept", async () => {
  const own = "Sun, 06 Nov 1994 08:49:37 GMT";
  const prepared = prepareResponse({ headers: { date: own }, body: "a" });
  const { answers } = await exchange(
    (req, res) =>
      req.path === "/prepared"
        ? res.send(prepared)
        : res.send("a", { headers: { DATE: own } }),
    keep("GET", "/prepared") + LAST_GET,
  );
  assertEquals(answers.map((answer) => fieldOf(answer, "date")), [own, own]);
});

test("the Date follows the clock, also in a prepared response", async () => {
  await withClock(async (set) => {
    set("2030-01-01T00:00:00Z");
    const prepared = prepareResponse({ body: "prepared" });
    await withServer((req, res) => {
      if (req.path === "/prepared") res.send(prepared);
      else res.send("plain");
    }, async ({ port }) => {
      using client = await RawClient.connect(port);
      const dates: (string | null)[] = [];
      for (const second of ["01", "02", "59"]) {
        set(`2031-02-03T04:05:${second}Z`);
        client.received = "";
        await client.send(keep("GET", "/prepared") + keep("GET", "/plain"));
        await client.until("plain");
        dates.push(
          ...answersIn(client.received).map((answer) =>
            fieldOf(answer, "date")
          ),
        );
      }
      assertEquals(
        dates,
        ["01", "01", "02", "02", "59", "59"].map((second) =>
          `Mon, 03 Feb 2031 04:05:${second} GMT`
        ),
      );
    });
  });
});

test("after a slow request body, the Date is the time of sending", async () => {
  await withClock(async (set) => {
    const prepared = prepareResponse({ body: "prepared" });
    set("2031-02-03T04:05:00Z");
    await withServer(async (req, res) => {
      await req.text();
      if (req.path === "/prepared") res.send(prepared);
      else res.send("plain");
    }, async ({ port }) => {
      for (const path of ["/plain", "/prepared"]) {
        using client = await RawClient.connect(port);
        set("2031-02-03T04:05:00Z");
        await client.send(
          `POST ${path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n` +
            "Connection: close\r\nContent-Length: 1\r\n\r\n",
        );
        // The 100 shows that the handler is running.
        await client.until("100 Continue\r\n\r\n");
        set("2031-02-03T04:05:30Z");
        await client.send("x");
        const answers = answersIn(await client.rest());
        assertEquals(
          fieldOf(answers.at(-1)!, "date"),
          "Mon, 03 Feb 2031 04:05:30 GMT",
          path,
        );
      }
    });
  });
});

test("after a slow handler without I/O, the Date is the time of sending", async () => {
  await withClock(async (set) => {
    set("2031-02-03T04:05:00Z");
    const { promise, resolve } = Promise.withResolvers<void>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    await withServer(async (_req, res) => {
      begin();
      await promise;
      res.send("late");
    }, async ({ port }) => {
      using client = await RawClient.connect(port);
      await client.send(LAST_GET);
      await begun;
      set("2031-02-03T04:05:30Z");
      resolve();
      const [answer] = answersIn(await client.rest());
      assertEquals(fieldOf(answer!, "date"), "Mon, 03 Feb 2031 04:05:30 GMT");
    });
  });
});
