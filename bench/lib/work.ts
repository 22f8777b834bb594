/**
 * Repeated work. Synchronous work runs in a plain loop, so only promises of the work
 * itself are timed or counted.
 *
 * @module
 */

/** Something that can be called again and again. */
export interface Work {
  /** Whether `run` returns a promise; it is awaited only then. */
  promises: boolean;
  run(): void | Promise<void>;
}

/** Calls the work `times` times. */
export async function call(work: Work, times: number): Promise<void> {
  if (work.promises) { for (let i = 0; i < times; i++) await work.run(); }
  else for (let i = 0; i < times; i++) work.run();
}

/** A function that parses the next wire on each call, in a cycle. */
export function inTurn(
  wires: Uint8Array<ArrayBuffer>[],
  parse: (wire: Uint8Array<ArrayBuffer>) => unknown,
): () => void {
  let at = 0;
  return () => {
    parse(wires[at]!);
    if (++at === wires.length) at = 0;
  };
}

/** Milliseconds of warm-up, until the code is optimized. */
const WARM_MS = 150;

/** Warms the work up; returns the calls per millisecond after that. */
export async function warm(work: Work): Promise<number> {
  const end = performance.now() + WARM_MS;
  for (let calls = 1;; calls *= 2) {
    const start = performance.now();
    await call(work, calls);
    const now = performance.now();
    if (now > end) return calls / (now - start);
  }
}
