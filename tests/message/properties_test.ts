/**
 * Property tests of the parser on random input.
 *
 * Serialized requests must parse back to their parts. Any other input (noise, fragments,
 * damaged messages) must give requests or an `HttpError` and leak nothing. The outcome
 * must not depend on how the input is split, on the parser API, or on what the program
 * does with the bodies.
 *
 * A failure prints the seed and the shrunk input. The number of runs is fixed, also on a
 * slow machine.
 */

import { assertEquals } from "@std/assert";
import {
  type HttpRequest,
  type ParserLimits,
  Pools,
  readRequests,
} from "@pooled/http1";
import fc from "fast-check";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf, cutAt, every, textOf } from "../support/bytes.ts";
import {
  type Outcome,
  parse,
  refusalOf,
  type Refused,
  stream,
  STREAMS,
} from "../support/parser_runs.ts";
import {
  actual,
  bytes,
  type Cutter,
  cutter,
  expected,
  fragments,
  harmed,
  limits,
  message,
  serialize,
} from "../support/random_messages.ts";

/** Runs an input through every API and returns the outcome, which must always be the same. */
async function inEveryWay(
  wire: Uint8Array,
  cut: Cutter,
  limits: ParserLimits = {},
): Promise<Outcome> {
  const whole = await parse(cutAt(wire, []), { limits });
  for (const hold of [false, true]) {
    assertEquals(await parse(cutAt(wire, cut(wire)), { limits, hold }), whole);
  }
  if (wire.length < 400) {
    assertEquals(await parse(cutAt(wire, every(1, wire)), { limits }), whole);
  }
  for (const kind of STREAMS) {
    assertEquals(
      await stream(kind, cutAt(wire, cut(wire)), limits),
      whole,
      kind,
    );
  }
  return whole;
}

Deno.test("serialized requests parse back to their parts, however they are split", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { maxLength: 5 }),
      // Sometimes repeated often enough to outgrow every slab tier.
      fc.oneof(
        { weight: 9, arbitrary: fc.constant(1) },
        { weight: 1, arbitrary: fc.integer({ min: 2, max: 30 }) },
      ),
      cutter,
      async (some, times, cut) => {
        const messages = Array.from({ length: times }, () => some).flat();
        const wire = bytesOf(messages.map(serialize).join(""));
        const { requests, error } = await inEveryWay(wire, cut);
        assertEquals(error, null);
        assertEquals(requests.map(actual), messages.map(expected));
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("random bytes give the same requests or HttpError, however they are split", async () => {
  await fc.assert(
    fc.asyncProperty(bytes(200), cutter, async (text, cut) => {
      await inEveryWay(bytesOf(text), cut);
    }),
    { numRuns: 100 },
  );
});

Deno.test("random fragments of messages do, under random limits", async () => {
  await fc.assert(
    fc.asyncProperty(fragments, cutter, limits, async (text, cut, limits) => {
      await inEveryWay(bytesOf(text), cut, limits);
    }),
    { numRuns: 1500 },
  );
});

Deno.test("damaged requests do, under random limits", async () => {
  await fc.assert(
    fc.asyncProperty(harmed, cutter, limits, async (text, cut, limits) => {
      await inEveryWay(bytesOf(text), cut, limits);
    }),
    { numRuns: 1000 },
  );
});

// Ways to use a body. None of them may affect the following requests.
const WAYS = [
  "ignored",
  "released",
  "gathered",
  "streamed",
  "streamed into the reader's memory",
  "streamed in part",
  "cancelled",
  "handed to a Fetch request",
] as const;
type Way = typeof WAYS[number];

/** Uses a body in one way. Returns all of it, or `null` if it was not read to the end. */
async function use(request: HttpRequest, way: Way): Promise<string | null> {
  const { body } = request;
  if (body === null || way === "ignored") return null;
  if (way === "released") {
    request.release();
    return null;
  }
  if (way === "gathered") return textOf(await request.bytes());
  if (way === "cancelled") {
    await body.cancel();
    return null;
  }
  if (way === "handed to a Fetch request") {
    let fetched: Request;
    try {
      fetched = request.toRequest();
    } catch (error) {
      // Fetch cannot represent every HTTP request.
      if (error instanceof TypeError) return null;
      throw error;
    }
    request.release();
    return textOf(await fetched.bytes());
  }
  let text = "";
  if (way === "streamed into the reader's memory") {
    const reader = body.getReader({ mode: "byob" });
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(7));
      if (done) return text;
      text += textOf(value);
    }
  }
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += textOf(value);
    if (way === "streamed in part") return null;
  }
}

async function runUsing(
  wire: Uint8Array,
  cut: Cutter,
  ways: Iterator<Way>,
): Promise<
  { heads: string[]; bodies: (string | null)[]; error: Refused | null }
> {
  const pools = new Pools();
  const heads: string[] = [];
  const bodies: (string | null)[] = [];
  const pieces = cutAt(wire, cut(wire));
  let next = 0;
  const source = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (next < pieces.length) controller.enqueue(pieces[next++]!);
      else controller.close();
    },
  }, { highWaterMark: 0 });
  let error: Refused | null = null;
  try {
    for await (using request of readRequests(source, { pools })) {
      heads.push(`${request.method} ${request.target}`);
      const way = ways.next().value as Way;
      try {
        bodies.push(await use(request, way));
      } catch (thrown) {
        // Fetch wraps stream errors in its own.
        if (way !== "handed to a Fetch request") refusalOf(thrown);
        bodies.push(null);
      }
    }
  } catch (thrown) {
    error = refusalOf(thrown);
  }
  assertAtRest(pools);
  return { heads, bodies, error };
}

Deno.test("the use of a body does not affect the following requests", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        harmed,
        fc.array(message, { maxLength: 5 }).map((all) =>
          all.map(serialize).join("")
        ),
      ),
      cutter,
      fc.infiniteStream(fc.constantFrom(...WAYS)),
      async (text, cut, ways) => {
        const wire = bytesOf(text);
        const whole = await parse(cutAt(wire, []));
        const run = await runUsing(wire, cut, ways);
        assertEquals(run.error, whole.error);
        assertEquals(
          run.heads,
          whole.requests.map(({ method, target }) => `${method} ${target}`),
        );
        run.bodies.forEach((body, i) => {
          if (body !== null) assertEquals(body, whole.requests[i]!.body);
        });
      },
    ),
    { numRuns: 800 },
  );
});
