/**
 * A program for Node.js and Bun that serves the sockets of `node:net` or `node:tls`, made
 * connections by `nodeConn` ("conn"), pairs of streams by `Duplex.toWeb` ("pair"), or given
 * to `serve` as a source ("source"). The tests beside it drive it with clients.
 *
 * It prints the port, then a line for each event that a test waits for. SIGTERM makes it
 * stop to accept and end its connections; then it exits by itself.
 */

import { createServer } from "node:net";
import { createServer as createSecureServer } from "node:tls";
import { Duplex } from "node:stream";
import process from "node:process";
import {
  fetchHandler,
  nodeConn,
  Pools,
  prepareResponse,
  serve,
  serveConnection,
} from "../../mod.ts";

const say = (...words) => console.log(...words);
process.on("unhandledRejection", (error) => say("unhandled", error));
process.on("uncaughtException", (error) => say("uncaught", error));

const MEBIBYTE = new Uint8Array(1 << 20);

/** A stream of `count` mebibytes that tells how many were taken from it. */
function mebibytes(count, taken = () => {}) {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      if (sent === count) return controller.close();
      controller.enqueue(MEBIBYTE.slice());
      taken(++sent);
    },
    cancel(reason) {
      say("cancelled", reason?.name);
    },
  }, { highWaterMark: 0 });
}

const prepared = prepareResponse({
  headers: { "content-type": "text/plain" },
  body: "prepared\n",
});

/** A Fetch application. */
async function answer(request) {
  const { pathname, searchParams } = new URL(request.url);
  switch (pathname) {
    case "/fetch/json":
      return Response.json({
        got: await request.json(),
        type: request.headers.get("content-type"),
      }, { status: 201, headers: { "x-app": "yes" } });
    case "/fetch/clone": {
      const copy = request.clone();
      const changed = new Request(request.url, { headers: request.headers });
      const names = [...request.headers.keys()];
      return new Response([
        ...[names.includes("host"), changed instanceof Request],
        ...[await request.text(), await copy.text(), request.bodyUsed],
      ].join());
    }
    case "/fetch/copy": {
      const copy = new Request(request, { headers: { "x-more": "1" } });
      return new Response(`${copy.url} ${copy.headers.get("x-more")}`);
    }
    case "/fetch/proxy":
      return fetch(searchParams.get("url"));
    case "/fetch/form": {
      const form = await request.formData();
      return new Response([...form.keys()].join());
    }
    case "/fetch/stream":
      return new Response(mebibytes(2));
    case "/fetch/size": {
      let size = 0;
      for await (const chunk of request.body) size += chunk.length;
      return new Response(String(size));
    }
    default:
      return new Response(`${request.method} ${request.url}`, { status: 404 });
  }
}

const routes = {
  "/hello": (req, res) => res.send(`${req.method} ${req.target}\n`),
  "/prepared": (_req, res) => res.send(prepared),
  "/json": async (req, res) => res.json({ got: await req.json() }),
  "/length": async (req, res) => {
    let size = 0;
    for await (const chunk of req.body) size += chunk.length;
    res.send(String(size));
  },
  "/trailers": async (req, res) => {
    const text = await req.text();
    res.send(new Blob([text.toUpperCase()]).stream(), {
      trailers: () => [...req.trailers],
    });
  },
  "/stream": (req, res) =>
    res.send(mebibytes(Number(req.query), (n) => say("taken", n))),
  "/unread": (_req, res) => res.send("unread"),
  "/waits": async (req, res) => {
    say("waits");
    await new Promise((resolve) =>
      req.signal.addEventListener("abort", resolve)
    );
    say("aborted", req.signal.reason?.name);
    res.send("late");
  },
  "/body": async (req, res) => {
    say("reads");
    try {
      res.send(await req.text());
    } catch (error) {
      say("body failed", error.name);
      throw error;
    }
  },
  "/fails": () => {
    throw new Error("the handler failed");
  },
  "/echo": async (_req, res) => {
    const { readable, writable } = res.upgrade();
    await readable.pipeTo(writable).catch((error) => say("echo", error.name));
    say("echoed");
  },
  "/ends-first": async (_req, res) => {
    const { readable, writable } = res.upgrade();
    const writer = writable.getWriter();
    await writer.write(new TextEncoder().encode("bye"));
    await writer.close();
    say("half-closed");
    let size = 0;
    for await (const chunk of readable) size += chunk.length;
    say("then read", size);
  },
  "/who": (_req, res, { remoteAddr, localAddr, secure }) =>
    res.json({ remoteAddr, localAddr, secure }),
};

const [kind, json = "{}"] = process.argv.slice(2);
const { hono, tls, limits } = JSON.parse(json);

let application = fetchHandler(answer);
if (hono !== undefined) {
  const { Hono } = await import(hono);
  const app = new Hono();
  app.use("*", async (c, next) => {
    await next();
    c.header("x-middleware", `${c.req.method} ${c.res.status}`);
  });
  app.get("/fetch/users/:id", (c) => c.text(`user ${c.req.param("id")}`));
  app.post("/fetch/json", async (c) => c.json(await c.req.json(), 201));
  app.post("/fetch/form", async (c) => c.json(await c.req.parseBody()));
  application = fetchHandler(app.fetch);
}

const handler = (req, res, info) => {
  if (req.path.startsWith("/fetch/")) return application(req, res, info);
  const route = routes[req.path];
  return route ? route(req, res, info) : res.send("none", { status: 404 });
};

const pools = new Pools();
const cut = new AbortController();
const options = {
  ...limits,
  ...(kind === "source" ? {} : { signal: cut.signal }),
  pools,
  onError: (error) => say("onError", error?.message),
};

/** Without `allowHalfOpen`, a client that half-closes gets no response. */
const net = tls === undefined
  ? createServer({ allowHalfOpen: true }, accept)
  : createSecureServer({ ...tls, allowHalfOpen: true }, accept);

/** A source of connections, for `serve`. */
const connections = new TransformStream();
const accepted = connections.writable.getWriter();
const server = kind === "source"
  ? serve(connections.readable, handler, options)
  : null;

function accept(socket) {
  if (server !== null) return accepted.write(nodeConn(socket)).catch(() => {});
  serveConnection(
    kind === "pair" ? Duplex.toWeb(socket) : nodeConn(socket),
    handler,
    options,
  ).then(() => say("done"), (error) => say("rejected", error));
}

net.listen(0, "127.0.0.1", () => say("listening on", net.address().port));

process.on("SIGTERM", async () => {
  net.close(() => say("closed"));
  if (server === null) return cut.abort();
  await server.shutdown();
  say("shut down");
});
process.on("exit", () => {
  const { requests, tables, slabs } = pools.stats();
  say("in use", ...[requests, tables, ...slabs].map((pool) => pool.inUse));
});

try {
  serve({ port: 0 }, handler);
} catch (error) {
  say(error.name, error.message);
}
