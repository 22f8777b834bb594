/**
 * A connection that breaks at a chosen call.
 *
 * @module
 */

import type { Conn } from "@pooled/http1";
import { textOf } from "./bytes.ts";

/** The methods that can break. */
export type Method = "read" | "write" | "closeWrite" | "close" | "setNoDelay";

/** How a call breaks, and what that means to the server. */
export interface Fault {
  name: string;
  method: Method;
  /**
   * Takes the place of a call. `proceed` makes the call as it should be, and `closed`
   * resolves when the server closes the connection.
   */
  inject(call: Call): unknown;
  /** Whether calls after the n-th break too. */
  lasting?: boolean;
  /**
   * Who is to blame: nobody where the scenario runs through all the same, the client
   * where the connection is just lost, the program where `onError` has to be told.
   */
  blame: "nobody" | "client" | "program";
  /** Whether the call ends when the connection is closed, or never. */
  hangs?: "until the close" | "for ever";
}

/** A call that breaks. */
export interface Call {
  /** What is read into or written. */
  bytes: Uint8Array;
  proceed(bytes?: Uint8Array): unknown;
  closed: Promise<void>;
}

/** Breaks `inner` at the `at`-th call of the method of a fault. */
export class FaultyConn implements Conn {
  /** Whether the fault happened. */
  broken = false;
  /** Bytes that reads gave. */
  given = 0;
  /** What writes took, as far as they said so. */
  written = "";
  readonly #inner: Conn;
  readonly #fault: Fault;
  readonly #at: number;
  /** How often each method was called. */
  readonly calls: Record<Method, number> = {
    read: 0,
    write: 0,
    closeWrite: 0,
    close: 0,
    setNoDelay: 0,
  };
  readonly #closed = Promise.withResolvers<void>();

  constructor(inner: Conn, fault: Fault, at: number) {
    this.#inner = inner;
    this.#fault = fault;
    this.#at = at;
  }

  #call(
    method: Method,
    bytes: Uint8Array,
    proceed: (bytes: Uint8Array) => unknown,
  ): unknown {
    const fault = this.#fault;
    const call = ++this.calls[method];
    if (fault.method !== method) return proceed(bytes);
    if (call < this.#at || (call > this.#at && !fault.lasting)) {
      return proceed(bytes);
    }
    this.broken = true;
    return fault.inject({
      bytes,
      closed: this.#closed.promise,
      proceed: (part = bytes) => proceed(part),
    });
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#call("read", into, async (part) => {
      const count = await this.#inner.read(part);
      this.given += count ?? 0;
      return count;
    }) as Promise<number | null>;
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#call("write", bytes, async (part) => {
      const text = textOf(part);
      const count = await this.#inner.write(part);
      this.written += text.slice(0, count);
      return count;
    }) as Promise<number>;
  }

  closeWrite(): Promise<void> {
    return this.#call(
      "closeWrite",
      EMPTY,
      () => this.#inner.closeWrite(),
    ) as Promise<void>;
  }

  close(): void {
    this.#closed.resolve();
    return this.#call("close", EMPTY, () => this.#inner.close()) as void;
  }

  /** Closes what a close that breaks has left open. */
  closeInner(): void {
    try {
      this.#inner.close();
    } catch {
      // It is closed already.
    }
  }

  setNoDelay(): void {
    return this.#call("setNoDelay", EMPTY, () => {}) as void;
  }
}

const EMPTY = new Uint8Array(0);

const never = () => new Promise<never>(() => {});
const reset = () => new Deno.errors.ConnectionReset("reset by the client");
const badResource = () => new Deno.errors.BadResource("closed");

/** Waits for the close, as an operation of the system does, and fails then. */
const untilClosed = ({ closed }: Call) =>
  closed.then(() => Promise.reject(badResource()));

const throwing = (): never => {
  throw new Error("thrown at once");
};

/** The faults of a read. */
const READ_FAULTS: Fault[] = [
  {
    name: "a read rejects",
    method: "read",
    inject: () => Promise.reject(reset()),
    blame: "client",
  },
  {
    name: "a read throws",
    method: "read",
    inject: throwing,
    blame: "client",
  },
  {
    name: "a read takes bytes and rejects",
    method: "read",
    inject: async ({ proceed }) => {
      await proceed();
      throw reset();
    },
    blame: "client",
  },
  {
    name: "the input ends",
    method: "read",
    inject: () => Promise.resolve(null),
    lasting: true,
    blame: "client",
  },
  ...[0, -1, 1e9, NaN, "3", undefined].map((count): Fault => ({
    name: `a read gives ${count}`,
    method: "read",
    inject: () => Promise.resolve(count),
    blame: "program",
  })),
  {
    name: "a read gives no promise",
    method: "read",
    inject: () => ({}),
    blame: "program",
  },
  {
    name: "reads are short",
    method: "read",
    inject: ({ bytes, proceed }) => proceed(bytes.subarray(0, 1)),
    lasting: true,
    blame: "nobody",
  },
  {
    name: "a read waits for the close",
    method: "read",
    inject: untilClosed,
    blame: "client",
    hangs: "until the close",
  },
  {
    name: "a read never settles",
    method: "read",
    inject: never,
    blame: "client",
    hangs: "for ever",
  },
];

/** The faults of a write. */
const WRITE_FAULTS: Fault[] = [
  {
    name: "a write rejects",
    method: "write",
    inject: () => Promise.reject(new Deno.errors.BrokenPipe("no reader")),
    blame: "client",
  },
  {
    name: "all writes reject",
    method: "write",
    inject: () => Promise.reject(undefined),
    lasting: true,
    blame: "client",
  },
  {
    name: "a write throws",
    method: "write",
    inject: throwing,
    blame: "client",
  },
  ...[0, -1, 1e9, NaN, null, undefined].map((count): Fault => ({
    name: `a write gives ${count}`,
    method: "write",
    inject: () => Promise.resolve(count),
    blame: "program",
  })),
  {
    name: "writes are short",
    method: "write",
    inject: ({ bytes, proceed }) => proceed(bytes.subarray(0, 1)),
    lasting: true,
    blame: "nobody",
  },
  {
    name: "a write is short and the next rejects",
    method: "write",
    inject: (() => {
      // Of the calls of one connection, the first is short.
      const seen = new WeakSet<Promise<void>>();
      return ({ bytes, proceed, closed }) => {
        if (seen.has(closed)) return Promise.reject(reset());
        seen.add(closed);
        return proceed(bytes.subarray(0, 1));
      };
    })(),
    lasting: true,
    blame: "client",
  },
  {
    name: "a write waits for the close",
    method: "write",
    inject: untilClosed,
    blame: "client",
    hangs: "until the close",
  },
  {
    name: "a write never settles",
    method: "write",
    inject: never,
    blame: "client",
    hangs: "for ever",
  },
];

/** The faults of an end. */
const END_FAULTS: Fault[] = (["closeWrite", "close", "setNoDelay"] as const)
  .flatMap((method): Fault[] => [
    { name: `${method} throws`, method, inject: throwing, blame: "nobody" },
    {
      name: `${method} rejects`,
      method,
      inject: () => Promise.reject(reset()),
      blame: "nobody",
    },
    {
      name: `${method} never settles`,
      method,
      inject: never,
      blame: "nobody",
      ...method === "closeWrite" && { hangs: "for ever" },
    },
  ]);

/** All of them. */
export const FAULTS: readonly Fault[] = [
  ...READ_FAULTS,
  ...WRITE_FAULTS,
  ...END_FAULTS,
];
