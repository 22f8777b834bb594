/**
 * A program for Node.js and Bun: serves `node:net` sockets by `serveConnection`, through
 * `Duplex.toWeb`. `net_server_test.ts` starts it and drives it with clients.
 *
 * It prints the port, then a line for each event that a test waits for. SIGTERM makes it
 * stop to accept; it exits by itself once its connections are closed.
 */

import { createServer } from "node:net";
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

const pools = new Pools();
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

const application = fetchHandler(async (request) => {
  const { pathname } = new URL(request.url);
  switch (pathname) {
    case "/fetch/json":
      return Response.json({
        got: await request.json(),
        type: request.headers.get("content-type"),
      }, { status: 201, headers: { "x-app": "yes" } });
    case "/fetch/clone": {
      const copy = new Request(request.clone(), { headers: { "x-more": "1" } });
      const fields = [...request.headers.keys()].includes("host");
      return new Response(
        `${copy.method} ${copy.headers.get("x-more")} ${fields} ${await request
          .text()} ${await copy.text()}`,
      );
    }
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
});

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
  "/memory": (_req, res) => {
    globalThis.gc?.();
    const { requests, tables, slabs } = pools.stats();
    res.json({
      rss: process.memoryUsage.rss(),
      inUse: [requests, tables, ...slabs].map((pool) => pool.inUse),
    });
  },
};

const handler = (req, res, info) => {
  if (req.path.startsWith("/fetch/")) return application(req, res, info);
  const route = routes[req.path];
  return route ? route(req, res) : res.send("none", { status: 404 });
};

const [mode, limits = "{}"] = process.argv.slice(2);
const options = {
  ...JSON.parse(limits),
  pools,
  onError: (error) => say("onError", error?.message),
};

// Without allowHalfOpen, Node.js ends the output when the client half-closes.
const server = createServer(
  { allowHalfOpen: true, noDelay: true },
  (socket) => {
    const connection = mode === "pair"
      ? Duplex.toWeb(socket)
      : nodeConn(socket);
    serveConnection(connection, handler, options)
      .then(() => say("done"), (error) => say("rejected", error));
  },
);
server.listen(0, "127.0.0.1", () => {
  say("listening on", server.address().port);
});

try {
  serve({ port: 0 }, handler);
} catch (error) {
  say(error.name, error.message);
}

process.on("SIGTERM", () => server.close(() => say("closed")));
