/**
 * The result of a run as Markdown tables: all rows, and some of them for the README.
 *
 * @module
 */

import { median } from "simple-statistics";
import { OURS, type Results, type Row, type Unit } from "./results.ts";

/** The median of a row's samples. */
export function middle(row: Row): number {
  return median(row.samples);
}

/** A value with its unit, such as `"1,213 ns/op"`. */
export function figure(value: number, unit: Unit): string {
  const rounded = value < 10 ? value.toFixed(1) : Math.round(value);
  return `${rounded.toLocaleString("en")} ${unit}`;
}

/** The machine, the versions, and the day. */
export function caption({ machine, versions, date }: Results): string {
  const all = Object.entries(versions).map(([name, of]) => `${name} ${of}`);
  return [machine, all.join(", "), date].join(" · ");
}

/** A table; columns from `numbers` on are right-aligned. */
export function table(
  head: string[],
  numbers: number,
  lines: string[][],
): string {
  const all = [head, ...lines];
  const widths = head.map((_, i) =>
    Math.max(3, ...all.map((line) => line[i]!.length))
  );
  const row = (line: string[]) =>
    `| ${
      line.map((cell, i) =>
        i < numbers ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)
      ).join(" | ")
    } |`;
  const rule = widths.map((width, i) =>
    i < numbers ? "-".repeat(width) : `${"-".repeat(width - 1)}:`
  );
  return [row(head), row(rule), ...lines.map(row)].join("\n");
}

/** Our row of a benchmark. */
function oursIn({ rows }: Results, benchmark: string): Row | undefined {
  return rows.find((row) =>
    row.benchmark === benchmark && row.subject === OURS
  );
}

/** All rows, each with its ratio to ours. */
export function allRows(results: Results): string {
  return table(
    ["benchmark", "subject", "median", "to ours", "B/op", "allocs/op"],
    2,
    results.rows.map((row) => {
      const ours = oursIn(results, row.benchmark);
      const ratio = ours === undefined || ours === row
        ? ""
        : `${(middle(row) / middle(ours)).toFixed(2)} ×`;
      return [
        row.benchmark,
        row.subject,
        figure(middle(row), row.unit),
        ratio,
        row.bytesPerOp?.toFixed(1) ?? "",
        row.allocsPerOp?.toFixed(2) ?? "",
      ];
    }),
  );
}

/** The lines of the README: a benchmark and the peer shown beside it. */
const SHORT: readonly [what: string, benchmark: string, peer: string][] = [
  ["a recorded page load", "RecordedPages", "llhttp, WebAssembly"],
  ["512 browser heads", "FreshBrowserGET", "llhttp, WebAssembly"],
  ["512 heads of API calls", "FreshApiGET", "llhttp, WebAssembly"],
  ["512 small GETs", "FreshSmallGET", "llhttp, WebAssembly"],
  ["the same browser head again", "ParseBrowserGET703", "llhttp, WebAssembly"],
  ["the same simple GET again", "ParseSimpleGET", "llhttp, WebAssembly"],
  ["16 simple GETs in one chunk", "Pipelined16", "llhttp, WebAssembly"],
  ["the same simple GET again", "ParseSimpleGET", "http-parser-js"],
  ["512 responses of nginx", "FreshNginxResponse", "llhttp, WebAssembly"],
  [
    "512 responses of many servers",
    "FreshMixedResponse",
    "llhttp, WebAssembly",
  ],
  ["the same response again", "ParseJsonResponse", "llhttp, WebAssembly"],
  ["serving, one at a time", "Serve", "Deno.serve"],
  ["serving, 16 pipelined", "ServePipelined", "Deno.serve"],
  ["upload of 10 MB", "Upload10MB", "Deno.serve"],
];

/** The short table; lines of benchmarks that the run left out are missing. */
export function shortTable(results: Results): string {
  const lines = SHORT.flatMap(([what, benchmark, peer]) => {
    const ours = oursIn(results, benchmark);
    const theirs = results.rows.find((row) =>
      row.benchmark === benchmark && row.subject === peer
    );
    return ours === undefined || theirs === undefined ? [] : [[
      what,
      peer,
      figure(middle(theirs), theirs.unit),
      figure(middle(ours), ours.unit),
    ]];
  });
  return table(["", "peer", "peer's median", "ours"], 2, lines);
}
