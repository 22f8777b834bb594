/**
 * Property tests of responses on random input: whatever is not a response is refused with
 * an `HttpError`, and nothing leaks. The outcome does not depend on how the input is
 * split, on the API, or on how long responses are held; what is accepted is what the
 * grammar finds.
 *
 * A failure prints the seed and the shrunk input.
 */

import { assertEquals } from "@std/assert";
import type { ParserLimits } from "@pooled/http1";
import fc from "fast-check";
import { classifyAgainstGrammar } from "../fuzz/classes.ts";
import {
  compareResponses,
  responsePeers,
  Tally,
} from "../fuzz/differential.ts";
import { readResponsesByGrammar } from "../fuzz/response_grammar.ts";
import { type Answers, answers } from "../fuzz/responses.ts";
import { readResponsesByParser } from "../fuzz/targets/ours.ts";
import { bytesOf, cutAt, every } from "../support/bytes.ts";
import { STREAMS } from "../support/parser_runs.ts";
import {
  bytes,
  type Cutter,
  cutter,
  limits,
} from "../support/random_messages.ts";
import {
  parseResponses,
  type ResponseOutcome,
  streamResponses,
} from "../support/response_runs.ts";

/** Runs an input through every API and returns the outcome, which must always be the same. */
async function inEveryWay(
  { wire: text, methods }: Answers,
  cut: Cutter,
  limits: ParserLimits = {},
): Promise<ResponseOutcome> {
  const wire = bytesOf(text);
  const options = { limits, methods };
  const whole = await parseResponses(cutAt(wire, []), options);
  for (const hold of [false, true]) {
    assertEquals(
      await parseResponses(cutAt(wire, cut(wire)), { ...options, hold }),
      whole,
    );
  }
  if (wire.length < 400) {
    assertEquals(
      await parseResponses(cutAt(wire, every(1, wire)), options),
      whole,
    );
  }
  for (const kind of STREAMS) {
    assertEquals(
      await streamResponses(kind, cutAt(wire, cut(wire)), options),
      whole,
      kind,
    );
  }
  return whole;
}

Deno.test("random bytes give the same responses or HttpError, however they are split", async () => {
  const noise = fc.record({
    wire: fc.tuple(fc.constantFrom("", "HTTP/1.1 200 OK\r\n"), bytes(90))
      .map((parts) => parts.join("")),
    methods: fc.constant([]),
  });
  await fc.assert(
    fc.asyncProperty(noise, cutter, async (input, cut) => {
      await inEveryWay(input, cut);
    }),
    { numRuns: 200 },
  );
});

Deno.test("responses, some of them damaged, do, under random limits", async () => {
  await fc.assert(
    fc.asyncProperty(answers, cutter, limits, async (input, cut, limits) => {
      await inEveryWay(input, cut, limits);
    }),
    { numRuns: 800 },
  );
});

Deno.test("what is accepted is what the grammar finds, cut anywhere", async () => {
  await fc.assert(
    fc.asyncProperty(answers, cutter, async ({ wire, methods }, cut) => {
      const bytes = bytesOf(wire);
      const whole = await readResponsesByParser(methods, bytes);
      classifyAgainstGrammar(whole, readResponsesByGrammar(wire, methods));
      assertEquals(
        await readResponsesByParser(methods, ...cutAt(bytes, cut(bytes))),
        whole,
      );
    }),
    { numRuns: 1500 },
  );
});

Deno.test("every difference from other parsers of responses has a class", async () => {
  const tally = new Tally();
  const peers = responsePeers();
  await fc.assert(
    fc.asyncProperty(
      answers,
      (input) => compareResponses(input, peers, tally),
    ),
    // Chosen inputs only: `deno task fuzz` looks for new ones.
    { numRuns: 2000, seed: 1 },
  );
  assertEquals(tally.inputs, 2000);
});
