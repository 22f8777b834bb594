/**
 * A reverse proxy: sends requests on to one upstream server, over a pool of connections,
 * and streams bodies both ways. Header names keep their case and order.
 *
 * `deno run -N examples/reverse_proxy.ts 8000 127.0.0.1:9000`, then
 * `curl http://localhost:8000/`.
 *
 * @module
 */

import {
  connect,
  type ConnectionInfo,
  type Handler,
  type HttpClient,
  serve,
} from "@pooled/http1";
import { Pool } from "./client_pool.ts";
import { dial } from "./shared/dial.ts";
import { forward, splitTarget } from "./shared/forward.ts";
import { refusing } from "./shared/refusal.ts";

/** Milliseconds for the upstream to accept a connection. */
const CONNECT_MS = 10_000;
/** Milliseconds for the upstream to answer a request, and to go on with a body. */
const ANSWER_MS = 60_000;
/** A tunnel is closed after this many milliseconds without a byte in either direction. */
const IDLE_MS = 300_000;
/** Requests at the upstream at a time. */
const MAX_REQUESTS = 64;
/** Requests that wait for their turn. */
const MAX_WAITING = 1000;
/** Milliseconds for a request to wait for its turn. */
const WAIT_MS = 30_000;
/** Connections of clients at a time, upgraded ones included. */
const MAX_CLIENTS = 2000;

const port = Number(Deno.args[0] ?? 8000);
const authority = Deno.args[1] ?? "127.0.0.1:9000";
const upstream = new URL(`http://${authority}`);

/** Opens a connection to the upstream. */
async function open(signal?: AbortSignal): Promise<HttpClient> {
  const conn = await dial(upstream.hostname, Number(upstream.port || 80), {
    milliseconds: CONNECT_MS,
    signal,
  });
  return connect(conn, {
    authority,
    headTimeout: ANSWER_MS,
    bodyTimeout: ANSWER_MS,
    maxBodySize: Infinity,
  });
}

const pool = new Pool(open, MAX_REQUESTS, MAX_WAITING, WAIT_MS);

/** Who sent the request (RFC 7239 §6). */
function forwarded({ remoteAddr }: ConnectionInfo<Deno.NetAddr>): string {
  const { hostname } = remoteAddr;
  return `for=${hostname.includes(":") ? `"[${hostname}]"` : hostname}`;
}

const proxy: Handler<Deno.NetAddr> = async (req, res, info) => {
  if (req.method === "CONNECT") return res.send(null, { status: 405 });
  const absolute = splitTarget(req);
  await forward(req, res, {
    target: absolute?.origin ?? req.target,
    host: absolute?.authority,
    fields: [["Forwarded", forwarded(info)]],
    pool,
    idle: IDLE_MS,
  });
};

serve({
  hostname: "127.0.0.1",
  port,
  maxBodySize: Infinity,
  maxConnections: MAX_CLIENTS,
  onError: (error) => console.error(`a response broke off: ${error}`),
}, refusing(proxy));
