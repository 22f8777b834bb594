/**
 * Charts and tables of a benchmark run: they contain every measurement, and the same
 * results always produce the same bytes. The figures are invented.
 */

import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { putInto, report } from "../../bench/lib/report.ts";
import { OURS, type Results, type Row } from "../../bench/lib/results.ts";

/** Waits after `run` for the frame that ECharts schedules and offers no way to cancel. */
function drawing(name: string, run: () => void): void {
  Deno.test(name, async () => {
    run();
    await new Promise((resolve) => setTimeout(resolve, 50));
  });
}

function row(benchmark: string, subject: string, values: number[]): Row {
  return { benchmark, group: "parse", subject, unit: "ns/op", samples: values };
}

const RESULTS: Results = {
  date: "2026-01-02",
  machine: "a machine, 2 cores",
  versions: { deno: "2.9.6", wrk: "4.1" },
  rows: [
    {
      ...row("ParseSimpleGET", OURS, [41, 40, 47]),
      bytesPerOp: 0,
      allocsPerOp: 0,
    },
    row("ParseSimpleGET", "llhttp, WebAssembly", [98, 101, 97]),
    row("ParseSimpleGET", "http-parser-js", [3210, 3190, 4000]),
    { ...row("Serve", OURS, [147_000, 147_100, 1]), unit: "requests/s" },
    { ...row("Serve", "Deno.serve & co", [161_000]), unit: "requests/s" },
  ],
};

drawing(
  "charts name every subject, its median, the machine, versions and date",
  () => {
    const { charts } = report(RESULTS);
    assertEquals([...charts.keys()], ["parse.svg", "serve.svg"]);
    const parse = charts.get("parse.svg")!;
    for (
      const text of [
        ...[
          OURS,
          "llhttp, WebAssembly",
          "http-parser-js",
          "a machine, 2 cores",
        ],
        ...["deno 2.9.6, wrk 4.1", "2026-01-02", "41 ns/op", "98 ns/op"],
        "3,210 ns/op",
      ]
    ) assertStringIncludes(parse, text);
    const serve = charts.get("serve.svg")!;
    assertStringIncludes(serve, "147,000 requests/s");
    assertStringIncludes(serve, "Deno.serve &amp; co");
    for (const svg of charts.values()) {
      assert(svg.startsWith("<svg"));
      // Every start tag has a matching end tag.
      const open: string[] = [];
      for (
        const [, slash, name, self] of svg.matchAll(
          /<(\/?)([\w:]+)[^>]*?(\/?)>/g,
        )
      ) {
        if (slash) assertEquals(open.pop(), name);
        else if (!self) open.push(name!);
      }
      assertEquals(open, []);
    }
  },
);

drawing("long subject names fit into the chart", () => {
  const long = `${OURS}, async handler`;
  const rows = [{ ...row("Serve", long, [1]), unit: "requests/s" } as const];
  const svg = report({ ...RESULTS, rows }).charts.get("serve.svg")!;
  const [, at] = svg.match(
    RegExp(`text-anchor="end"[^>]*"translate\\(([\\d.]+) [^>]*>${long}<`),
  ) ?? [];
  // A wide font takes 7 pixels per letter at this size.
  assert(Number(at) > long.length * 7, `${long} ends at ${at}`);
});

/** Collapses the padding of table columns. */
function plain(table: string): string {
  return table.replaceAll(/ +/g, " ");
}

drawing("the page has every row, with its ratio to ours", () => {
  const page = plain(report(RESULTS).page);
  for (const { benchmark, subject } of RESULTS.rows) {
    assertStringIncludes(page, `| ${benchmark} | ${subject} |`);
  }
  assertStringIncludes(page, "| 98 ns/op | 2.39 × |");
  assertStringIncludes(page, "| 41 ns/op | | 0.0 | 0.00 |");
});

drawing(
  "the summary compares ours with each peer measured on the same input",
  () => {
    const { summary } = report(RESULTS);
    assertEquals(
      plain(summary).split("\n").filter((line) => line.startsWith("| ")),
      [
        "| | peer | peer's median | ours |",
        "| ------------------------- | ------------------- | ------------: | -------: |",
        "| the same simple GET again | llhttp, WebAssembly | 98 ns/op | 41 ns/op |",
        "| the same simple GET again | http-parser-js | 3,210 ns/op | 41 ns/op |",
      ],
    );
  },
);

drawing("the same results produce the same output", () => {
  const [first, second] = [report(RESULTS), report(RESULTS)];
  assertEquals([...second.charts], [...first.charts]);
  const page = "a\n\n<!-- bench:start -->\n\nold\n\n<!-- bench:end -->\n\nb\n";
  const once = putInto(page, first.summary);
  assertEquals(putInto(once, second.summary), once);
  assert(once.startsWith("a\n\n<!--") && once.endsWith("-->\n\nb\n"));
  assert(!once.includes("old"));
});

Deno.test("a page without the bench markers is an error", () => {
  assertThrows(() => putInto("no marks", "text"), Error, "bench:start");
});
