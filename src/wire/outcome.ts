/**
 * What a function over the wire answers, as one integer, so that an answer
 * allocates nothing: a position (zero or more) when it read what it looked for,
 * {@linkcode INCOMPLETE} when the bytes ended first, or a fault, which packs the
 * number of a refusal with its offset from the start of the section.
 *
 * @module
 */

/** The bytes ended before the line did, and all of them were good so far. */
export const INCOMPLETE = -1;
/** The field table has no row left; the line was not read. */
export const TABLE_FULL = -2;

/** Offsets in a section are 16 bits wide; no limit can be set as high as this. */
export const MAX_OFFSET = 0xffff;

/**
 * Packs refusal number `refusal` (one or more) found at `offset`. An offset too
 * large to pack is past every limit, and the limit is what gets reported.
 */
export function fault(refusal: number, offset: number): number {
  return -((refusal << 16) | (offset > MAX_OFFSET ? MAX_OFFSET : offset));
}

export function isFault(outcome: number): boolean {
  return outcome <= -0x10000;
}

export function faultRefusal(outcome: number): number {
  return -outcome >>> 16;
}

export function faultOffset(outcome: number): number {
  return -outcome & MAX_OFFSET;
}
