/**
 * Waiting with a bound: a test whose event never comes fails, and says which.
 *
 * @module
 */

/** Turns a hang into a failure that says what did not come. */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  milliseconds = 15_000,
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

/** A test that fails, instead of hanging, when what it waits for does not come. */
export function test(name: string, run: () => Promise<void>): void {
  Deno.test(name, () => within(run(), "the test"));
}

/**
 * The same, with the runtime's sanitizers: every operation that the test began has
 * ended, and every resource it opened is closed.
 */
export function sanitized(name: string, run: () => Promise<void>): void {
  Deno.test({
    name,
    fn: () => within(run(), "the test"),
    sanitizeOps: true,
    sanitizeResources: true,
  });
}

/** Waits for something that tells nobody when it happens. */
export async function until(
  condition: () => boolean,
  what: string,
): Promise<void> {
  // Bounded by itself: a loop that nobody waits for any more would go on for ever.
  const end = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited too long for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A turn of the event loop, in which what is ready is done. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Resolves after `milliseconds`. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A few turns of the event loop, in which everything that is due happens. */
export function settle(): Promise<void> {
  return sleep(5);
}
