/**
 * Request smuggling by request lines, targets and Host, by what a downgrade from HTTP/2
 * leaves behind, and by fields that ask for more than a response: Expect and Upgrade.
 */

import { GET, NEXT, POST } from "./table.ts";
import { SMUGGLED, Techniques } from "./techniques.ts";

const DOWNGRADE = "HTTP/2: The Sequel is Always Worse";
const ENDGAME = "HTTP/1.1 must die: the desync endgame";
const rows = new Techniques();

rows.refusedHeads([
  [
    "CVE-2023-25690",
    "a target that holds a version",
    `GET / HTTP/1.1‸ HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-version",
  ],
  [
    "RFC 9112 §3",
    "two targets",
    `GET / ‸/b HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-version",
  ],
  [
    "RFC 9112 §3",
    "a target that goes on in the next line",
    `GET /‸\r\nX: HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-request-line",
  ],
  [
    "RFC 9112 §3",
    "two spaces before the target",
    `GET ‸ / HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-request-line",
  ],
  [
    "RFC 9112 §3",
    "two spaces before the version",
    `GET / ‸ HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-version",
  ],
  [
    "RFC 9112 §3",
    "a tab before the target",
    `GET‸\t/ HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-method",
  ],
  [
    "RFC 9112 §3",
    "a tab before the version",
    `GET /‸\tHTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-target",
  ],
  [
    "RFC 9112 §3",
    "a space before the method",
    `‸ GET / HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-method",
  ],
  [
    "RFC 9112 §3",
    "a space after the version",
    `GET / HTTP/1.1‸ \r\nHost: a\r\n\r\n`,
    "invalid-version",
  ],
  [
    "aiohttp advisory on lenient separators",
    "a byte instead of the dot of the version",
    `GET / HTTP/1‸\xf61\r\nHost: a\r\n\r\n`,
    "invalid-version",
  ],
  [
    "aiohttp advisory on lenient separators",
    "a digit of the version in UTF-8",
    `GET / HTTP/1.‸\xf0\x9d\x9f\x99\r\nHost: a\r\n\r\n`,
    "invalid-version",
  ],
  [
    "aiohttp advisory on lenient separators",
    "a colon in the method",
    `GET‸/: HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-method",
  ],
  [
    "RFC 9112 §2.3",
    "a version in lower case",
    `GET / ‸http/1.1\r\nHost: a\r\n\r\n`,
    "invalid-version",
  ],
  [
    "RFC 9112 §2.3",
    "a version of two digits",
    `GET / HTTP/1.1‸1\r\nHost: a\r\n\r\n`,
    "invalid-version",
  ],
  [
    "RFC 9112 §2.3",
    "HTTP/0.9",
    `GET /‸\r\n${SMUGGLED}`,
    "invalid-request-line",
  ],
  [
    "RFC 9113 §3.4",
    "the preface of HTTP/2",
    "PRI * ‸HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "unsupported-version",
  ],
  [
    "RFC 9113 §3.4",
    "the preface of HTTP/2 behind a request",
    `GET / ‸HTTP/2.0\r\nHost: a\r\n\r\n`,
    "unsupported-version",
  ],
  [
    DOWNGRADE,
    ":authority as a field",
    `${GET}‸:authority: b\r\n\r\n`,
    "empty-header-name",
  ],
  [
    DOWNGRADE,
    ":method as a field",
    `${GET}‸:method: GET\r\n\r\n`,
    "empty-header-name",
  ],
  [
    DOWNGRADE,
    ":path before Host",
    `GET / HTTP/1.1\r\n‸:path: /admin\r\nHost: a\r\n\r\n`,
    "empty-header-name",
  ],
  [
    DOWNGRADE,
    ":authority instead of Host",
    `GET / HTTP/1.1\r\n‸:authority: a\r\n\r\n`,
    "empty-header-name",
  ],
  [
    DOWNGRADE,
    "H2.CL: a length that the front end added to one of the client",
    `${POST}content-length: 0\r\n‸Content-Length: 32\r\n\r\n${SMUGGLED}`,
    "repeated-content-length",
  ],
  [
    DOWNGRADE,
    "H2.TE: a coding behind the length that the front end added",
    `${POST}content-length: 37\r\n‸transfer-encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    "length-and-transfer-encoding",
  ],
  [
    DOWNGRADE,
    "a method that holds a request line",
    `GET /admin HTTP/1.1‸ / HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-version",
  ],
  [
    DOWNGRADE,
    "a name that holds a colon and a line end",
    `${GET}foo: b‸\nbar: c\r\n\r\n`,
    "bare-lf",
  ],
  ["RFC 9112 §3.2", "a second Host", `${GET}‸Host: b\r\n\r\n`, "repeated-host"],
  [
    "RFC 9112 §3.2",
    "a second Host that only adds the port",
    `${GET}‸Host: a:80\r\n\r\n`,
    "repeated-host",
  ],
  [
    "RFC 9112 §3.2",
    "a second Host that is the same",
    `${GET}‸Host: a\r\n\r\n`,
    "repeated-host",
  ],
  [
    "RFC 9112 §3.2",
    "a second Host with a space before it",
    `${GET}‸ Host: b\r\n\r\n`,
    "obs-fold",
  ],
  [
    "RFC 9112 §3.2",
    "a second Host with a space before its colon",
    `${GET}Host‸ : b\r\n\r\n`,
    "space-before-colon",
  ],
  [
    "RFC 9112 §3.2",
    "Host folded before the first",
    `GET / HTTP/1.1\r\n‸ Host: b\r\nHost: a\r\n\r\n`,
    "obs-fold",
  ],
  [
    "RFC 9110 §7.2",
    "two hosts in a list",
    `GET / HTTP/1.1\r\nHost: ‸a, b\r\n\r\n`,
    "invalid-host",
  ],
  [
    "RFC 9110 §7.2",
    "two hosts in words",
    `GET / HTTP/1.1\r\nHost: ‸a b\r\n\r\n`,
    "invalid-host",
  ],
  [
    "RFC 9110 §7.2",
    "Host with a path",
    `GET / HTTP/1.1\r\nHost: ‸a/../b\r\n\r\n`,
    "invalid-host",
  ],
  [
    "RFC 9110 §7.2",
    "Host with user information",
    `GET / HTTP/1.1\r\nHost: ‸a@b\r\n\r\n`,
    "invalid-host",
  ],
  [
    "RFC 9110 §7.2",
    "Host with a fragment",
    `GET / HTTP/1.1\r\nHost: ‸a#@b\r\n\r\n`,
    "invalid-host",
  ],
  [
    "RFC 9110 §7.2",
    "Host with a backslash",
    `GET / HTTP/1.1\r\nHost: ‸a\\b\r\n\r\n`,
    "invalid-host",
  ],
  [
    "RFC 9110 §4.2.4",
    "user information in absolute-form",
    `GET http://‸a@b/ HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-authority",
  ],
  [
    "RFC 9112 §3.2.2",
    "absolute-form without Host",
    `GET http://a/ HTTP/1.1\r\n‸\r\n`,
    "missing-host",
  ],
  [
    "RFC 9112 §3.2",
    "a fragment in the target",
    `GET /a‸#b HTTP/1.1\r\nHost: a\r\n\r\n`,
    "target-fragment",
  ],
  [
    "RFC 9112 §3.2",
    "a target that is neither a path nor a URI",
    `GET ‸@b/ HTTP/1.1\r\nHost: a\r\n\r\n`,
    "target-form",
  ],
  [
    "RFC 9112 §3.2",
    "a NUL in the target",
    `GET /a‸\0b HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-target",
  ],
  [
    "RFC 9112 §3.2",
    "a bare CR in the target",
    `GET /a‸\rb HTTP/1.1\r\nHost: a\r\n\r\n`,
    "invalid-request-line",
  ],
  [
    "CVE-2025-32094",
    "OPTIONS with a folded Expect",
    `OPTIONS / HTTP/1.1\r\nHost: a\r\nExpect:\r\n‸ 100-continue\r\nContent-Length: 32\r\n\r\n${SMUGGLED}`,
    "obs-fold",
  ],
  [
    `${ENDGAME}, 0.CL`,
    "a length folded behind Expect",
    `${GET}Expect: 100-continue\r\n‸ Content-Length: 32\r\n\r\n${SMUGGLED}`,
    "obs-fold",
  ],
  [
    `${ENDGAME}, 0.CL`,
    "Expect after a bare LF",
    `${GET}Content-Length: 32\r\nX: y‸\nExpect: 100-continue\r\n\r\n${SMUGGLED}`,
    "bare-lf",
  ],
  [
    `${ENDGAME}, TE.CL`,
    "Expect with a length and a coding",
    `${POST}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n‸Content-Length: 4\r\n\r\n20\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    "length-and-transfer-encoding",
  ],
  [
    "CVE-2026-58055",
    "an Upgrade with a length and a coding",
    `${POST}Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 32\r\n‸Transfer-Encoding: chunked\r\n\r\n${SMUGGLED}`,
    "length-and-transfer-encoding",
  ],
]);

rows.accepted([
  [
    "RFC 9112 §3.2.2",
    "absolute-form, whose authority is that of the target",
    `GET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n${NEXT}`,
    [["http://b/c", ""], ["/next", ""]],
  ],
  [
    "RFC 9112 §3.2.1",
    "a path that begins with two slashes",
    `GET //b/c HTTP/1.1\r\nHost: a\r\n\r\n${NEXT}`,
    [["//b/c", ""], ["/next", ""]],
  ],
  [
    "CVE-2022-2880",
    "a query is given as it came",
    `GET /?a=%x&a;b=%0d%0a&c=\\ HTTP/1.1\r\nHost: a\r\n\r\n${NEXT}`,
    [["/?a=%x&a;b=%0d%0a&c=\\", ""], ["/next", ""]],
  ],
  [
    "CVE-2023-25690",
    "CR and LF of a target stay percent-encoded",
    `GET /%0d%0aHost:%20b%00 HTTP/1.1\r\nHost: a\r\n\r\n${NEXT}`,
    [["/%0d%0aHost:%20b%00", ""], ["/next", ""]],
  ],
  [
    `${ENDGAME}, Expect`,
    "a GET that expects 100 and has no body",
    `${GET}Expect: 100-continue\r\n\r\n${NEXT}`,
    [["/", ""], ["/next", ""]],
  ],
  [
    `${ENDGAME}, Expect`,
    "a length of 0 with Expect",
    `${POST}Expect: 100-continue\r\nContent-Length: 0\r\n\r\n${NEXT}`,
    [["/", ""], ["/next", ""]],
  ],
  [
    `${ENDGAME}, Expect`,
    "an Expect that begins with another byte",
    `${POST}Expect: y 100-continue\r\nContent-Length: 32\r\n\r\n${SMUGGLED}${NEXT}`,
    [["/", SMUGGLED], ["/next", ""]],
  ],
  [
    `${ENDGAME}, Expect`,
    "an Expect of another value",
    `${POST}Expect: 100-continuE, x\r\nContent-Length: 32\r\n\r\n${SMUGGLED}${NEXT}`,
    [["/", SMUGGLED], ["/next", ""]],
  ],
  [
    "CVE-2026-58055",
    "an Upgrade with a body",
    `${POST}Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 32\r\n\r\n${SMUGGLED}${NEXT}`,
    [["/", SMUGGLED], ["/next", ""]],
  ],
  [
    "CVE-2026-2833",
    "an Upgrade that is not accepted, and requests behind it",
    `${GET}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n${NEXT}`,
    [["/", ""], ["/next", ""]],
  ],
  [
    DOWNGRADE,
    "fields of HTTP/2 as fields",
    `${GET}HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\n\r\n${NEXT}`,
    [["/", ""], ["/next", ""]],
  ],
]);

rows.overTcp("smuggling by targets");
