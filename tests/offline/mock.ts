/**
 * A stand-in for the part of `@std/testing/mock` that the tests use.
 *
 * @module
 */

// deno-lint-ignore no-explicit-any -- the arguments of any method
type Args = any[];

/** A replaced method. Disposal restores the original. */
export interface Stub extends Disposable {
  /** The calls so far. */
  calls: { args: Args }[];
}

/** Replaces a method by `func` and records its calls. */
export function stub<Self extends object>(
  self: Self,
  property: keyof Self,
  func: (this: Self, ...args: Args) => unknown = () => {},
): Stub {
  const original = Object.getOwnPropertyDescriptor(self, property);
  if (original === undefined) {
    throw new TypeError(`${String(property)} is not an own property`);
  }
  const calls: { args: Args }[] = [];
  Object.defineProperty(self, property, {
    ...original,
    value(this: Self, ...args: Args) {
      calls.push({ args });
      return func.apply(this, args);
    },
  });
  return {
    calls,
    [Symbol.dispose]: () => {
      Object.defineProperty(self, property, original);
    },
  };
}
