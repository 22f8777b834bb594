/**
 * Bytes as text and back, cut into pieces, and patterns of them.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { assert } from "@std/assert";

/** The characters of `text` as bytes of the same number. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    assert(code < 256, "a wire text holds a character that is no byte");
    bytes[i] = code;
  }
  return bytes;
}

/** The opposite of `bytesOf`. */
export function textOf(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) {
    text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  }
  return text;
}

/** The wire cut at `cuts`, which are in rising order; copies, so that each can be spoilt. */
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

/** The cuts that leave pieces of `size` bytes. */
export function every(size: number, wire: Uint8Array): number[] {
  const cuts: number[] = [];
  for (let at = size; at < wire.length; at += size) cuts.push(at);
  return cuts;
}

/** Bytes that show when one of them is lost, moved or doubled. */
export function patterned(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0, state = length | 1; i < length; i++) {
    state = Math.imul(state, 1103515245) + 12345;
    bytes[i] = state >> 16;
  }
  return bytes;
}

/** Each byte there is. */
export const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, i) => i);

/** The SHA-256 digest of `bytes`, to compare large bodies by. */
export function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
