/**
 * A WebSocket echo endpoint, and a page that talks to it. This server handles the
 * upgrade; `npm:ws` handles the frames.
 *
 * `deno run -N -E examples/websocket.ts 8000`, then open `http://localhost:8000/`.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "npm:ws@8.23.0";
import {
  type Duplex as DuplexPair,
  type HttpRequest,
  type HttpResponse,
  prepareResponse,
  serve,
} from "@pooled/http1";

const page = prepareResponse({
  headers: { "content-type": "text/html;charset=UTF-8" },
  body: `<!doctype html><title>echo</title><pre id="log"></pre><script>
    const socket = new WebSocket("ws://" + location.host + "/echo");
    const log = (line) => document.getElementById("log").append(line + "\\n");
    socket.onopen = () => socket.send("hello");
    socket.onmessage = ({ data }) => log("echoed: " + data);
    socket.onclose = () => log("closed");
  </script>`,
});

/** Answers the handshake (RFC 6455 §4.2.2), or refuses it. */
function handshake(req: HttpRequest, res: HttpResponse): DuplexPair | null {
  const key = req.headers.get("sec-websocket-key");
  if (
    req.upgrade?.toLowerCase() !== "websocket" || key === null ||
    !req.headers.equals("sec-websocket-version", "13")
  ) {
    res.send("a WebSocket handshake was expected\n", {
      status: 426,
      headers: { connection: "upgrade", upgrade: "websocket" },
    });
    return null;
  }
  const accept = createHash("sha1")
    .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  return res.upgrade({ headers: { "sec-websocket-accept": accept } });
}

/** Milliseconds for a client to answer the closing handshake. */
const CLOSE_MS = 5_000;
/** Milliseconds between pings; a client that did not answer the last one is dropped. */
const PING_MS = 30_000;
/** The longest message in bytes. */
const MAX_PAYLOAD = 1024 * 1024;

// The options that the server of `ws` passes to its sockets; without them a socket
// answers no pings and has no limits.
const { options } = new WebSocketServer({
  noServer: true,
  closeTimeout: CLOSE_MS,
  maxPayload: MAX_PAYLOAD,
});

/** A socket over a pair of streams, created the way the server of `ws` does it. */
function webSocketOver(pair: DuplexPair) {
  const stream = Duplex.fromWeb(pair as Parameters<typeof Duplex.fromWeb>[0]);
  const socket = new WebSocket(null, undefined, options);
  socket.setSocket(stream, new Uint8Array(0), options);
  return socket;
}

type Socket = ReturnType<typeof webSocketOver>;

/** Echoes each message, and pauses reading until the echo is sent. */
function echo(socket: Socket): void {
  socket.on("message", (data: Uint8Array, isBinary: boolean) => {
    socket.pause();
    socket.send(data, { binary: isBinary }, () => socket.resume());
  });
}

/** Drops a client that disappeared without closing. */
function keepAlive(socket: Socket): void {
  let answered = true;
  const timer = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  }, PING_MS);
  socket.on("pong", () => answered = true);
  socket.on("close", () => clearInterval(timer));
}

serve({ port: Number(Deno.args[0] ?? 8000) }, (req, res) => {
  if (req.path !== "/echo") return res.send(page);
  const pair = handshake(req, res);
  if (pair === null) return;
  const socket = webSocketOver(pair);
  // A protocol error or a lost connection; `ws` has already closed the socket.
  socket.on("error", () => {});
  echo(socket);
  keepAlive(socket);
});
