/**
 * A forward proxy: sends requests in absolute-form on to the server that they name, and
 * opens CONNECT tunnels, which `Deno.serve` cannot do.
 *
 * `deno run -N examples/forward_proxy.ts 8000`, then
 * `curl -x http://localhost:8000 http://example.com/`, or `https://example.com/`.
 *
 * Whoever reaches a proxy acts from its place in the network. So this one listens on
 * loopback only, and reaches ports 80 and 443 of public addresses only, by their names in
 * DNS. Further arguments name what else it may reach, private or not: `localhost:9000`, or
 * `localhost` for all ports.
 *
 * @module
 */

import {
  connect,
  type HttpClient,
  type HttpRequest,
  type HttpResponse,
  serve,
} from "@pooled/http1";
import { Pool } from "./client_pool.ts";
import { dial, lookUpInDns, lookUpInSystem } from "./shared/dial.ts";
import { forward, splitTarget } from "./shared/forward.ts";
import { isPublic } from "./shared/public_address.ts";
import { Refusal, refusing } from "./shared/refusal.ts";
import { duplexOf, join } from "./shared/tunnel.ts";

/** The ports that anyone may reach. */
const PORTS = [80, 443];
/** Milliseconds for a server to accept a connection. */
const CONNECT_MS = 10_000;
/** Milliseconds for a server to answer a request, and to go on with a body. */
const ANSWER_MS = 60_000;
/** A tunnel is closed after this many milliseconds without a byte in either direction. */
const IDLE_MS = 300_000;
/** Servers whose idle connections are kept. */
const MAX_SERVERS = 64;
/** Requests at one server at a time. */
const MAX_REQUESTS = 16;
/** Requests that wait for their turn at one server. */
const MAX_WAITING = 100;
/** Milliseconds for a request to wait for its turn. */
const WAIT_MS = 30_000;
/** Connections of clients at a time, tunnels included. */
const MAX_CLIENTS = 1000;

/** What the arguments name: a host with all of its ports, or `host:port`. */
const exceptions = new Set(
  Deno.args.slice(1).map((authority) => {
    const { hostname, port } = new URL(`http://${authority}`);
    return /:\d+$/.test(authority) ? `${hostname}:${port || 80}` : hostname;
  }),
);

/** A server that a client may reach. */
interface Server {
  /** Its authority, for Host. */
  host: string;
  hostname: string;
  port: number;
  /** Whether an argument names it. */
  named: boolean;
}

/** The server of a `host[:port]`. Its host has one spelling: `0x7f.1` is 127.0.0.1. */
function serverOf(authority: string): Server {
  const url = URL.parse(`http://${authority}`);
  if (url === null) throw new Refusal(400, "the target names no host");
  const { host, hostname } = url;
  const port = Number(url.port || 80);
  const named = exceptions.has(hostname) ||
    exceptions.has(`${hostname}:${port}`);
  if (!named && !PORTS.includes(port)) {
    throw new Refusal(403, `this proxy does not reach port ${port}`);
  }
  return { host, hostname, port, named };
}

function reach({ hostname, port, named }: Server, signal?: AbortSignal) {
  return dial(hostname, port, {
    milliseconds: CONNECT_MS,
    signal,
    lookUp: named ? lookUpInSystem : lookUpInDns,
    allows: (address) => named || isPublic(address),
  });
}

async function open(server: Server, signal?: AbortSignal): Promise<HttpClient> {
  return connect(await reach(server, signal), {
    authority: server.host,
    headTimeout: ANSWER_MS,
    bodyTimeout: ANSWER_MS,
    maxBodySize: Infinity,
  });
}

/** The pools by authority, the one used last at the end. */
const pools = new Map<string, Pool>();

function poolOf(server: Server): Pool {
  const { host } = server;
  const pool = pools.get(host) ??
    new Pool(
      (signal) => open(server, signal),
      MAX_REQUESTS,
      MAX_WAITING,
      WAIT_MS,
    );
  pools.delete(host);
  pools.set(host, pool);
  if (pools.size > MAX_SERVERS) {
    const [oldest] = pools.keys();
    // Its requests go on; their connections close behind them.
    pools.get(oldest!)![Symbol.asyncDispose]();
    pools.delete(oldest!);
  }
  return pool;
}

/**
 * Aborts once the connection of a client has failed. A client that half-closes may have
 * sent all that it has to say, and waits for its tunnel.
 */
function leftOf({ signal }: HttpRequest): AbortSignal {
  const left = new AbortController();
  signal.addEventListener("abort", () => {
    const { reason } = signal;
    if (reason?.name !== "AbortError") left.abort(reason);
  });
  return left.signal;
}

async function openTunnel(req: HttpRequest, res: HttpResponse): Promise<void> {
  const conn = await reach(serverOf(req.target), leftOf(req));
  try {
    join(res.upgrade(), duplexOf(conn), IDLE_MS)
      .finally(() => conn[Symbol.dispose]());
  } catch (error) {
    conn.close();
    throw error;
  }
}

async function proxy(req: HttpRequest, res: HttpResponse): Promise<void> {
  if (req.method === "CONNECT") return await openTunnel(req, res);
  const target = splitTarget(req);
  if (target === null) {
    throw new Refusal(400, "this is a proxy: the target is a whole http: URL");
  }
  if (target.scheme === "https") {
    throw new Refusal(501, "https goes through a tunnel: use CONNECT");
  }
  const server = serverOf(target.authority);
  await forward(req, res, {
    target: target.origin,
    // Whatever Host says (RFC 9112 §3.2.2).
    host: server.host,
    pool: poolOf(server),
    idle: IDLE_MS,
  });
}

serve({
  hostname: "127.0.0.1",
  port: Number(Deno.args[0] ?? 8000),
  maxBodySize: Infinity,
  maxConnections: MAX_CLIENTS,
  onError: (error) => console.error(`a response broke off: ${error}`),
}, refusing(proxy));
