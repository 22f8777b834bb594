/**
 * `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 3986 §3.2.2): the value of Host and the
 * authority of a request target.
 *
 * @module
 */

import { CLASS as CLASSES } from "./ascii.ts";

// Local copies, so V8 can fold them: see ascii.ts.
const CLASS = CLASSES;
const REG_NAME = 8;
const DIGIT = 16;
const HEXDIG = 32;
const COLON = 0x3a;

const PERCENT = 0x25;
const DOT = 0x2e;
const LEFT_BRACKET = 0x5b;
const RIGHT_BRACKET = 0x5d;
const MAX_PORT = 65535;

/**
 * Returns the number of port digits in the authority `[start, end)`, 0 without a port,
 * or -1 if it is invalid. An empty host and user information are invalid
 * (RFC 9110 §4.2.1, §4.2.4).
 */
export function readAuthority(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let at = start | 0;
  if (bytes[at] === LEFT_BRACKET) {
    at++;
    while (at < end && bytes[at] !== RIGHT_BRACKET) at++;
    if (at === end || !isIpv6(bytes, start + 1, at)) return -1;
    at++;
  } else {
    for (;;) {
      // The byte after an authority (white space, CR, LF, "/", "?") ends this loop.
      while ((CLASS[bytes[at]!]! & REG_NAME) !== 0) at = (at + 1) | 0;
      if (at === end || bytes[at] !== PERCENT) break;
      if (at + 2 >= end || !isHex(bytes[at + 1]!) || !isHex(bytes[at + 2]!)) {
        return -1;
      }
      at += 3;
    }
    if (at === start) return -1;
  }
  if (at === end) return 0;
  if (bytes[at] !== COLON) return -1;
  const port = at + 1;
  let number = 0;
  for (at = port; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
    if (number > MAX_PORT) return -1;
  }
  return end - port;
}

/** Eight hexadecimal groups; one run may be `::`, the last two may be an IPv4 address. */
function isIpv6(bytes: Uint8Array, start: number, end: number): boolean {
  let groups = 0;
  let compressed = false;
  let at = start;
  if (bytes[at] === COLON) {
    if (bytes[at + 1] !== COLON) return false;
    compressed = true;
    at += 2;
  }
  while (at < end) {
    const group = at;
    while (at < end && isHex(bytes[at]!)) at++;
    if (bytes[at] === DOT) {
      groups += 2;
      return isIpv4(bytes, group, end) &&
        (compressed ? groups < 8 : groups === 8);
    }
    if (at === group || at - group > 4) return false;
    groups++;
    if (at === end) break;
    if (bytes[at++] !== COLON || at === end) return false;
    if (bytes[at] === COLON) {
      if (compressed) return false;
      compressed = true;
      at++;
    }
  }
  return compressed ? groups < 8 : groups === 8;
}

/** Four decimal numbers from 0 to 255, without leading zeros. */
function isIpv4(bytes: Uint8Array, start: number, end: number): boolean {
  let numbers = 0;
  let at = start;
  for (;;) {
    const first = at;
    let number = 0;
    while (at < end && isDigit(bytes[at]!)) {
      number = number * 10 + bytes[at++]! - 0x30;
      if (number > 255) return false;
    }
    if (at === first || (at - first > 1 && bytes[first] === 0x30)) return false;
    numbers++;
    if (at === end) return numbers === 4;
    if (bytes[at++] !== DOT) return false;
  }
}

function isHex(byte: number): boolean {
  return (CLASS[byte]! & HEXDIG) !== 0;
}

function isDigit(byte: number): boolean {
  return (CLASS[byte]! & DIGIT) !== 0;
}
