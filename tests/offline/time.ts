/**
 * A stand-in for the part of `@std/testing/time` that the tests use.
 *
 * @module
 */

interface Timer {
  due: number;
  /** Milliseconds between two calls, or `null` for a timer of one call. */
  period: number | null;
  call: () => void;
}

/** Replaces the timers by some that run only when told. Disposal restores them. */
export class FakeTime implements Disposable {
  #now = 0;
  #lastId = 0;
  readonly #timers = new Map<number, Timer>();
  readonly #originals = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
  };

  constructor() {
    const clear = (id?: number) => void this.#timers.delete(id!);
    Object.assign(globalThis, {
      setTimeout: this.#adder(false),
      setInterval: this.#adder(true),
      clearTimeout: clear,
      clearInterval: clear,
    });
  }

  #adder(repeats: boolean) {
    return (
      callback: (...args: unknown[]) => void,
      delay = 0,
      ...args: unknown[]
    ): number => {
      const id = ++this.#lastId;
      this.#timers.set(id, {
        due: this.#now + delay,
        period: repeats ? Math.max(1, delay) : null,
        call: () => callback(...args),
      });
      return id;
    };
  }

  /** Lets `milliseconds` pass: calls the timers that become due, in their order. */
  tick(milliseconds = 0): void {
    const end = this.#now + milliseconds;
    for (;;) {
      let next: [number, Timer] | null = null;
      for (const entry of this.#timers) {
        if (
          entry[1].due <= end && (next === null || entry[1].due < next[1].due)
        ) {
          next = entry;
        }
      }
      if (next === null) break;
      const [id, timer] = next;
      this.#now = timer.due;
      if (timer.period === null) this.#timers.delete(id);
      else timer.due += timer.period;
      timer.call();
    }
    this.#now = end;
  }

  /** The same, after and before what is ready by then has run. */
  async tickAsync(milliseconds = 0): Promise<void> {
    await this.runMicrotasks();
    this.tick(milliseconds);
    await this.runMicrotasks();
  }

  /** Runs everything that waits for no timer. */
  runMicrotasks(): Promise<void> {
    return new Promise((resolve) => {
      this.#originals.setTimeout.call(globalThis, () => resolve(), 0);
    });
  }

  /** Puts the timers back. */
  restore(): void {
    Object.assign(globalThis, this.#originals);
  }

  [Symbol.dispose](): void {
    this.restore();
  }
}
