/**
 * What a program is told that uses a request or its body too late, or twice.
 *
 * @module
 */

/** A use of a request after its release. */
export function releasedError(): TypeError {
  return new TypeError("the request was released and can no longer be read");
}

/** A second use of a body. */
export function usedError(): TypeError {
  return new TypeError("the body was already used");
}

/** A use of a body that had to make way for the next request. */
export function discardedError(): TypeError {
  return new TypeError(
    "the next request was asked for before the body was read",
  );
}
