/**
 * A server whose memory a test can ask for: prints its port, then a line of JSON for each
 * line of its input. Needs `--v8-flags=--expose-gc`.
 *
 * @module
 */

import { type Handler, serve } from "@pooled/http1";

declare const gc: () => void;

const LARGE = 100_000_000;

const routes: Record<string, Handler> = {
  "/": (_req, res) => res.send("hello"),
  "/text": async (req, res) => res.send(String((await req.text()).length)),
  "/unread": (_req, res) => res.send("unread"),
  "/hang": () => new Promise(() => {}),
  "/large": (_req, res) => res.send("x".repeat(LARGE)),
  "/opened": async (req) => {
    await req.body!.getReader().read();
    await new Promise(() => {});
  },
};

const server = serve(
  {
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => console.log(port),
    headTimeout: 4000,
    bodyTimeout: 4000,
    goneTimeout: 4000,
    idleTimeout: 4000,
    writeTimeout: 4000,
    maxBuffered: 150_000_000,
  },
  (req, res, info) => routes[req.path]!(req, res, info),
);

const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
for await (const _line of lines) {
  gc();
  // What a stream still refers to is gone after a turn.
  await new Promise((resolve) => setTimeout(resolve, 0));
  gc();
  const { heapUsed, external } = Deno.memoryUsage();
  const { pools: _pools, ...stats } = server.stats();
  console.log(JSON.stringify({ memory: heapUsed + external, ...stats }));
}
