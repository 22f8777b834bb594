/**
 * Errors for misuse of the API: a request or body used twice or after its release, or a
 * custom stream or connection that violates its interface.
 *
 * @module
 */

/** A stream or connection supplied by the program violates its interface. */
export class MisuseError extends TypeError {}

/** A chunk that is not a `Uint8Array`. */
export function noBytesError(): TypeError {
  return new MisuseError("a chunk of the input is no Uint8Array");
}

/** A message was used after its release. */
export function releasedError(): TypeError {
  return new TypeError("the message was released and can no longer be read");
}

/** A body was used a second time. */
export function usedError(): TypeError {
  return new TypeError("the body was already used");
}

/** A body was used after it was discarded for the next message. */
export function discardedError(): TypeError {
  return new TypeError(
    "the next message was asked for before the body was read",
  );
}
