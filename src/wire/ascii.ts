/**
 * Byte values and the character classes of RFC 9110 and RFC 9112.
 *
 * One table holds a bit per class, so a class test is one load and one mask. The
 * scanners redeclare the constants they use: V8 folds a module's own constants into
 * the code but loads imported ones each time, which cost the scanners 10 %. A test
 * compares the copies.
 *
 * @module
 */

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const HASH = 0x23;
export const ASTERISK = 0x2a;
export const COMMA = 0x2c;
export const SLASH = 0x2f;
export const COLON = 0x3a;
export const QUESTION_MARK = 0x3f;

/** `tchar` (RFC 9110 §5.6.2), the alphabet of methods, field names and codings. */
export const TOKEN = 1;
/** Allowed in a field value: visible ASCII, SP, HTAB or obs-text (RFC 9110 §5.5). */
export const VALUE = 2;
/** Allowed in a `reg-name`, except `%`, which needs two digits (RFC 3986 §3.2.2). */
export const REG_NAME = 8;
export const DIGIT = 16;
export const HEXDIG = 32;

/** Whether it is white space within a line: SP or HTAB (RFC 9110 §5.6.3). */
export function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09;
}

/** The class bits of each byte value. */
export const CLASS: Uint8Array = new Uint8Array(256);

for (let byte = 0; byte < 256; byte++) {
  const char = String.fromCharCode(byte);
  let bits = 0;
  if (/[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(char)) bits |= TOKEN;
  if (/[\t\x20-\x7e\x80-\xff]/.test(char)) bits |= VALUE;
  if (/[A-Za-z0-9._~!$&'()*+,;=-]/.test(char)) bits |= REG_NAME;
  if (/[0-9]/.test(char)) bits |= DIGIT;
  if (/[0-9A-Fa-f]/.test(char)) bits |= HEXDIG;
  CLASS[byte] = bits;
}
