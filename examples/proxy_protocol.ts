/**
 * A server behind a load balancer that sends a PROXY line (version 1) before the first
 * request: reads the line off the connection, then serves HTTP on it.
 *
 * `deno run -N examples/proxy_protocol.ts 8000`, then
 * `curl --haproxy-protocol localhost:8000`.
 *
 * @module
 */

import { serveConnection } from "@pooled/http1";
import { connectionsOf } from "./shared/accept.ts";

/** Milliseconds for the whole line, even if it arrives a byte at a time. */
const LINE_MS = 5_000;
/** The longest line that version 1 allows, with its CRLF. */
const LONGEST_LINE = 107;
const LINE =
  /^PROXY (?:TCP[46] ([\da-fA-F:.]+) [\da-fA-F:.]+ (\d{1,5}) \d{1,5}|UNKNOWN[^\r\n]*)\r\n/;

interface Prefix {
  remoteAddr: Deno.Addr;
  received: Uint8Array;
}

/** Reads the line; returns the client it names and the bytes read past it. */
async function readProxyLine(conn: Deno.TcpConn): Promise<Prefix> {
  const buffer = new Uint8Array(4096);
  let end = 0;
  while (end < LONGEST_LINE) {
    const count = await conn.read(buffer.subarray(end));
    if (count === null) break;
    end += count;
    const text = String.fromCharCode(
      ...buffer.subarray(0, Math.min(end, LONGEST_LINE)),
    );
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
    if (text.includes("\n")) break;
  }
  throw new Error("no PROXY line");
}

async function serveProxied(conn: Deno.TcpConn): Promise<void> {
  // Safe to call twice, unlike `close`, which would throw.
  const timer = setTimeout(() => conn[Symbol.dispose](), LINE_MS);
  let prefix: Prefix;
  try {
    prefix = await readProxyLine(conn);
  } catch {
    // No PROXY line, a timeout, or a client that has left.
    return conn[Symbol.dispose]();
  } finally {
    clearTimeout(timer);
  }
  await serveConnection<Deno.Addr>(conn, (_req, res, info) => {
    const { hostname, port } = info.remoteAddr as Deno.NetAddr;
    res.send(`you are ${hostname}, port ${port}\n`);
  }, prefix);
}

const listener = Deno.listen({ port: Number(Deno.args[0] ?? 8000) });
console.log(`Listening on port ${listener.addr.port}`);
for await (const conn of connectionsOf(listener)) serveProxied(conn);
