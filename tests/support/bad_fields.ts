/**
 * Invalid field names and values that every way to send fields has to reject.
 *
 * @module
 */

/** Name and value pairs that violate the grammar of a field line. */
export const BAD_FIELDS: [string, string][] = [
  ["", "1"],
  ["a b", "1"],
  ["a:", "1"],
  ["a\r\nx", "1"],
  ["a\n", "1"],
  ["a\0", "1"],
  ["(a)", "1"],
  ["é", "1"],
  ["a世", "1"],
  ["x", "a\r\nX-Injected: 1"],
  ["x", "a\r\n\r\nHTTP/1.1 200 OK"],
  ["x", "a\n"],
  ["x", "\r"],
  ["x", "a\0b"],
  ["x", "\x01"],
  ["x", "\x1b[0m"],
  ["x", "\x7f"],
  ["x", "\u0100"],
  // Truncated to one byte, these would be ASCII letters.
  ["x", "\u0141"],
  ["\u0161", "1"],
  ["x", "世界"],
  ["x", "\u010d\u010a"],
  // To HTTP, a no-break space is no white space.
  ["content-length", "\xa01"],
  ["transfer-encoding", "\xa0chunked"],
  ["content-type", "a\nb"],
  ["date", "a\r\nb"],
  ["connection", "close\r\nX-Injected: 1"],
];
