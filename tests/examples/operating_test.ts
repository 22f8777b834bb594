/**
 * The access log and the metrics, with real clients.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import parsePrometheus from "parse-prometheus-text-format";
import { documentedCommand, Example } from "../support/example.ts";
import { needs } from "../support/needs.ts";
import { curl, ended } from "../support/programs.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { GET, get, keep, last, post } from "../support/requests.ts";
import { test, within } from "../support/waiting.ts";

/** A line of the Combined Log Format, as log analysers read it. */
const COMBINED =
  /^(\S+) (\S+) (\S+) \[(\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "((?:[^"\\]|\\.)*)" (\d{3}|-) (\d+|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"$/;

/** The lines of a log, without the announcement of the address. */
function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "").slice(1);
}

test("access log: one line per request, which no client can forge", async () => {
  await using example = Example.start("access_log.ts", ["0"]);
  const port = await example.port();
  const target = '/"%0a\\x"';
  // A tab is the only control byte that a field may hold.
  const forged = '-" 200 1\\"\t\xe4';
  const requests = [
    get(
      "/",
      `User-Agent: ${forged}`,
      "Referer: http://a/",
    ),
    keep("HEAD"),
    keep("GET", target),
    keep("GET", "/fails"),
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\nx",
  ];
  const answers = await answerTo(port, requests.join(""));
  assertEquals(answers.match(/HTTP\/1\.1 \d+/g)?.length, 5);
  await answerTo(port, 'GET /\x1b[2J" HTTP/1.1\r\n\r\n');
  await answerTo(port, "GET /without-host HTTP/1.1\r\n\r\n");
  const url = `http://127.0.0.1:${port}`;
  await curl("-A", "curl/0", "-d", "body", `${url}/echo`);
  await curl("-A", "", `${url}/last`);
  await example.line(/(\/last.*\n)/);
  const lines = linesOf(example.text);
  for (const line of lines) assertMatch(line, /^[ -~]+$/);
  const parsed = lines.map((line) => {
    const match = COMBINED.exec(line);
    assert(match !== null, line);
    const [, host, , , time, request, status, , referer, agent] = match;
    assertEquals(host, "127.0.0.1");
    const [date, clock] = [time!.slice(0, 11), time!.slice(12, 20)];
    assert(
      !Number.isNaN(Date.parse(`${date.replaceAll("/", " ")} ${clock} GMT`)),
    );
    return [request, status, referer, agent];
  });
  assertEquals(parsed, [
    ["GET / HTTP/1.1", "200", "http://a/", '-\\" 200 1\\\\\\"\\x09\\xe4'],
    ["HEAD / HTTP/1.1", "200", "-", "-"],
    ['GET /\\"%0a\\\\x\\" HTTP/1.1', "404", "-", "-"],
    ["GET /fails HTTP/1.1", "500", "-", "-"],
    ["POST /echo HTTP/1.1", "413", "-", "-"],
    ["-", "400", "-", "-"],
    ["-", "400", "-", "-"],
    ["POST /echo HTTP/1.1", "200", "-", "curl/0"],
    ["GET /last HTTP/1.1", "404", "-", "-"],
  ]);
  const [, sent] = lines[0]!.match(/ 200 (\d+) /)!;
  assertEquals(Number(sent), answers.indexOf("HTTP/1.1", 1));
});

test("access log: what a slow stdout can't take is dropped and counted", async () => {
  await using example = Example.start("access_log.ts", ["0"], {
    constants: { MOST_BUFFERED: 20_000 },
  });
  const port = await example.port();
  // Nobody reads now: the system's pipe takes 64 KiB, and the example twice 20 kB.
  const count = 5000;
  using client = await RawClient.connect(port);
  await Promise.all([
    client.send(GET.repeat(count - 1) + last("/")),
    client.rest(),
  ]);
  await example.line(/# (\d+) lines were dropped\n/);
  await curl(`http://127.0.0.1:${port}/last`);
  await example.line(/(\/last.*\n)/);
  const lines = linesOf(example.text);
  const dropped = lines.filter((line) => line.startsWith("# "));
  const logged = lines.filter((line) => COMBINED.test(line));
  assertEquals(lines.length, dropped.length + logged.length);
  const lost = dropped.reduce(
    (sum, line) => sum + Number(line.split(" ")[1]),
    0,
  );
  assert(lost > 0);
  assertEquals(logged.length + lost, count + 1);
});

test("access log: no drop is forgotten while stdout stays slow", async () => {
  const line =
    '127.0.0.1 - - [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.1" 200 123 "-" "-"\n';
  // Lines of this length leave no room behind them.
  await using example = Example.start("access_log.ts", ["0"], {
    constants: { MOST_BUFFERED: 4000 * line.length },
  });
  const port = await example.port();
  const count = 8000;
  const burst = async () => {
    using client = await RawClient.connect(port);
    await Promise.all([
      client.send(GET.repeat(count - 1) + last("/")),
      client.rest(),
    ]);
  };
  await burst();
  // The lines that waited are on their way now, and others wait behind them.
  await example.line(/^((?:.*\n){1500})/);
  await burst();
  await example.line(/# (\d+) lines were dropped\n/);
  await curl(`http://127.0.0.1:${port}/last`);
  await example.line(/(\/last.*\n)/);
  const lines = linesOf(example.text);
  const lost = lines.map((line) =>
    Number(line.match(/^# (\d+) lines were dropped$/)?.[1] ?? 0)
  );
  assertEquals(
    lost.reduce((sum, count) => sum + count, 0) +
      lost.filter((count) => count === 0).length,
    2 * count + 1,
  );
});

test("access log: the server goes on when nobody reads its log any more", async () => {
  const args = documentedCommand("access_log.ts")
    .map((word) => word === "8000" ? "0" : word);
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: new URL("../../", import.meta.url),
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "null",
  }).spawn();
  try {
    const output = child.stdout.getReader();
    let text = "";
    let port: string | undefined;
    while (port === undefined) {
      const { value } = await within(output.read(), "the port");
      text += new TextDecoder().decode(value);
      port = text.match(/istening on .*?(\d+)\/\n/)?.[1];
    }
    await output.cancel();
    for (let i = 0; i < 5; i++) {
      assertEquals(await curl(`http://127.0.0.1:${port}/`), "hello\n");
    }
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
});

/** A metric as the parser gives it: samples, or one histogram. */
interface Metric {
  name: string;
  help: string;
  type: string;
  metrics: {
    labels?: Record<string, string>;
    value?: string;
    buckets?: Record<string, string>;
    sum?: string;
    count?: string;
  }[];
}

/** The metrics of an example, by name. */
async function metricsOf(port: number): Promise<Map<string, Metric>> {
  const url = `http://127.0.0.1:${port}/metrics`;
  const head = await curl("-sI", url);
  assertMatch(head, /content-type: text\/plain; version=0\.0\.4\r\n/i);
  const text = await curl(url);
  const metrics: Metric[] = parsePrometheus(text);
  // Whatever is sent can be read back, line by line.
  let samples = 0;
  for (const { buckets } of metrics.flatMap(({ metrics }) => metrics)) {
    // A histogram has a sum and a count as well.
    samples += buckets === undefined ? 1 : Object.keys(buckets).length + 2;
  }
  assertEquals(
    samples,
    text.split("\n").filter((line) => /^[a-z]/.test(line)).length,
  );
  return new Map(metrics.map((metric) => [metric.name, metric]));
}

/** The value of the metric with these labels; 0 if it is absent. */
function valueOf(
  metrics: Map<string, Metric>,
  name: string,
  labels: Record<string, string> = {},
): number {
  const metric = metrics.get(name);
  assert(metric !== undefined && metric.help !== "", name);
  const found = metric.metrics.filter((one) =>
    Object.entries(labels).every(([label, value]) =>
      one.labels?.[label] === value
    )
  );
  assert(found.length <= 1, `${name} is there ${found.length} times`);
  return Number(found[0]?.value ?? 0);
}

test("metrics: what another parser reads is what clients did", async () => {
  await using example = Example.start("metrics.ts", ["0"]);
  const port = await example.port();
  await answerTo(port, keep("GET") + post("/echo", "body") + last("/no"));
  for (let i = 0; i < 30; i++) {
    await answerTo(
      port,
      `M${i} /${i} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    );
  }
  await answerTo(port, "GET / HTTP/1.1\r\n\r\n");
  await answerTo(port, "BAD\r\n\r\n");
  using idle = await RawClient.connect(port);
  await idle.send(GET);
  await idle.until("hello");
  const metrics = await metricsOf(port);
  const requests = (method: string, status: string) =>
    valueOf(metrics, "http_requests_total", { method, status });
  assertEquals(requests("GET", "2xx"), 2);
  assertEquals(requests("POST", "2xx"), 1);
  assertEquals(requests("GET", "4xx"), 1);
  assertEquals(requests("other", "4xx"), 30);
  assertEquals(requests("unknown", "4xx"), 2);
  // Of 30 unknown methods there is one time series.
  assertEquals(metrics.get("http_requests_total")!.metrics.length, 6);
  const refusals = (code: string) =>
    valueOf(metrics, "http_refusals_total", { code });
  assertEquals(refusals("missing-host"), 1);
  assertEquals(refusals("invalid-method"), 1);
  assertEquals(valueOf(metrics, "http_connections_accepted_total"), 36);
  assert(valueOf(metrics, "http_connections") >= 2);
  assertEquals(valueOf(metrics, "http_incomplete_responses_total"), 0);
  assert(valueOf(metrics, "http_sent_bytes_total") > 36 * 100);
  assert(valueOf(metrics, "http_received_bytes_total") > 36 * 4);
  const { type, metrics: [histogram] } = metrics.get(
    "http_request_duration_seconds",
  )!;
  assertEquals(type, "HISTOGRAM");
  const bound = (le: string) => le === "+Inf" ? Infinity : Number(le);
  const buckets = Object.entries(histogram!.buckets!)
    .toSorted(([a], [b]) => bound(a) - bound(b))
    .map(([, count]) => Number(count));
  assertEquals(buckets, buckets.toSorted((a, b) => a - b));
  assertEquals(buckets.at(-1), 37);
  assertEquals(Number(histogram!.count), 37);
  assert(Number(histogram!.sum) > 0);
});

for (const program of ["wrk", "ab"] as const) {
  Deno.test(
    `metrics: each request of ${program} is counted`,
    needs(program),
    async () => {
      await using example = Example.start("metrics.ts", ["0"]);
      const port = await example.port();
      const url = `http://127.0.0.1:${port}/`;
      const args = program === "wrk"
        ? ["-d", "1s", "-c", "20", "-t", "1", url]
        : ["-q", "-k", "-n", "2000", "-c", "20", url];
      const { code, stdout } = await ended(program, args);
      assertEquals(code, 0);
      const least = Number(
        stdout.match(/(\d+) requests in|Complete requests: +(\d+)/)!
          .slice(1).find((count) => count !== undefined),
      );
      const metrics = await metricsOf(port);
      const count = valueOf(metrics, "http_requests_total", {
        method: "GET",
        status: "2xx",
      });
      const cut = valueOf(metrics, "http_incomplete_responses_total");
      assert(count >= least, `${count} of ${least}`);
      // wrk leaves with up to a request a connection under way.
      assert(cut <= 20, `${cut} are incomplete`);
    },
  );
}
