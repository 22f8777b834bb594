/**
 * Request smuggling by lines: bare CR and LF in a head, and names that one parser takes
 * for a field that frames the message and another does not.
 */

import { char, GET, hex, NEXT, POST } from "./table.ts";
import { SMUGGLED, Techniques } from "./techniques.ts";

const rows = new Techniques();
const HEAD = "GET / HTTP/1.1\r\n";

rows.refusedHeads([
  [
    "llhttp issue 877",
    "a bare LF after a target, and fields",
    `GET /x‸\nHost: a\r\nContent-Length: 32\r\n\r\n${SMUGGLED}`,
    "invalid-request-line",
  ],
  [
    "llhttp issue 877",
    "a bare LF after the version",
    `GET /x HTTP/1.1‸\nHost: a\r\n\r\n${SMUGGLED}`,
    "bare-lf",
  ],
  [
    "RFC 9112 §2.2",
    "a bare CR after the version",
    `GET /x HTTP/1.1‸\rHost: a\r\n\r\n${SMUGGLED}`,
    "bare-cr",
  ],
  [
    "RFC 9112 §2.2",
    "two CR after the version",
    `GET /x HTTP/1.1‸\r\r\nHost: a\r\n\r\n${SMUGGLED}`,
    "bare-cr",
  ],
  [
    "RFC 9112 §3",
    "a bare CR instead of a space",
    `GET‸\r/x HTTP/1.1\r\nHost: a\r\n\r\n${SMUGGLED}`,
    "invalid-method",
  ],
  [
    "CVE-2022-32214",
    "a bare LF ends a field",
    `${POST}X: y‸\nContent-Length: 32\r\n\r\n${SMUGGLED}`,
    "bare-lf",
  ],
  [
    "GHSA-48w2-rm65-62xx",
    "a bare LF ends each line",
    `GET / HTTP/1.1‸\nHost: a\n\n${SMUGGLED}`,
    "bare-lf",
  ],
  [
    "CVE-2019-16785",
    "a bare LF ends Host",
    `${HEAD}Host: a‸\n\r\n${SMUGGLED}`,
    "bare-lf",
  ],
  [
    "CVE-2022-35256",
    "a bare CR ends a field",
    `${POST}X: y‸\rContent-Length: 32\r\n\r\n${SMUGGLED}`,
    "bare-cr",
  ],
  [
    "CVE-2023-30589",
    "a bare CR and a byte, then Transfer-Encoding",
    `${POST}X-Abc: ‸\rxTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n0\r\n\r\n`,
    "bare-cr",
  ],
  [
    "llhttp issue 223",
    "a bare CR ends an empty field",
    `${HEAD}Host: a\r\nFoo:‸\rAContent-Length:10\r\n\r\n1234567890`,
    "bare-cr",
  ],
  [
    "CVE-2015-8852",
    "a bare CR as a line end, and a length",
    `${POST}X: y‸\rContent-Length: 0\r\nContent-Length: 32\r\n\r\n${SMUGGLED}`,
    "bare-cr",
  ],
  [
    "RFC 9112 §2.2",
    "two CR before a LF",
    `${GET}X: y‸\r\r\n\r\n${SMUGGLED}`,
    "bare-cr",
  ],
  [
    "RFC 9112 §2.2",
    "a LF and a CR",
    `${GET}X: y‸\n\rContent-Length: 32\r\n\r\n${SMUGGLED}`,
    "bare-lf",
  ],
  [
    "RFC 9112 §2.2",
    "a bare LF as the empty line",
    `${GET}‸\n${SMUGGLED}`,
    "bare-lf",
  ],
  [
    "RFC 9112 §2.2",
    "a bare CR as the empty line",
    `${GET}‸\r${SMUGGLED}`,
    "bare-cr",
  ],
  [
    "RFC 9112 §2.2",
    "a CR, then a field",
    `${GET}‸\rContent-Length: 32\r\n\r\n${SMUGGLED}`,
    "bare-cr",
  ],
  [
    "RFC 9112 §2.2",
    "a bare LF within a name",
    `${GET}Content-‸\nLength: 32\r\n\r\n${SMUGGLED}`,
    "invalid-header-name",
  ],
  [
    "RFC 9112 §2.2",
    "a bare CR before the colon",
    `${GET}Content-Length‸\r: 32\r\n\r\n${SMUGGLED}`,
    "invalid-header-name",
  ],
  ["RFC 9112 §2.2", "a bare LF before the request", `‸\n${GET}\r\n`, "bare-lf"],
  ["RFC 9112 §2.2", "a bare CR before the request", `‸\r${GET}\r\n`, "bare-cr"],
  [
    "RFC 9112 §5",
    "no name",
    `${GET}‸: 32\r\n\r\n${SMUGGLED}`,
    "empty-header-name",
  ],
  [
    "RFC 9112 §5",
    "a space as the name",
    `${GET}‸ : 32\r\n\r\n${SMUGGLED}`,
    "obs-fold",
  ],
  [
    "RFC 9112 §2.2",
    "a line of white space instead of the empty line",
    `${GET}‸ \r\n${SMUGGLED}`,
    "obs-fold",
  ],
  [
    "RFC 9112 §5",
    "a field of a colon less",
    `${GET}Content-Length‸ 32\r\n\r\n${SMUGGLED}`,
    "invalid-header-name",
  ],
  [
    "RFC 9112 §5",
    "a quoted name",
    `${GET}‸"Content-Length": 32\r\n\r\n${SMUGGLED}`,
    "invalid-header-name",
  ],
  [
    "RFC 9112 §5",
    "a name with a slash",
    `${GET}Content‸/Length: 32\r\n\r\n${SMUGGLED}`,
    "invalid-header-name",
  ],
  [
    "RFC 9110 §5.1",
    "a soft hyphen in a name",
    `${GET}Content‸\xadLength: 32\r\n\r\n${SMUGGLED}`,
    "invalid-header-name",
  ],
  [
    "RFC 9110 §5.1",
    "a hyphen in UTF-8 in a name",
    `${GET}Content‸\xe2\x80\x90Length: 32\r\n\r\n${SMUGGLED}`,
    "invalid-header-name",
  ],
  [
    "RFC 9110 §5.1",
    "a long s in a name",
    `${GET}Ho‸\xc5\xbft: b\r\n\r\n`,
    "invalid-header-name",
  ],
  [
    "RFC 9110 §5.1",
    "a no-break space after a name",
    `${GET}Content-Length‸\xa0: 32\r\n\r\n${SMUGGLED}`,
    "invalid-header-name",
  ],
  [
    "RFC 9110 §5.1",
    "a byte order mark before a name",
    `${GET}‸\xef\xbb\xbfContent-Length: 32\r\n\r\n${SMUGGLED}`,
    "invalid-header-name",
  ],
]);

// A control byte makes no other field of one that frames the message.
for (let byte = 0; byte < 0x80; byte++) {
  if (byte >= 0x20 && byte < 0x7f) continue;
  // Tab, LF and CR have rows of their own.
  if (byte === 0x09 || byte === 0x0a || byte === 0x0d) continue;
  const control = char(byte);
  rows.refusedHeads([
    [
      "CVE-2021-43797",
      `${hex(byte)} before a name`,
      `${POST}‸${control}Content-Length: 32\r\n\r\n${SMUGGLED}`,
      "invalid-header-name",
    ],
    [
      "CVE-2021-43797",
      `${hex(byte)} after a name`,
      `${POST}Content-Length‸${control}: 32\r\n\r\n${SMUGGLED}`,
      "invalid-header-name",
    ],
    [
      "RFC 9110 §5.5",
      `${hex(byte)} before a value`,
      `${POST}Content-Length: ‸${control}32\r\n\r\n${SMUGGLED}`,
      "invalid-header-value",
    ],
    [
      "RFC 9110 §5.5",
      `${hex(byte)} after a value`,
      `${POST}Content-Length: 32‸${control}\r\n\r\n${SMUGGLED}`,
      "invalid-header-value",
    ],
    [
      "RFC 9112 §2.2",
      `${hex(byte)} before the LF of a line`,
      `${POST}X: y‸${control}\nContent-Length: 32\r\n\r\n${SMUGGLED}`,
      "invalid-header-value",
    ],
  ]);
}

rows.accepted([
  [
    "CVE-2026-68006",
    "underscores make other names",
    `${GET}Content_Length: 32\r\nTransfer_Encoding: chunked\r\n_Host: b\r\n\r\n${NEXT}`,
    [["/", ""], ["/next", ""]],
  ],
  [
    "RFC 9110 §5.6.2",
    "each byte of a token that is no letter makes another name",
    `${GET}${
      [..."!#$%&'*+.^_`|~"].map((c) => `Content${c}Length: 32\r\n`).join("")
    }\r\n${NEXT}`,
    [["/", ""], ["/next", ""]],
  ],
  [
    "RFC 9110 §5.5",
    "a value that looks like a field",
    `${GET}X: y Content-Length: 32\r\nY: \\r\\nContent-Length: 32\r\n\r\n${NEXT}`,
    [["/", ""], ["/next", ""]],
  ],
  [
    "RFC 9110 §5.5",
    "CR and LF as percent-encoded bytes and in overlong UTF-8",
    `${GET}X: %0d%0aContent-Length: 32\r\nY: \xc0\x8d\xc0\x8aContent-Length: 32\r\nZ: \xe5\x98\x8d\xe5\x98\x8aContent-Length: 32\r\n\r\n${NEXT}`,
    [["/", ""], ["/next", ""]],
  ],
  [
    "RFC 9110 §5.5",
    "NEL in a value, which ends no line",
    `${GET}X: y\x85Content-Length: 32\r\nY: \xc2\x85Content-Length: 32\r\nZ: \xe2\x80\xa8Content-Length: 32\r\n\r\n${NEXT}`,
    [["/", ""], ["/next", ""]],
  ],
]);

rows.overTcp("smuggling by lines");
