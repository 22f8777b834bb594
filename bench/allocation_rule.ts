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
/** The same of bytes: no object is as small. */
const BYTES = 4;
/** The same of many, some of which are the runtime's and come as they like. */
const SHARE = 0.05;

/** The most objects that are none more than `before`. */
export function allowedObjects(before: number): number {
  return before + Math.max(OBJECTS, before * SHARE);
}

/** The most bytes that are none more than `before`. */
export function allowedBytes(before: number): number {
  return before + Math.max(BYTES, before * SHARE);
}

/** Whether there are new allocations; what was not measured on both sides has none. */
export function allocatesMore(before: Allocation, after: Allocation): boolean {
  return after.allocsPerOp! > allowedObjects(before.allocsPerOp!) ||
    after.bytesPerOp! > allowedBytes(before.bytesPerOp!);
}
