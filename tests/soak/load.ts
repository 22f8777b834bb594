/**
 * The course of a soak: load for a while, then rest.
 *
 * @module
 */

import { type Behaved, BYTEWISE, client, neverShown } from "./clients.ts";
import { Peer } from "./peer.ts";
import { SoakProcess } from "./process.ts";
import type {
  ClientSample,
  RudeSample,
  Sample,
  ServerSample,
} from "./report.ts";
import {
  heapTrend,
  judgeClientErrors,
  judgeClientRest,
  judgeErrors,
  judgeRest,
  judgeTrend,
  type MOST_GROWTH,
} from "./verdict.ts";
import { wrk, type WrkCount } from "./wrk.ts";

/** Clients at once, besides those of wrk and of the client process. */
const CLIENTS = 48;

const PROGRESS_MS = 10_000;

const megabytes = (bytes: number) => `${(bytes / 1_048_576).toFixed(2)} MB`;

function memoryOf({ heapUsed, external, rss, openFiles }: Sample): string[] {
  return [
    `heap ${megabytes(heapUsed)}`,
    `external ${megabytes(external)}`,
    `rss ${megabytes(rss)}`,
    `${openFiles} files`,
  ];
}

function show(sample: ServerSample, count: WrkCount): void {
  const { stats } = sample;
  console.log([
    `${sample.seconds.toFixed(0).padStart(5)} s`,
    `${stats.requests} requests`,
    `${count.answered} of wrk`,
    `${Peer.checked} answers checked`,
    `${stats.connections} of ${stats.accepted} connections open`,
    ...memoryOf(sample),
    `${sample.expectedErrors} expected errors`,
  ].join(", "));
}

function showClient(sample: ClientSample): void {
  console.log([
    "   our client",
    `${sample.asked} requests`,
    `${sample.answered} answered`,
    `${sample.failed} failed as documented`,
    `${sample.checked} answers checked`,
    `${sample.openConnections} connections open`,
    ...memoryOf(sample),
  ].join(", "));
}

/** Resolves when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** The processes of a soak, but for wrk. */
interface Processes {
  server: SoakProcess<ServerSample>;
  rude: SoakProcess<RudeSample>;
  /** Clients made with `connect`, of both servers. */
  own: SoakProcess<ClientSample>;
}

/** Runs a soak for so long. Gives what went wrong. */
export async function soak(
  minutes: number,
  seed: number,
  interrupted: AbortSignal,
): Promise<string[]> {
  await using server = await SoakProcess.start<ServerSample>("server.ts");
  await using rude = await SoakProcess.start<RudeSample>(
    "rude_server.ts",
    seed,
  );
  await using own = await SoakProcess.start<ClientSample>(
    "own_client/program.ts",
    ...[server.port, rude.port, seed],
  );
  return await load({ server, rude, own }, minutes, seed, interrupted);
}

/** Loads the server for so long, then lets all come to rest. Gives what went wrong. */
async function load(
  { server, rude, own }: Processes,
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
    const ofClient = own.samples.at(-1);
    if (sample === undefined || ofClient === undefined) return;
    show(sample, count);
    showClient(ofClient);
    judgeErrors(sample).forEach(fail);
    judgeClientErrors(ofClient).forEach(fail);
  }, PROGRESS_MS);
  const timer = setTimeout(() => stop.abort(), minutes * 60_000);
  const signal = AbortSignal.any([stop.signal, interrupted]);
  for (const [name, process] of Object.entries({ server, rude, own })) {
    process.ended.then(() => {
      if (!signal.aborted) fail(`the process of ${name} has ended`);
    });
  }
  // What comes after belongs to the rest, where connections become fewer.
  let loaded: Record<keyof typeof MOST_GROWTH, readonly Sample[]> = {
    server: [],
    client: [],
  };
  aborted(signal).then(() => {
    loaded = { server: [...server.samples], client: [...own.samples] };
  });

  const told = (work: Promise<void>) => work.catch((error) => fail(`${error}`));
  const bulk = told(wrk(server.port, count, signal));
  const works = [bulk];
  for (let i = 0; i < CLIENTS; i++) {
    works.push(told(client(BYTEWISE, server.port, seed, i, behaved, signal)));
  }
  await Promise.race([Promise.all(works), aborted(interrupted)]);
  clearTimeout(timer);
  clearInterval(progress);
  if (interrupted.aborted) {
    await bulk;
    return ["interrupted"];
  }

  // The clients first: then nothing is left that could keep the servers from their rest.
  const lastOfClient = await own.finish();
  const last = await server.finish();
  const lastOfRude = await rude.finish();
  if (!last || !lastOfClient || !lastOfRude) {
    return [...problems, "a process did not end well"];
  }
  show(last, count);
  showClient(lastOfClient);
  console.log(`refusals: ${JSON.stringify(last.stats.refusals)}`);
  problems.push(
    ...judgeErrors(last),
    ...judgeClientErrors(lastOfClient),
    ...judgeRest(last, server.filesAtStart),
    ...judgeClientRest(lastOfClient, own.filesAtStart),
    ...lastOfRude.unhandled.map((text) => `unhandled in the rude one: ${text}`),
  );
  if (lastOfRude.openConnections > 0) {
    problems.push(
      `our client left ${lastOfRude.openConnections} connections open`,
    );
  }
  const checked = Peer.checked + count.answered;
  if (last.stats.requests < checked) {
    problems.push(`the server counts ${last.stats.requests} requests only`);
  }
  if (problems.length > 0) return problems;
  for (const whose of ["server", "client"] as const) {
    const trend = heapTrend(loaded[whose]);
    console.log(
      `heap of the ${whose} over the second half: ` +
        `${trend.slope.toFixed(0)} bytes a second, by ${trend.samples} samples`,
    );
    problems.push(...judgeTrend(trend, whose));
  }
  const idle = [...neverShown(BYTEWISE, behaved), ...lastOfClient.neverShown];
  return [...problems, ...idle.map((name) => `no client was ${name}`)];
}
