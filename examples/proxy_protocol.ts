/**
 * A server behind a load balancer that begins each connection with a PROXY header,
 * version 1 or 2, to tell whom it comes from. Let only the balancer reach the port: the
 * header is believed.
 *
 * `deno run -N examples/proxy_protocol.ts 8000`, then
 * `curl --haproxy-protocol localhost:8000`.
 *
 * @module
 */

import { type Duplex, serve } from "@pooled/http1";
import { eachConnection } from "./shared/accept.ts";
import { firstBytes } from "./shared/first_bytes.ts";
import { LONGEST_HEADER, parseProxyHeader } from "./shared/proxy_header.ts";

/** Milliseconds for the whole header, even if it arrives a byte at a time. */
const HEADER_MS = 5_000;
/** Connections at a time. */
const MOST_OPEN = 10_000;

const closing = new AbortController();
const listener = Deno.listen({ port: Number(Deno.args[0] ?? 8000) });

// The stream gives no connection: all come through `server.serve`.
const server = serve(new ReadableStream<Duplex>(), (_req, res, info) => {
  const { remoteAddr } = info;
  if (remoteAddr?.transport !== "tcp") return res.send("who are you?\n");
  res.send(`you are ${remoteAddr.hostname}, port ${remoteAddr.port}\n`);
});

async function serveProxied(conn: Deno.TcpConn): Promise<void> {
  const { found, received } = await firstBytes(conn, parseProxyHeader, {
    most: LONGEST_HEADER,
    milliseconds: HEADER_MS,
    closing: closing.signal,
  });
  await server.serve(conn, {
    remoteAddr: found.client ?? conn.remoteAddr,
    received: received.subarray(found.length),
  });
}

Deno.addSignalListener("SIGINT", function stop() {
  // A second SIGINT kills the process.
  Deno.removeSignalListener("SIGINT", stop);
  listener.close();
  closing.abort();
  server.shutdown();
});

console.log(`Listening on port ${listener.addr.port}`);
await eachConnection(listener, MOST_OPEN, serveProxied);
