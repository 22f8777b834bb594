/**
 * Slabs: pooled, refcounted byte buffers in three sizes that everything is parsed from.
 *
 * The window of a parser holds one reference, and so does each request whose bytes are
 * in the slab. The last release returns it to the pool.
 *
 * @module
 */

import { Pool, type PoolStats } from "./pool.ts";
import { IDLE_SLABS, OVERSIZE, SLAB_PADDING, SLAB_SIZES } from "./sizes.ts";

/** A buffer with the views that the scanners need. */
export class Slab {
  buffer: ArrayBuffer;
  bytes: Uint8Array<ArrayBuffer>;
  view: DataView<ArrayBuffer>;
  /** Usable bytes, without the padding. */
  readonly capacity: number;
  readonly tier: number;
  refs = 0;

  constructor(capacity: number, tier: number) {
    this.buffer = new ArrayBuffer(capacity + SLAB_PADDING);
    this.bytes = new Uint8Array(this.buffer);
    this.view = new DataView(this.buffer);
    this.capacity = capacity;
    this.tier = tier;
  }

  /** Rebuilds the views after a BYOB reader detached them and returned the buffer. */
  adopt(buffer: ArrayBuffer): void {
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }
}

/** The counters of one slab tier. */
export interface SlabStats extends PoolStats {
  /** Capacity of a slab of this tier in bytes; 0 for slabs of custom size. */
  size: number;
}

function plainPool(create: () => Slab, bound: number): Pool<Slab> {
  return new Pool(create, bound);
}

/** The slabs of all tiers. */
export class SlabPool {
  /** Capacity for the oversize slab that the pool is about to create. */
  #oversize = 0;
  readonly #tiers: readonly Pool<Slab>[];

  /** @param makePool Makes the pool of a tier. */
  constructor(
    makePool: (create: () => Slab, bound: number) => Pool<Slab> = plainPool,
  ) {
    this.#tiers = IDLE_SLABS.map((bound, tier) =>
      makePool(() => new Slab(SLAB_SIZES[tier] ?? this.#oversize, tier), bound)
    );
  }

  /** Returns a slab with refcount 1, of `tier` or the first larger one that fits `bytes`. */
  acquire(tier: number, bytes: number): Slab {
    while (tier < OVERSIZE && bytes > SLAB_SIZES[tier]!) tier++;
    this.#oversize = bytes;
    const slab = this.#tiers[tier]!.acquire();
    slab.refs = 1;
    return slab;
  }

  release(slab: Slab): void {
    if (--slab.refs === 0) this.#put(slab);
  }

  #put(slab: Slab): void {
    this.#tiers[slab.tier]!.release(slab);
  }

  /** Writes off a slab whose buffer a BYOB reader did not return. */
  drop(slab: Slab): void {
    this.#tiers[slab.tier]!.drop(slab);
  }

  /** Creates slabs of the smallest tier until `count` are idle. */
  warm(count: number): void {
    this.#tiers[0]!.warm(count);
  }

  stats(): SlabStats[] {
    return this.#tiers.map((pool, tier) => ({
      size: SLAB_SIZES[tier] ?? 0,
      ...pool.stats(),
    }));
  }
}
