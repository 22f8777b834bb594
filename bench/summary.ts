/**
 * A run of the suite as text: a table of all rows, and the targets of the project.
 *
 * @module
 */

import { median, quantile } from "simple-statistics";
import { CASES } from "./cases.ts";
import { LLHTTP } from "./peers.ts";
import { OURS, ratios, type Results, type Row } from "./results.ts";

/** Payload bytes of an operation, by benchmark. */
const BYTES: ReadonlyMap<string, number> = new Map([
  ...CASES.flatMap(({ benchmark, bytes }): [string, number][] =>
    bytes === undefined ? [] : [[benchmark, bytes]]
  ),
  ["Upload10MB", 10_000_000],
]);

function round(value: number): string {
  return value < 100
    ? value.toFixed(1)
    : Math.round(value).toLocaleString("en");
}

/** How far the quartiles are from the median. */
function spread(samples: number[]): string {
  const middle = median(samples);
  const percent = (p: number) =>
    Math.abs((quantile(samples, p) / middle - 1) * 100).toFixed(0);
  return `-${percent(0.25)} +${percent(0.75)} %`;
}

function cells(row: Row): string[] {
  const middle = median(row.samples);
  const bytes = BYTES.get(row.benchmark);
  return [
    row.benchmark,
    row.subject,
    `${round(middle)} ${row.unit}`,
    spread(row.samples),
    row.yardstick === undefined ? "" : `${median(ratios(row)).toFixed(2)} ×`,
    bytes === undefined ? "" : round(bytes / middle * 1000),
    row.bytesPerOp?.toFixed(1) ?? "",
    row.allocsPerOp?.toFixed(2) ?? "",
  ];
}

/** All rows; numbers stand to the right. */
export function table({ rows }: Results): string {
  const lines = [
    [
      "benchmark",
      "subject",
      "median",
      "quartiles",
      "yardstick",
      "MB/s",
      "B/op",
      "allocs/op",
    ],
    ...rows.map(cells),
  ];
  const widths = lines[0]!.map((_, column) =>
    Math.max(...lines.map((line) => line[column]!.length))
  );
  return lines.map((line) =>
    line.map((cell, column) =>
      column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
    ).join("  ")
  ).join("\n");
}

/** A target of the project; the value is `undefined` where a row is missing. */
interface Target {
  what: string;
  value: number | undefined;
  unit: string;
  least?: number;
  most?: number;
}

function targets({ rows }: Results): Target[] {
  const find = (benchmark: string, subject: string) =>
    rows.find((row) => row.benchmark === benchmark && row.subject === subject)
      ?.samples;
  const ns = (benchmark: string) => {
    const samples = find(benchmark, OURS);
    return samples && median(samples);
  };
  /** The time of the peer by ours, of each round. */
  const faster = (benchmark: string, peer: string) => {
    const [ours, theirs] = [find(benchmark, OURS), find(benchmark, peer)];
    return ours && theirs && median(theirs.map((time, i) => time / ours[i]!));
  };
  const perSecond = (benchmark: string, amount: number) => {
    const time = ns(benchmark);
    return time && amount * 1e9 / time;
  };
  return [
    {
      what: "ParseBrowserGET703, as fast as llhttp",
      value: faster("ParseBrowserGET703", LLHTTP),
      unit: "times",
      least: 2,
    },
    {
      what: "ParseBrowserGET703",
      value: ns("ParseBrowserGET703"),
      unit: "ns",
      most: 210,
    },
    {
      what: "ParseSimpleGET, as fast as llhttp",
      value: faster("ParseSimpleGET", LLHTTP),
      unit: "times",
      least: 3,
    },
    {
      what: "ChunkedLarge",
      value: perSecond("ChunkedLarge", BYTES.get("ChunkedLarge")! / 1e6),
      unit: "MB/s",
      least: 5000,
    },
    {
      what: "ChunkedSmall",
      value: perSecond("ChunkedSmall", BYTES.get("ChunkedSmall")! / 1e6),
      unit: "MB/s",
      least: 200,
    },
    {
      what: "Upload10MB, as fast as Deno.serve",
      value: faster("Upload10MB", "Deno.serve"),
      unit: "times",
      least: 1,
    },
    {
      what: "readRequests",
      value: perSecond("readRequests", 1),
      unit: "requests/s",
      least: 4_000_000,
    },
  ];
}

/** A line for each target: met, missed, or not measured. */
export function targetLines(results: Results): string {
  return targets(results).map(({ what, value, unit, least, most }) => {
    const aim = least === undefined
      ? `${round(most!)} at most`
      : `${round(least)} at least`;
    if (value === undefined) return `${what}: not measured`;
    const met = value >= (least ?? 0) && value <= (most ?? Infinity);
    const text = unit === "times" ? value.toFixed(2) : round(value);
    return `${what}: ${text} ${unit} (${aim}: ${met ? "met" : "missed"})`;
  }).join("\n");
}
