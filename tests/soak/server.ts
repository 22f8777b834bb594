/**
 * The server process of the soak. It tells its port and its state in lines on the
 * standard output. The line `finish` on the standard input lets it wait for its last
 * connection, shut down and exit; the end of the standard input ends it at once, so it
 * does not outlive the process that started it.
 *
 * @module
 */

import { Pools, serve } from "../../mod.ts";
import { type Message, type Sample, SAMPLE_MS } from "./report.ts";
import { application, ExpectedError, open } from "./routes.ts";

/** How long the server waits at the end for connections and handlers. */
const REST_MS = 15_000;

/** Short enough that clients that stall meet them. */
const TIMEOUTS = {
  headTimeout: 2000,
  bodyTimeout: 2000,
  idleTimeout: 3000,
  goneTimeout: 3000,
  writeTimeout: 2000,
};

const began = performance.now();
const unexpectedErrors: string[] = [];
const unhandled: string[] = [];
let expectedErrors = 0;

/** Keeps the first texts: a fault that repeats must not look like a leak. */
function note(texts: string[], error: unknown): void {
  if (texts.length < 20) {
    texts.push(error instanceof Error ? `${error.stack}` : String(error));
  }
}

globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  note(unhandled, event.reason);
});
globalThis.addEventListener("error", (event) => {
  event.preventDefault();
  note(unhandled, event.error);
});

function tell(message: Message): void {
  console.log(JSON.stringify(message));
}

function openFiles(): number {
  try {
    return [...Deno.readDirSync("/proc/self/fd")].length;
  } catch {
    return -1;
  }
}

const server = serve({
  hostname: "127.0.0.1",
  port: 0,
  pools: new Pools(),
  ...TIMEOUTS,
  onListen: ({ port }) =>
    tell({ kind: "listening", port, openFiles: openFiles() }),
  onError: (error, res) => {
    if (!(error instanceof ExpectedError)) return note(unexpectedErrors, error);
    expectedErrors++;
    const { message } = error;
    res?.send(message, { status: 500, headers: { "x-id": message } });
  },
}, application);

function sample(final: boolean): Sample {
  (globalThis as unknown as { gc(): void }).gc();
  const { heapUsed, rss, external } = Deno.memoryUsage();
  return {
    kind: "sample",
    final,
    seconds: (performance.now() - began) / 1000,
    heapUsed,
    rss,
    external,
    openFiles: openFiles(),
    openStreams: open.streams,
    openUpgrades: open.upgrades,
    stats: server.stats(),
    expectedErrors,
    unexpectedErrors,
    unhandled,
  };
}

async function finish(): Promise<never> {
  const end = performance.now() + REST_MS;
  while (
    performance.now() < end &&
    server.stats().connections + open.streams + open.upgrades > 0
  ) await new Promise((resolve) => setTimeout(resolve, 50));
  await server.shutdown();
  tell(sample(true));
  Deno.exit(0);
}

setInterval(() => tell(sample(false)), SAMPLE_MS);
for await (const chunk of Deno.stdin.readable) {
  if (new TextDecoder().decode(chunk).includes("finish")) await finish();
}
Deno.exit(2);
