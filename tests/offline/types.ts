/**
 * A stand-in for the part of `@std/testing/types` that the tests use.
 *
 * @module
 */

export function assertType<T extends true>(_expectTrue: T): void {}

export type IsExact<T, U> = (<G>() => G extends T ? 1 : 2) extends
  (<G>() => G extends U ? 1 : 2) ? true
  : false;
