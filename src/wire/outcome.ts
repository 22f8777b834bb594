/**
 * The result of a wire function, as one integer so that it allocates nothing: a
 * position (zero or more) on success, {@linkcode INCOMPLETE} if more bytes are needed,
 * or a fault that packs a refusal number with its offset.
 *
 * @module
 */

/** The bytes ended inside the line, without a fault so far. */
export const INCOMPLETE = -1;
/** The field table has no row left; the next line was not read. */
export const TABLE_FULL = -2;

/** Offsets are 16 bits wide. Every limit on a head is lower (`MAX_HEAD` in limits.ts). */
const MAX_OFFSET = 0xffff;

/**
 * Packs refusal number `refusal` (1 or more) and `offset`. A larger offset is clamped:
 * it lies past every limit, and the caller reports the limit instead.
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
