/**
 * The Date field (RFC 9110 §6.6.1), made once a second for all connections.
 *
 * The clock is read once for each window of requests, not for each response.
 *
 * @module
 */

/** `Date: …` with its CRLF, as of the last refresh. */
export const DATE_LINE: Uint8Array = new Uint8Array(37);

/** The second that `DATE_LINE` stands for. */
export let dateSecond = -1;

const encoder = new TextEncoder();

/** Brings `DATE_LINE` up to the second. */
export function refreshDate(): void {
  const now = Date.now();
  const second = Math.floor(now / 1000);
  if (second === dateSecond) return;
  dateSecond = second;
  encoder.encodeInto(`Date: ${new Date(now).toUTCString()}\r\n`, DATE_LINE);
}
