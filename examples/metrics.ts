/**
 * Metrics in Prometheus' text format: requests by method and class of status, durations,
 * bytes, connections and refusals.
 *
 * `deno run -N examples/metrics.ts 8000`, then `curl localhost:8000/metrics`.
 *
 * Each label has a fixed set of values, so a client cannot create time series: methods
 * that are not registered count as `other`. A public server should rather give its
 * metrics on another port.
 *
 * @module
 */

import {
  type HttpServer,
  type RequestEnd,
  serve,
  type ServerStats,
} from "@pooled/http1";

/** The upper bounds of the durations, in seconds. */
const BOUNDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const METHODS = new Set(
  "GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH".split(" "),
);

type Labels = Record<string, string | number>;

/** One metric: its name, type, help, and lines of `[suffix, labels, value]`. */
function metric(
  name: string,
  type: "counter" | "gauge" | "histogram",
  help: string,
  lines: Iterable<[suffix: string, labels: Labels, value: number]>,
): string {
  let text = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  for (const [suffix, labels, value] of lines) {
    const pairs = Object.entries(labels)
      .map(([label, value]) => `${label}="${value}"`);
    text += name + suffix + (pairs.length > 0 ? `{${pairs.join(",")}}` : "") +
      ` ${value}\n`;
  }
  return text;
}

/** Adds up what `onRequestEnd` tells. */
class Metrics {
  /** Requests by method and class of status, separated by a space. */
  readonly #requests = new Map<string, number>();
  /** Requests by duration; each counts under the first bound that holds. */
  readonly #durations = BOUNDS.map(() => 0);
  #seconds = 0;
  #count = 0;
  #cut = 0;

  add({ method, status, duration, complete }: RequestEnd): void {
    const name = method === null
      ? "unknown"
      : METHODS.has(method)
      ? method
      : "other";
    const kind = status === null ? "none" : `${Math.floor(status / 100)}xx`;
    const key = `${name} ${kind}`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    const seconds = duration / 1000;
    const bound = BOUNDS.findIndex((bound) => seconds <= bound);
    if (bound >= 0) this.#durations[bound]!++;
    this.#seconds += seconds;
    this.#count++;
    if (!complete) this.#cut++;
  }

  /** All metrics in text format 0.0.4. */
  text(stats: ServerStats): string {
    const one = (value: number): [string, Labels, number][] => [
      ["", {}, value],
    ];
    return [
      metric(
        "http_requests_total",
        "counter",
        "Requests by method and class of status.",
        [...this.#requests].map(([key, count]) => {
          const [method, status] = key.split(" ");
          return ["", { method: method!, status: status! }, count];
        }),
      ),
      metric(
        "http_request_duration_seconds",
        "histogram",
        "Time from the complete head to the last byte of the response.",
        this.#histogram(),
      ),
      metric(
        "http_incomplete_responses_total",
        "counter",
        "Requests without a whole response.",
        one(this.#cut),
      ),
      metric(
        "http_received_bytes_total",
        "counter",
        "Bytes received.",
        one(stats.bytesReceived),
      ),
      metric(
        "http_sent_bytes_total",
        "counter",
        "Bytes sent.",
        one(stats.bytesSent),
      ),
      metric(
        "http_connections",
        "gauge",
        "Open connections.",
        one(stats.connections),
      ),
      metric(
        "http_connections_accepted_total",
        "counter",
        "Connections accepted.",
        one(stats.accepted),
      ),
      metric(
        "http_connections_dropped_total",
        "counter",
        "Connections dropped by a timeout.",
        one(stats.dropped),
      ),
      metric(
        "http_refusals_total",
        "counter",
        "Refused messages by cause.",
        Object.entries(stats.refusals)
          .map(([code, count]) => ["", { code }, count]),
      ),
    ].join("");
  }

  *#histogram(): Iterable<[string, Labels, number]> {
    let sum = 0;
    for (const [i, bound] of BOUNDS.entries()) {
      yield ["_bucket", { le: bound }, sum += this.#durations[i]!];
    }
    yield ["_bucket", { le: "+Inf" }, this.#count];
    yield ["_sum", {}, this.#seconds];
    yield ["_count", {}, this.#count];
  }
}

const metrics = new Metrics();

const server: HttpServer = serve({
  port: Number(Deno.args[0] ?? 8000),
  onRequestEnd: (end) => metrics.add(end),
}, async (req, res) => {
  if (req.path === "/") return res.send("hello\n");
  if (req.path === "/echo") return res.send(await req.text());
  if (req.path === "/metrics") {
    return res.send(metrics.text(server.stats()), {
      headers: { "content-type": "text/plain; version=0.0.4" },
    });
  }
  res.send("nothing here\n", { status: 404 });
});
