/**
 * The memory of an idle connection, from thousands of them that were each answered once.
 *
 * One process serves, another holds the connections. The same measurement with a bare
 * loop that reads into one byte gives the runtime's own memory per connection, which is
 * subtracted.
 *
 * Part of `deno task bench`.
 *
 * @module
 */

import { serve } from "../../mod.ts";
import { Child } from "./child.ts";

declare const gc: () => void;

const hostname = "127.0.0.1";
const REQUEST = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const FLAGS = "--v8-flags=--expose-gc";

/** Bytes of JavaScript's heap and of array buffers. */
function memory(): number {
  gc();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

function bare(): Deno.Listener {
  const listener = Deno.listen({ hostname, port: 0 });
  (async () => {
    for await (const conn of listener) {
      const byte = new Uint8Array(1);
      const wait = (): unknown => conn.read(byte).then(wait, () => {});
      conn.write(new TextEncoder().encode(ANSWER));
      wait();
    }
  })();
  return listener;
}

/** Serves until killed; prints its memory when asked. */
async function server(kind: string): Promise<void> {
  const running = kind === "ours"
    ? serve({ hostname, port: 0, onListen: () => {} }, (_req, res) => {
      res.send("ok");
    })
    : bare();
  console.log((running.addr as Deno.NetAddr).port);
  for await (const _ of Deno.stdin.readable) {
    // Collect twice: finalizers of the first collection free more.
    memory();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const stats = "stats" in running ? running.stats() : null;
    console.log(JSON.stringify({ bytes: memory(), stats }));
  }
}

/** Bytes for each of `count` idle connections. */
async function perConnection(kind: string, count: number): Promise<number> {
  const server = new Child(
    Deno.execPath(),
    ["run", "-A", FLAGS, import.meta.url, kind],
  );
  const ask = async (): Promise<{ bytes: number; stats: unknown }> =>
    JSON.parse(await server.ask());
  const port = Number(await server.line());
  const conns: Deno.Conn[] = [];
  const open = async () => {
    const conn = await Deno.connect({ hostname, port });
    await conn.write(REQUEST);
    const buffer = new Uint8Array(1024);
    let text = "";
    while (!text.endsWith("ok")) {
      const read = await conn.read(buffer);
      if (read === null) throw new Error(`${kind} ended a connection`);
      text += new TextDecoder().decode(buffer.subarray(0, read));
    }
    conns.push(conn);
  };
  // Exclude one-time allocations, and what a first burst leaves in the pools.
  for (let i = 0; i < 100; i++) await open();
  const before = await ask();
  for (let i = 0; i < count; i += 100) {
    await Promise.all(Array.from({ length: 100 }, open));
  }
  const after = await ask();
  server.kill();
  for (const conn of conns) conn.close();
  return (after.bytes - before.bytes) / count;
}

/** Our bytes for each of `connections` idle connections, without the runtime's own. */
export async function measureIdle(connections: number): Promise<number> {
  const served = await perConnection("ours", connections);
  return Math.round(served - await perConnection("bare", connections));
}

if (import.meta.main) await server(Deno.args[0]!);
