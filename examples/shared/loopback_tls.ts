/**
 * TLS on connections whose first bytes were read already.
 *
 * The runtime begins TLS only on a listener of its own. So this relays the bytes to one
 * on loopback, which serves nobody but these relays.
 *
 * @module
 */

import { eachConnection } from "./accept.ts";
import { deadline, writeAll } from "./first_bytes.ts";

/** Milliseconds for a client to close after the server did. */
const LINGER_MS = 5_000;
/** Connections at a time. */
const MOST_OPEN = 10_000;

/** Where the listener is, and the relays come from. */
const LOOPBACK = "127.0.0.1";
/** Bytes that are relayed at a time. */
const CHUNK = 16_384;

/** Options of {@linkcode LoopbackTls}. */
export interface LoopbackTlsOptions {
  /** The certificate in PEM format. */
  cert: string;
  /** Its key. */
  key: string;
  /** Milliseconds for a handshake. */
  handshakeMs: number;
  /** Milliseconds in which a client must take some of what is written. */
  writeMs: number;
  /** Closes the listener when aborted, and the connections still in their handshake. */
  closing: AbortSignal;
}

/** A client on its way to the TLS listener. */
interface Relayed {
  remoteAddr: Deno.NetAddr;
  /** Bounds the handshake. */
  handshake: Disposable;
}

/** A TLS listener on loopback, and relays to it. */
export class LoopbackTls {
  readonly #listener: Deno.TlsListener;
  readonly #options: LoopbackTlsOptions;
  /** By the port that the relay comes from. */
  readonly #relayed = new Map<number, Relayed>();

  /**
   * @param options The certificate, and bounds.
   * @param serve Serves a connection whose handshake is done.
   */
  constructor(
    options: LoopbackTlsOptions,
    serve: (conn: Deno.TlsConn, remoteAddr: Deno.NetAddr) => Promise<void>,
  ) {
    const { cert, key, handshakeMs, closing } = this.#options = options;
    this.#listener = Deno.listenTls({
      ...{ hostname: LOOPBACK, port: 0, cert, key },
      alpnProtocols: ["http/1.1"],
    });
    closing.addEventListener("abort", () => this.#listener.close());
    eachConnection(this.#listener, MOST_OPEN, async (conn) => {
      {
        // Before this ends, the relay has written, so it is in the map.
        using _ = deadline(conn, handshakeMs, closing);
        await conn.handshake();
      }
      const { hostname, port } = conn.remoteAddr;
      const relayed = this.#relayed.get(port);
      // Another program of this machine, maybe with the port of a relay on 127.0.0.2.
      if (hostname !== LOOPBACK || relayed === undefined) return;
      relayed.handshake[Symbol.dispose]();
      await serve(conn, relayed.remoteAddr);
    });
  }

  /** Relays a connection, of which `received` was read, until either end closes. */
  async relay(conn: Deno.TcpConn, received: Uint8Array): Promise<void> {
    const { handshakeMs, writeMs, closing } = this.#options;
    const { hostname, port } = this.#listener.addr;
    using inner = await Deno.connect({ hostname, port });
    // Closes the client's side, whose end closes the other.
    using handshake = deadline(conn, handshakeMs, closing);
    const from = inner.localAddr.port;
    this.#relayed.set(from, { remoteAddr: conn.remoteAddr, handshake });
    try {
      const up = writeAll(inner, received).then(() => pump(conn, inner));
      const down = pump(inner, conn, writeMs).then(async () => {
        using _ = deadline(conn, LINGER_MS);
        await up;
      });
      await Promise.all([up, down]);
    } finally {
      this.#relayed.delete(from);
    }
  }
}

/** Forwards bytes until their end, which it forwards as well. */
async function pump(
  from: Deno.Conn,
  to: Deno.Conn,
  writeMs = Infinity,
): Promise<void> {
  const buffer = new Uint8Array(CHUNK);
  for (let count; (count = await from.read(buffer)) !== null;) {
    for (let at = 0; at < count;) {
      using _ = writeMs === Infinity ? null : deadline(to, writeMs);
      at += await to.write(buffer.subarray(at, count));
    }
  }
  await to.closeWrite();
}
