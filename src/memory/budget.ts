/**
 * The memory budget of buffered bodies and responses across all connections of a server.
 *
 * Slabs are not counted: each connection holds only a few, of bounded size.
 *
 * @module
 */

/** A buffer that several responses can share. */
interface Shared {
  readonly bytes: number;
  holders: number;
}

/** Counts the bytes held against a limit. */
export class Budget {
  readonly most: number;
  held = 0;
  readonly #shared = new Map<ArrayBufferLike, Shared>();

  constructor(most: number) {
    this.most = most;
  }

  /** Whether `bytes` more stay within the limit. */
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
   * Adds a holder of a buffer and counts its `bytes` only for the first one, because the
   * same body is often sent to many clients. Does not check the limit.
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

  /** Removes a holder; the last one returns the bytes. */
  drop(memory: ArrayBufferLike): void {
    const shared = this.#shared.get(memory)!;
    if (--shared.holders > 0) return;
    this.#shared.delete(memory);
    this.held -= shared.bytes;
  }
}
