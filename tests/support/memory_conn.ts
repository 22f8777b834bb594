/**
 * The fake connection of the tests.
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

/** Resolves in a later turn of the event loop, as reads and writes of sockets do. */
function laterTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(() => resolve()));
}

/** How a connection in memory behaves. */
export interface MemoryConnOptions {
  /**
   * When the client ends its side: right after its input (the default), once the
   * server has ended its own, or only when the test calls `end()`.
   */
  ends?: "at once" | "after the server" | "when told";
  /** The most bytes that one write takes. */
  largestWrite?: number;
}

/**
 * A connection in memory: gives its input piece by piece, records what is asked of
 * it, and holds writes or fails reads when the test says so. Each method can be
 * replaced.
 */
export class MemoryConn implements Conn {
  /** How often `read` was called. */
  reads = 0;
  /** How often `write` was called. */
  writesBegun = 0;
  /** What each write took. */
  readonly writes: string[] = [];
  outputEnded = false;
  /** How often `close` was called. */
  closes = 0;
  readonly #input: Uint8Array[];
  readonly #ends: MemoryConnOptions["ends"];
  readonly #largestWrite: number;
  #ended: boolean;
  #failure: unknown = null;
  #wake = () => {};
  #held: PromiseWithResolvers<void> | null = null;

  /** @param pieces What each read gives, as far as the reader has room for it. */
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

  /** All that was written. */
  get wire(): string {
    return this.writes.join("");
  }

  /** From here on, writes wait. */
  hold(): void {
    this.#held ??= Promise.withResolvers<void>();
  }

  /** Lets the writes go on that wait. */
  letGo(): void {
    this.#held?.resolve();
    this.#held = null;
  }

  /** The client sends more. */
  give(text: string): void {
    this.#input.push(bytesOf(text));
    this.#wake();
  }

  /** The client ends its side. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Reads fail, once the input is used up. */
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

/** Serves a connection in memory to its end, asserts that nothing is left, and gives what was written. */
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
