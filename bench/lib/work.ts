/**
 * Work that is done over and over, and how: synchronous work in a plain loop, so that
 * no promise is timed or counted that is not its own.
 *
 * @module
 */

/** Something that can be called again and again. */
export interface Work {
  /** Whether `run` gives a promise: only then is it awaited. */
  promises: boolean;
  run(): void | Promise<void>;
}

/** Calls it so many times. */
export async function call(work: Work, times: number): Promise<void> {
  if (work.promises) { for (let i = 0; i < times; i++) await work.run(); }
  else for (let i = 0; i < times; i++) work.run();
}

/** A function that parses one wire a call, and begins again after the last. */
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

/** For the code to be compiled at its best. */
const WARM_MS = 150;

/** Warms it up, and gives how many calls a millisecond holds after that. */
export async function warm(work: Work): Promise<number> {
  const end = performance.now() + WARM_MS;
  for (let calls = 1;; calls *= 2) {
    const start = performance.now();
    await call(work, calls);
    const now = performance.now();
    if (now > end) return calls / (now - start);
  }
}
