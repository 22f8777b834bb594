/**
 * The allocation gate passes results within the baseline and fails new allocations.
 * `deno task ok` runs the gate itself.
 */

import { assert, assertEquals } from "@std/assert";
import {
  type Baseline,
  baselineOf,
  newAllocations,
} from "../../bench/lib/gate.ts";
import { OURS, type Results } from "../../bench/lib/results.ts";

const BASELINE: Baseline = {
  parse: { ratio: 0.5, bytesPerOp: 0, allocsPerOp: 0 },
  stream: { ratio: 2, bytesPerOp: 400, allocsPerOp: 4 },
  serve: { ratio: 0.9 },
};

/** The gate's findings for these measurements against `BASELINE`. */
function findings(
  parse: [bytesPerOp: number, allocsPerOp: number],
  stream: [bytesPerOp: number, allocsPerOp: number],
): string[] {
  const allocated = ([bytesPerOp, allocsPerOp]: [number, number]) => ({
    bytesPerOp,
    allocsPerOp,
  });
  return newAllocations(
    { parse: allocated(parse), stream: allocated(stream) },
    BASELINE,
  );
}

Deno.test("allocations at or below the baseline pass", () => {
  assertEquals(findings([0, 0], [400, 4]), []);
  assertEquals(findings([6.9, 0.04], [419, 4.1]), []);
  assertEquals(findings([0, 0], [0, 0]), []);
});

Deno.test("a new allocation is reported with its amount and the allowed amount", () => {
  assertEquals(findings([0, 1], [400, 4]), [
    "parse: 1 objects an operation, 0.050 allowed",
  ]);
  assertEquals(findings([16, 0], [400, 4]), [
    "parse: 16 bytes an operation, 7.0 allowed",
  ]);
  assertEquals(findings([0, 0], [424, 5]), [
    "stream: 5 objects an operation, 4.200 allowed",
    "stream: 424 bytes an operation, 420.0 allowed",
  ]);
});

Deno.test("a benchmark missing from the baseline or the results is reported", () => {
  const none = { bytesPerOp: 0, allocsPerOp: 0 };
  const lines = newAllocations(
    { parse: none, other: none },
    BASELINE,
  );
  assertEquals(lines.length, 2);
  assert(lines[0]!.startsWith("other is not in the baseline"));
  assert(lines[1]!.startsWith("stream is in the baseline"));
});

Deno.test("a baseline contains our ratios and allocations, but no times", () => {
  const row = {
    benchmark: "parse",
    group: "parse",
    subject: OURS,
    unit: "ns/op",
    samples: [50, 70, 60],
    yardstick: [100, 100, 100],
    bytesPerOp: 0,
    allocsPerOp: 0,
  } as const;
  const results = {
    date: "2026-11-24",
    machine: "one",
    versions: {},
    rows: [
      row,
      { ...row, subject: "a peer" },
      {
        benchmark: "peak",
        group: "serve",
        subject: OURS,
        unit: "bytes",
        samples: [1],
      },
    ],
  } as unknown as Results;
  assertEquals(baselineOf(results), {
    parse: { ratio: 0.6, bytesPerOp: 0, allocsPerOp: 0 },
  });
});
