/**
 * The servers under comparison, each in its own process; all send the same text or take
 * an upload. `deno run -A bench/serve/servers.ts NAME` prints its port and serves. It
 * answers a line on its input with its peak memory.
 *
 * @module
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Hono } from "hono";
import { fetchHandler, prepareResponse, serve } from "../../mod.ts";
import { OURS } from "../lib/results.ts";

const TEXT = "Hello, World!";
const hostname = "127.0.0.1";

function announce(port: number): void {
  console.log(`port ${port}`);
}

const silent = {
  hostname,
  port: 0,
  onListen: ({ port }: Deno.NetAddr) => announce(port),
};

/** The response of the bare loop, as long as ours. */
const ANSWER = new TextEncoder().encode(
  "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 00:00:00 GMT\r\n" +
    "Content-Type: text/plain;charset=UTF-8\r\n" +
    `Content-Length: ${TEXT.length}\r\n\r\n${TEXT}`,
);

/**
 * The ceiling: one response for each empty line, without HTTP. It posts the next read
 * before the write is done.
 */
async function bare(): Promise<void> {
  const listener = Deno.listen({ hostname, port: 0 });
  announce((listener.addr as Deno.NetAddr).port);
  const answers = new Uint8Array(ANSWER.length * 2048);
  for (let at = 0; at < answers.length; at += ANSWER.length) {
    answers.set(ANSWER, at);
  }
  for await (const conn of listener) {
    conn.setNoDelay(true);
    const buffer = new Uint8Array(65536);
    let matched = 0;
    const arrived = (count: number | null): void => {
      if (count === null) return conn.close();
      let requests = 0;
      for (let i = 0; i < count; i++) {
        const byte = buffer[i];
        if (byte === (matched & 1 ? 0x0a : 0x0d)) {
          if (++matched === 4) {
            requests++;
            matched = 0;
          }
        } else matched = byte === 0x0d ? 1 : 0;
      }
      if (requests > 0) {
        conn.write(answers.subarray(0, requests * ANSWER.length)).catch(
          () => {},
        );
      }
      conn.read(buffer).then(arrived, () => {});
    };
    conn.read(buffer).then(arrived, () => {});
  }
}

function hono(): Hono {
  const app = new Hono();
  app.get("/", (c) => c.text(TEXT));
  return app;
}

const prepared = prepareResponse({ body: TEXT });

/** The server without HTTP: the yardstick of the others. */
export const BARE = "bare TCP loop";

/** The servers, by their names in the rows. */
export const SERVERS: Readonly<Record<string, () => unknown>> = {
  [OURS]: () => serve(silent, (_req, res) => res.send(prepared)),
  [`${OURS}, text`]: () => serve(silent, (_req, res) => res.send(TEXT)),
  [`${OURS}, async handler`]: () =>
    // deno-lint-ignore require-await -- the async call is what is measured
    serve(silent, async (_req, res) => res.send(prepared)),
  [BARE]: bare,
  "Deno.serve": () => Deno.serve(silent, () => new Response(TEXT)),
  "node:http in Deno": () => {
    const server = createServer((_req, res) => {
      res.setHeader("content-type", "text/plain;charset=UTF-8");
      res.end(TEXT);
    });
    server.listen(0, hostname, () => {
      announce((server.address() as AddressInfo).port);
    });
  },
  [`Hono on ${OURS}`]: () => serve(silent, fetchHandler(hono().fetch)),
  "Hono on Deno.serve": () => Deno.serve(silent, hono().fetch),
};

/** Servers that gather an upload and answer with its length. */
export const UPLOADS: Readonly<Record<string, () => unknown>> = {
  [OURS]: () =>
    serve({ ...silent, maxBodySize: 10_000_000 }, async (req, res) => {
      res.send(String((await req.bytes()).length));
    }),
  "Deno.serve": () =>
    Deno.serve(
      silent,
      async (req) => new Response(String((await req.arrayBuffer()).byteLength)),
    ),
};

const SAMPLE_MS = 50;

/** Answers each input line with the peak of heap and buffers since the line before. */
async function tellPeaks(): Promise<void> {
  let peak = 0;
  setInterval(() => {
    const { heapUsed, external } = Deno.memoryUsage();
    peak = Math.max(peak, heapUsed + external);
  }, SAMPLE_MS);
  for await (const _ of Deno.stdin.readable) {
    console.log(`peak ${peak}`);
    peak = 0;
  }
}

if (import.meta.main) {
  const [name, what] = Deno.args;
  const servers = what === "upload" ? UPLOADS : SERVERS;
  const start = servers[name!];
  if (start === undefined) {
    throw new Error(`no such server; there are ${Object.keys(servers)}`);
  }
  start();
  tellPeaks();
}
