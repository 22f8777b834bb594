/**
 * The function that tells the methods of the requests, when it turns on the stream that
 * asks it: the head is read but not handed out yet.
 */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  Pools,
  readResponses,
  type ReceivedResponse,
  ResponseStream,
  type ResponseStreamOptions,
} from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf } from "../support/bytes.ts";
import { streamOf } from "../support/streams.ts";
import { test } from "../support/waiting.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/** A function that answers GET, and turns on the stream at its `turn`th call. */
function turning(turn: number, act: () => unknown): () => string {
  let calls = 0;
  return () => {
    if (++calls === turn) act();
    return "GET";
  };
}

/** Reads responses until the end, or rejects; gives the number of the whole ones. */
async function count(
  next: () => Promise<{ done?: boolean; value?: ReceivedResponse }>,
): Promise<number> {
  for (let seen = 0;; seen++) {
    const { done, value: response } = await next();
    if (done) return seen;
    assertEquals(await response!.text(), "hi");
    response!.release();
  }
}

// The head of the second response is parsed, that of the fourth cached.
for (const turn of [2, 4]) {
  for (const poison of [false, true]) {
    const what = `at response ${turn}${poison ? ", poisoned" : ""}`;
    const open = (act: () => unknown) => {
      const pools = new Pools({ poison });
      const method = turning(turn, act);
      const source = streamOf([OK.repeat(6)]);
      return { pools, responses: readResponses(source, { pools, method }) };
    };
    test(`a method function that asks for the next response errors the stream, ${what}`, async () => {
      const inner: Promise<unknown>[] = [];
      const { pools, responses } = open(() => {
        inner.push(assertRejects(() => iterator.next(), TypeError, "method"));
      });
      const iterator = responses.values();
      await assertRejects(
        () => count(() => iterator.next()),
        TypeError,
        "method",
      );
      await Promise.all(inner);
      assertEquals(inner.length, 1);
      assertAtRest(pools);
    });

    test(`a method function that leaves the loop ends it, ${what}`, async () => {
      const { pools, responses } = open(() => void iterator.return?.());
      const iterator = responses.values();
      assertEquals(await count(() => iterator.next()), turn - 1);
      assertAtRest(pools);
    });

    test(`a method function that cancels the stream ends it, ${what}`, async () => {
      const { pools, responses } = open(() => void reader.cancel());
      const reader = responses.getReader();
      assertEquals(await count(() => reader.read()), turn - 1);
      assertAtRest(pools);
    });

    test(`a method function that aborts the writer errors the stream, ${what}`, async () => {
      const pools = new Pools({ poison });
      const method = turning(turn, () => void writer.abort(new Error("left")));
      const { readable, writable } = new ResponseStream({ pools, method });
      const writer = writable.getWriter();
      const iterator = readable.values();
      const written = assertRejects(
        () => writer.write(bytesOf(OK.repeat(6))),
        Error,
        "left",
      );
      const closed = assertRejects(() => writer.closed, Error, "left");
      await assertRejects(() => count(() => iterator.next()), Error, "left");
      await Promise.all([written, closed]);
      assertAtRest(pools);
    });

    test(`a method function that reads when bytes arrive errors the stream, ${what}`, async () => {
      const pools = new Pools({ poison });
      const inner: Promise<unknown>[] = [];
      const method = turning(turn, () => {
        inner.push(assertRejects(() => reader.read(), TypeError, "method"));
      });
      const { readable, writable } = new ResponseStream({ pools, method });
      const writer = writable.getWriter();
      const reader = readable.getReader();
      const counted = assertRejects(
        () => count(() => reader.read()),
        TypeError,
        "method",
      );
      writer.closed.catch(() => {});
      for (let i = 0; i < turn; i++) {
        // The reader waits when the bytes arrive.
        await new Promise((resolve) => setTimeout(resolve));
        await writer.write(bytesOf(OK)).catch(() => {});
      }
      await counted;
      await Promise.all(inner);
      assertAtRest(pools);
    });
  }
}

Deno.test("a method that is no string and no function throws at once", () => {
  for (const method of [null, 5, {}, ["GET"], true]) {
    const options = { method } as unknown as ResponseStreamOptions;
    const source = streamOf([OK]);
    assertThrows(() => readResponses(source, options), TypeError, "method");
    assertEquals(source.locked, false);
    assertThrows(() => new ResponseStream(options), TypeError, "method");
  }
});

test("limits that the options inherit count", async () => {
  const options = Object.create({ maxHeaders: 1, method: "HEAD" });
  const read = async (wire: string) => {
    for await (using _ of readResponses(streamOf([wire]), options));
  };
  await read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  await assertRejects(
    () => read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\n"),
    Error,
    "too-many-headers",
  );
});
