/**
 * What the server asks of its runtime. `Deno` is named as a value in this file only, and
 * none of it is needed to serve a connection: that works in Node.js and Bun as well.
 *
 * @module
 */

/** Deno's API, or `undefined` in another runtime. */
const deno = (globalThis as { Deno?: typeof Deno }).Deno;

/** A timer; what `setTimeout` gives is an object or a number, depending on the runtime. */
type Timer = ReturnType<typeof setTimeout>;

/** Lets the program exit although the timer is pending, where the runtime can. */
export function unrefTimer(timer: Timer): void {
  const object = timer as unknown as number | { unref?(): void };
  if (typeof object === "object") object.unref?.();
  else deno?.unrefTimer(object);
}

/** Whether an error is one of these of `Deno.errors`, which other runtimes can only name. */
export function isErrorOf(
  error: unknown,
  ...names: (keyof typeof Deno.errors)[]
): boolean {
  return error instanceof Error &&
    (names as string[]).includes(error.name);
}

/** Whether `fetch` decodes this coding; those that runtimes beside Deno share. */
export function fetchDecodes(coding: string): boolean {
  const known = deno === undefined ? /^(gzip|deflate|br)$/i : /^(gzip|br)$/i;
  return known.test(coding);
}

/**
 * Deno's API, for what only Deno has: its listeners.
 *
 * @throws {TypeError} The runtime is another one.
 */
export function needDeno(): typeof Deno {
  if (deno === undefined || typeof deno.listen !== "function") {
    throw new TypeError(
      "serve opens a port only in Deno; in this runtime accept connections yourself " +
        "and give each to serveConnection(), or an async iterable of them to serve()",
    );
  }
  return deno;
}
