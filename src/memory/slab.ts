/**
 * Slabs: the byte buffers that everything is parsed from, in three sizes.
 *
 * A slab is counted, not owned: the window of a parser holds one reference, each
 * request whose bytes lie in it another. The last to let go returns it.
 *
 * @module
 */

import { Pool, type PoolStats } from "./pool.ts";
import { IDLE_SLABS, OVERSIZE, SLAB_PADDING, SLAB_SIZES } from "./sizes.ts";

/** A buffer with the views that the scanner needs. */
export class Slab {
  buffer: ArrayBuffer;
  bytes: Uint8Array<ArrayBuffer>;
  view: DataView<ArrayBuffer>;
  /** Usable bytes; the padding comes on top. */
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

  /** Takes back the memory that was lent to a BYOB reader, which detached the views. */
  adopt(buffer: ArrayBuffer): void {
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }
}

/** The counts of one tier of slabs. */
export interface SlabStats extends PoolStats {
  /** Capacity of a slab of this tier in bytes; 0 stands for slabs made to measure. */
  size: number;
}

function plainPool(create: () => Slab, bound: number): Pool<Slab> {
  return new Pool(create, bound);
}

/** The slabs of all tiers. */
export class SlabPool {
  #wanted = 0;
  readonly #tiers: readonly Pool<Slab>[];

  /** @param makePool Makes the pool of a tier. */
  constructor(
    makePool: (create: () => Slab, bound: number) => Pool<Slab> = plainPool,
  ) {
    this.#tiers = IDLE_SLABS.map((bound, tier) =>
      makePool(() => new Slab(SLAB_SIZES[tier] ?? this.#wanted, tier), bound)
    );
  }

  /** A slab with one reference, of `tier` or as much larger as `bytes` needs. */
  acquire(tier: number, bytes: number): Slab {
    while (tier < OVERSIZE && bytes > SLAB_SIZES[tier]!) tier++;
    this.#wanted = bytes;
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

  /** Writes off a slab whose memory was lent and will not come back. */
  drop(slab: Slab): void {
    this.#tiers[slab.tier]!.drop(slab);
  }

  /** Makes slabs of the smallest tier until `count` are idle. */
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
