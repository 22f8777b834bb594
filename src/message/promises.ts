/**
 * Promises that a program may leave alone.
 *
 * @module
 */

/**
 * Keeps a rejection that the program does not await from ending the process: a peer
 * decides whether it comes. Whoever awaits the promise meets it all the same.
 */
export function ignoreUnhandled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

function ignore(): void {}
