/**
 * Request smuggling by the length of a body: CL.TE, TE.CL, CL.CL, CL.0, 0.CL, and
 * lengths that one parser reads and another does not.
 */

import { GET, NEXT, POST } from "./table.ts";
import { sized, SMUGGLED, Techniques } from "./techniques.ts";

const REBORN = "HTTP Desync Attacks: Request Smuggling Reborn";
const BROWSER = "Browser-Powered Desync Attacks";
const ENDGAME = "HTTP/1.1 must die: the desync endgame";
const rows = new Techniques();

rows.refusedHeads([
  [
    `${REBORN}, CL.TE`,
    "a length before chunked",
    `${POST}Content-Length: 6\r\n‸Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nG`,
    "length-and-transfer-encoding",
  ],
  [
    `${REBORN}, CL.TE`,
    "a length that fits the chunks",
    `${POST}Content-Length: 5\r\n‸Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    "length-and-transfer-encoding",
  ],
  [
    `${REBORN}, CL.TE`,
    "a length of 0 before chunked",
    `${POST}Content-Length: 0\r\n‸Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    "length-and-transfer-encoding",
  ],
  [
    `${REBORN}, TE.CL`,
    "chunked before a length",
    `${POST}Transfer-Encoding: chunked\r\n‸Content-Length: 4\r\n\r\n20\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    "length-and-transfer-encoding",
  ],
  [
    `${REBORN}, TE.CL`,
    "chunked and a length with a field between",
    `${POST}Transfer-Encoding: chunked\r\nX: y\r\n‸Content-Length: 4\r\n\r\n20\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    "length-and-transfer-encoding",
  ],
  [
    `${REBORN}, TE.CL`,
    "names in any case",
    `${POST}tRANSFER-eNCODING: chunked\r\n‸CONTENT-LENGTH: 4\r\n\r\n20\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    "length-and-transfer-encoding",
  ],
  [
    "CVE-2024-6827",
    "a coding that is not supported, with a length to fall back to",
    `${POST}Content-Length: 6\r\n‸Transfer-Encoding: chunked,gzip\r\n\r\n0\r\n\r\nG`,
    "length-and-transfer-encoding",
  ],
  [
    "RFC 9112 §6.3",
    "identity and a length",
    `${POST}Content-Length: 32\r\n‸Transfer-Encoding: identity\r\n\r\n${SMUGGLED}`,
    "length-and-transfer-encoding",
  ],
  [
    "RFC 9112 §6.1",
    "a length and chunked in HTTP/1.0",
    `POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n‸Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    "length-and-transfer-encoding",
  ],
  [
    "CVE-2022-24790",
    "a length and a coding with a byte too much",
    `${POST}Content-Length: 32\r\n‸Transfer-Encoding: chunkedx\r\n\r\n${SMUGGLED}`,
    "length-and-transfer-encoding",
  ],
  [
    "tiny-http issue 173",
    "a length, and a space before the colon of chunked",
    `${POST}Content-Length: 42\r\nTransfer-Encoding‸ : chunked\r\n\r\n19\r\nlogin=admin&password=xxxx\r\n1\r\nZ\r\nQ\r\n\r\n`,
    "space-before-colon",
  ],
  [
    "CVE-2019-16789",
    "a length, and a vertical tab before chunked",
    `${POST}Content-Length: 5\r\nTransfer-Encoding:‸\x0bchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    "invalid-header-value",
  ],
  [
    "CVE-2015-8852, CL.CL",
    "two lengths, the longer first",
    `${POST}Content-Length: 8\r\n‸Content-Length: 7\r\n\r\n12345\r\na`,
    "repeated-content-length",
  ],
  [
    "CVE-2015-8852, CL.CL",
    "two lengths, the shorter first",
    `${POST}Content-Length: 0\r\n‸Content-Length: 32\r\n\r\n${SMUGGLED}`,
    "repeated-content-length",
  ],
  [
    "RFC 9112 §6.3, CL.CL",
    "two equal lengths",
    `${POST}Content-Length: 4\r\n‸Content-Length: 4\r\n\r\nbody`,
    "repeated-content-length",
  ],
  [
    "RFC 9112 §6.3, CL.CL",
    "a list of equal lengths",
    sized("32‸, 32"),
    "repeated-content-length",
  ],
  [
    "RFC 9112 §6.3, CL.CL",
    "a list of lengths",
    sized("0‸,32"),
    "repeated-content-length",
  ],
  [
    "netty issue 9866",
    "a second length that goes on in a line of its own",
    `${POST}Content-Length: 5\r\nContent-Length:\r\n6‸\r\n\r\n0\r\n\r\n`,
    "invalid-header-name",
  ],
  [
    "CVE-2019-16785",
    "a second length after a bare LF",
    `${POST}Content-Length: 100\r\nX-Header: x‸\nContent-Length: 0\r\n\r\n${SMUGGLED}`,
    "bare-lf",
  ],
  [
    "GHSA-f3pg-qwvg-p99c",
    "a plus sign before a length",
    sized("‸+32"),
    "invalid-content-length",
  ],
  [
    `${BROWSER}, CL.0`,
    "a plus sign before 0",
    sized("‸+0"),
    "invalid-content-length",
  ],
  [
    "CVE-2022-24761",
    "a hexadecimal length",
    sized("0‸x20"),
    "invalid-content-length",
  ],
  [
    "CVE-2023-40175",
    "an empty length",
    sized("‸"),
    "invalid-content-length",
  ],
  [
    "CVE-2023-40175",
    "a length of white space",
    `${POST}Content-Length: \t ‸\r\n\r\n${SMUGGLED}`,
    "invalid-content-length",
  ],
  [
    "RFC 9110 §8.6",
    "a negative length",
    sized("‸-32"),
    "invalid-content-length",
  ],
  ["RFC 9110 §8.6", "minus 0", sized("‸-0"), "invalid-content-length"],
  [
    "RFC 9110 §8.6",
    "an underscore between digits",
    sized("3‸_2"),
    "invalid-content-length",
  ],
  [
    "RFC 9110 §8.6",
    "a space between digits",
    sized("3‸ 2"),
    "invalid-content-length",
  ],
  ["RFC 9110 §8.6", "a fraction", sized("32‸.0"), "invalid-content-length"],
  ["RFC 9110 §8.6", "an exponent", sized("3‸e1"), "invalid-content-length"],
  [
    "RFC 9110 §8.6",
    "a quoted length",
    sized('‸"32"'),
    "invalid-content-length",
  ],
  ["RFC 9110 §8.6", "a parameter", sized("32‸;a=b"), "invalid-content-length"],
  [
    "RFC 9110 §8.6",
    "an empty first element",
    sized("‸,32"),
    "invalid-content-length",
  ],
  [
    "RFC 9110 §8.6",
    "an empty last element",
    sized("32‸,"),
    "repeated-content-length",
  ],
  [
    "RFC 9110 §8.6",
    "a fullwidth digit in UTF-8",
    sized("‸\xef\xbc\x93"),
    "invalid-content-length",
  ],
  [
    "RFC 9110 §8.6",
    "a superscript digit in Latin-1",
    sized("3‸\xb2"),
    "invalid-content-length",
  ],
  [
    "RFC 9110 §8.6",
    "a no-break space in Latin-1",
    sized("32‸\xa0"),
    "invalid-content-length",
  ],
  [
    "RFC 9110 §5.5",
    "a NUL after a length",
    sized("32‸\0"),
    "invalid-header-value",
  ],
  [
    "RFC 9110 §5.5",
    "a vertical tab before a length",
    sized("‸\x0b32"),
    "invalid-header-value",
  ],
  [
    "RFC 9110 §5.5",
    "a form feed after a length",
    sized("32‸\x0c"),
    "invalid-header-value",
  ],
  [
    "RFC 9110 §8.6",
    "a length that wraps to 5 at 2^64",
    sized("‸18446744073709551621"),
    "content-length-too-large",
  ],
  [
    "RFC 9110 §8.6",
    "a length that rounds at 2^53",
    sized("‸9007199254740993"),
    "content-length-too-large",
  ],
  [
    `${ENDGAME}, 0.CL`,
    "a space before the colon of a length",
    `${GET}Content-Length‸ : 32\r\n\r\n${SMUGGLED}`,
    "space-before-colon",
  ],
  [
    `${ENDGAME}, 0.CL`,
    "a tab before the colon of a length",
    `${GET}Content-Length‸\t: 32\r\n\r\n${SMUGGLED}`,
    "space-before-colon",
  ],
  [
    `${ENDGAME}, 0.CL`,
    "a space before the name of a length",
    `${GET}‸ Content-Length: 32\r\n\r\n${SMUGGLED}`,
    "obs-fold",
  ],
  [
    `${ENDGAME}, 0.CL`,
    "a space before a length that is the first field",
    `GET / HTTP/1.1\r\n‸ Content-Length: 32\r\nHost: a\r\n\r\n${SMUGGLED}`,
    "obs-fold",
  ],
  [
    `${ENDGAME}, 0.CL`,
    "a line end between a length and its value",
    `${GET}Content-Length:\r\n‸ 32\r\n\r\n${SMUGGLED}`,
    "obs-fold",
  ],
  [
    `${ENDGAME}, 0.CL`,
    "a line end between the name of a length and its colon",
    `${GET}Content-Length‸\r\n: 32\r\n\r\n${SMUGGLED}`,
    "invalid-header-name",
  ],
  [
    "CVE-2024-27982",
    "a length in a folded line",
    `${POST}X: y\r\n‸ Content-Length: 32\r\n\r\n${SMUGGLED}`,
    "obs-fold",
  ],
]);

rows.accepted([
  [
    `${BROWSER}, CL.0`,
    "the body of a GET that is a request",
    `${GET}Content-Length: 32\r\n\r\n${SMUGGLED}${NEXT}`,
    [["/", SMUGGLED], ["/next", ""]],
  ],
  [
    `${BROWSER}, CL.0`,
    "the body of a POST that begins a request",
    `${POST}Content-Length: 24\r\n\r\nGET /admin HTTP/1.1\r\nX: ${NEXT}`,
    [["/", "GET /admin HTTP/1.1\r\nX: "], ["/next", ""]],
  ],
  [
    "RFC 9112 §6.3",
    "a body that looks like the end of chunks",
    `${POST}Content-Length: 37\r\n\r\n0\r\n\r\n${SMUGGLED}${NEXT}`,
    [["/", `0\r\n\r\n${SMUGGLED}`], ["/next", ""]],
  ],
  [
    "RFC 9112 §6.3",
    "a length of 0, and what follows is the next request",
    `${POST}Content-Length: 0\r\n\r\n${NEXT}`,
    [["/", ""], ["/next", ""]],
  ],
  [
    "RFC 9112 §6.3",
    "a POST without a length, and what follows is the next request",
    `${POST}\r\n${NEXT}`,
    [["/", ""], ["/next", ""]],
  ],
  [
    "RFC 9110 §8.6",
    "zeros before a length, which its grammar allows",
    `${POST}Content-Length: 00004\r\n\r\nbody${NEXT}`,
    [["/", "body"], ["/next", ""]],
  ],
  [
    "CVE-2019-15606",
    "white space around a length",
    `${POST}Content-Length:\t 4 \t\r\n\r\nbody${NEXT}`,
    [["/", "body"], ["/next", ""]],
  ],
  [
    "CVE-2026-68006",
    "Content_Length is another field",
    `${POST}Content_Length: 32\r\n\r\n${NEXT}`,
    [["/", ""], ["/next", ""]],
  ],
  [
    "RFC 9110 §5.1",
    "names that begin or end with Content-Length are other fields",
    `${POST}X-Content-Length: 32\r\nContent-Lengths: 32\r\nContent-Lengt: 32\r\nContent.Length: 32\r\n\r\n${NEXT}`,
    [["/", ""], ["/next", ""]],
  ],
  [
    "RFC 9110 §7.6.1",
    "Connection names Content-Length, which still frames the body",
    `${POST}Connection: Content-Length\r\nContent-Length: 32\r\n\r\n${SMUGGLED}${NEXT}`,
    [["/", SMUGGLED], ["/next", ""]],
  ],
]);

rows.overTcp("smuggling by lengths");
