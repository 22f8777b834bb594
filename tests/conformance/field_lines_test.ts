/**
 * Field lines: names, white space, line folding, values (RFC 9112 §5).
 */

import { bytesOf } from "../support/bytes.ts";
import { accept, char, GET, hex, refuse } from "./table.ts";

accept(
  "RFC 9112 §5",
  "fields keep their order and spelling",
  `${GET}b: 1\r\nA: 2\r\nB: 3\r\na: 4\r\n\r\n`,
  {
    lines: [["Host", "a"], ["b", "1"], ["A", "2"], ["B", "3"], ["a", "4"]],
    fields: { a: "2, 4", b: "1, 3" },
  },
);
accept(
  "RFC 9110 §5.3",
  "repeated lines are one list",
  `${GET}Accept: a\r\nX: y\r\naccept: b, c\r\nACCEPT:\r\n\r\n`,
  {
    fields: { accept: "a, b, c, ", x: "y" },
  },
);
accept(
  "RFC 6265 §5.4",
  "repeated Cookie lines",
  `${GET}Cookie: a=b\r\ncookie: c=d\r\n\r\n`,
  { fields: { cookie: "a=b; c=d" } },
);
accept(
  "RFC 9110 §5.1",
  "a name of every token byte",
  `${GET}!#$%&'*+-.^_\`|~09azAZ: v\r\n\r\n`,
  {
    lines: [["Host", "a"], ["!#$%&'*+-.^_`|~09azAZ", "v"]],
  },
);
accept(
  "RFC 9110 §5.1",
  "names that are near a known one",
  `${GET}Hostt: 1\r\nContent-Lengtj: 2\r\nTransfer_Encoding: chunked\r\nContent\x2eLength: 3\r\n\r\n`,
  {
    chunked: false,
    contentLength: null,
    fields: {
      hostt: "1",
      "content-lengtj": "2",
      transfer_encoding: "chunked",
      "content.length": "3",
    },
  },
);
accept(
  "RFC 9110 §5.1",
  "names that prototypes have",
  `${GET}constructor: a\r\n__proto__: b\r\ntoString: c\r\n\r\n`,
  {
    lines: [["Host", "a"], ["constructor", "a"], ["__proto__", "b"], [
      "toString",
      "c",
    ]],
  },
);
accept("RFC 9110 §5.1", "a long name", `${GET}${"n".repeat(700)}: v\r\n\r\n`, {
  fields: { ["n".repeat(700)]: "v" },
});
refuse(
  "RFC 9112 §5",
  "an empty name",
  `${GET}‸: v\r\n\r\n`,
  "empty-header-name",
);
refuse(
  "RFC 9112 §5",
  "an empty name and value",
  `${GET}‸:\r\n\r\n`,
  "empty-header-name",
);
refuse(
  "RFC 9112 §5",
  "a line without a colon",
  `${GET}abc‸\r\n\r\n`,
  "invalid-header-name",
);
refuse(
  "RFC 9112 §5",
  "a line without a colon and LF",
  `${GET}abc‸\n\r\n`,
  "invalid-header-name",
);
refuse(
  "RFC 9112 §5",
  "a request line among the fields",
  `${GET}GET‸ / HTTP/1.1\r\n\r\n`,
  "invalid-header-name",
);
for (
  const byte of [...bytesOf('\0\x01\x0b\x1f"(),/;<=>?@[\\]{}\x7f\x80\xa0\xff')]
) {
  refuse(
    "RFC 9110 §5.1",
    `${hex(byte)} in a name`,
    `${GET}ab‸${char(byte)}c: v\r\n\r\n`,
    "invalid-header-name",
  );
}
for (const byte of [...bytesOf('\0\x0b\x0c"(@\x7f\x80\xff')]) {
  refuse(
    "RFC 9110 §5.1",
    `${hex(byte)} begins a name`,
    `${GET}‸${char(byte)}abc: v\r\n\r\n`,
    "invalid-header-name",
  );
}
refuse(
  "RFC 9110 §5.1",
  "a NUL after a name",
  `${GET}abc‸\0: v\r\n\r\n`,
  "invalid-header-name",
);
refuse(
  "RFC 9110 §5.1",
  "a NUL in place of the line end",
  `${GET}abc: v‸\0\n\r\n`,
  "invalid-header-value",
);

// RFC 9112 §5.1: no white space before the colon.

refuse(
  "RFC 9112 §5.1",
  "a space before the colon",
  `${GET}abc‸ : v\r\n\r\n`,
  "space-before-colon",
);
refuse(
  "RFC 9112 §5.1",
  "a tab before the colon",
  `${GET}abc‸\t: v\r\n\r\n`,
  "space-before-colon",
);
refuse(
  "RFC 9112 §5.1",
  "much white space before the colon",
  `${GET}abc‸ \t  \t : v\r\n\r\n`,
  "space-before-colon",
);
refuse(
  "RFC 9112 §5.1",
  "a space in the name",
  `${GET}ab‸ c: v\r\n\r\n`,
  "invalid-header-name",
);
refuse(
  "RFC 9112 §5.1",
  "Host and a space",
  "GET / HTTP/1.1\r\nHost‸ : a\r\n\r\n",
  "space-before-colon",
);
refuse(
  "RFC 9112 §5.1",
  "a space and no colon",
  `${GET}abc‸ \r\n\r\n`,
  "invalid-header-name",
);

// RFC 9112 §5.2: line folding.

refuse(
  "RFC 9112 §5.2",
  "a folded line",
  `${GET}X: a\r\n‸ b\r\n\r\n`,
  "obs-fold",
);
refuse(
  "RFC 9112 §5.2",
  "a line folded with a tab",
  `${GET}X: a\r\n‸\tb\r\n\r\n`,
  "obs-fold",
);
refuse(
  "RFC 9112 §5.2",
  "a folded line with a colon",
  `${GET}X: a\r\n‸ Y: b\r\n\r\n`,
  "obs-fold",
);
refuse(
  "RFC 9112 §5.2",
  "a fold of white space only",
  `${GET}X: a\r\n‸ \r\n\r\n`,
  "obs-fold",
);
refuse(
  "RFC 9112 §5.2",
  "a fold of an empty value",
  `${GET}X:\r\n‸ b\r\n\r\n`,
  "obs-fold",
);

// RFC 9110 §5.5: values.

for (
  const [title, sent, value] of [
    ["empty", "", ""],
    ["a space only", " ", ""],
    ["white space only", " \t \t", ""],
    ["no white space around", "a", "a"],
    ["one space before", " a", "a"],
    ["white space around", " \t  a b\t c \t ", "a b\t c"],
    ["tabs around", "\ta\t", "a"],
    ["a tab within", " a\tb", "a\tb"],
    ["obs-text", " \x80\xa0\xff", "\x80\xa0\xff"],
    ["UTF-8", " b\xc3\xbccher", "b\xc3\xbccher"],
    ["NBSP, which is no white space", " \xa0a\xa0", "\xa0a\xa0"],
    ["colons", " a:b: c:", "a:b: c:"],
    ["only colons", "::", "::"],
    [
      "every visible byte",
      ` ${Array.from({ length: 94 }, (_, i) => char(i + 33)).join("")}`,
      Array.from({ length: 94 }, (_, i) => char(i + 33)).join(""),
    ],
    ["a quoted string", ' "a, b\\"c"', '"a, b\\"c"'],
    ["seven bytes", " 1234567", "1234567"],
    ["eight bytes", " 12345678", "12345678"],
    ["nine bytes", " 123456789", "123456789"],
    ["obs-text as the eighth byte", " 1234567\x80", "1234567\x80"],
    ["much white space before", " ".repeat(50) + "a", "a"],
    ["much white space after", " a" + " ".repeat(50), "a"],
    ["a thousand bytes", " " + "v".repeat(1000), "v".repeat(1000)],
  ] as const
) {
  accept(
    "RFC 9110 §5.5",
    `value: ${title}`,
    `${GET}X:${sent}\r\nY: z\r\n\r\n`,
    { fields: { x: value, y: "z" } },
  );
}
for (let byte = 0; byte < 0x80; byte++) {
  if (byte >= 0x20 && byte !== 0x7f || byte === 0x09) continue;
  const code = byte === 0x0a
    ? "bare-lf"
    : byte === 0x0d
    ? "bare-cr"
    : "invalid-header-value";
  refuse(
    "RFC 9110 §5.5",
    `${hex(byte)} in a value`,
    `${GET}X: abcd‸${char(byte)}ef\r\n\r\n`,
    code,
  );
}
for (const byte of [0x00, 0x01, 0x0b, 0x0c, 0x7f]) {
  refuse(
    "RFC 9110 §5.5",
    `${hex(byte)} begins a value`,
    `${GET}X:‸${char(byte)}a\r\n\r\n`,
    "invalid-header-value",
  );
  refuse(
    "RFC 9110 §5.5",
    `${hex(byte)} ends a value`,
    `${GET}X: 1234567‸${char(byte)}\r\n\r\n`,
    "invalid-header-value",
  );
}
