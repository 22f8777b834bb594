/**
 * Fields that a program must not be able to send.
 *
 * @module
 */

/** Names and values that break the grammar of a field line. */
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
  // Cut to a byte, these would be letters.
  ["x", "\u0141"],
  ["\u0161", "1"],
  ["x", "世界"],
  ["x", "\u010d\u010a"],
  ["content-type", "a\nb"],
  ["date", "a\r\nb"],
  ["connection", "close\r\nX-Injected: 1"],
];
