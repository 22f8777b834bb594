/**
 * Bytes to strings, one character per byte (ISO-8859-1): lossless, and no encoding is
 * guessed.
 *
 * Uses the native slice of `Buffer` where the runtime has one, at a quarter of the cost
 * of a `TextDecoder`, and a loop elsewhere.
 *
 * @module
 */

import { isSpace } from "./ascii.ts";

type Latin1Slice = (this: Uint8Array, start: number, end: number) => string;

const nativeSlice: Latin1Slice | undefined = (globalThis as {
  Buffer?: { prototype?: { latin1Slice?: Latin1Slice } };
}).Buffer?.prototype?.latin1Slice;

/** The bytes `[start, end)` as a string of the same length. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  if (nativeSlice !== undefined) return nativeSlice.call(bytes, start, end);
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

/** Whether the bytes `[start, end)` equal the characters of `text`. */
export function equalsText(
  bytes: Uint8Array,
  start: number,
  end: number,
  text: string,
): boolean {
  if (text.length !== end - start) return false;
  for (let i = 0; i < text.length; i++) {
    if (bytes[start + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/** Like {@linkcode equalsText}, but ignores the case of ASCII letters. */
export function equalsTextIgnoringCase(
  bytes: Uint8Array,
  start: number,
  end: number,
  text: string,
): boolean {
  if (text.length !== end - start) return false;
  for (let i = 0; i < text.length; i++) {
    const byte = bytes[start + i]!;
    const code = text.charCodeAt(i);
    if (byte !== code && !isOtherCase(byte, code)) return false;
  }
  return true;
}

function isOtherCase(byte: number, code: number): boolean {
  const letter = byte | 0x20;
  return (byte ^ code) === 0x20 && letter >= 0x61 && letter <= 0x7a;
}

/**
 * The text without OWS around it (RFC 9110 §5.6.3). `trim` would take a no-break space as
 * well, and a regular expression quadratic time for many spaces inside.
 */
export function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** The elements of a list field, without the empty ones (RFC 9110 §5.6.1). */
export function listElements(value: string): string[] {
  return value.split(",").map(trimSpace).filter((element) => element !== "");
}

/** Whether every character of `text` is one byte of ASCII. */
export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return false;
  }
  return true;
}
