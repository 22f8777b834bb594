/**
 * Chunks and their extensions (RFC 9112 §7.1).
 */

import { accept, CHUNKED, MARK, NEXT, refuseBody } from "./table.ts";

for (
  const [title, chunks, body] of [
    ["no chunk but the last", "", ""],
    ["one", "5\r\nhello\r\n", "hello"],
    ["two", "2\r\nhe\r\n3\r\nllo\r\n", "hello"],
    [
      "one byte each",
      "1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n",
      "hello",
    ],
    ["a in lower case", "a\r\n0123456789\r\n", "0123456789"],
    ["A in upper case", "A\r\n0123456789\r\n", "0123456789"],
    ["both cases", `fF\r\n${"x".repeat(255)}\r\n`, "x".repeat(255)],
    ["leading zeros", "000005\r\nhello\r\n", "hello"],
    ["13 digits", "0000000000005\r\nhello\r\n", "hello"],
    ["data that looks like chunks", "7\r\n0\r\n\r\n0\r\r\n", "0\r\n\r\n0\r"],
    ["data of CR and LF", "4\r\n\r\n\r\n\r\n", "\r\n\r\n"],
    ["data of NUL", "3\r\n\0\0\0\r\n", "\0\0\0"],
    [
      "small ones before and after one of 600",
      `1\r\na\r\n258\r\n${"b".repeat(600)}\r\n1\r\nc\r\n`,
      `a${"b".repeat(600)}c`,
    ],
    [
      "33 and 512 bytes",
      `21\r\n${"a".repeat(33)}\r\n200\r\n${"b".repeat(512)}\r\n`,
      "a".repeat(33) + "b".repeat(512),
    ],
  ] as const
) {
  accept(
    "RFC 9112 §7.1",
    `chunks: ${title}`,
    `${CHUNKED}${chunks}0\r\n\r\n${NEXT}`,
    [
      { chunked: true, body, trailers: null },
      { target: "/next" },
    ],
  );
}
for (
  const last of ["0", "00", "0000000000000", "0;a", "0;a=b", '0 ; a = "b"']
) {
  accept(
    "RFC 9112 §7.1",
    `last chunk ${last}`,
    `${CHUNKED}2\r\nhi\r\n${last}\r\n\r\n${NEXT}`,
    [{ body: "hi" }, {}],
  );
}
for (
  const [title, line, code] of [
    ["empty", "‸", "invalid-chunk-size"],
    ["0x5", "0‸x5", "invalid-chunk-size"],
    ["+5", "‸+5", "invalid-chunk-size"],
    ["-5", "‸-5", "invalid-chunk-size"],
    ["g", "‸g", "invalid-chunk-size"],
    ["5g", "5‸g", "invalid-chunk-size"],
    ["5h", "5‸h", "invalid-chunk-size"],
    ["an underscore", "5‸_0", "invalid-chunk-size"],
    ["a point", "5‸.0", "invalid-chunk-size"],
    ["a comma", "5‸,5", "invalid-chunk-size"],
    ["quoted", '‸"5"', "invalid-chunk-size"],
    ["a NUL", "5‸\0", "invalid-chunk-size"],
    ["a NUL before", "‸\x005", "invalid-chunk-size"],
    ["a vertical tab", "5‸\x0b", "invalid-chunk-size"],
    ["DEL", "5‸\x7f", "invalid-chunk-size"],
    ["obs-text", "‸\xb2", "invalid-chunk-size"],
    ["NBSP", "5‸\xa0", "invalid-chunk-size"],
    ["a space before", "‸ 5", "invalid-chunk-size"],
    ["a tab before", "‸\t5", "invalid-chunk-size"],
    ["only an extension", "‸;a=b", "invalid-chunk-size"],
    ["a space after", "5 ‸", "invalid-chunk-extension"],
    ["a tab after", "5\t‸", "invalid-chunk-extension"],
    ["two sizes", "5 ‸5", "invalid-chunk-extension"],
    ["14 digits", "0000000000000‸5", "chunk-size-too-large"],
    ["16 digits", "fffffffffffff‸fff", "chunk-size-too-large"],
    ["17 digits, 5 modulo 2^64", "1000000000000‸0005", "chunk-size-too-large"],
    [
      "a hundred digits",
      `${"0".repeat(13)}‸${"0".repeat(87)}`,
      "chunk-size-too-large",
    ],
    ["CR CR LF", "5‸\r", "bare-cr"],
  ] as const
) {
  refuseBody(
    "RFC 9112 §7.1",
    `chunk size: ${title}`,
    `${CHUNKED}${line}\r\nhello\r\n0\r\n\r\n`,
    code,
  );
}
refuseBody(
  "RFC 9112 §7.1",
  "a bad size after good chunks",
  `${CHUNKED}2\r\nhi\r\n‸x\r\n`,
  "invalid-chunk-size",
);
refuseBody(
  "RFC 9112 §7.1",
  "LF after the size",
  `${CHUNKED}5‸\nhello\r\n0\r\n\r\n`,
  "bare-lf",
);
refuseBody(
  "RFC 9112 §7.1",
  "CR after the size",
  `${CHUNKED}5‸\rhello\r\n0\r\n\r\n`,
  "bare-cr",
);
refuseBody(
  "RFC 9112 §7.1",
  "only LF in place of the size",
  `${CHUNKED}‸\n5\r\nhello\r\n0\r\n\r\n`,
  "invalid-chunk-size",
);
refuseBody(
  "RFC 9112 §7.1",
  "LF after the last size",
  `${CHUNKED}0‸\n\n`,
  "bare-lf",
);
for (
  const [title, chunk] of [
    ["LF only", "5\r\nhello‸\n"],
    ["CR only", "5\r\nhello‸\r0\r\n\r\n"],
    ["nothing", "5\r\nhello‸0\r\n\r\n"],
    ["a byte too many", "5\r\nhello‸!\r\n"],
    ["a byte too few", "6\r\nhello\r‸\n0\r\n\r\n"],
    ["two bytes too few", "7\r\nhello\r\n‸0\r\n\r\n"],
    ["a space", "5\r\nhello‸ \r\n"],
    ["CR CR LF", "5\r\nhello‸\r\r\n"],
    ["LF CR", "5\r\nhello‸\n\r0\r\n\r\n"],
    ["a NUL", "5\r\nhello‸\0\0"],
    ["any two bytes", "5\r\nhello‸XX0\r\n\r\n"],
  ] as const
) {
  refuseBody(
    "RFC 9112 §7.1",
    `end of chunk data: ${title}`,
    `${CHUNKED}${chunk}`,
    "chunk-data-end",
  );
}

// RFC 9112 §7.1.1: extensions.

for (
  const extension of [
    ";a",
    ";a=b",
    ";a=b;c=d",
    ";a;b;c",
    ';a="b"',
    ';a=""',
    ';a="b c"',
    ';a="\\""',
    ';a="\\\\"',
    ';a="b;c=d"',
    ';a="\\\t"',
    ';a="\x80\xff"',
    " ;a",
    "\t;a",
    "; a",
    " ; a = b",
    ' \t; \ta\t =\t "b" \t;c',
    ";a ;b",
    ";a=b ;c",
    ";!#$%&'*+-.^_`|~=09",
    `;${"x".repeat(254)}`,
    `;a="${"\\x".repeat(125)}"`,
  ]
) {
  const title = extension.length > 60
    ? `${extension.slice(0, 4)}… of ${extension.length} bytes`
    : JSON.stringify(extension);
  accept(
    "RFC 9112 §7.1.1",
    `extension ${title}`,
    `${CHUNKED}2${extension}\r\nhi\r\n0\r\n\r\n${NEXT}`,
    [{ body: "hi" }, {}],
  );
}
for (
  const extension of [
    ";‸",
    "; ‸",
    ";‸;a",
    ";a=‸",
    ";a= ‸",
    ";a=‸;b",
    ";‸=b",
    ";a ‸",
    ";a=b ‸",
    ";a‸/b",
    ";a=b‸/c",
    ";a=‸=b",
    ";a=b‸=c",
    ";a ‸b",
    ";a=b ‸c",
    ';a="b‸',
    ';a="b"‸c',
    ';a="b" ‸',
    ';a="‸\0"',
    ';a="‸\x7f"',
    ';a="\\‸\x01"',
    ";a=b‸(c)",
    ";‸\0",
    ";a‸\0=b",
    ";a=‸\x0bb",
    ";‸\xff",
    ";a=‸\xff",
    ";a‸,b",
    " ‸x",
    ';‸"a"=b',
  ]
) {
  refuseBody(
    "RFC 9112 §7.1.1",
    `extension ${JSON.stringify(extension.replace(MARK, ""))}`,
    `${CHUNKED}2${extension}\r\nhi\r\n0\r\n\r\n`,
    "invalid-chunk-extension",
  );
}
refuseBody(
  "RFC 9112 §7.1.1",
  "LF after an extension",
  `${CHUNKED}2;a‸\nhi\r\n0\r\n\r\n`,
  "bare-lf",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "LF after an extension's value",
  `${CHUNKED}2;a=b‸\nhi\r\n0\r\n\r\n`,
  "bare-lf",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "LF in a quoted value",
  `${CHUNKED}2;a="b‸\n"\r\nhi\r\n0\r\n\r\n`,
  "bare-lf",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "CR after an extension",
  `${CHUNKED}2;a‸\rhi\r\n0\r\n\r\n`,
  "bare-cr",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "a line of 257 bytes",
  `${CHUNKED}‸2;${"x".repeat(255)}\r\nhi\r\n0\r\n\r\n`,
  "chunk-line-too-long",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "a quoted value of 257 bytes",
  `${CHUNKED}‸2;a="${"x".repeat(252)}"\r\nhi\r\n0\r\n\r\n`,
  "chunk-line-too-long",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "an extension without an end",
  `${CHUNKED}‸2;${"x".repeat(400)}`,
  "chunk-line-too-long",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "a fault as byte 257",
  `${CHUNKED}2;${"x".repeat(254)}‸/\r\nhi\r\n0\r\n\r\n`,
  "invalid-chunk-extension",
);
refuseBody(
  "RFC 9112 §7.1.1",
  "a fault as byte 258",
  `${CHUNKED}‸2;${"x".repeat(255)}\0\r\nhi`,
  "chunk-line-too-long",
);
