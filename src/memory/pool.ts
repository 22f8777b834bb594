/**
 * A pool of objects of one kind: a bounded stack of idle ones, and counts.
 *
 * An owner may put a {@linkcode Shelf} in front of the pool: what it releases, it
 * gets back itself, and nobody else does. So releasing an object a second time,
 * after its owner has used it again, can never hit a stranger's object.
 *
 * @module
 */

/** The counts of one pool. */
export interface PoolStats {
  /** Objects ever made. */
  created: number;
  /** Objects acquired and not yet released. */
  inUse: number;
  /** Acquisitions that were served without making an object. */
  reused: number;
  /** The most objects that were in use at a time. */
  highWater: number;
  /** Objects that wait in the pool for their next use; those on a shelf are not counted. */
  idle: number;
}

/** The idle objects of one owner. */
export class Shelf<T> {
  readonly items: T[] = [];
  /** How many of the items are there; an array that is popped gives its memory up. */
  count = 0;
  open = true;
}

/** A bounded stack of idle objects, with counts. */
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
   * @param create Makes an object when none is idle.
   * @param bound The most idle objects to keep; more are left to the collector.
   */
  constructor(create: () => T, bound: number) {
    this.#create = create;
    this.#idle = new Array(bound).fill(undefined);
  }

  /** An object from the shelf, from the pool, or a new one. */
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

  /** Takes an object back, to the shelf it came through; from a closed shelf it is dropped. */
  release(item: T, shelf?: Shelf<T>): void {
    this.#released++;
    if (shelf === undefined) this.#keep(item);
    else if (shelf.open) shelf.items[shelf.count++] = item;
  }

  /** Counts an object as released that is not to be used again. */
  drop(_item: T): void {
    this.#released++;
  }

  /** Closes a shelf and takes over what lies on it. */
  closeShelf(shelf: Shelf<T>): void {
    shelf.open = false;
    while (shelf.count > 0) this.#keep(shelf.items[--shelf.count]!);
    shelf.items.length = 0;
  }

  /** Makes objects until `count` are idle, or as many as the bound allows. */
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
