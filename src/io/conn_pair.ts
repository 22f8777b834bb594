/**
 * A connection in memory: two ends, each of which reads what the other writes.
 *
 * Nothing is buffered. A write is taken by the reads of the other end, which copy its
 * bytes, and resolves then; so one end waits for the other by promises alone.
 *
 * @module
 */

import type { Conn } from "./transport.ts";

/** Makes two connected ends. */
export function connPair(): [Conn, Conn] {
  const there = new Pipe();
  const back = new Pipe();
  return [new End(back, there), new End(there, back)];
}

class End implements Conn {
  readonly #input: Pipe;
  readonly #output: Pipe;

  constructor(input: Pipe, output: Pipe) {
    this.#input = input;
    this.#output = output;
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#input.read(into);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#output.write(bytes);
  }

  // deno-lint-ignore require-await -- the interface requires a promise
  async closeWrite(): Promise<void> {
    this.#output.end();
  }

  close(): void {
    this.#input.close();
    this.#output.close();
  }
}

/** A read or a write that waits for its counterpart. */
interface Pending<T> {
  readonly bytes: Uint8Array;
  readonly done: PromiseWithResolvers<T>;
}

/** One direction. */
class Pipe {
  #read: Pending<number | null> | null = null;
  #write: Pending<number> | null = null;
  #ended = false;

  read(into: Uint8Array): Promise<number | null> {
    const done = Promise.withResolvers<number | null>();
    this.#read = { bytes: into, done };
    this.#move();
    return done.promise;
  }

  write(bytes: Uint8Array): Promise<number> {
    const done = Promise.withResolvers<number>();
    if (this.#ended) done.reject(closedError());
    else this.#write = { bytes, done };
    this.#move();
    return done.promise;
  }

  /** Ends the bytes after the pending write. */
  end(): void {
    this.#ended = true;
    this.#move();
  }

  /** Ends the bytes at once. Settles what waits, and touches its memory no more. */
  close(): void {
    this.#write?.done.reject(closedError());
    this.#write = null;
    this.end();
  }

  #move(): void {
    const read = this.#read;
    if (read === null) return;
    const write = this.#write;
    if (write !== null) {
      const part = write.bytes.subarray(0, read.bytes.length);
      read.bytes.set(part);
      read.done.resolve(part.length);
      write.done.resolve(part.length);
      this.#read = this.#write = null;
    } else if (this.#ended) {
      read.done.resolve(null);
      this.#read = null;
    }
  }
}

function closedError(): TypeError {
  return new TypeError("the connection in memory was closed");
}
