/**
 * The comparison of two benchmark runs reports regressions and ignores noise. The samples
 * are generated from fixed seeds.
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { compare, type Verdict } from "../../bench/lib/compare.ts";
import { OURS, type Results, type Row } from "../../bench/lib/results.ts";

/** Twenty samples around `middle` with a relative spread of `noise`. */
function samples(middle: number, noise: number, seed: number): number[] {
  const shares = fc.sample(fc.double({ min: -1, max: 1, noNaN: true }), {
    seed,
    numRuns: 20,
  });
  // Evenly spread ranks: two sets with the same median have the same distribution.
  return shares.map((_, i) => {
    const at = (i * 7 + seed) % 20;
    return middle * (1 + noise * (at - 9.5) / 9.5) + shares[i]! * 1e-3;
  });
}

function row(
  benchmark: string,
  values: number[],
  more: Partial<Row> = {},
): Row {
  return {
    benchmark,
    group: "parse",
    subject: OURS,
    unit: "ns/op",
    samples: values,
    yardstick: values.map(() => 100),
    ...more,
  };
}

function results(...rows: Row[]): Results {
  return { date: "2026-01-01", machine: "none", versions: {}, rows };
}

function verdict(before: Row, after: Row): Verdict {
  return compare(results(before), results(after)).rows[0]!.verdict;
}

const rate: Partial<Row> = { unit: "requests/s" };

const CASES: [what: string, before: Row, after: Row, expected: Verdict][] = [
  [
    "the same",
    row("a", samples(50, 0.03, 1)),
    row("a", samples(50, 0.03, 2)),
    "~",
  ],
  [
    "a tenth slower",
    row("a", samples(50, 0.03, 1)),
    row("a", samples(55, 0.03, 2)),
    "regression",
  ],
  [
    "3 % slower",
    row("a", samples(50, 0.01, 1)),
    row("a", samples(51.5, 0.01, 2)),
    "worse, within bounds",
  ],
  [
    "a tenth faster",
    row("a", samples(50, 0.03, 1)),
    row("a", samples(45, 0.03, 2)),
    "better",
  ],
  [
    "noise of a fifth",
    row("a", samples(50, 0.2, 1)),
    row("a", samples(50, 0.2, 5)),
    "~",
  ],
  [
    "15 % fewer requests",
    row("a", samples(1e5, 0.02, 1), rate),
    row("a", samples(85e3, 0.02, 2), rate),
    "regression",
  ],
  [
    "7 % fewer requests",
    row("a", samples(1e5, 0.02, 1), rate),
    row("a", samples(93e3, 0.02, 2), rate),
    "worse, within bounds",
  ],
  [
    "15 % more requests",
    row("a", samples(1e5, 0.02, 1), rate),
    row("a", samples(115e3, 0.02, 2), rate),
    "better",
  ],
  [
    "a new object",
    row("a", samples(50, 0.03, 1), { allocsPerOp: 0 }),
    row("a", samples(50, 0.03, 2), { allocsPerOp: 1 }),
    "allocates more",
  ],
  [
    "new bytes, but faster",
    row("a", samples(50, 0.03, 1), { bytesPerOp: 0 }),
    row("a", samples(40, 0.03, 2), { bytesPerOp: 24 }),
    "allocates more",
  ],
  [
    "a blur of bytes",
    row("a", samples(50, 0.03, 1), { bytesPerOp: 0 }),
    row("a", samples(50, 0.03, 2), { bytesPerOp: 0.3 }),
    "~",
  ],
  ["two samples", row("a", [50, 51]), row("a", [80, 81]), "too few samples"],
  [
    "a higher peak",
    row("a", samples(1e7, 0.02, 1), { unit: "bytes" }),
    row("a", samples(12e6, 0.02, 2), { unit: "bytes" }),
    "regression",
  ],
];

for (const [what, before, after, expected] of CASES) {
  Deno.test(`compare: ${what} is ${expected}`, () => {
    assertEquals(verdict(before, after), expected);
  });
}

Deno.test("compare: a machine that is slower overall is no change", () => {
  const before = row("a", samples(50, 0.03, 1));
  const after = row("a", samples(50, 0.03, 2).map((ns) => ns * 1.3), {
    yardstick: Array(20).fill(130),
  });
  assertEquals(verdict(before, after), "~");
});

Deno.test("compare: only our rows are compared, and unmatched rows are listed", () => {
  const one = row("a", samples(50, 0.03, 1));
  const peer = row("a", samples(50, 0.03, 1), { subject: "llhttp" });
  const { rows, alone } = compare(
    results(one, peer, row("gone", [1])),
    results(one, row("new", [1])),
  );
  assertEquals(rows.map(({ benchmark }) => benchmark), ["a"]);
  assertEquals(alone, ["gone", "new"]);
});

Deno.test("bench:compare prints a table and exits with 0, 1 for a regression, 2 for bad input", async () => {
  const folder = await Deno.makeTempDir();
  const file = async (name: string, text: string) => {
    const path = `${folder}/${name}`;
    await Deno.writeTextFile(path, text);
    return path;
  };
  const old = await file(
    "old.json",
    JSON.stringify(results(row("ParseSimpleGET", samples(50, 0.03, 1)))),
  );
  const slow = await file(
    "slow.json",
    JSON.stringify(results(row("ParseSimpleGET", samples(60, 0.03, 2)))),
  );
  const none = await file("none.json", "{}");
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        new URL("../../bench/lib/compare.ts", import.meta.url).pathname,
        ...args,
      ],
    }).output();
    const decoder = new TextDecoder();
    return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
  };
  const [same, slower, wrong, usage] = await Promise.all([
    run(old, old),
    run(old, slow),
    run(old, none),
    run(old),
  ]);
  assertEquals(same.code, 0, same.text);
  assertStringIncludes(same.text, "1 compared, 0 regressions");
  assertEquals(slower.code, 1, slower.text);
  assertStringIncludes(slower.text, "ParseSimpleGET");
  assertStringIncludes(slower.text, "+20.");
  assertMatch(slower.text, /\| regression +\|/);
  assertEquals(wrong.code, 2, wrong.text);
  assertEquals(usage.code, 2, usage.text);
  await Deno.remove(folder, { recursive: true });
});
