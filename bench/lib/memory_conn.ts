/**
 * Connections in memory that send requests and accept any response, to measure a server
 * without the system's sockets. One sends all its requests as fast as they are read, the
 * other waits for each response.
 *
 * @module
 */

import type { Conn } from "../../mod.ts";

/** Sends `wire` over and over; a read never crosses its end. */
export class MemoryConn implements Conn {
  /** Bytes that the server wrote. */
  written = 0;
  readonly #wire: Uint8Array;
  #left: number;
  #at = 0;

  /** @param times How often `wire` is sent. */
  constructor(wire: Uint8Array, times: number) {
    this.#wire = wire;
    this.#left = wire.length * times;
  }

  read(p: Uint8Array): Promise<number | null> {
    const wire = this.#wire;
    const count = Math.min(p.length, wire.length - this.#at, this.#left);
    if (count === 0) return Promise.resolve(null);
    p.set(wire.subarray(this.#at, this.#at + count));
    this.#left -= count;
    this.#at = (this.#at + count) % wire.length;
    return Promise.resolve(count);
  }

  write(p: Uint8Array): Promise<number> {
    this.written += p.length;
    return Promise.resolve(p.length);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {}
}

/** Sends one request a read, and the next once the one before is answered. */
export class PatientConn implements Conn {
  /** Responses that the server wrote; each must be one write. */
  answers = 0;
  readonly #request: Uint8Array;
  readonly #times: number;
  #sent = 0;
  /** The buffer of the pending read, if any. */
  #buffer: Uint8Array | null = null;
  #resolve: ((count: number | null) => void) | null = null;

  /** @param times How often `request` is sent. */
  constructor(request: Uint8Array, times: number) {
    this.#request = request;
    this.#times = times;
  }

  read(p: Uint8Array): Promise<number | null> {
    if (this.#sent === this.answers) return Promise.resolve(this.#send(p));
    return new Promise((resolve) => {
      this.#buffer = p;
      this.#resolve = resolve;
    });
  }

  #send(p: Uint8Array): number | null {
    if (this.#sent === this.#times) return null;
    p.set(this.#request);
    this.#sent++;
    return this.#request.length;
  }

  write(p: Uint8Array): Promise<number> {
    this.answers++;
    const buffer = this.#buffer;
    if (buffer !== null) this.#end(this.#send(buffer));
    return Promise.resolve(p.length);
  }

  #end(count: number | null): void {
    this.#resolve?.(count);
    this.#buffer = this.#resolve = null;
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.#end(null);
  }
}
