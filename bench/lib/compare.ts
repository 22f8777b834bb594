/**
 * Compares two results of the suite like Go's benchstat: medians, their spread, and the
 * probability that the ranks differ this much by chance.
 *
 * `deno task bench:compare OLD NEW`, both written by `deno task bench --json FILE`. Times
 * and rates are compared as ratios to the yardstick. A regression is more than 5 % of
 * time, 10 % of throughput or of peak memory, or any new allocation; the command then
 * exits with 1.
 *
 * @module
 */

import { parseArgs } from "node:util";
import kruskalTest from "kruskal-test";
import { median, quantile } from "simple-statistics";
import {
  allowedBytes,
  allowedObjects,
  OURS,
  ratios,
  type Results,
  type Row,
  type Unit,
} from "./results.ts";
import { table } from "./tables.ts";

/** The share of the old median by which a median may get worse. */
const ALLOWED: Record<Unit, number> = {
  "ns/op": 0.05,
  "requests/s": 0.1,
  "bytes": 0.1,
};
/** The significance level: a smaller p is not chance. */
const ALPHA = 0.05;
/** Fewer samples than this prove nothing. */
const FEWEST = 5;

/** The verdict on one row. */
export type Verdict =
  | "regression"
  | "allocates more"
  | "worse, within bounds"
  | "better"
  | "~"
  | "too few samples";

/** One row of ours, before and after. */
export interface Comparison {
  benchmark: string;
  old: Summary;
  new: Summary;
  /** The change of the median, as a share of the old one. */
  change: number;
  /** The probability of such ranks if nothing changed. */
  p: number;
  verdict: Verdict;
}

/** A summary of the samples of a row. */
interface Summary {
  median: number;
  /** Half the interquartile range, as a share of the median. */
  spread: number;
  samples: number;
  /** Whether the values are ratios to the yardstick. */
  relative: boolean;
  row: Row;
}

function summarize(row: Row): Summary {
  const values = ratios(row);
  const middle = median(values);
  const range = quantile(values, 0.75) - quantile(values, 0.25);
  return {
    median: middle,
    spread: range / 2 / middle,
    samples: values.length,
    relative: row.yardstick !== undefined,
    row,
  };
}

/** Whether a row exceeds the project's thresholds. */
function isRegression({ verdict }: Comparison): boolean {
  return verdict === "regression" || verdict === "allocates more";
}

/** Whether there are new allocations; false if either side was not measured. */
function allocatesMore(before: Row, after: Row): boolean {
  return after.allocsPerOp! > allowedObjects(before.allocsPerOp!) ||
    after.bytesPerOp! > allowedBytes(before.bytesPerOp!);
}

function judge(before: Row, after: Row, change: number, p: number): Verdict {
  if (allocatesMore(before, after)) return "allocates more";
  if (Math.min(before.samples.length, after.samples.length) < FEWEST) {
    return "too few samples";
  }
  if (!(p < ALPHA)) return "~";
  const worse = after.unit === "requests/s" ? -change : change;
  if (worse <= 0) return "better";
  return worse > ALLOWED[after.unit] ? "regression" : "worse, within bounds";
}

/** Compares our rows that are in both results; `alone` names those in only one. */
export function compare(
  old: Results,
  now: Results,
): { rows: Comparison[]; alone: string[] } {
  const key = ({ benchmark, subject, unit }: Row) =>
    JSON.stringify([benchmark, subject, unit]);
  const ours = ({ rows }: Results) =>
    new Map(
      rows.filter(({ subject }) => subject === OURS).map((row) =>
        [key(row), row] as const
      ),
    );
  const before = ours(old);
  const after = ours(now);
  const rows: Comparison[] = [];
  for (const [name, row] of after) {
    const first = before.get(name);
    if (first === undefined) continue;
    const [a, b] = [summarize(first), summarize(row)];
    const change = b.median / a.median - 1;
    const p = kruskalTest(ratios(first), ratios(row)).pValue;
    const verdict = judge(first, row, change, p);
    rows.push({
      benchmark: row.benchmark,
      old: a,
      new: b,
      change,
      p,
      verdict,
    });
  }
  const alone = [...before.keys(), ...after.keys()]
    .filter((name) => before.has(name) !== after.has(name))
    .map((name) => JSON.parse(name)[0] as string);
  return { rows, alone };
}

function figure({ median, spread, relative, row }: Summary): string {
  const value = relative
    ? `${median.toFixed(3)} ×`
    : `${Math.round(median).toLocaleString("en")} ${row.unit}`;
  return `${value} ± ${Math.round(spread * 100)} %`;
}

function perOp({ row }: Summary): string {
  return row.bytesPerOp === undefined
    ? "-"
    : `${row.bytesPerOp} B ${row.allocsPerOp ?? "?"}`;
}

function tableOf(rows: Comparison[]): string {
  return table(
    [
      ...["benchmark", "verdict", "old", "new", "change", "p", "n"],
      "old, new B/op and allocs",
    ],
    2,
    rows.map((row) => [
      row.benchmark,
      row.verdict,
      figure(row.old),
      figure(row.new),
      `${row.change < 0 ? "" : "+"}${(row.change * 100).toFixed(1)} %`,
      Number.isNaN(row.p) ? "-" : row.p.toFixed(3),
      `${row.old.samples}+${row.new.samples}`,
      `${perOp(row.old)}, ${perOp(row.new)}`,
    ]),
  );
}

function read(path: string): Results {
  const results = JSON.parse(Deno.readTextFileSync(path));
  if (!Array.isArray(results?.rows)) throw new Error("it has no rows");
  return results;
}

/** Runs the command; returns the exit code. */
function main(args: string[]): number {
  const { positionals } = parseArgs({ args, allowPositionals: true });
  const [before, after, ...rest] = positionals;
  if (before === undefined || after === undefined || rest.length > 0) {
    console.error("usage: deno task bench:compare OLD NEW");
    return 2;
  }
  const both: Results[] = [];
  for (const path of [before, after]) {
    try {
      both.push(read(path));
    } catch (error) {
      console.error(`${path} is no result of the benchmarks: ${error}`);
      return 2;
    }
  }
  const { rows, alone } = compare(both[0]!, both[1]!);
  console.log(tableOf(rows));
  console.log("× is the ratio to the yardstick of the same round");
  if (alone.length > 0) console.log(`only in one file: ${alone.join(", ")}`);
  const regressions = rows.filter(isRegression);
  console.log(`${rows.length} compared, ${regressions.length} regressions`);
  return regressions.length > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(main(Deno.args));
