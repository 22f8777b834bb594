/**
 * When an operation allocates more than it did: the one rule of the comparison and of
 * the gate.
 *
 * @module
 */

/** What an operation allocates, where it was measured. */
export interface Allocation {
  bytesPerOp?: number;
  allocsPerOp?: number;
}

/** A share of an object that is still a blur of the count, and not an object. */
const OBJECTS = 0.05;
/** The same of bytes: no object is as small; or this share of many. */
const BYTES = 4;
const SHARE = 0.05;

/** Whether there are new allocations. */
export function allocatesMore(before: Allocation, after: Allocation): boolean {
  return exceeds(before.allocsPerOp, after.allocsPerOp, OBJECTS) ||
    exceeds(before.bytesPerOp, after.bytesPerOp, BYTES);
}

function exceeds(
  before: number | undefined,
  after: number | undefined,
  blur: number,
): boolean {
  return before !== undefined && after !== undefined &&
    after > before + Math.max(blur, before * SHARE);
}
