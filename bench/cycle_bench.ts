/**
 * The whole cycle in memory: parse, handler, response, for 100,000 pipelined simple
 * GETs on one connection an iteration. Divide by 100,000 for the time of one.
 */

import { type Handler, prepareResponse, serveConnection } from "../mod.ts";
import { repeat, SIMPLE_GET } from "./inputs.ts";
import { MemoryConn } from "./memory_conn.ts";

const REQUESTS = 100_000;
const WIRE = repeat(SIMPLE_GET, 1000);
const prepared = prepareResponse({ body: "Hello, World!" });
const group = `${REQUESTS} requests answered`;

async function run(handler: Handler): Promise<void> {
  const conn = new MemoryConn(WIRE, REQUESTS / 1000);
  await serveConnection(conn, handler);
  if (conn.written < REQUESTS * 50) throw new Error("answers are missing");
}

Deno.bench("a prepared response", { group, baseline: true }, async () => {
  await run((_req, res) => res.send(prepared));
});

Deno.bench("text", { group }, async () => {
  await run((_req, res) => res.send("Hello, World!"));
});

Deno.bench("JSON", { group }, async () => {
  await run((_req, res) => res.json({ message: "Hello, World!" }));
});

Deno.bench("text and two fields", { group }, async () => {
  await run((_req, res) =>
    res.send("Hello, World!", {
      headers: { "content-type": "text/html", "x-powered-by": "pools" },
    })
  );
});

Deno.bench("an async handler", { group }, async () => {
  // deno-lint-ignore require-await -- what is measured
  await run(async (_req, res) => res.send(prepared));
});
