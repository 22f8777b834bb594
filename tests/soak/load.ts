/**
 * The course of a soak: load for a while, then rest.
 *
 * @module
 */

import { type Behaved, client, neverShown } from "./clients.ts";
import { Peer } from "./peer.ts";
import type { Sample } from "./report.ts";
import type { ServerProcess } from "./server_process.ts";
import { heapTrend, judgeErrors, judgeRest, judgeTrend } from "./verdict.ts";
import { wrk, type WrkCount } from "./wrk.ts";

/** Clients at once, besides those of wrk. */
const CLIENTS = 48;

const PROGRESS_MS = 10_000;

const megabytes = (bytes: number) => `${(bytes / 1_048_576).toFixed(2)} MB`;

function show(sample: Sample, count: WrkCount): void {
  const { stats } = sample;
  console.log([
    `${sample.seconds.toFixed(0).padStart(5)} s`,
    `${stats.requests} requests`,
    `${count.answered} of wrk`,
    `${Peer.checked} answers checked`,
    `${stats.connections} of ${stats.accepted} connections open`,
    `heap ${megabytes(sample.heapUsed)}`,
    `external ${megabytes(sample.external)}`,
    `rss ${megabytes(sample.rss)}`,
    `${sample.openFiles} files`,
    `${sample.expectedErrors} expected errors`,
  ].join(", "));
}

/** Resolves when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Loads the server for so long, then lets it come to rest. Gives what went wrong. */
export async function load(
  server: ServerProcess,
  minutes: number,
  seed: number,
  interrupted: AbortSignal,
): Promise<string[]> {
  const problems: string[] = [];
  const count: WrkCount = { answered: 0 };
  const behaved: Behaved = new Set();
  const stop = new AbortController();
  const fail = (problem: string) => {
    problems.push(problem);
    stop.abort();
  };
  const progress = setInterval(() => {
    const sample = server.samples.at(-1);
    if (sample === undefined) return;
    show(sample, count);
    judgeErrors(sample).forEach(fail);
  }, PROGRESS_MS);
  const timer = setTimeout(() => stop.abort(), minutes * 60_000);
  const signal = AbortSignal.any([stop.signal, interrupted]);
  server.ended.then(() => {
    if (!signal.aborted) fail("the server process has ended");
  });
  // What comes after belongs to the rest, where connections become fewer.
  let loaded: readonly Sample[] = [];
  aborted(signal).then(() => loaded = [...server.samples]);

  const told = (work: Promise<void>) => work.catch((error) => fail(`${error}`));
  const bulk = told(wrk(server.port, count, signal));
  const works = [bulk];
  for (let i = 0; i < CLIENTS; i++) {
    works.push(told(client(server.port, seed, i, behaved, signal)));
  }
  await Promise.race([Promise.all(works), aborted(interrupted)]);
  clearTimeout(timer);
  clearInterval(progress);
  if (interrupted.aborted) {
    await bulk;
    return ["interrupted"];
  }

  const last = await server.finish();
  if (last === undefined) return [...problems, "the server did not end well"];
  show(last, count);
  console.log(`refusals: ${JSON.stringify(last.stats.refusals)}`);
  problems.push(...judgeErrors(last), ...judgeRest(last, server.filesAtStart));
  if (last.stats.requests < Peer.checked + count.answered) {
    problems.push(`the server counts ${last.stats.requests} requests only`);
  }
  if (problems.length > 0) return problems;
  const trend = heapTrend(loaded);
  console.log(
    `heap over the second half: ${trend.slope.toFixed(0)} bytes a second, ` +
      `by ${trend.samples} samples`,
  );
  return [
    ...judgeTrend(trend),
    ...neverShown(behaved).map((name) => `no client was ${name}`),
  ];
}
