/**
 * Final and interim responses.
 *
 * @module
 */

/** Whether a response uses up the method of its request. */
export function isFinal(status: number): boolean {
  return status >= 200 || status === 101;
}
