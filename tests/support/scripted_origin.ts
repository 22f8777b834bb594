/**
 * A server that sends the bytes of a script: what no proper server sends.
 *
 * @module
 */

import { createServer, type Server, type Socket } from "node:net";

/** Resets the connection. */
export const RESET = Symbol("reset");
/** Leaves the connection open. */
export const HOLD = Symbol("hold");

/** What it sends, piece by piece, before it closes the connection. */
export type Script = readonly (string | typeof RESET | typeof HOLD)[];

/** A running origin. Disposal closes it and its connections. */
export class ScriptedOrigin implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, sockets: Set<Socket>) {
    this.port = (server.address() as { port: number }).port;
    this.#server = server;
    this.#sockets = sockets;
  }

  /** @param scripts What is sent for each path. */
  static async start(
    scripts: Readonly<Record<string, Script>>,
  ): Promise<ScriptedOrigin> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => {});
      let head = "";
      socket.on("data", (bytes) => {
        if (head.includes("\r\n\r\n")) return;
        head += bytes.toString("latin1");
        if (!head.includes("\r\n\r\n")) return;
        play(socket, scripts[head.split(" ", 2)[1]!] ?? []);
      });
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return new ScriptedOrigin(server, sockets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((done) => this.#server.close(done));
  }
}

/** Sends the pieces so far apart that each arrives alone. */
function play(socket: Socket, [piece, ...rest]: Script): void {
  if (piece === undefined) return void socket.end();
  if (piece === RESET) return void socket.resetAndDestroy();
  if (piece === HOLD) return;
  socket.write(piece, "latin1");
  const timer = setTimeout(() => play(socket, rest), 20);
  socket.once("close", () => clearTimeout(timer));
}
