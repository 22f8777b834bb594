/**
 * The two kinds of connection a server can be given: one with `read` and `write`,
 * as `Deno.Conn` has, which fills pooled memory where it lies; and a pair of
 * streams, read as a byte stream where it is one.
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

/** Two streams that make up a connection. */
export interface Duplex {
  /** What comes from the other side. */
  readonly readable: ReadableStream<Uint8Array>;
  /** What goes to the other side. */
  readonly writable: WritableStream<Uint8Array>;
}

/** A connection as the server drives it. */
export interface Transport {
  /** Whether the input has ended, or failed. */
  readonly ended: boolean;
  /** Puts bytes into the machine at once and gives true, or sees to it that some come. */
  demand(): boolean;
  /**
   * The same while the window holds bytes that a handler may ask for meanwhile: reads
   * aside, so that the window is not lent, and appends what came.
   */
  readAhead(): boolean;
  /** Reads on and throws away what comes. */
  discard(): void;
  /** Writes some of the bytes, and gives how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Ends the output; the input stays open. */
  end(): Promise<void>;
  /** Ends everything at once. */
  close(reason: unknown): void;
  /** Whether reads keep the program running. */
  keepAlive(keeps: boolean): void;
}

/**
 * A connection that is read and written directly. Every `Deno.Conn` is one. A count
 * that no read or write can have is reported to `onError`, and ends the connection.
 */
export interface Conn {
  /**
   * Reads into `p`, and gives how many bytes, one at the least; `null` at the end of
   * the input.
   */
  read(p: Uint8Array): Promise<number | null>;
  /** Writes bytes of `p`, and gives how many, one at the least. */
  write(p: Uint8Array): Promise<number>;
  /** Ends the output; the input stays open. */
  closeWrite(): Promise<void>;
  /** Ends everything. */
  close(): void;
  /** Lets pending reads keep the program running. */
  ref?(): void;
  /** Lets the program end in spite of pending reads. */
  unref?(): void;
  /** Whether small writes leave at once. */
  setNoDelay?(noDelay?: boolean): void;
}

/** Whether a connection is read and written directly. */
export function isConn(connection: Conn | Duplex): connection is Conn {
  return "read" in connection && typeof connection.read === "function" &&
    "write" in connection && typeof connection.write === "function";
}

/** What is read while a connection lingers goes here, and nobody looks at it. */
const WASTE = new Uint8Array(DISCARDED_READ);

/** A connection of the program's own make gave a count that no read or write can have. */
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

/** Whether `count` bytes of `most` can have been read or written. */
export function isCount(count: unknown, most: number): boolean {
  return Number.isInteger(count) && count as number >= 1 &&
    count as number <= most;
}

/** Where the bytes of a read go. */
type Target = "window" | "aside" | "waste";

/** A connection with `read` and `write`. */
export class ConnTransport implements Transport {
  ended = false;
  readonly #conn: Conn;
  readonly #machine: Machine;
  readonly #consumer: Consumer;
  #reading = false;
  #target: Target = "window";
  #into: Uint8Array = WASTE;

  constructor(conn: Conn, machine: Machine, consumer: Consumer) {
    this.#conn = conn;
    this.#machine = machine;
    this.#consumer = consumer;
    // Responses leave whole; to hold the end of one back would only delay it. A
    // connection that is closed already is met by the first read.
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
      // A thenable of another make may settle twice.
      Promise.resolve(this.#conn.read(into))
        .then(this.#onRead, this.#onFailed);
    } catch (error) {
      // Reported in a later turn, as a read that rejects is.
      queueMicrotask(() => this.#onFailed(error));
    }
  }

  readonly #onRead = (count: number | null): void => {
    const into = this.#into;
    if (count !== null && !isCount(count, into.length)) {
      return this.#onFailed(countError("read", count, into.length));
    }
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
  };

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

/** A pair of streams. */
export class StreamTransport implements Transport {
  readonly #inlet: ByteSource;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(duplex: Duplex, machine: Machine, consumer: Consumer) {
    this.#inlet = new ByteSource(machine, duplex.readable);
    this.#inlet.consumer = consumer;
    try {
      this.#writer = duplex.writable.getWriter();
    } catch (error) {
      // A pair that is not served keeps no lock.
      this.#inlet.refuse();
      throw error;
    }
    // A failed writer is met by its next write.
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

  /** Writes a copy: a stream may pass on what it is given, and the slab is used again. */
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

/** Closes a connection that nobody is going to serve, whatever it is. */
export function closeUnserved(connection: Conn | Duplex): void {
  quietly(() => {
    if (isConn(connection)) return connection.close();
    quietly(() => connection.readable.cancel());
    quietly(() => connection.writable.abort());
  });
}

/** Calls what may fail, at once or later, because its end has come already. */
export function quietly(end: () => unknown): void {
  try {
    Promise.resolve(end()).catch(() => {});
  } catch {
    // It has ended already.
  }
}

/** Whether a source gave what can be served. */
export function isConnection(value: unknown): value is Conn | Duplex {
  return typeof value === "object" && value !== null &&
    (isConn(value as Conn) || ("readable" in value && "writable" in value));
}
