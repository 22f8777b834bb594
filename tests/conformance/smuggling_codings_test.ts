/**
 * Request smuggling by Transfer-Encoding: TE.TE, where one of two parsers can be made
 * to overlook `chunked`.
 */

import { CHUNKED, NEXT, POST } from "./table.ts";
import { coded, SMUGGLED, Techniques } from "./techniques.ts";

const REBORN = "HTTP Desync Attacks: Request Smuggling Reborn";
const rows = new Techniques();
const REST = `\r\n\r\n0\r\n\r\n${SMUGGLED}`;

/** A POST whose body is one chunk, and the next request. */
function chunkedBy(field: string): string {
  return `${POST}${field}\r\n\r\n4\r\nbody\r\n0\r\n\r\n${NEXT}`;
}
const BOTH: [string, string][] = [["/", "body"], ["/next", ""]];

rows.accepted([
  [
    "CVE-2026-31842",
    "chunked in upper case",
    chunkedBy("Transfer-Encoding: CHUNKED"),
    BOTH,
  ],
  ["CVE-2026-31842", "Chunked", chunkedBy("Transfer-Encoding: Chunked"), BOTH],
  [
    `${REBORN}, TE.TE`,
    "chunked and its name in mixed case",
    chunkedBy("tRANSFER-ENCODING: cHuNkEd"),
    BOTH,
  ],
  [
    `${REBORN}, TE.TE`,
    "no space before chunked",
    chunkedBy("Transfer-Encoding:chunked"),
    BOTH,
  ],
  [
    `${REBORN}, TE.TE`,
    "a tab before chunked",
    chunkedBy("Transfer-Encoding:\tchunked"),
    BOTH,
  ],
  [
    "CVE-2019-15606",
    "white space around chunked",
    chunkedBy("Transfer-Encoding: \t chunked \t "),
    BOTH,
  ],
  [
    "CVE-2026-26365",
    "Connection names Transfer-Encoding, which still frames the body",
    chunkedBy("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked"),
    BOTH,
  ],
  [
    "CVE-2026-68006",
    "Transfer_Encoding is another field",
    `${POST}Transfer_Encoding: chunked\r\n\r\n${NEXT}`,
    [["/", ""], ["/next", ""]],
  ],
  [
    "RFC 9110 §5.1",
    "names that begin or end with Transfer-Encoding are other fields",
    `${POST}Transfer-Encoding1: chunked\r\nX-Transfer-Encoding: chunked\r\nTransfer.Encoding: chunked\r\nTE: chunked\r\nContent-Encoding: chunked\r\n\r\n${NEXT}`,
    [["/", ""], ["/next", ""]],
  ],
  [
    "RFC 9112 §7.1",
    "a chunk that looks like the last one and a request",
    `${CHUNKED}25\r\n0\r\n\r\n${SMUGGLED}\r\n0\r\n\r\n${NEXT}`,
    [["/", `0\r\n\r\n${SMUGGLED}`], ["/next", ""]],
  ],
  [
    "RFC 9112 §7.1",
    "chunks that are a request when put together",
    `${CHUNKED}4\r\nGET \r\n1c\r\n${SMUGGLED.slice(4)}\r\n0\r\n\r\n${NEXT}`,
    [["/", SMUGGLED], ["/next", ""]],
  ],
]);

rows.refusedHeads([
  [
    `${REBORN}, TE.TE`,
    "xchunked",
    coded("‸xchunked"),
    "unsupported-transfer-coding",
  ],
  [
    "CVE-2026-89044",
    "chunked, xchunked",
    coded("chunked, ‸xchunked"),
    "chunked-not-last",
  ],
  [
    "CVE-2026-89044",
    "xchunked in a folded line",
    coded("chunked,\r\n‸ xchunked"),
    "obs-fold",
  ],
  [
    `${REBORN}, TE.TE`,
    "chunked, identity",
    coded("chunked, ‸identity"),
    "chunked-not-last",
  ],
  [
    "RFC 9112 §6.1",
    "identity, chunked",
    coded("‸identity, chunked"),
    "unsupported-transfer-coding",
  ],
  [
    "RFC 9112 §6.1",
    "identity",
    coded("‸identity"),
    "unsupported-transfer-coding",
  ],
  [
    "RFC 9112 §6.1",
    "gzip, chunked",
    coded("‸gzip, chunked"),
    "unsupported-transfer-coding",
  ],
  ["CVE-2024-6827", "chunked,gzip", coded("chunked,‸gzip"), "chunked-not-last"],
  [
    "RFC 9112 §6.1",
    "chunked, chunked",
    coded("chunked, ‸chunked"),
    "chunked-repeated",
  ],
  [
    "RFC 9112 §6.1",
    "CHUNKED, chunked",
    coded("CHUNKED, ‸chunked"),
    "chunked-repeated",
  ],
  [
    "CVE-2022-24790",
    "a letter too much",
    coded("‸chunkedd"),
    "unsupported-transfer-coding",
  ],
  [
    "CVE-2022-32213",
    "a letter too few",
    coded("‸chunke"),
    "unsupported-transfer-coding",
  ],
  [
    "CVE-2022-32213",
    "chunked twice without a comma",
    coded("‸chunkedchunked"),
    "unsupported-transfer-coding",
  ],
  [
    "CVE-2022-32213",
    "two words",
    coded("chunked ‸chunked"),
    "invalid-transfer-encoding",
  ],
  [
    "RFC 9112 §6.1",
    "x chunked",
    coded("x ‸chunked"),
    "invalid-transfer-encoding",
  ],
  [
    "RFC 9112 §7",
    "a parameter",
    coded("chunked‸;q=1"),
    "invalid-transfer-encoding",
  ],
  [
    "RFC 9112 §7",
    "a semicolon",
    coded("chunked‸;"),
    "invalid-transfer-encoding",
  ],
  [
    "RFC 9110 §5.6.1",
    "a comma after chunked",
    coded("chunked,‸"),
    "invalid-transfer-encoding",
  ],
  [
    "RFC 9110 §5.6.1",
    "a comma before chunked",
    coded("‸,chunked"),
    "invalid-transfer-encoding",
  ],
  [
    "RFC 9110 §5.6.1",
    "an empty element",
    coded("gzip,‸,chunked"),
    "invalid-transfer-encoding",
  ],
  [
    "RFC 9110 §5.6.1",
    "a comma alone",
    coded("‸,"),
    "invalid-transfer-encoding",
  ],
  ["CVE-2019-15605", "no coding", coded("‸"), "invalid-transfer-encoding"],
  [
    `${REBORN}, TE.TE`,
    "a quoted coding",
    coded('‸"chunked"'),
    "invalid-transfer-encoding",
  ],
  [
    `${REBORN}, TE.TE`,
    "an apostrophe on each side, which a token may hold",
    coded("‸'chunked'"),
    "unsupported-transfer-coding",
  ],
  [
    "RFC 9112 §6.1",
    "brackets",
    coded("‸[chunked]"),
    "invalid-transfer-encoding",
  ],
  [
    "RFC 9112 §6.1",
    "a colon before chunked",
    coded("‸:chunked"),
    "invalid-transfer-encoding",
  ],
  [
    "CVE-2019-16789",
    "a vertical tab before chunked",
    coded("‸\x0bchunked"),
    "invalid-header-value",
  ],
  [
    "CVE-2019-16789",
    "a vertical tab after chunked",
    coded("chunked‸\x0b"),
    "invalid-header-value",
  ],
  [
    "CVE-2019-16789",
    "a form feed before chunked",
    coded("‸\x0cchunked"),
    "invalid-header-value",
  ],
  [
    "CVE-2019-16789",
    "a form feed after chunked",
    coded("chunked‸\x0c"),
    "invalid-header-value",
  ],
  [
    "RFC 9110 §5.5",
    "a NUL after chunked",
    coded("chunked‸\0"),
    "invalid-header-value",
  ],
  [
    "RFC 9110 §5.5",
    "a NUL before chunked",
    coded("‸\0chunked"),
    "invalid-header-value",
  ],
  [
    "RFC 9110 §5.5",
    "a NUL within chunked",
    coded("chun‸\0ked"),
    "invalid-header-value",
  ],
  [
    "RFC 9110 §5.5",
    "DEL after chunked",
    coded("chunked‸\x7f"),
    "invalid-header-value",
  ],
  [
    "RFC 9110 §5.5",
    "a backspace after chunked",
    coded("chunkedx‸\x08"),
    "invalid-header-value",
  ],
  [
    "RFC 9112 §6.1",
    "a no-break space in Latin-1 before chunked",
    coded("‸\xa0chunked"),
    "invalid-transfer-encoding",
  ],
  [
    "RFC 9112 §6.1",
    "a no-break space in UTF-8 after chunked",
    coded("chunked‸\xc2\xa0"),
    "invalid-transfer-encoding",
  ],
  [
    "RFC 9112 §6.1",
    "NEL in Latin-1 before chunked",
    coded("‸\x85chunked"),
    "invalid-transfer-encoding",
  ],
  [
    "RFC 9112 §6.1",
    "a Kelvin sign, whose lower case is k",
    coded("chun‸\xe2\x84\xaaed"),
    "invalid-transfer-encoding",
  ],
  [
    "CVE-2023-30589",
    "a bare CR before chunked",
    coded("‸\rchunked"),
    "bare-cr",
  ],
  [
    "CVE-2022-32214",
    "a bare LF before chunked",
    coded("‸\nchunked"),
    "bare-lf",
  ],
  ["RFC 9112 §2.2", "a bare CR after chunked", coded("chunked‸\rX"), "bare-cr"],
  ["RFC 9112 §2.2", "two CR after chunked", coded("chunked‸\r"), "bare-cr"],
  [
    "CVE-2022-32215",
    "identity in a folded line",
    coded("chunked\r\n‸ , identity"),
    "obs-fold",
  ],
  [
    "CVE-2022-32215",
    "chunked in a line folded by a tab",
    coded("\r\n‸\tchunked"),
    "obs-fold",
  ],
  [
    "CVE-2022-32215",
    "chunked in a line folded by a space",
    coded("\r\n‸ chunked"),
    "obs-fold",
  ],
  [
    "CVE-2020-8287",
    "a second line with x",
    `${POST}Transfer-Encoding: chunked\r\nTransfer-encoding: ‸x${REST}`,
    "chunked-not-last",
  ],
  [
    "CVE-2024-1135",
    "a second line with identity",
    `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: ‸identity${REST}`,
    "chunked-not-last",
  ],
  [
    "CVE-2024-1135",
    "identity in the first line",
    `${POST}Transfer-Encoding: ‸identity\r\nTransfer-Encoding: chunked${REST}`,
    "unsupported-transfer-coding",
  ],
  [
    "RFC 9112 §6.1",
    "chunked in two lines",
    `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: ‸chunked${REST}`,
    "chunked-repeated",
  ],
  [
    "RFC 9112 §6.1",
    "chunked in two lines with a field between",
    `${POST}Transfer-Encoding: chunked\r\nX: y\r\nTransfer-Encoding: ‸chunked${REST}`,
    "chunked-repeated",
  ],
  [
    "RFC 9112 §6.1",
    "an empty second line",
    `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: ‸${REST}`,
    "invalid-transfer-encoding",
  ],
  [
    "RFC 9112 §6.1",
    "an empty first line",
    `${POST}Transfer-Encoding: ‸\r\nTransfer-Encoding: chunked${REST}`,
    "invalid-transfer-encoding",
  ],
  [
    "CVE-2019-16276",
    "a space before the colon",
    `${POST}Transfer-Encoding‸ : chunked${REST}`,
    "space-before-colon",
  ],
  [
    "CVE-2019-16869",
    "a space before the colon and none after it",
    `${POST}Transfer-Encoding‸ :chunked${REST}`,
    "space-before-colon",
  ],
  [
    "CVE-2021-22959",
    "two spaces before the colon",
    `${POST}Transfer-Encoding‸  : chunked${REST}`,
    "space-before-colon",
  ],
  [
    "RFC 9112 §5.1",
    "a tab before the colon",
    `${POST}Transfer-Encoding‸\t:chunked${REST}`,
    "space-before-colon",
  ],
  [
    `${REBORN}, TE.TE`,
    "a space before the name",
    `${POST}‸ Transfer-Encoding: chunked${REST}`,
    "obs-fold",
  ],
  [
    "RFC 9112 §5.2",
    "a tab before the name",
    `${POST}‸\tTransfer-Encoding: chunked${REST}`,
    "obs-fold",
  ],
  [
    "RFC 9112 §2.2",
    "a space before the first field",
    `POST / HTTP/1.1\r\n‸ Transfer-Encoding: chunked\r\nHost: a${REST}`,
    "obs-fold",
  ],
  [
    `${REBORN}, TE.TE`,
    "a line end between the name and the colon",
    `${POST}Transfer-Encoding‸\r\n : chunked${REST}`,
    "invalid-header-name",
  ],
  [
    `${REBORN}, TE.TE`,
    "TE after a bare LF",
    `${POST}X: y‸\nTransfer-Encoding: chunked${REST}`,
    "bare-lf",
  ],
  [
    "CVE-2023-30589",
    "TE after a bare CR",
    `${POST}X: y‸\rTransfer-Encoding: chunked${REST}`,
    "bare-cr",
  ],
  [
    "RFC 9110 §5.5",
    "TE after a NUL",
    `${POST}X: y‸\0Transfer-Encoding: chunked${REST}`,
    "invalid-header-value",
  ],
  [
    "CVE-2021-43797",
    "a NUL in the name",
    `${POST}Transfer-‸\0Encoding: chunked${REST}`,
    "invalid-header-name",
  ],
  [
    "CVE-2021-43797",
    "a control byte before the name",
    `${POST}‸\x01Transfer-Encoding: chunked${REST}`,
    "invalid-header-name",
  ],
  [
    "CVE-2021-43797",
    "a control byte after the name",
    `${POST}Transfer-Encoding‸\x1f: chunked${REST}`,
    "invalid-header-name",
  ],
  [
    "CVE-2021-43797",
    "a vertical tab after the name",
    `${POST}Transfer-Encoding‸\x0b: chunked${REST}`,
    "invalid-header-name",
  ],
  [
    "RFC 9110 §5.1",
    "a dotless i in the name",
    `${POST}Transfer-Encod‸\xc4\xb1ng: chunked${REST}`,
    "invalid-header-name",
  ],
  [
    "RFC 9110 §5.1",
    "a space within the name",
    `${POST}Transfer‸ Encoding: chunked${REST}`,
    "invalid-header-name",
  ],
  [
    "RFC 9112 §5",
    "a line without a colon before TE",
    `${POST}Foo‸\r\nTransfer-Encoding: chunked${REST}`,
    "invalid-header-name",
  ],
  [
    "RFC 9112 §5",
    "no colon in the line of TE",
    `${POST}Transfer-Encoding‸ chunked${REST}`,
    "invalid-header-name",
  ],
  [
    "RFC 9112 §6.1",
    "TE in HTTP/1.0",
    `POST / HTTP/1.0\r\nHost: a\r\n‸Transfer-Encoding: chunked${REST}`,
    "transfer-encoding-in-http10",
  ],
]);

rows.overTcp("smuggling by codings");
