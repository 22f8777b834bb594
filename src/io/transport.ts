/**
 * Transports for the two kinds of connection: one with `read` and `write`, such as
 * `Deno.Conn`, which reads directly into pooled memory; and a pair of streams, read with
 * a BYOB reader if possible.
 *
 * @module
 */

import {
  ASIDE_READ,
  DISCARDED_READ,
  LARGEST_STREAM_WRITE,
} from "../memory/sizes.ts";
import type { Machine } from "../message/machine.ts";
import { MisuseError } from "../message/misuse.ts";
import { ByteSource, type Consumer } from "../message/byte_source.ts";
import { afterTurn, Streak } from "../message/streak.ts";

/** A connection made of two streams. */
export interface Duplex {
  /** Bytes from the peer. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Bytes to the peer. */
  readonly writable: WritableStream<Uint8Array>;
}

/** What both kinds of connection are to a server or a client. */
export interface Transport {
  /** Whether the input has ended or failed. */
  readonly ended: boolean;
  /** Pushes available bytes into the machine and returns true, or else starts a read. */
  demand(): boolean;
  /**
   * Like `demand`, for a window that holds unread bytes. Reads into a separate buffer
   * and appends, because a handler may consume the window during the read.
   */
  readAhead(): boolean;
  /** Reads and drops the input. */
  discard(): void;
  /** Writes some of the bytes and returns how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Half-closes: ends the output, keeps the input open. */
  end(): Promise<void>;
  /** Closes both directions at once. */
  close(reason: unknown): void;
  /** Sets whether pending reads keep the event loop alive. */
  keepAlive(keeps: boolean): void;
}

/**
 * A connection with `read` and `write`, such as any `Deno.Conn`. An impossible byte
 * count from either method is reported to `onError` and ends the connection.
 */
export interface Conn {
  /**
   * Reads into `p` and resolves to the number of bytes, at least 1, or to `null` at the
   * end of the input.
   */
  read(p: Uint8Array): Promise<number | null>;
  /** Writes bytes from the start of `p` and resolves to their number, at least 1. */
  write(p: Uint8Array): Promise<number>;
  /** Half-closes: ends the output, keeps the input open. */
  closeWrite(): Promise<void>;
  /** Closes both directions. */
  close(): void;
  /** Makes pending reads keep the program running. */
  ref?(): void;
  /** Lets the program exit despite pending reads. */
  unref?(): void;
  /** Disables Nagle's algorithm (TCP_NODELAY), so that small writes are sent at once. */
  setNoDelay?(noDelay?: boolean): void;
}

/** Whether a connection has `read` and `write`. */
export function isConn(connection: Conn | Duplex): connection is Conn {
  return "read" in connection && typeof connection.read === "function" &&
    "write" in connection && typeof connection.write === "function";
}

/** The target of reads while lingering. Shared, since its content is never read. */
const WASTE = new Uint8Array(DISCARDED_READ);

/** The error for an impossible byte count from a custom `Conn`. */
export function countError(
  method: "read" | "write",
  count: unknown,
  most: number,
): MisuseError {
  return new MisuseError(
    `${method}() of the connection gave ${count}; expected a whole number from 1 to ` +
      `${most}${method === "read" ? ", or null" : ""}`,
  );
}

/** Whether `count` is a possible result of a read or write of `most` bytes. */
export function isCount(count: unknown, most: number): boolean {
  return Number.isInteger(count) && count as number >= 1 &&
    count as number <= most;
}

type Target = "window" | "aside" | "waste";

export class ConnTransport implements Transport {
  ended = false;
  readonly #conn: Conn;
  readonly #machine: Machine;
  readonly #consumer: Consumer;
  #reading = false;
  #target: Target = "window";
  #into: Uint8Array = WASTE;
  readonly #streak = new Streak();

  constructor(conn: Conn, machine: Machine, consumer: Consumer) {
    this.#conn = conn;
    this.#machine = machine;
    this.#consumer = consumer;
    // The output batches responses itself, so Nagle's algorithm would only delay the last
    // segment. Errors are ignored: on a closed connection the first read fails anyway.
    quietly(() => conn.setNoDelay?.(true));
  }

  demand(): boolean {
    if (!this.#reading && !this.ended) {
      this.#read("window", this.#machine.offer());
    }
    return false;
  }

  readAhead(): boolean {
    if (!this.#reading && !this.ended) {
      this.#read("aside", new Uint8Array(ASIDE_READ));
    }
    return false;
  }

  discard(): void {
    if (!this.#reading && !this.ended) this.#read("waste", WASTE);
  }

  #read(target: Target, into: Uint8Array): void {
    this.#reading = true;
    this.#target = target;
    this.#into = into;
    try {
      // A foreign thenable may settle twice; a native promise does not.
      Promise.resolve(this.#conn.read(into))
        .then(this.#onRead, this.#onFailed);
    } catch (error) {
      // Asynchronous, like a rejected read.
      queueMicrotask(() => this.#onFailed(error));
    }
  }

  readonly #onRead = (count: number | null): void => {
    const into = this.#into;
    if (count !== null && !isCount(count, into.length)) {
      return this.#onFailed(countError("read", count, into.length));
    }
    if (!this.#streak.isTooLong(count ?? 0)) return this.#take(count);
    afterTurn(() => this.#take(count));
  };

  #take(count: number | null): void {
    const into = this.#into;
    this.#reading = false;
    this.#into = WASTE;
    if (this.#target === "window") this.#machine.commit(count ?? 0);
    else if (
      this.#target === "aside" && count !== null && !this.#consumer.closed
    ) this.#machine.push(into.subarray(0, count));
    if (count === null) {
      this.ended = true;
      this.#machine.finish();
    }
    if (!this.#consumer.closed) this.#consumer.wake();
  }

  readonly #onFailed = (error: unknown): void => {
    this.#reading = false;
    this.#into = WASTE;
    this.ended = true;
    this.#machine.lose();
    if (!this.#consumer.closed) this.#consumer.fail(error);
  };

  write(bytes: Uint8Array): Promise<number> {
    try {
      return Promise.resolve(this.#conn.write(bytes));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async end(): Promise<void> {
    await this.#conn.closeWrite();
  }

  close(): void {
    quietly(() => this.#conn.close());
  }

  keepAlive(keeps: boolean): void {
    if (keeps) this.#conn.ref?.();
    else this.#conn.unref?.();
  }
}

export class StreamTransport implements Transport {
  readonly #inlet: ByteSource;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(duplex: Duplex, machine: Machine, consumer: Consumer) {
    this.#inlet = new ByteSource(machine, duplex.readable);
    this.#inlet.consumer = consumer;
    try {
      this.#writer = duplex.writable.getWriter();
    } catch (error) {
      // The pair is not served, so the readable must be unlocked again.
      this.#inlet.refuse();
      throw error;
    }
    // The next write reports the failure.
    this.#writer.closed.catch(() => {});
  }

  get ended(): boolean {
    return this.#inlet.ended;
  }

  demand(): boolean {
    return this.#inlet.demand();
  }

  readAhead(): boolean {
    return this.#inlet.readAhead();
  }

  discard(): void {
    this.#inlet.discard();
  }

  /** Writes a copy: the stream may retain the chunk, but the slab is reused. */
  async write(bytes: Uint8Array): Promise<number> {
    const copy = bytes.slice(0, LARGEST_STREAM_WRITE);
    // The stream may transfer it.
    const { length } = copy;
    await this.#writer.write(copy);
    return length;
  }

  end(): Promise<void> {
    return this.#writer.close();
  }

  close(reason: unknown): void {
    this.#inlet.cancel(reason).catch(() => {});
    this.#writer.abort(reason).catch(() => {});
  }

  keepAlive(): void {
    // Streams do not keep a program running.
  }
}

/** Closes a connection that will not be served. Accepts any value. */
export function closeUnserved(connection: Conn | Duplex): void {
  quietly(() => {
    if (isConn(connection)) return connection.close();
    quietly(() => connection.readable.cancel());
    quietly(() => connection.writable.abort());
  });
}

/** Calls a clean-up function and ignores errors, thrown or rejected. */
export function quietly(end: () => unknown): void {
  try {
    Promise.resolve(end()).catch(() => {});
  } catch {
    // Already closed.
  }
}

/** @throws {TypeError} A program without types gave something else to serve. */
export function checkConnection(value: unknown): void {
  if (!isConnection(value)) {
    throw new TypeError(
      "this is no connection: it has neither read and write, nor two streams",
    );
  }
}

/** Whether a value from a source can be served. */
export function isConnection(value: unknown): value is Conn | Duplex {
  return typeof value === "object" && value !== null &&
    (isConn(value as Conn) || ("readable" in value && "writable" in value));
}
