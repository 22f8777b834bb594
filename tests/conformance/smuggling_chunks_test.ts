/**
 * Request smuggling by chunks: sizes that one parser reads and another does not, and
 * line ends of chunk lines and chunk data that two parsers put in different places.
 */

import { CHUNKED, hex, NEXT } from "./table.ts";
import { type RefusedRow, SMUGGLED, Techniques } from "./techniques.ts";

const FUNKY = "Funky Chunks";
const rows = new Techniques();
const END = `0\r\n\r\n${SMUGGLED}`;

/** A row of chunks that are refused. */
function chunks(
  source: string,
  title: string,
  wire: string,
  code: RefusedRow[3],
): RefusedRow {
  return [source, title, CHUNKED + wire, code];
}

rows.refusedBodies([
  chunks(
    `${FUNKY}, TERM.EXT`,
    "a bare LF in an extension",
    `2;‸\nxx\r\n4c\r\n${END}`,
    "bare-lf",
  ),
  chunks(
    "CVE-2025-55315, TERM.EXT",
    "a bare LF after the name of an extension",
    `2;a‸\nxx\r\n20\r\n${END}`,
    "bare-lf",
  ),
  chunks(
    "fasthttp pull request 1899",
    "a bare LF after the size",
    `2‸\nxx\r\n20\r\n${END}`,
    "bare-lf",
  ),
  chunks(
    "CVE-2025-22871",
    "a bare LF ends the size line",
    `5‸\nhello\r\n${END}`,
    "bare-lf",
  ),
  chunks(
    "CVE-2025-58056",
    "a bare LF ends an extension",
    `5;a=b‸\nhello\r\n${END}`,
    "bare-lf",
  ),
  chunks(
    "gunicorn pull request 3327",
    "a bare LF and a CRLF after the size",
    `5‸\n\r\nhello\r\n${END}`,
    "bare-lf",
  ),
  chunks(
    `${FUNKY}, TERM.EXT`,
    "a bare CR in an extension",
    `2;‸\rxx\r\nhi\r\n${END}`,
    "invalid-chunk-extension",
  ),
  chunks(
    `${FUNKY}, TERM.EXT`,
    "a bare CR after the name of an extension",
    `2;a‸\rxx\r\nhi\r\n${END}`,
    "bare-cr",
  ),
  chunks(
    `${FUNKY}, TERM.EXT`,
    "a bare CR after the value of an extension",
    `2;a=b‸\rxx\r\nhi\r\n${END}`,
    "bare-cr",
  ),
  chunks(
    `${FUNKY}, EXT.TERM`,
    "a bare CR ends the size line",
    `2‸\rhi\r\n${END}`,
    "bare-cr",
  ),
  chunks(
    `${FUNKY}, EXT.TERM`,
    "two CR before the LF of a size line",
    `2‸\r\r\nhi\r\n${END}`,
    "bare-cr",
  ),
  chunks(
    `${FUNKY}, EXT.TERM`,
    "a LF and a CR after the size",
    `2‸\n\rhi\r\n${END}`,
    "bare-lf",
  ),
  chunks(
    `${FUNKY}, TERM.SPILL`,
    "a bare LF after the data",
    `5\r\nhello‸\n${END}`,
    "chunk-data-end",
  ),
  chunks(
    `${FUNKY}, TERM.SPILL`,
    "two LF after the data",
    `5\r\nhello‸\n\n${END}`,
    "chunk-data-end",
  ),
  chunks(
    `${FUNKY}, TERM.SPILL`,
    "a bare CR after the data",
    `5\r\nhello‸\r${END}`,
    "chunk-data-end",
  ),
  chunks(
    `${FUNKY}, TERM.SPILL`,
    "two CR after the data",
    `5\r\nhello‸\r\r${END}`,
    "chunk-data-end",
  ),
  chunks(
    `${FUNKY}, TERM.SPILL`,
    "a CR and a byte after the data",
    `5\r\nhello‸\rX${END}`,
    "chunk-data-end",
  ),
  chunks(
    `${FUNKY}, EXT.TERM`,
    "a CR and a byte after the size",
    `2‸\rX\r\nhi\r\n${END}`,
    "bare-cr",
  ),
  chunks(
    `${FUNKY}, SPILL.TERM`,
    "a byte before the CRLF of the data",
    `5\r\nhello‸x\r\n${END}`,
    "chunk-data-end",
  ),
  chunks(
    `${FUNKY}, SPILL.TERM`,
    "a request before the CRLF of the data",
    `5\r\nhello‸${SMUGGLED}\r\n0\r\n\r\n`,
    "chunk-data-end",
  ),
  chunks(
    "CVE-2025-43859, ONE.TWO",
    "any two bytes after the data",
    `2\r\nhi‸xx${END}`,
    "chunk-data-end",
  ),
  chunks(
    `${FUNKY}, ONE.TWO`,
    "a LF and a byte after the data",
    `2\r\nhi‸\n0${END}`,
    "chunk-data-end",
  ),
  chunks(
    `${FUNKY}, ZERO.TWO`,
    "no line end after the data",
    `5\r\nhello‸${END}`,
    "chunk-data-end",
  ),
  chunks(
    `${FUNKY}, ZERO.TWO`,
    "no line end after the data, and digits follow",
    `2\r\nhi‸20\r\n${END}`,
    "chunk-data-end",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a bare LF after the last size",
    `0‸\n\r\n${SMUGGLED}`,
    "bare-lf",
  ),
  chunks(
    "RFC 9112 §7.1",
    "two bare LF for the end",
    `0‸\n\n${SMUGGLED}`,
    "bare-lf",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a bare LF as the empty line",
    `0\r\n‸\n${SMUGGLED}`,
    "bare-lf",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a bare CR as the empty line",
    `0\r\n‸\r${SMUGGLED}`,
    "bare-cr",
  ),
  chunks(
    "RFC 9112 §7.1",
    "two CR in the empty line",
    `0\r\n‸\r\r\n${SMUGGLED}`,
    "bare-cr",
  ),
  chunks(
    "RFC 9112 §7.1",
    "no empty line before the next request",
    `0\r\nGET‸ /admin HTTP/1.1\r\nHost: b\r\n\r\n`,
    "invalid-header-name",
  ),
  chunks(
    "CVE-2026-33870",
    "a CRLF in a quoted extension",
    `1;a="‸\r\nX\r\n${END}`,
    "invalid-chunk-extension",
  ),
  chunks(
    "CVE-2026-33870",
    "a LF in a quoted extension",
    `1;a="‸\nX"\r\nX\r\n${END}`,
    "bare-lf",
  ),
  chunks(
    "CVE-2026-33870",
    "a CRLF after a backslash",
    `1;a="\\‸\r\nX"\r\nX\r\n${END}`,
    "invalid-chunk-extension",
  ),
  chunks(
    "CVE-2026-33870",
    "a quote that nothing closes",
    `1;a="b‸\r\nX\r\n${END}`,
    "invalid-chunk-extension",
  ),
  chunks(
    "RFC 9112 §7.1.1",
    "a NUL in an extension",
    `2;a‸\0\r\nhi\r\n${END}`,
    "invalid-chunk-extension",
  ),
  chunks(
    "CVE-2021-22960",
    "an extension that is no token",
    `2;‸@\r\nhi\r\n${END}`,
    "invalid-chunk-extension",
  ),
  chunks(
    "CVE-2022-24761",
    "an extension without a semicolon",
    `2 ‸a\r\nhi\r\n${END}`,
    "invalid-chunk-extension",
  ),
  chunks(
    "RFC 9112 §7.1.1",
    "an empty extension",
    `2;‸\r\nhi\r\n${END}`,
    "invalid-chunk-extension",
  ),
  chunks(
    "RFC 9112 §7.1.1",
    "two semicolons",
    `2;‸;a\r\nhi\r\n${END}`,
    "invalid-chunk-extension",
  ),
  chunks(
    "RFC 9112 §7.1.1",
    "a space after the size",
    `2 ‸\r\nhi\r\n${END}`,
    "invalid-chunk-extension",
  ),
  chunks(
    "RFC 9112 §7.1.1",
    "a tab after the size",
    `2\t‸\r\nhi\r\n${END}`,
    "invalid-chunk-extension",
  ),
  chunks(
    "CVE-2024-22019",
    "an extension that does not end",
    `2;a=${"b".repeat(600)}`,
    "chunk-line-too-long",
  ),
  chunks(
    "CVE-2024-21647",
    "many extensions",
    `2${";a".repeat(300)}\r\nhi\r\n${END}`,
    "chunk-line-too-long",
  ),
  chunks(
    "CVE-2022-24761",
    "0x before a size",
    `0‸x2\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "CVE-2022-24761",
    "0X before a size",
    `0‸X2\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "CVE-2022-24761",
    "a plus sign before a size",
    `‸+2\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a negative size",
    `‸-2\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "minus 0",
    `‸-0\r\n\r\n${SMUGGLED}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "an underscore in a size",
    `0‸_2\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a space before a size",
    `‸ 2\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a tab before a size",
    `‸\t2\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "an empty size",
    `‸\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "an extension without a size",
    `‸;a\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a letter after a size",
    `2‸g\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a fraction",
    `2‸.0\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a comma after a size",
    `2‸,2\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a quoted size",
    `‸"2"\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a NUL after a size",
    `2‸\0\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a NUL before a size",
    `‸\x002\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a vertical tab after a size",
    `2‸\x0b\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a form feed before a size",
    `‸\x0c2\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a fullwidth digit in UTF-8",
    `‸\xef\xbc\x92\r\nhi\r\n${END}`,
    "invalid-chunk-size",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a size that wraps at 2^32 in 14 digits",
    `0000000100000‸002\r\nhi\r\n${END}`,
    "chunk-size-too-large",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a size that wraps to 0 at 2^64",
    `1000000000000‸0000\r\n\r\n${SMUGGLED}`,
    "chunk-size-too-large",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a size that wraps to 2 at 2^64",
    `1000000000000‸0002\r\nhi\r\n${END}`,
    "chunk-size-too-large",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a size that is -1 in 64 bits",
    `fffffffffffff‸fff\r\nhi\r\n${END}`,
    "chunk-size-too-large",
  ),
  chunks(
    "RFC 9112 §7.1",
    "a size that is negative in 64 bits",
    `8000000000000‸002\r\nhi\r\n${END}`,
    "chunk-size-too-large",
  ),
  chunks(
    "RFC 9112 §7.1",
    "zeros that no size needs",
    `0000000000000‸2\r\nhi\r\n${END}`,
    "chunk-size-too-large",
  ),
  chunks(
    "RFC 9110 §6.5.1",
    "a length in the trailers",
    `0\r\n‸Content-Length: 40\r\n\r\n${SMUGGLED}`,
    "forbidden-trailer",
  ),
  chunks(
    "RFC 9110 §6.5.1",
    "a coding in the trailers",
    `0\r\n‸Transfer-Encoding: chunked\r\n\r\n${SMUGGLED}`,
    "forbidden-trailer",
  ),
  chunks(
    "RFC 9110 §6.5.1",
    "Host in the trailers",
    `0\r\n‸Host: b\r\n\r\n${SMUGGLED}`,
    "forbidden-trailer",
  ),
  chunks(
    "RFC 9110 §6.5.1",
    "Connection in the trailers",
    `0\r\n‸Connection: keep-alive\r\n\r\n${SMUGGLED}`,
    "forbidden-trailer",
  ),
  chunks(
    "CVE-2023-40175",
    "a bare LF in the trailers",
    `0\r\nA: b‸\n\r\n${SMUGGLED}`,
    "bare-lf",
  ),
  chunks(
    "CVE-2023-40175",
    "a bare CR in the trailers",
    `0\r\nA: b‸\rX\r\n\r\n${SMUGGLED}`,
    "bare-cr",
  ),
  chunks(
    "RFC 9112 §7.1.2",
    "a space before the colon of a trailer",
    `0\r\nA‸ : b\r\n\r\n${SMUGGLED}`,
    "space-before-colon",
  ),
  chunks(
    "RFC 9112 §7.1.2",
    "a folded trailer",
    `0\r\nA: b\r\n‸ c\r\n\r\n${SMUGGLED}`,
    "obs-fold",
  ),
  chunks(
    "RFC 9112 §7.1.2",
    "a trailer without a colon",
    `0\r\nA‸\r\n\r\n${SMUGGLED}`,
    "invalid-header-name",
  ),
  chunks(
    "RFC 9112 §7.1.2",
    "a NUL in a trailer",
    `0\r\nA: ‸\0\r\n\r\n${SMUGGLED}`,
    "invalid-header-value",
  ),
]);

// In the place of the CR of a chunk line, no control byte is white space.
for (let byte = 0; byte < 0x20; byte++) {
  if (byte === 0x09 || byte === 0x0a || byte === 0x0d) continue;
  const control = String.fromCharCode(byte);
  rows.refusedBodies([
    chunks(
      "RFC 9112 §7.1",
      `${hex(byte)} before the LF of a size`,
      `2‸${control}\nhi\r\n${END}`,
      "invalid-chunk-size",
    ),
    chunks(
      "RFC 9112 §7.1",
      `${hex(byte)} before the LF after the data`,
      `2\r\nhi‸${control}\n${END}`,
      "chunk-data-end",
    ),
  ]);
}

rows.accepted([
  [
    "RFC 9112 §7.1",
    "a size in upper case",
    `${CHUNKED}A\r\n0123456789\r\n0\r\n\r\n${NEXT}`,
    [["/", "0123456789"], ["/next", ""]],
  ],
  [
    "RFC 9112 §7.1",
    "zeros before a size",
    `${CHUNKED}0000000000002\r\nhi\r\n0000\r\n\r\n${NEXT}`,
    [["/", "hi"], ["/next", ""]],
  ],
  [
    "RFC 9112 §7.1.1",
    "extensions of each form",
    `${CHUNKED}2;a;b=c;d="e"\r\nhi\r\n0;f\r\n\r\n${NEXT}`,
    [["/", "hi"], ["/next", ""]],
  ],
  [
    "RFC 9112 §7.1.1",
    "white space around a semicolon",
    `${CHUNKED}2 ; a = b ;c\r\nhi\r\n0\r\n\r\n${NEXT}`,
    [["/", "hi"], ["/next", ""]],
  ],
  [
    "CVE-2026-33870",
    "a quoted extension that looks like the end of a line",
    `${CHUNKED}2;a="\\"; 0"\r\nhi\r\n0\r\n\r\n${NEXT}`,
    [["/", "hi"], ["/next", ""]],
  ],
  [
    "RFC 9112 §7.1",
    "a chunk of line ends",
    `${CHUNKED}6\r\n\r\n\n\r\r\n\r\n0\r\n\r\n${NEXT}`,
    [["/", "\r\n\n\r\r\n"], ["/next", ""]],
  ],
  [
    "RFC 9112 §7.1.2",
    "trailers that look like fields of a head",
    `${CHUNKED}2\r\nhi\r\n0\r\nX-Content-Length: 32\r\nContent_Length: 32\r\n\r\n${NEXT}`,
    [["/", "hi"], ["/next", ""]],
  ],
]);

rows.overTcp("smuggling by chunks");
