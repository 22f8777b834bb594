/**
 * Deno's own `WebSocket` on this server, for applications written with
 * `Deno.upgradeWebSocket`. That call takes a socket of `node:net`, so each upgraded
 * connection is piped through a TCP pair of this machine. `websocket.ts` needs none.
 *
 * `deno run -N examples/deno_websocket.ts 8000`, then connect to
 * `ws://localhost:8000/echo`.
 *
 * @module
 */

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import {
  type Duplex,
  fetchHandler,
  type HttpRequest,
  type HttpResponse,
  serve,
} from "@pooled/http1";

/** The two ends of a TCP connection of this machine. */
async function makePair(): Promise<[Socket, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const near = connect(listener.addr.port, "127.0.0.1");
  const [far] = await Promise.all([listener.accept(), once(near, "connect")]);
  if (far.remoteAddr.port === near.localPort) return [near, far];
  near.destroy();
  far.close();
  throw new Error("another program connected first");
}

/** Reads the 101 that Deno writes, and no byte of the frames behind it. */
async function skipHead(conn: Deno.Conn): Promise<void> {
  const byte = new Uint8Array(1);
  for (let head = ""; !head.endsWith("\r\n\r\n");) {
    if (await conn.read(byte) === null) throw new Error("no 101 came");
    head += String.fromCharCode(byte[0]!);
  }
}

/** Milliseconds for a client to accept what it was sent, else it is dropped. */
const STALL_MS = 30_000;
/** Bytes that may wait for a client: this kind of `WebSocket` cannot pause its reading. */
const MAX_BUFFERED = 1024 * 1024;

/** Pipes both directions until the WebSocket, or the client, has closed. */
async function join(far: Deno.Conn, client: Duplex): Promise<void> {
  const over = new AbortController();
  const writer = client.writable.getWriter();
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await skipHead(far);
    client.readable.pipeTo(far.writable, { signal: over.signal })
      .catch(() => {});
    for await (const chunk of far.readable) {
      timer = setTimeout(() => writer.abort().catch(() => {}), STALL_MS);
      await writer.write(chunk);
      clearTimeout(timer);
    }
    await writer.close();
  } catch (error) {
    // The client has gone, or takes nothing; the WebSocket tells of it.
    writer.abort(error).catch(() => {});
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

/** Answers the handshake, or refuses it. */
async function upgradeWebSocket(
  req: HttpRequest,
  res: HttpResponse,
  options: Pick<Deno.UpgradeWebSocketOptions, "protocol" | "idleTimeout"> = {},
): Promise<WebSocket | null> {
  let request: Request;
  try {
    request = req.toRequest();
  } catch (error) {
    return refuse(res, error);
  }
  const [near, far] = await makePair();
  try {
    const { socket, response } = Deno.upgradeWebSocket(request, {
      ...options,
      socket: near,
    });
    const client = res.upgrade({ headers: response.headers });
    join(far, client);
    return socket;
  } catch (error) {
    near.destroy();
    far.close();
    return refuse(res, error);
  }
}

/** Answers what is no handshake, such as a GET with a body or a TRACE. */
function refuse(res: HttpResponse, error: unknown): null {
  if (!(error instanceof TypeError)) throw error;
  res.send(`${error.message}\n`, { status: 400 });
  return null;
}

const app = fetchHandler(() => new Response("connect to /echo\n"));

serve({ port: Number(Deno.args[0] ?? 8000) }, async (req, res, info) => {
  if (req.path !== "/echo") return app(req, res, info);
  const socket = await upgradeWebSocket(req, res);
  if (socket === null) return;
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => {
    if (socket.bufferedAmount <= MAX_BUFFERED) return socket.send(data);
    socket.close(1013, "read faster");
  };
  // A client that left without closing; `close` follows.
  socket.onerror = (event) => event.preventDefault();
});
