/**
 * What a program is told that uses a request or its body too late, or twice, or whose
 * connection does not keep to its interface.
 *
 * @module
 */

/** A stream or connection of the program's own does what it may not. */
export class MisuseError extends TypeError {}

/** A chunk of another type than `Uint8Array`. */
export function noBytesError(): TypeError {
  return new MisuseError("a chunk of the input is no Uint8Array");
}

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
