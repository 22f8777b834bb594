/**
 * Promises that a program does not have to await.
 *
 * @module
 */

/**
 * Prevents an unhandled rejection from terminating the process, because a peer can
 * cause the rejection. Code that awaits the promise still gets it.
 */
export function ignoreUnhandled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

function ignore(): void {}
