/**
 * A stand-in for the part of `@std/assert` that the tests use, built on `node:assert`.
 * It serves where JSR cannot be reached.
 *
 * @module
 */

import assertion from "node:assert/strict";

// deno-lint-ignore no-explicit-any -- matches the type in @std/assert
type AnyClass<E> = abstract new (...args: any[]) => E;

export { AssertionError } from "node:assert";

export function assert(expr: unknown, msg = ""): asserts expr {
  assertion.ok(expr, msg);
}

export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  assertion.deepStrictEqual(actual, expected, msg);
}

export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  assertion.notDeepStrictEqual(actual, expected, msg);
}

export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  assertion.strictEqual(actual, expected, msg);
}

export function assertInstanceOf<T extends AnyClass<unknown>>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is InstanceType<T> {
  assertion.ok(
    actual instanceof expectedType,
    msg ?? `${actual} is no ${expectedType.name}`,
  );
}

export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void {
  assertion.ok(
    actual.includes(expected),
    msg ?? `${JSON.stringify(actual)} lacks ${JSON.stringify(expected)}`,
  );
}

export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  assertion.match(actual, expected, msg);
}

export function assertNotMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  assertion.doesNotMatch(actual, expected, msg);
}

export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: AnyClass<E> = Error as unknown as AnyClass<E>,
  msgIncludes = "",
): E {
  let error: unknown;
  try {
    fn();
  } catch (thrown) {
    error = thrown;
  }
  return checkError(error, ErrorClass, msgIncludes);
}

export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: AnyClass<E> = Error as unknown as AnyClass<E>,
  msgIncludes = "",
): Promise<E> {
  let error: unknown;
  try {
    await fn();
  } catch (thrown) {
    error = thrown;
  }
  return checkError(error, ErrorClass, msgIncludes);
}

function checkError<E extends Error>(
  error: unknown,
  ErrorClass: AnyClass<E>,
  msgIncludes: string,
): E {
  assertInstanceOf(error, ErrorClass);
  assertStringIncludes((error as E).message, msgIncludes);
  return error as E;
}
