/**
 * TLS connections: what their handshake negotiated.
 *
 * A `Deno.TlsConn` knows the protocol of ALPN (RFC 7301) once its handshake has ended,
 * which the first byte of a client proves. Asking then costs no wait. Asking before would
 * leave a pending operation that keeps the program running.
 *
 * @module
 */

import { MisuseError } from "../message/misuse.ts";
import type { Conn } from "../io/transport.ts";

/** What `Deno.TlsConn` has beyond {@linkcode Conn}. */
interface Handshaking {
  handshake(): Promise<{ readonly alpnProtocol: string | null } | void>;
}

/** The protocols of ALPN that this server speaks; names of RFC 7301 §6. */
const SPOKEN: readonly string[] = ["http/1.1", "http/1.0"];

/** Whether a connection has a handshake to ask. */
export function shakesHands(conn: Conn): conn is Conn & Handshaking {
  return "handshake" in conn && typeof conn.handshake === "function";
}

/** @throws {TypeError} No array, or a protocol that this server does not speak. */
export function checkOffered(protocols: readonly string[]): void {
  if (!Array.isArray(protocols)) {
    throw new TypeError("alpnProtocols is no array");
  }
  const other = protocols.find((protocol) => !SPOKEN.includes(protocol));
  if (other !== undefined) {
    throw new TypeError(
      `alpnProtocols offers ${JSON.stringify(other)}; expected only ` +
        `"http/1.1" and "http/1.0", which this server speaks`,
    );
  }
}

/** A TLS connection that asks for the outcome of the handshake before its first bytes. */
export class TlsConn implements Conn {
  readonly #conn: Conn & Handshaking;
  /** Is told the negotiated protocol. */
  readonly #negotiated: (protocol: string | null) => void;
  #known = false;

  constructor(
    conn: Conn & Handshaking,
    negotiated: (protocol: string | null) => void,
  ) {
    this.#conn = conn;
    this.#negotiated = negotiated;
  }

  /**
   * Resolves once the outcome is known.
   *
   * @throws {MisuseError} The client negotiated a protocol other than HTTP/1.
   */
  async handshake(): Promise<void> {
    const protocol = (await this.#conn.handshake())?.alpnProtocol ?? null;
    if (protocol !== null && !SPOKEN.includes(protocol)) {
      throw new MisuseError(
        `a client negotiated ${JSON.stringify(protocol)} by ALPN, which this ` +
          `server does not speak; let the listener offer only "http/1.1"`,
      );
    }
    this.#known = true;
    this.#negotiated(protocol);
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#known ? this.#conn.read(p) : this.#readFirst(p);
  }

  async #readFirst(p: Uint8Array): Promise<number | null> {
    const count = await this.#conn.read(p);
    if (count !== null) await this.handshake();
    return count;
  }

  write(p: Uint8Array): Promise<number> {
    return this.#conn.write(p);
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  close(): void {
    this.#conn.close();
  }

  ref(): void {
    this.#conn.ref?.();
  }

  unref(): void {
    this.#conn.unref?.();
  }

  setNoDelay(noDelay?: boolean): void {
    this.#conn.setNoDelay?.(noDelay);
  }
}
