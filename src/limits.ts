/**
 * The bounds on what a peer may send, with their defaults.
 *
 * @module
 */

/** Bounds on a message. Each is checked as the bytes arrive. */
export interface ParserLimits {
  /**
   * Bytes of a request line without its CRLF; more is refused with 414.
   *
   * @default {8192}
   */
  maxRequestLine?: number;
  /**
   * Bytes of a header section with the CRLF of each line and of its end; more is
   * refused with 431. Trailers have the same bound; more of them is refused with
   * 400. Together with `maxRequestLine` at most 65,000.
   *
   * @default {16384}
   */
  maxHeaderBytes?: number;
  /**
   * Field lines in a header section; more is refused with 431.
   *
   * @default {100}
   */
  maxHeaders?: number;
  /**
   * Bytes of a body that `bytes()`, `text()`, `json()` and `arrayBuffer()` gather;
   * more is refused with 413, as is a body that memory does not hold. `Infinity`
   * switches the limit off. A body that is read as a stream has no bound.
   *
   * @default {1048576}
   */
  maxBodySize?: number;
}

/** The limits with their defaults filled in, checked. */
export function resolveLimits(limits: ParserLimits): Required<ParserLimits> {
  const resolved = {
    maxRequestLine: limits.maxRequestLine ?? 8192,
    maxHeaderBytes: limits.maxHeaderBytes ?? 16384,
    maxHeaders: limits.maxHeaders ?? 100,
    maxBodySize: limits.maxBodySize ?? 1024 * 1024,
  };
  for (const [name, value] of Object.entries(resolved)) {
    const unbounded = name === "maxBodySize" && value === Infinity;
    if (!unbounded && (!Number.isSafeInteger(value) || value < 0)) {
      throw new RangeError(`${name} is ${value}; expected a whole number`);
    }
  }
  // No field line is shorter than four bytes; tables are made to this measure.
  resolved.maxHeaders = Math.min(
    resolved.maxHeaders,
    resolved.maxHeaderBytes >> 2,
  );
  // A head must fit a 16-bit offset, with room for what ends it.
  const head = resolved.maxRequestLine + resolved.maxHeaderBytes;
  if (head > MAX_HEAD) {
    throw new RangeError(
      `maxRequestLine and maxHeaderBytes add up to ${head}; expected ${MAX_HEAD} at most`,
    );
  }
  return resolved;
}

const MAX_HEAD = 65000;
