/**
 * Draws a run of the suite: charts of us and our peers as SVG, and the tables beside
 * them, into the README between its two marks.
 *
 * `deno task bench:report RESULTS.json`. The same results give the same bytes.
 *
 * @module
 */

import * as echarts from "echarts";
import { median } from "simple-statistics";
import { OURS, type Results, type Row, type Unit } from "./results.ts";

const START = "<!-- bench:start -->";
const END = "<!-- bench:end -->";
const OUR_COLOR = "#0b6e99";
const PEER_COLOR = "#b8bec6";

/** One chart: a panel for each benchmark, a bar for each subject. */
interface Chart {
  file: string;
  title: string;
  benchmarks: string[];
}

/** The middle of a row's samples. */
function middle(row: Row): number {
  return median(row.samples);
}

function figure(value: number, unit: Unit): string {
  const rounded = value < 10 ? value.toFixed(1) : Math.round(value);
  return `${rounded.toLocaleString("en")} ${unit}`;
}

function caption({ machine, versions, date }: Results): string {
  const all = Object.entries(versions).map(([name, of]) => `${name} ${of}`);
  return [machine, all.join(", "), date].join(" · ");
}

/** Cuts a text into lines of at most `width` characters, between its words. */
function wrap(text: string, width: number): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line.length + word.length >= width) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.join("\n");
}

const WIDTH = 860;
const BAR = 22;
const PANEL_HEAD = 34;

/** The chart as SVG, or `null` where the results have none of its benchmarks. */
export function draw(results: Results, chart: Chart): string | null {
  const panels = chart.benchmarks
    .map((name) => results.rows.filter(({ benchmark }) => benchmark === name))
    .filter((rows) => rows.length > 0);
  if (panels.length === 0) return null;
  const note = wrap(caption(results), 120);
  let top = 44;
  const tops = panels.map((rows) => {
    const at = top + PANEL_HEAD;
    top = at + rows.length * BAR + 10;
    return at;
  });
  const height = top + 20 + 16 * note.split("\n").length;
  const svg = echarts.init(null, null, {
    renderer: "svg",
    ssr: true,
    width: WIDTH,
    height,
  });
  svg.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    textStyle: { fontFamily: "sans-serif", color: "#222222" },
    title: [
      { text: chart.title, left: 16, top: 10, textStyle: { fontSize: 16 } },
      ...panels.map((rows, i) => ({
        text: `${rows[0]!.benchmark}, ${rows[0]!.unit}`,
        left: 16,
        top: tops[i]! - PANEL_HEAD + 6,
        textStyle: { fontSize: 13, fontWeight: "normal" },
      })),
      {
        text: note,
        left: 16,
        top: top + 6,
        textStyle: {
          fontSize: 11,
          fontWeight: "normal",
          color: "#555555",
          lineHeight: 15,
        },
      },
    ],
    grid: panels.map((rows, i) => ({
      left: 190,
      right: 130,
      top: tops[i],
      height: rows.length * BAR,
    })),
    xAxis: panels.map((_, i) => ({ gridIndex: i, type: "value", show: false })),
    yAxis: panels.map((rows, i) => ({
      gridIndex: i,
      type: "category",
      inverse: true,
      data: rows.map(({ subject }) => subject),
      axisTick: { show: false },
      axisLine: { show: false },
      axisLabel: { color: "#222222" },
    })),
    series: panels.map((rows, i) => ({
      type: "bar",
      xAxisIndex: i,
      yAxisIndex: i,
      barWidth: 14,
      data: rows.map((row) => ({
        value: middle(row),
        itemStyle: {
          color: row.subject.startsWith(OURS) ? OUR_COLOR : PEER_COLOR,
        },
      })),
      label: {
        show: true,
        position: "right",
        color: "#222222",
        formatter: ({ value }: { value: number }) =>
          figure(value, rows[0]!.unit),
      },
    })),
  });
  const text = svg.renderToSVGString();
  svg.dispose();
  // What it has for pages with scripts: an image needs none of it, and the names of
  // the classes count every chart ever drawn.
  return text
    .replaceAll(/<style\s*>.*?<\/style>/gs, "")
    .replaceAll(/ (class|ecmeta_\w+)="[^"]*"/g, "");
}

function cells(values: (string | number)[]): string {
  return `| ${values.join(" | ")} |`;
}

/** A row for each benchmark that we are alone in, or have peers in. */
function tableOf(results: Results): string {
  const lines = [
    cells(["benchmark", "subject", "median", "to ours", "B/op", "allocs/op"]),
    cells(["---", "---", "--:", "--:", "--:", "--:"]),
  ];
  for (const row of results.rows) {
    const ours = results.rows.find(({ benchmark, subject }) =>
      benchmark === row.benchmark && subject === OURS
    );
    const ratio = ours === undefined || ours === row
      ? ""
      : `${(middle(row) / middle(ours)).toFixed(2)} ×`;
    lines.push(cells([
      row.benchmark,
      row.subject,
      figure(middle(row), row.unit),
      ratio,
      row.bytesPerOp?.toFixed(1) ?? "",
      row.allocsPerOp?.toFixed(2) ?? "",
    ]));
  }
  return lines.join("\n");
}

const CHARTS: readonly Chart[] = [
  {
    file: "parse.svg",
    title: "Parsing one request, shorter is better",
    benchmarks: [
      "ParseSimpleGET",
      "FreshSimpleGET",
      "Pipelined16",
      "ParseWith10Headers",
      "ParseWith32Headers",
      "ParseBrowserGET703",
      "FreshBrowserGET703",
    ],
  },
  {
    file: "serve.svg",
    title: "Requests a second over loopback, 64 connections, longer is better",
    benchmarks: ["Serve", "ServePipelined"],
  },
  {
    file: "body.svg",
    title: "A body of 10 MB over loopback, shorter is better",
    benchmarks: ["Upload10MB"],
  },
];

/** The names of the charts' files with their contents, and what the README shows. */
export function report(
  results: Results,
): { charts: Map<string, string>; text: string } {
  const charts = new Map<string, string>();
  const images: string[] = [];
  for (const chart of CHARTS) {
    const svg = draw(results, chart);
    if (svg === null) continue;
    charts.set(chart.file, svg);
    images.push(`![${chart.title}](bench/charts/${chart.file})`);
  }
  const text = [
    START,
    ...images,
    `${caption(results)}. Medians of runs that take turns.`,
    `<details><summary>The same as a table</summary>`,
    tableOf(results),
    `</details>`,
    END,
  ].join("\n\n");
  return { charts, text };
}

/** The page with `text` in place of what stood between its marks. */
export function putInto(page: string, text: string): string {
  const start = page.indexOf(START);
  const end = page.indexOf(END);
  if (start < 0 || end < start) {
    throw new Error(`the page has no ${START} and ${END}`);
  }
  return page.slice(0, start) + text + page.slice(end + END.length);
}

/** The page as `deno fmt` leaves it. */
async function format(path: string): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", path],
  }).output();
  if (!success) throw new Error(`${path} could not be formatted`);
}

if (import.meta.main) {
  const [file] = Deno.args;
  if (file === undefined) {
    console.error("usage: deno task bench:report RESULTS.json");
    Deno.exit(2);
  }
  const root = new URL("../", import.meta.url);
  const { charts, text } = report(JSON.parse(await Deno.readTextFile(file)));
  const readme = new URL("README.md", root);
  const page = putInto(await Deno.readTextFile(readme), text);
  await Deno.mkdir(new URL("bench/charts/", root), { recursive: true });
  for (const [name, svg] of charts) {
    await Deno.writeTextFile(new URL(`bench/charts/${name}`, root), svg);
    console.log(`bench/charts/${name}`);
  }
  await Deno.writeTextFile(readme, page);
  await format(readme.pathname);
  console.log("README.md");
}
