/**
 * Publishes a result of the suite: SVG charts and a short table between the two
 * marks of the README, and all rows in `bench/RESULTS.md`.
 *
 * `deno task bench:report RESULTS.json`. The output is deterministic.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as echarts from "echarts";
import { OURS, type Results } from "./results.ts";
import { allRows, caption, figure, middle, shortTable } from "./tables.ts";

const START = "<!-- bench:start -->";
const END = "<!-- bench:end -->";
const OUR_COLOR = "#0b6e99";
const PEER_COLOR = "#b8bec6";

/** One chart, with a panel for each benchmark and a bar for each subject. */
interface Chart {
  file: string;
  title: string;
  benchmarks: string[];
}

/** Wraps a text at word boundaries into lines of at most `width` characters. */
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
/** Space left of the bars for the longest name, "@pooled/http1, async handler". */
const NAMES = 230;
const BAR = 22;
const PANEL_HEAD = 34;

/** The chart as SVG, or `null` if the results have none of its benchmarks. */
function draw(results: Results, chart: Chart): string | null {
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
      left: NAMES,
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
  // ECharts adds these for pages with scripts. An image does not need them, and the class
  // names count every chart drawn, so the output would not be deterministic.
  return text
    .replaceAll(/<style\s*>.*?<\/style>/gs, "")
    .replaceAll(/ (class|ecmeta_\w+)="[^"]*"/g, "");
}

const CHARTS: readonly Chart[] = [
  {
    file: "parse.svg",
    title: "Parsing one request, shorter is better",
    benchmarks: [
      "RecordedPages",
      "FreshBrowserGET",
      "FreshApiGET",
      "FreshSmallGET",
      "ParseBrowserGET703",
      "ParseWith32Headers",
      "ParseWith10Headers",
      "ParseSimpleGET",
      "Pipelined16",
    ],
  },
  {
    file: "responses.svg",
    title: "Parsing one response, shorter is better",
    benchmarks: [
      "FreshNginxResponse",
      "FreshMixedResponse",
      "ParsePageResponse",
      "ParseJsonResponse",
      "PipelinedResponses16",
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

/** The texts of a report. */
interface Report {
  /** The SVG charts, by file name. */
  charts: Map<string, string>;
  /** The text between the marks of the README. */
  summary: string;
  /** The text of `bench/RESULTS.md`. */
  page: string;
}

/** Makes the report of a result. */
export function report(results: Results): Report {
  const charts = new Map<string, string>();
  const images: string[] = [];
  for (const chart of CHARTS) {
    const svg = draw(results, chart);
    if (svg === null) continue;
    charts.set(chart.file, svg);
    images.push(`![${chart.title}](bench/charts/${chart.file})`);
  }
  const measured = `${caption(results)}. Medians of runs that take turns.`;
  const summary = [START, ...images, shortTable(results), measured, END];
  const page = ["# Results of the benchmarks", measured, allRows(results)];
  return {
    charts,
    summary: summary.join("\n\n"),
    page: page.join("\n\n") + "\n",
  };
}

/** Replaces the marks of a page, and the text between them, by `text`. */
export function putInto(page: string, text: string): string {
  const start = page.indexOf(START);
  const end = page.indexOf(END);
  if (start < 0 || end < start) {
    throw new Error(`the page has no ${START} and ${END}`);
  }
  return page.slice(0, start) + text + page.slice(end + END.length);
}

/** Runs `deno fmt` on the page. */
async function format(path: string): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", path],
  }).output();
  if (!success) throw new Error(`${path} could not be formatted`);
}

async function main(args: string[]): Promise<void> {
  const { positionals: [file] } = parseArgs({ args, allowPositionals: true });
  if (file === undefined) {
    console.error("usage: deno task bench:report RESULTS.json");
    Deno.exit(2);
  }
  const root = new URL("../../", import.meta.url);
  const results: Results = JSON.parse(await Deno.readTextFile(file));
  const { charts, summary, page } = report(results);
  for (const [name, svg] of charts) {
    await Deno.writeTextFile(new URL(`bench/charts/${name}`, root), svg);
  }
  const readme = new URL("README.md", root);
  const all = new URL("bench/RESULTS.md", root);
  const text = putInto(await Deno.readTextFile(readme), summary);
  await Deno.writeTextFile(readme, text);
  await Deno.writeTextFile(all, page);
  for (const written of [readme, all]) await format(fileURLToPath(written));
  console.log([...charts.keys(), "README.md", "RESULTS.md"].join("\n"));
}

if (import.meta.main) await main(Deno.args);
