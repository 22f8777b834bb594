/**
 * The clients under comparison, each in its own process, on one connection where a client
 * allows to choose. `deno run -A bench/client/clients.ts NAME PORT DEPTH MILLISECONDS`
 * answers each line on its input with a run of that length: as many requests as possible,
 * `DEPTH` of them at a time.
 *
 * @module
 */

import { Client as UndiciClient } from "undici/index.js";
import { connect } from "../../mod.ts";
import { OURS } from "../lib/results.ts";

const [name, port, depth, milliseconds] = Deno.args as [
  string,
  string,
  string,
  string,
];
const origin = `http://127.0.0.1:${port}`;
const pipeline = Number(depth);

/** Sends one request and reads the whole response. */
type Ask = () => Promise<unknown>;

async function ours(): Promise<ReturnType<typeof connect>> {
  const conn = await Deno.connect({
    hostname: "127.0.0.1",
    port: Number(port),
  });
  return connect(conn, { pipeline });
}

/** The clients, by their names in the rows. */
const CLIENTS: Readonly<Record<string, () => Ask | Promise<Ask>>> = {
  [OURS]: async () => {
    const client = await ours();
    return async () => {
      using response = await client.request({ target: "/" });
      return await response.text();
    };
  },
  [`${OURS}, fetch`]: async () => {
    const client = await ours();
    return async () => await (await client.fetch("/")).text();
  },
  undici: () => {
    const client = new UndiciClient(origin, { pipelining: pipeline });
    return async () => {
      const { body } = await client.request({ path: "/", method: "GET" });
      return await body.text();
    };
  },
  fetch: () => async () => await (await fetch(origin)).text(),
};

const start = CLIENTS[name];
if (start === undefined) {
  throw new Error(`no such client; there are ${Object.keys(CLIENTS)}`);
}
const ask = await start();

/** Asks one after the other until the time is over; returns how often. */
async function askOn(end: number): Promise<number> {
  let count = 0;
  while (performance.now() < end) {
    if (await ask() !== "Hello, World!") throw new Error("a wrong response");
    count++;
  }
  return count;
}

console.log("ready");
for await (const _ of Deno.stdin.readable) {
  const end = performance.now() + Number(milliseconds);
  const counts = await Promise.all(
    Array.from({ length: pipeline }, () => askOn(end)),
  );
  console.log(counts.reduce((sum, count) => sum + count, 0));
}
