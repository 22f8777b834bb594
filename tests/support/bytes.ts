/**
 * Conversion between bytes and Latin-1 text, splitting into pieces, and test patterns.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** Encodes `text` as Latin-1. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255) {
      throw new RangeError("the text contains a character above U+00FF");
    }
    bytes[i] = code;
  }
  return bytes;
}

/** Decodes Latin-1, one character per byte. */
export function textOf(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) {
    text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  }
  return text;
}

/** Copies of the pieces of `wire` between ascending `cuts`; callers may overwrite them. */
export function cutAt(
  wire: Uint8Array,
  cuts: readonly number[],
): Uint8Array<ArrayBuffer>[] {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let start = 0;
  for (const end of [...cuts, wire.length]) {
    if (end > start) pieces.push(wire.slice(start, end));
    start = Math.max(start, end);
  }
  return pieces;
}

/** The cuts that split `wire` into pieces of `size` bytes. */
export function every(size: number, wire: Uint8Array): number[] {
  const cuts: number[] = [];
  for (let at = size; at < wire.length; at += size) cuts.push(at);
  return cuts;
}

/** Pseudo-random bytes, in which a lost, moved or duplicated byte shows. */
export function patterned(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0, state = length | 1; i < length; i++) {
    state = Math.imul(state, 1103515245) + 12345;
    bytes[i] = state >> 16;
  }
  return bytes;
}

/** All 256 byte values. */
export const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, i) => i);

/** The SHA-256 digest of `bytes` in hex, for comparing large bodies. */
export function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
