/**
 * The bulk of the load: wrk, one short run after the other.
 *
 * @module
 */

const PIPELINE =
  new URL("../../bench/serve/pipeline.lua", import.meta.url).pathname;

/** A run is short, so that wrk never outlives a killed soak for long. */
const RUN_SECONDS = 4;
/** What wrk calls a timeout is an answer that is late, which no soak judges. */
const LATE_SECONDS = RUN_SECONDS + 1;

/** The runs in turn: plain, pipelined, a Fetch application, streams. */
const RUNS = [
  { path: "/", args: [] },
  { path: "/", args: ["-s", PIPELINE] },
  { path: "/fetch/text/wrk/200", args: [] },
  { path: "/stream/wrk/9000", args: [] },
];

/** Requests that wrk saw answered. */
export interface WrkCount {
  answered: number;
}

/** Runs wrk until the signal; its count grows in `count`. */
export async function wrk(
  port: number,
  count: WrkCount,
  signal: AbortSignal,
): Promise<void> {
  for (let i = 0; !signal.aborted; i++) {
    const { path, args } = RUNS[i % RUNS.length]!;
    const { success, stdout } = await new Deno.Command("wrk", {
      args: [
        ...["-t1", "-c32", `-d${RUN_SECONDS}s`, `--timeout=${LATE_SECONDS}s`],
        ...args,
        `http://127.0.0.1:${port}${path}`,
      ],
      stderr: "inherit",
      signal,
    }).output();
    if (signal.aborted) return;
    const text = new TextDecoder().decode(stdout);
    const trouble = text.match(/Non-2xx.*|Socket errors.*/)?.[0];
    if (!success || trouble !== undefined) {
      throw new Error(`wrk ${path}: ${trouble ?? text}`);
    }
    count.answered += Number(text.match(/(\d+) requests in/)?.[1]);
  }
}
