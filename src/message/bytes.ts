/**
 * Bytes that a program hands over.
 *
 * @module
 */

// V8 inlines its call once it knows the map, so `length` is read before.
const { get: lengthOf } = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  "length",
)!;

/**
 * Whether it is a `Uint8Array` of the length that it tells. A property of its own could
 * tell a larger one, and bytes of another message in the slab would pass for its own.
 */
export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === lengthOf!.call(value);
}

/** Converts a subclass of `Uint8Array`, since `subarray` would call its constructor. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  const { buffer, byteOffset, byteLength } = bytes;
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(buffer, byteOffset, byteLength);
}
