/**
 * A pool of objects of one kind: a bounded free list with counters.
 *
 * An owner may put a private free list, a {@linkcode Shelf}, in front of the pool. Its
 * objects are reused only by that owner, so a stale second release cannot affect an
 * object that another owner has acquired in the meantime.
 *
 * @module
 */

/** The counters of one pool. */
export interface PoolStats {
  /** Objects created in total. */
  created: number;
  /** Objects acquired and not yet released. */
  inUse: number;
  /** Acquisitions served without creating an object. */
  reused: number;
  /** The highest number of objects in use at the same time. */
  highWater: number;
  /** Idle objects in the pool, without those that a connection keeps for itself. */
  idle: number;
}

/** The private free list of one owner. */
export class Shelf<T> {
  readonly items: T[] = [];
  /** The number of items in use; popping the array instead would shrink its storage. */
  count = 0;
  open = true;
}

/** A bounded free list with counters. */
export class Pool<T> {
  readonly #create: () => T;
  readonly #idle: (T | undefined)[];
  #idleCount = 0;
  #created = 0;
  #missed = 0;
  #acquired = 0;
  #released = 0;
  #highWater = 0;

  /**
   * @param create Creates an object when none is idle.
   * @param bound Maximum number of idle objects; further ones are left to the GC.
   */
  constructor(create: () => T, bound: number) {
    this.#create = create;
    this.#idle = new Array(bound).fill(undefined);
  }

  /** Returns an object from the shelf, else from the pool, else a new one. */
  acquire(shelf?: Shelf<T>): T {
    const inUse = ++this.#acquired - this.#released;
    if (inUse > this.#highWater) this.#highWater = inUse;
    return shelf !== undefined && shelf.count > 0
      ? shelf.items[--shelf.count]!
      : this.#take();
  }

  #take(): T {
    if (this.#idleCount > 0) {
      const item = this.#idle[--this.#idleCount]!;
      this.#idle[this.#idleCount] = undefined;
      return item;
    }
    this.#missed++;
    this.#created++;
    return this.#create();
  }

  /** Returns an object to its shelf, else to the pool. If the shelf is closed, drops it. */
  release(item: T, shelf?: Shelf<T>): void {
    this.#released++;
    if (shelf === undefined) this.#keep(item);
    else if (shelf.open) shelf.items[shelf.count++] = item;
  }

  /** Counts an object as released without keeping it. */
  drop(_item: T): void {
    this.#released++;
  }

  /** Closes a shelf and moves its items into the pool. */
  closeShelf(shelf: Shelf<T>): void {
    shelf.open = false;
    while (shelf.count > 0) this.#keep(shelf.items[--shelf.count]!);
    shelf.items.length = 0;
  }

  /** Creates objects until `count` are idle, or as many as the bound allows. */
  warm(count: number): void {
    while (this.#idleCount < Math.min(count, this.#idle.length)) {
      this.#created++;
      this.#keep(this.#create());
    }
  }

  stats(): PoolStats {
    return {
      created: this.#created,
      inUse: this.#acquired - this.#released,
      reused: this.#acquired - this.#missed,
      highWater: this.#highWater,
      idle: this.#idleCount,
    };
  }

  protected idleItems(): T[] {
    return this.#idle.slice(0, this.#idleCount) as T[];
  }

  #keep(item: T): void {
    if (this.#idleCount < this.#idle.length) {
      this.#idle[this.#idleCount++] = item;
    }
  }
}
