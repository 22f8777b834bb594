/**
 * Pools that check their users: a debugging aid.
 *
 * Memory that nobody uses holds a pattern. An acquire verifies it, so a write through a
 * stale view throws there, and a stale read finds the pattern and never the bytes of
 * another request. An object that is released twice, or given to two owners, throws at
 * once. Each fault has the stack of the release as its cause.
 *
 * These are subclasses, so the pools of a program that does not use them keep their
 * monomorphic calls.
 *
 * @module
 */

import { Pool, type Shelf } from "./pool.ts";
import { QUARANTINED } from "./sizes.ts";
import { type Slab, SlabPool } from "./slab.ts";

/** Obs-text: a scanner that misses the end of its window runs on over these bytes. */
export const POISON = 0xdb;
const POISON_WORD = 0xdbdbdbdb;

/** Memory was used after its release, or released twice. */
export class PoolFault extends Error {
  override name = "PoolFault";
}

/** How the objects of one kind are filled and verified. */
export interface Guard<T> {
  /** What a fault calls the object. */
  name(item: T): string;
  /** Fills the memory of an object that nobody uses. */
  fill(item: T): void;
  /** What is wrong with the memory of an idle object, or `null`. */
  fault(item: T): string | null;
  /** The object is about to be used again: it was released at `released`. */
  renew?(item: T, released: Error): void;
  /** Verifies what the guard holds back itself. */
  verify?(): void;
}

let listener: (fault: PoolFault) => void = () => {};

/** Tells of each fault besides throwing it: a caller may catch what it did not expect. */
export function watchFaults(listen: (fault: PoolFault) => void): void {
  listener = listen;
}

function faultOf(message: string, released: Error | undefined): PoolFault {
  const fault = new PoolFault(message, released && { cause: released });
  listener(fault);
  return fault;
}

/** A pool that verifies what it gives and what it takes back. */
export class CheckedPool<T extends object> extends Pool<T> {
  readonly #guard: Guard<T>;
  /** What is in use. */
  readonly #used = new Set<T>();
  /** Where each object was last released. */
  readonly #released = new WeakMap<T, Error>();

  constructor(create: () => T, bound: number, guard: Guard<T>) {
    super(() => {
      const item = create();
      guard.fill(item);
      return item;
    }, bound);
    this.#guard = guard;
  }

  override acquire(shelf?: Shelf<T>): T {
    const item = super.acquire(shelf);
    const released = this.#released.get(item);
    if (this.#used.has(item)) {
      throw faultOf(
        `${this.#guard.name(item)} was given to two owners`,
        released,
      );
    }
    this.#verify(item);
    if (released !== undefined) this.#guard.renew?.(item, released);
    this.#used.add(item);
    return item;
  }

  override release(item: T, shelf?: Shelf<T>): void {
    this.take(item);
    this.#guard.fill(item);
    this.#released.set(item, new Error("it was released here"));
    super.release(item, shelf);
  }

  override drop(item: T): void {
    this.take(item);
    super.drop(item);
  }

  /** Takes an object from its owner, who must have it. */
  take(item: T): void {
    if (!this.#used.delete(item)) throw this.releasedTwice(item);
  }

  releasedTwice(item: T): PoolFault {
    return faultOf(
      `${this.#guard.name(item)} was released twice`,
      this.#released.get(item),
    );
  }

  /** @throws {PoolFault} Idle memory was written to. */
  verify(): void {
    for (const item of this.idleItems()) this.#verify(item);
    this.#guard.verify?.();
  }

  #verify(item: T): void {
    const fault = this.#guard.fault(item);
    if (fault !== null) {
      throw faultOf(
        `${this.#guard.name(item)} ${fault}`,
        this.#released.get(item),
      );
    }
  }
}

/** Memory that waits for late writes. */
interface Quarantined {
  bytes: Uint8Array<ArrayBuffer>;
  released: Error;
}

/**
 * The guard of the slabs of one tier. A slab that is used again gets other memory, so
 * that stale views keep the pattern for a while longer.
 */
class SlabGuard implements Guard<Slab> {
  readonly #quarantine: Quarantined[] = [];

  name(slab: Slab): string {
    return nameOf(slab.bytes);
  }

  fill(slab: Slab): void {
    slab.bytes.fill(POISON);
  }

  fault(slab: Slab): string | null {
    if (slab.refs !== 0) return "was referred to after its release";
    return writeFault(slab.bytes);
  }

  renew(slab: Slab, released: Error): void {
    const { bytes } = slab;
    this.#quarantine.push({ bytes, released });
    let buffer: ArrayBuffer | null = null;
    if (this.#quarantine.length > QUARANTINED) {
      const oldest = this.#quarantine.shift()!;
      verifyQuarantined(oldest);
      buffer = oldest.bytes.buffer;
    }
    slab.adopt(buffer ?? new ArrayBuffer(bytes.length));
    slab.bytes.fill(POISON);
  }

  verify(): void {
    for (const memory of this.#quarantine) verifyQuarantined(memory);
  }
}

function nameOf(bytes: Uint8Array): string {
  return `the memory of a slab, of ${bytes.length} bytes,`;
}

function verifyQuarantined({ bytes, released }: Quarantined): void {
  const fault = writeFault(bytes);
  if (fault !== null) throw faultOf(`${nameOf(bytes)} ${fault}`, released);
}

/** Says where the pattern is broken, or gives `null`. */
function writeFault(bytes: Uint8Array<ArrayBuffer>): string | null {
  const words = new Uint32Array(bytes.buffer, 0, bytes.length >>> 2);
  let word = 0;
  while (word < words.length && words[word] === POISON_WORD) word++;
  let at = word << 2;
  while (at < bytes.length && bytes[at] === POISON) at++;
  return at < bytes.length
    ? `was written to at byte ${at} after its release`
    : null;
}

/** Slabs that are verified. */
export class CheckedSlabPool extends SlabPool {
  readonly #tiers: CheckedPool<Slab>[];

  constructor() {
    const tiers: CheckedPool<Slab>[] = [];
    super((create, bound) => {
      const pool = new CheckedPool(create, bound, new SlabGuard());
      tiers.push(pool);
      return pool;
    });
    this.#tiers = tiers;
  }

  override release(slab: Slab): void {
    if (slab.refs < 1) throw this.#tiers[slab.tier]!.releasedTwice(slab);
    if (slab.buffer.detached) {
      throw faultOf("a slab was released without its memory", undefined);
    }
    super.release(slab);
  }

  /** @throws {PoolFault} Idle memory was written to. */
  verify(): void {
    for (const tier of this.#tiers) tier.verify();
  }
}
