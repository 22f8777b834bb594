/**
 * A WebSocket endpoint that echoes, and a page that talks to it. This server does
 * the upgrade; `npm:ws` does the frames.
 *
 * `deno run -A examples/websocket.ts 8000`, then open `http://localhost:8000/`.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Duplex } from "node:stream";
import { WebSocket } from "ws";
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

/** A socket over a pair of streams, made as the server of `ws` makes its own. */
function webSocketOver(pair: DuplexPair) {
  const stream = Duplex.fromWeb(pair as Parameters<typeof Duplex.fromWeb>[0]);
  const socket = new WebSocket(null, undefined, {});
  socket.setSocket(stream, new Uint8Array(0), { maxPayload: 1024 * 1024 });
  return socket;
}

serve({ port: Number(Deno.args[0] ?? 8000) }, (req, res) => {
  if (req.path !== "/echo") return res.send(page);
  const pair = handshake(req, res);
  if (pair === null) return;
  const socket = webSocketOver(pair);
  socket.on(
    "message",
    (data: Uint8Array, isBinary: boolean) =>
      socket.send(data, { binary: isBinary }),
  );
  socket.on("error", (error: Error) => console.error(error.message));
});
