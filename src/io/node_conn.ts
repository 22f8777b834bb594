/**
 * Sockets of Node.js as connections.
 *
 * `Duplex.toWeb` would make a pair of streams of a socket, but reports the end of the
 * input only once the output has ended as well: a client that leaves would go unnoticed.
 * This adapter also needs no copy of what is written.
 *
 * @module
 */

import { LARGEST_STREAM_WRITE } from "../memory/sizes.ts";
import { isBytes } from "../message/bytes.ts";
import { noBytesError } from "../message/misuse.ts";
import type { Conn } from "./transport.ts";

/**
 * What {@linkcode nodeConn} uses of a Node.js stream: `net.Socket`, `tls.TLSSocket`, or
 * any other `stream.Duplex` of bytes.
 */
export interface NodeDuplex {
  /** Stops the `data` events. */
  pause(): unknown;
  /** Starts the `data` events. */
  resume(): unknown;
  /** Writes bytes and calls back when they have left. */
  write(bytes: Uint8Array, done: (error?: Error | null) => void): unknown;
  /** Ends the output, and calls back when that has left. */
  end(done: () => void): unknown;
  /** Closes both directions. */
  destroy(): unknown;
  /** Adds a listener of an event. */
  // deno-lint-ignore no-explicit-any -- the types of Node.js say the same
  on(event: string, listener: (argument: any) => void): unknown;
  /** Whether the stream was closed. */
  readonly destroyed: boolean;
  /** Whether the end of the input was read. */
  readonly readableEnded: boolean;
  /** The error that closed the stream. */
  readonly errored?: Error | null;
}

/** What sockets have on top of a `stream.Duplex`, where it is one of TCP or TLS. */
interface Socket extends NodeDuplex {
  ref?(): void;
  unref?(): void;
  setNoDelay?(noDelay?: boolean): void;
  readonly encrypted?: boolean;
  readonly alpnProtocol?: string | false | null;
  readonly remoteAddress?: string;
  readonly remotePort?: number;
  readonly localAddress?: string;
  readonly localPort?: number;
}

/**
 * Makes a connection for `serveConnection`, `serve` and `connect` of a socket of Node.js
 * or Bun. Use it in place of `Duplex.toWeb`, which notices late that a client has left.
 *
 * Create a server with `allowHalfOpen: true`. Otherwise Node.js ends the output as
 * soon as a client half-closes, and such a client gets no response.
 *
 * @param socket The socket. Nothing else may read from it, write to it, or set an encoding.
 * @returns The connection. It owns the socket and handles its `error` events.
 *
 * @example
 * ```ts
 * import { createServer } from "node:net";
 * import { nodeConn, serveConnection } from "@pooled/http1";
 *
 * const server = createServer({ allowHalfOpen: true }, (socket) => {
 *   serveConnection(nodeConn(socket), (req, res) => res.send(`hello ${req.path}`));
 * });
 * server.listen(0, "127.0.0.1", () => server.close());
 * ```
 *
 * @example A client
 * ```ts
 * import { connect as dial } from "node:net";
 * import { connect, nodeConn, serve } from "@pooled/http1";
 *
 * await using server = serve(
 *   { port: 0, hostname: "127.0.0.1", onListen: () => {} },
 *   (req, res) => res.send(`hello ${req.path}`),
 * );
 * const socket = dial({ host: "127.0.0.1", port: server.addr.port });
 * await using client = connect(nodeConn(socket), { authority: "example.com" });
 * using response = await client.request({ target: "/" });
 * console.log(response.status, await response.text()); // 200 hello /
 * ```
 */
export function nodeConn(socket: NodeDuplex): Conn {
  return (socket as Socket).encrypted === true
    ? new SecureNodeConn(socket)
    : new NodeConn(socket);
}

class NodeConn implements Conn {
  readonly remoteAddr: Deno.Addr | null;
  readonly localAddr: Deno.Addr | null;
  protected readonly socket: Socket;
  /** Bytes that came from the socket and were not read yet; it is paused meanwhile. */
  readonly #arrived: Uint8Array[] = [];
  /** The pending read. */
  #read:
    | { into: Uint8Array; done: PromiseWithResolvers<number | null> }
    | null = null;
  /** Rejects the pending writes: a socket that closes leaves some without an answer. */
  readonly #pending = new Set<(error: Error) => void>();
  /** Why the socket has closed. */
  #reason: Error | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    const { remoteAddress, remotePort, localAddress, localPort } = socket;
    this.remoteAddr = addressOf(remoteAddress, remotePort);
    this.localAddr = addressOf(localAddress, localPort);
    socket.on("data", (chunk: Uint8Array) => this.#take(chunk));
    socket.on("end", () => this.#end());
    // Without a listener an error would end the program, also one after the close.
    socket.on("error", (error: Error) => this.#fail(error));
    socket.on("close", () => this.#fail(closedError()));
    socket.pause();
    if (socket.destroyed) this.#fail(socket.errored ?? closedError());
  }

  read(into: Uint8Array): Promise<number | null> {
    const done = Promise.withResolvers<number | null>();
    this.#read = { into, done };
    if (this.#arrived.length > 0) this.#deliver();
    else if (this.socket.readableEnded) this.#end();
    else if (this.#reason !== null) this.#fail(this.#reason);
    else this.socket.resume();
    return done.promise;
  }

  #take(chunk: unknown): void {
    if (!isBytes(chunk)) return this.#fail(noBytesError());
    // A stream of objects may have one; a read of 0 bytes would be a misuse.
    if (chunk.length === 0) return;
    this.#arrived.push(chunk);
    if (this.#read !== null) this.#deliver();
    // Mostly the next read comes at once, and finds nothing; then the socket flows on.
    if (this.#arrived.length > 0) this.socket.pause();
  }

  /** Answers the pending read. */
  #deliver(): void {
    const { into, done } = this.#read!;
    const chunk = this.#arrived[0]!;
    const count = Math.min(chunk.length, into.length);
    if (count === chunk.length) {
      into.set(chunk);
      this.#arrived.shift();
    } else {
      into.set(chunk.subarray(0, count));
      this.#arrived[0] = chunk.subarray(count);
    }
    this.#read = null;
    done.resolve(count);
  }

  #end(): void {
    const read = this.#read;
    this.#read = null;
    read?.done.resolve(null);
  }

  #fail(error: Error): void {
    this.#reason ??= error;
    for (const reject of this.#pending) reject(this.#reason);
    this.#pending.clear();
    // A socket closes by itself once both directions have ended.
    if (this.socket.readableEnded) return this.#end();
    const read = this.#read;
    this.#read = null;
    read?.done.reject(this.#reason);
  }

  /** Writes a part, so that the progress of a large write can be seen. */
  write(bytes: Uint8Array): Promise<number> {
    const part = bytes.length > LARGEST_STREAM_WRITE
      ? bytes.subarray(0, LARGEST_STREAM_WRITE)
      : bytes;
    return this.#unlessClosed((done) =>
      this.socket.write(part, (error) => done(error, part.length))
    );
  }

  closeWrite(): Promise<void> {
    return this.#unlessClosed((done) =>
      this.socket.end(() => done(null, undefined))
    );
  }

  #unlessClosed<T>(
    start: (done: (error: Error | null | undefined, value: T) => void) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#reason !== null) return reject(this.#reason);
      this.#pending.add(reject);
      start((error, value) => {
        this.#pending.delete(reject);
        if (error) reject(error);
        else resolve(value);
      });
    });
  }

  close(): void {
    this.socket.destroy();
  }

  ref(): void {
    this.socket.ref?.();
  }

  unref(): void {
    this.socket.unref?.();
  }

  setNoDelay(noDelay?: boolean): void {
    this.socket.setNoDelay?.(noDelay);
  }
}

/** A TLS connection is told by its `handshake`, as a `Deno.TlsConn` is. */
class SecureNodeConn extends NodeConn {
  handshake(): Promise<{ alpnProtocol: string | null }> {
    return Promise.resolve({ alpnProtocol: this.socket.alpnProtocol || null });
  }
}

function addressOf(hostname?: string, port?: number): Deno.NetAddr | null {
  return hostname === undefined || port === undefined
    ? null
    : { transport: "tcp", hostname, port };
}

function closedError(): Error {
  return new TypeError("the connection was closed");
}
