/**
 * The Date field (RFC 9110 §6.6.1), encoded once a second for all connections.
 *
 * The clock is read once per window of pipelined requests, not per response.
 *
 * @module
 */

/** `Date: …` with its CRLF, as of the last refresh. */
export const DATE_LINE: Uint8Array = new Uint8Array(37);

/** The Unix second encoded in `DATE_LINE`. */
export let dateSecond = -1;

const encoder = new TextEncoder();

/** Re-encodes `DATE_LINE` if the second has changed. */
export function refreshDate(): void {
  const now = Date.now();
  const second = Math.floor(now / 1000);
  if (second === dateSecond) return;
  dateSecond = second;
  encoder.encodeInto(`Date: ${new Date(now).toUTCString()}\r\n`, DATE_LINE);
}
