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
  type Duplex,
  type HttpClient,
  HttpError,
  type HttpHeaders,
  type HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  type ReceivedResponse,
  serve,
} from "@pooled/http1";
import { Pool, PoolFull } from "./client_pool.ts";

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
/** Upgraded connections at a time. */
const MAX_TUNNELS = 1000;

/** The fields of one connection, beside those that Connection lists (RFC 9110 §7.6.1). */
const HOP_BY_HOP = [
  ...["connection", "keep-alive", "proxy-connection", "te"],
  ...["transfer-encoding", "upgrade"],
];

const port = Number(Deno.args[0] ?? 8000);
const authority = Deno.args[1] ?? "127.0.0.1:9000";
const upstream = new URL(`http://${authority}`);

/** The upstream did not accept the connection in time. */
class ConnectTimeout extends Error {}

/** Opens a connection to the upstream. */
async function open(signal?: AbortSignal): Promise<HttpClient> {
  const cut = new AbortController();
  const abort = () => cut.abort();
  const timer = setTimeout(() => cut.abort(new ConnectTimeout()), CONNECT_MS);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const conn = await Deno.connect({
      hostname: upstream.hostname.replace(/^\[|\]$/g, ""),
      port: Number(upstream.port || 80),
      signal: cut.signal,
    });
    return connect(conn, {
      authority,
      headTimeout: ANSWER_MS,
      bodyTimeout: ANSWER_MS,
      maxBodySize: Infinity,
    });
  } catch (error) {
    throw cut.signal.aborted ? cut.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

const pool = new Pool(open, MAX_REQUESTS, MAX_WAITING);

type Fields = [name: string, value: string][];

/** The fields that go on to the other side, as they were spelled. */
function endToEnd(headers: HttpHeaders, version: string): Fields {
  const dropped = new Set(HOP_BY_HOP);
  for (const value of headers.getAll("connection")) {
    for (const name of value.split(",")) dropped.add(name.trim().toLowerCase());
  }
  // They frame and route the message, whatever Connection says.
  dropped.delete("content-length");
  dropped.delete("host");
  const fields: Fields = [];
  for (const [name, value] of headers) {
    if (!dropped.has(name.toLowerCase())) fields.push([name, value]);
  }
  fields.push(["Via", `${version} pooled`]);
  return fields;
}

/** Who sent the request (RFC 7239 §6). */
function forwarded({ remoteAddr }: { remoteAddr: Deno.NetAddr }): string {
  const { hostname } = remoteAddr;
  return `for=${hostname.includes(":") ? `"[${hostname}]"` : hostname}`;
}

/**
 * Sends an upstream's response. Resolves when its body has ended, or the client has left:
 * the response may be released then.
 */
async function answer(res: HttpResponse, from: ReceivedResponse) {
  const { body, status, statusText } = from;
  const headers = endToEnd(from.headers, from.httpVersion);
  if (body === null) return res.send(null, { status, statusText, headers });
  const reader = body.getReader();
  const { promise, resolve } = Promise.withResolvers<void>();
  let trailers: Fields = [];
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        trailers = [...from.trailers ?? []];
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      resolve();
    },
    // The connection closes if much of the body is left.
    cancel(reason) {
      resolve();
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
  res.send(stream, {
    ...{ status, statusText, headers },
    ...(from.chunked && { trailers: () => trailers }),
  });
  await promise;
}

/** Sends interim responses on, but for 100 (Continue), which is the server's own. */
function interim(res: HttpResponse) {
  return (from: ReceivedResponse) => {
    const { status } = from;
    if (status < 102 || status > 104) return;
    res.send(null, { status, headers: endToEnd(from.headers, "1.1") });
  };
}

let tunnels = 0;

/** Passes an upgrade on, and bytes both ways if the upstream agrees. */
async function upgrade(req: HttpRequest, res: HttpResponse, headers: Fields) {
  if (tunnels >= MAX_TUNNELS) return res.send(null, { status: 503 });
  tunnels++;
  const { method, target, signal } = req;
  let client: HttpClient | undefined;
  try {
    client = await open(signal);
    headers.push(["Connection", "Upgrade"], ["Upgrade", req.upgrade!]);
    using result = await client.upgrade({ method, target, headers, signal });
    const { response, duplex } = result;
    if (duplex === null) return await answer(res, response);
    const fields = endToEnd(response.headers, response.httpVersion);
    fields.push(["Upgrade", response.upgrade ?? req.upgrade!]);
    const tunnel = res.upgrade({ headers: fields });
    tunnels++;
    join(tunnel, duplex).finally(() => tunnels--);
  } finally {
    tunnels--;
    client?.close();
  }
}

/** Moves bytes in both directions until both have ended. */
async function join(a: Duplex, b: Duplex): Promise<void> {
  const cut = new AbortController();
  const { signal } = cut;
  let moved = true;
  const watch = setInterval(() => {
    if (!moved) cut.abort();
    moved = false;
  }, IDLE_MS);
  const pipe = (from: Duplex, to: Duplex) =>
    from.readable.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          moved = true;
          controller.enqueue(chunk);
        },
      }),
      { signal },
    ).pipeTo(to.writable, { signal });
  // What fails in one direction ends the other.
  const ended = (pipe: Promise<void>) => pipe.catch(() => cut.abort());
  await Promise.all([ended(pipe(a, b)), ended(pipe(b, a))]);
  clearInterval(watch);
}

/** The status for a request that the upstream did not answer. */
function statusOf(error: unknown): number {
  if (error instanceof PoolFull) return 503;
  if (error instanceof ConnectTimeout) return 504;
  // A timeout of the response is a 504, a body that the client broke off a 4xx.
  return error instanceof HttpError ? error.status : 502;
}

serve({
  hostname: "127.0.0.1",
  port,
  maxBodySize: Infinity,
  onError: (error) => console.error(`a response broke off: ${error}`),
}, async (req, res, info) => {
  if (req.method === "CONNECT") return res.send(null, { status: 405 });
  let headers = endToEnd(req.headers, req.httpVersion);
  if (req.body === null) {
    // Without a body there is no 100 (Continue) to wait for.
    headers = headers.filter(([name]) => name.toLowerCase() !== "expect");
  }
  headers.push(["Forwarded", forwarded(info)]);
  try {
    // HTTP has no way to upgrade after a body that the upstream may not read.
    if (req.upgrade !== null && req.body === null) {
      return await upgrade(req, res, headers);
    }
    // A client that half-closes counts as one that left, and frees the upstream.
    const { method, target, body, signal } = req;
    const init: HttpRequestInit = { method, target, headers, body, signal };
    init.onInterim = interim(res);
    if (req.chunked) init.trailers = () => [...req.trailers ?? []];
    await pool.request(init, (response) => answer(res, response));
  } catch (error) {
    if (res.sent) throw error;
    res.send("the upstream gave no answer\n", { status: statusOf(error) });
  }
});
