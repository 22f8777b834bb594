/**
 * A WebSocket endpoint that echoes, and a page that talks to it. This server does
 * the upgrade; `npm:ws` does the frames.
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

/** Milliseconds that a client may take to answer the closing handshake. */
const CLOSE_MS = 5_000;
/** Milliseconds between two pings; who has not answered the last is dropped. */
const PING_MS = 30_000;
/** The longest message in bytes. */
const MAX_PAYLOAD = 1024 * 1024;

// What the server of `ws` gives its own sockets, which by themselves answer no ping
// and have no bounds.
const { options } = new WebSocketServer({
  noServer: true,
  closeTimeout: CLOSE_MS,
  maxPayload: MAX_PAYLOAD,
});

/** A socket over a pair of streams, made as the server of `ws` makes its own. */
function webSocketOver(pair: DuplexPair) {
  const stream = Duplex.fromWeb(pair as Parameters<typeof Duplex.fromWeb>[0]);
  const socket = new WebSocket(null, undefined, options);
  socket.setSocket(stream, new Uint8Array(0), options);
  return socket;
}

type Socket = ReturnType<typeof webSocketOver>;

/** Sends each message back, and reads no further before it is gone. */
function echo(socket: Socket): void {
  socket.on("message", (data: Uint8Array, isBinary: boolean) => {
    socket.pause();
    socket.send(data, { binary: isBinary }, () => socket.resume());
  });
}

/** Drops a client that has gone without a word. */
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
  // A client that breaks the protocol, or its connection; `ws` has closed it already.
  socket.on("error", () => {});
  echo(socket);
  keepAlive(socket);
});
