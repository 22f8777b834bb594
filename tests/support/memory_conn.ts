/**
 * An in-memory `Conn` with controllable reads and writes.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { assert } from "@std/assert";
import {
  type Conn,
  type Handler,
  Pools,
  serveConnection,
  type ServeConnectionOptions,
} from "@pooled/http1";
import { assertAtRest } from "./at_rest.ts";
import { bytesOf, textOf } from "./bytes.ts";

/** Resolves in a later turn of the event loop, like socket I/O. */
function laterTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(() => resolve()));
}

/** Options of a `MemoryConn`. */
export interface MemoryConnOptions {
  /**
   * When the client half-closes: right after its input (the default), after the server
   * has ended its output, or when the test calls `end()`.
   */
  ends?: "at once" | "after the server" | "when told";
  /** The maximum number of bytes that one write accepts. */
  largestWrite?: number;
}

/**
 * An in-memory connection. It delivers its input piece by piece, records calls, and
 * holds writes or fails reads on demand. Tests may replace any method.
 */
export class MemoryConn implements Conn {
  /** Calls of `read`. */
  reads = 0;
  /** Calls of `write`. */
  writesBegun = 0;
  /** The bytes that each completed write accepted. */
  readonly writes: string[] = [];
  outputEnded = false;
  /** Calls of `close`. */
  closes = 0;
  readonly #input: Uint8Array[];
  readonly #ends: MemoryConnOptions["ends"];
  readonly #largestWrite: number;
  #ended: boolean;
  #failure: unknown = null;
  #wake = () => {};
  #held: PromiseWithResolvers<void> | null = null;

  /** @param pieces The result of each read, split further if the buffer is smaller. */
  constructor(
    pieces: string[],
    { ends = "at once", largestWrite = Infinity }: MemoryConnOptions = {},
  ) {
    this.#input = pieces.map(bytesOf);
    this.#ends = ends;
    this.#ended = ends === "at once";
    this.#largestWrite = largestWrite;
  }

  get closed(): boolean {
    return this.closes > 0;
  }

  /** All bytes written so far. */
  get wire(): string {
    return this.writes.join("");
  }

  /** Makes writes wait until `letGo()`. */
  hold(): void {
    this.#held ??= Promise.withResolvers<void>();
  }

  /** Resumes the held writes. */
  letGo(): void {
    this.#held?.resolve();
    this.#held = null;
  }

  /** Appends input from the client. */
  give(text: string): void {
    this.#input.push(bytesOf(text));
    this.#wake();
  }

  /** Half-closes the client's side. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Makes reads reject with `error` once the input is consumed. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#wake();
  }

  async read(into: Uint8Array): Promise<number | null> {
    this.reads++;
    await laterTurn();
    while (this.#input.length === 0) {
      if (this.#failure !== null) throw this.#failure;
      if (this.closed) throw new Deno.errors.BadResource("closed");
      if (this.#ended) return null;
      await new Promise<void>((resolve) => void (this.#wake = resolve));
    }
    const piece = this.#input[0]!;
    const count = Math.min(into.length, piece.length);
    into.set(piece.subarray(0, count));
    if (count < piece.length) this.#input[0] = piece.subarray(count);
    else this.#input.shift();
    return count;
  }

  async write(bytes: Uint8Array): Promise<number> {
    this.writesBegun++;
    const taken = bytes.subarray(0, this.#largestWrite);
    const text = textOf(taken);
    await laterTurn();
    await this.#held?.promise;
    if (this.closed) throw new Deno.errors.BadResource("closed");
    this.writes.push(text);
    return taken.length;
  }

  closeWrite(): Promise<void> {
    this.outputEnded = true;
    if (this.#ends === "after the server") this.end();
    return Promise.resolve();
  }

  close(): void {
    this.closes++;
    this.#wake();
    this.letGo();
  }
}

/** Serves `conn` to its end, checks for leaks, and returns the bytes written. */
export async function serveMemory(
  conn: MemoryConn,
  handler: Handler,
  options: ServeConnectionOptions = {},
): Promise<string> {
  const pools = new Pools();
  await serveConnection(conn, handler, { pools, ...options });
  assertAtRest(pools);
  assert(conn.closed, "the connection was left open");
  return conn.wire;
}
