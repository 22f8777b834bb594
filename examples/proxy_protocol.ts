/**
 * Behind a load balancer that sends a PROXY line (version 1) before the first
 * request: it is read off the connection first, and HTTP begins behind it.
 *
 * `deno run -N examples/proxy_protocol.ts 8000`, then
 * `curl --haproxy-protocol localhost:8000`.
 *
 * @module
 */

import { serveConnection } from "@pooled/http1";

/** The longest line that version 1 allows, with its CRLF. */
const LONGEST_LINE = 107;
const LINE = /^PROXY (?:TCP[46] (\S+) \S+ (\d+) \d+|UNKNOWN.*)\r\n/;

/** Reads the line; gives whom it names, and what was read past it. */
async function readProxyLine(
  conn: Deno.Conn,
): Promise<{ remoteAddr: Deno.Addr; received: Uint8Array }> {
  const buffer = new Uint8Array(4096);
  let end = 0;
  while (end < buffer.length) {
    const count = await conn.read(buffer.subarray(end));
    if (count === null) break;
    end += count;
    const text = String.fromCharCode(...buffer.subarray(0, LONGEST_LINE));
    const match = text.match(LINE);
    if (match !== null) {
      const [line, hostname, port] = match;
      return {
        remoteAddr: hostname === undefined
          ? conn.remoteAddr
          : { transport: "tcp", hostname, port: Number(port) },
        received: buffer.subarray(line.length, end),
      };
    }
    if (end >= LONGEST_LINE) break;
  }
  throw new Error("no PROXY line");
}

const listener = Deno.listen({ port: Number(Deno.args[0] ?? 8000) });
console.log(`Listening on port ${(listener.addr as Deno.NetAddr).port}`);

for await (const conn of listener) {
  readProxyLine(conn).then(
    (options) =>
      serveConnection(conn, (_req, res, info) => {
        const { hostname, port } = info.remoteAddr as Deno.NetAddr;
        res.send(`you are ${hostname}, port ${port}\n`);
      }, options),
  ).catch((error) => {
    console.error(`${error.message}: the connection is closed`);
    conn.close();
  });
}
