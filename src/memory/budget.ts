/**
 * The bytes that bodies and responses hold in memory, over all connections of a server.
 *
 * Slabs are not counted: each connection has a few, of bounded size.
 *
 * @module
 */

/** A piece of memory that several responses can be made of. */
interface Shared {
  readonly bytes: number;
  holders: number;
}

/** Counts the bytes held, up to a bound. */
export class Budget {
  readonly most: number;
  held = 0;
  readonly #shared = new Map<ArrayBufferLike, Shared>();

  constructor(most: number) {
    this.most = most;
  }

  /** Whether `bytes` more stay within the bound. */
  admits(bytes: number): boolean {
    return this.held + bytes <= this.most;
  }

  take(bytes: number): void {
    this.held += bytes;
  }

  give(bytes: number): void {
    this.held -= bytes;
  }

  holds(memory: ArrayBufferLike): boolean {
    return this.#shared.has(memory);
  }

  /**
   * Counts `bytes` of a piece of memory once, whatever the number of its holders: the
   * same body often goes to many clients. Never refuses.
   */
  hold(memory: ArrayBufferLike, bytes: number): void {
    const shared = this.#shared.get(memory);
    if (shared !== undefined) {
      shared.holders++;
      return;
    }
    this.#shared.set(memory, { bytes, holders: 1 });
    this.held += bytes;
  }

  /** One holder less. */
  drop(memory: ArrayBufferLike): void {
    const shared = this.#shared.get(memory)!;
    if (--shared.holders > 0) return;
    this.#shared.delete(memory);
    this.held -= shared.bytes;
  }
}
