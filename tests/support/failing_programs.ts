/**
 * Programs that fail at a chosen point of an exchange.
 *
 * @module
 */

import {
  fetchHandler,
  type Handler,
  type HttpResponseInit,
} from "@pooled/http1";
import { bytesOf } from "./bytes.ts";
import { turn } from "./waiting.ts";

/**
 * What the client gets: a 500, the whole response, or a part of it, with which the
 * connection ends.
 */
export type Consequence = "500" | "whole" | "cut";

/** A program that fails. */
export interface Failing {
  name: string;
  consequence: Consequence;
  /** Calls `fail` at its point. */
  handler(fail: () => never): Handler;
  /** Whether it fails as its body is read, which HEAD does not ask for. */
  inBody: boolean;
  /** Whether the error passes through a stream of the runtime. */
  streams: boolean;
}

const UNREADABLE = "a reader that cannot be had";

const failing = (
  consequence: Consequence,
  name: string,
  handler: Failing["handler"],
): Failing => ({
  name,
  consequence,
  handler,
  inBody: consequence === "cut" || name === UNREADABLE,
  streams: consequence === "cut" || name.includes("a body that fails"),
});

/** An init one member of which cannot be read. */
function initWith(name: keyof HttpResponseInit, fail: () => never) {
  return Object.defineProperty({}, name, { get: fail }) as HttpResponseInit;
}

/** Gives `count` chunks, then fails. */
type Breaking = (
  count: number,
  fail: () => never,
) => ReadableStream<Uint8Array>;

const BREAKING: Record<string, Breaking> = {
  "a pull that throws": (count, fail) => {
    let given = 0;
    return new ReadableStream({
      pull(controller) {
        if (given++ === count) fail();
        controller.enqueue(bytesOf("chunk,"));
      },
    }, { highWaterMark: 0 });
  },
  "a pull that rejects later": (count, fail) => {
    let given = 0;
    return new ReadableStream({
      async pull(controller) {
        await turn();
        if (given++ === count) fail();
        controller.enqueue(bytesOf("chunk,"));
      },
    }, { highWaterMark: 0 });
  },
  "a generator that throws": (count, fail) =>
    ReadableStream.from((async function* () {
      for (let i = 0; i < count; i++) yield bytesOf("chunk,");
      await turn();
      fail();
    })()),
  "a stream that is errored": (count, fail) => {
    let given = 0;
    return new ReadableStream({
      async pull(controller) {
        await turn();
        if (given++ < count) return controller.enqueue(bytesOf("chunk,"));
        try {
          fail();
        } catch (error) {
          controller.error(error);
        }
      },
      cancel: () => fail(),
    }, { highWaterMark: 0 });
  },
};

/** The largest number of chunks before a failure. */
const MOST_CHUNKS = 4;

function brokenStreams(): Failing[] {
  const list: Failing[] = [];
  for (const [name, stream] of Object.entries(BREAKING)) {
    for (let count = 0; count <= MOST_CHUNKS; count++) {
      list.push(
        failing(
          "cut",
          `${name} after ${count} chunks`,
          (fail) => (_req, res) => res.send(stream(count, fail)),
        ),
        failing(
          "cut",
          `${name} after ${count} chunks, with a length`,
          (fail) => (_req, res) =>
            res.send(stream(count, fail), {
              headers: { "content-length": "1000" },
            }),
        ),
      );
      // What is at hand at once is looked at before the head is sent.
      if (name === "a pull that throws") continue;
      list.push(failing(
        "cut",
        `fetchHandler, ${name} after ${count} chunks`,
        (fail) => fetchHandler(() => new Response(stream(count, fail))),
      ));
    }
  }
  return list;
}

function unreadableInits(): Failing[] {
  const names = ["status", "statusText", "headers", "trailers"] as const;
  return names.flatMap((name) => [
    failing(
      "500",
      `a getter of ${name}, with text`,
      (fail) => (_req, res) => res.send("text", initWith(name, fail)),
    ),
    failing(
      "500",
      `a getter of ${name}, with JSON`,
      (fail) => (_req, res) => res.json({}, initWith(name, fail)),
    ),
    failing(
      "500",
      `a getter of ${name}, with a stream`,
      (fail) => (_req, res) =>
        res.send(ReadableStream.from([bytesOf("x")]), initWith(name, fail)),
    ),
  ]);
}

const iterating = (fail: () => never) =>
  ({ [Symbol.iterator]: fail }) as unknown as HeadersInit;

/** All of them. */
export const FAILING: readonly Failing[] = [
  failing("500", "a throw at once", (fail) => () => fail()),
  failing("500", "a rejection", (fail) => () => Promise.resolve().then(fail)),
  failing("500", "a throw after an await", (fail) => async () => {
    await turn();
    fail();
  }),
  failing("500", "a throw after the body", (fail) => async (req) => {
    await req.text();
    fail();
  }),
  failing("500", "a throw in the middle of the body", (fail) => async (req) => {
    const reader = req.body?.getReader();
    await reader?.read();
    fail();
  }),
  failing("500", "a throw with the body locked", (fail) => (req) => {
    req.body?.getReader().read().catch(() => {});
    fail();
  }),
  failing(
    "500",
    "a thenable that throws",
    (fail) => () => ({ then: fail }) as unknown as Promise<void>,
  ),
  failing(
    "500",
    "a then that cannot be read",
    (fail) => () =>
      Object.defineProperty({}, "then", { get: fail }) as Promise<void>,
  ),
  failing(
    "500",
    "a toJSON",
    (fail) => (_req, res) => res.json({ toJSON: fail }),
  ),
  failing(
    "500",
    "a toJSON within",
    (fail) => (_req, res) => res.json({ a: [1, { toJSON: fail }] }),
  ),
  failing(
    "500",
    "a getter in JSON",
    (fail) => (_req, res) =>
      res.json(Object.defineProperty({}, "a", { enumerable: true, get: fail })),
  ),
  failing(
    "500",
    "fields that cannot be iterated",
    (fail) => (_req, res) => res.send("x", { headers: iterating(fail) }),
  ),
  failing("500", UNREADABLE, (fail) => (_req, res) => {
    class Broken extends ReadableStream<Uint8Array> {
      override getReader = fail as unknown as ReadableStream["getReader"];
    }
    res.send(new Broken());
  }),
  failing(
    "500",
    "a throw after an interim response",
    (fail) => async (_req, res) => {
      res.send(null, { status: 103 });
      await turn();
      fail();
    },
  ),
  failing(
    "500",
    "fetchHandler, a throw at once",
    (fail) => fetchHandler(() => fail()),
  ),
  failing(
    "500",
    "fetchHandler, a throw after the body",
    (fail) =>
      fetchHandler(async (request) => {
        await request.text();
        return fail();
      }),
  ),
  failing(
    "500",
    "fetchHandler, a body that fails at once",
    (fail) =>
      fetchHandler(() =>
        new Response(BREAKING["a pull that throws"]!(0, fail))
      ),
  ),
  ...unreadableInits(),

  failing("whole", "a throw after the response", (fail) => (_req, res) => {
    res.send("whole");
    fail();
  }),
  failing(
    "whole",
    "a throw long after the response",
    (fail) => async (_req, res) => {
      res.send("whole");
      await turn();
      fail();
    },
  ),
  failing("whole", "a throw beside a stream", (fail) => async (_req, res) => {
    res.send(ReadableStream.from((async function* () {
      for (const part of ["wh", "ole"]) {
        await turn();
        await turn();
        yield bytesOf(part);
      }
    })()));
    await turn();
    fail();
  }),

  ...brokenStreams(),
  failing(
    "cut",
    "trailers that throw",
    (fail) => (_req, res) => res.send("whole", { trailers: fail }),
  ),
  failing(
    "cut",
    "trailers that reject",
    (fail) => (_req, res) =>
      res.send("whole", {
        trailers: async () => {
          await turn();
          return fail();
        },
      }),
  ),
  failing(
    "cut",
    "trailers that cannot be iterated",
    (fail) => (_req, res) =>
      res.send("whole", { trailers: () => iterating(fail) }),
  ),
];
