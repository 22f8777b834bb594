/**
 * Bounded waiting: if an event never happens, the test fails and names the event.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/** Milliseconds for a test, which may wait for several events. */
export const WHOLE_TEST = 120_000;

/** Rejects with an error that names `what` if `promise` does not settle in time. */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  milliseconds = 60_000,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`waited too long for ${what}`)),
      milliseconds,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Registers a test that fails instead of hanging. */
export function test(name: string, run: () => Promise<void>): void {
  Deno.test(name, () => within(run(), "the test", WHOLE_TEST));
}

/**
 * Like `test`, with Deno's sanitizers: the test fails if it leaves an async operation
 * pending or a resource open.
 */
export function sanitized(name: string, run: () => Promise<void>): void {
  Deno.test({
    name,
    fn: () => within(run(), "the test", WHOLE_TEST),
    sanitizeOps: true,
    sanitizeResources: true,
  });
}

/** Polls `condition` until it holds, for state that emits no event. */
export async function until(
  condition: () => boolean,
  what: string,
): Promise<void> {
  // Has its own bound: a timeout around the call would leave this loop running.
  const end = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited too long for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits for one turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Resolves after `milliseconds`. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * Waits a few milliseconds, and then a few turns of the event loop, so that pending I/O
 * completes even if the machine stood still meanwhile.
 */
export async function settle(): Promise<void> {
  await sleep(5);
  for (let i = 0; i < 8; i++) {
    await new Promise<void>((resolve) => void setImmediate(() => resolve()));
  }
}
