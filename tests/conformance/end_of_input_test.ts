/**
 * The end of the input inside a message (RFC 9112 §8).
 */

import { CHUNKED, GET, POST, refuse, refuseBody } from "./table.ts";

const WHOLE = `${CHUNKED}2;a="b"\r\nhi\r\n0\r\nA: b\r\n\r\n`;
for (let length = 1; length < WHOLE.length; length++) {
  const wire = `${WHOLE.slice(0, length)}‸`;
  if (length < CHUNKED.length) {
    refuse(
      "RFC 9112 §8",
      `the input ends in the head, after ${length} bytes`,
      wire,
      "unexpected-eof",
    );
  } else {refuseBody(
      "RFC 9112 §8",
      `the input ends in the chunks, after ${length} bytes`,
      wire,
      "unexpected-eof",
    );}
}
for (let length = 0; length < 4; length++) {
  refuseBody(
    "RFC 9112 §8",
    `the input ends after ${length} of 4 bytes`,
    `${POST}Content-Length: 4\r\n\r\n${"body".slice(0, length)}‸`,
    "unexpected-eof",
  );
}
refuse(
  "RFC 9112 §8",
  "the input ends in an empty line",
  "\r‸",
  "unexpected-eof",
);
refuse(
  "RFC 9112 §8",
  "the input ends in the fifth empty line",
  `${"\r\n".repeat(4)}\r‸`,
  "unexpected-eof",
);
refuse(
  "RFC 9112 §8",
  "the input ends after a space in a name",
  `${GET}abc ‸`,
  "unexpected-eof",
);
for (
  const start of [
    "GE",
    "POST",
    "OPTIONS *",
    "GET http://b",
    "CONNECT b:4",
    "GET / HTTP/2.",
    "GET / HTTP/1.0\r\nX",
  ]
) {
  refuse(
    "RFC 9112 §8",
    `the input ends after ${JSON.stringify(start)}`,
    `${start}‸`,
    "unexpected-eof",
  );
}
