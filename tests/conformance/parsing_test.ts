/**
 * Message parsing: empty lines, line ends, versions (RFC 9112 §2.2, §2.3).
 */

import { accept, GET, NEXT, POST, refuse } from "./table.ts";

accept("RFC 9112 §2.2", "nothing at all", "", []);
accept("RFC 9112 §2.2", "an empty line before the request", `\r\n${NEXT}`, {
  target: "/next",
});
accept("RFC 9112 §2.2", "four empty lines", `${"\r\n".repeat(4)}${NEXT}`, {
  target: "/next",
});
refuse(
  "RFC 9112 §2.2",
  "five empty lines",
  `${"\r\n".repeat(4)}‸\r\n${NEXT}`,
  "invalid-request-line",
);
accept(
  "RFC 9112 §2.2",
  "empty lines between requests, counted anew",
  `${"\r\n".repeat(3)}${NEXT}${"\r\n".repeat(4)}${NEXT}`,
  [{}, {}],
);
accept("RFC 9112 §2.2", "only empty lines", "\r\n\r\n", []);
accept("RFC 9112 §2.2", "empty lines after the last", `${NEXT}\r\n\r\n`, {});
accept(
  "RFC 9112 §2.2",
  "an empty line after a body, as old clients send",
  `${POST}Content-Length: 2\r\n\r\nhi\r\n${NEXT}`,
  [{ body: "hi" }, { target: "/next" }],
);
refuse("RFC 9112 §2.2", "bare LF as an empty line", `‸\n${NEXT}`, "bare-lf");
refuse("RFC 9112 §2.2", "LF after an empty line", `\r\n‸\n${NEXT}`, "bare-lf");
refuse("RFC 9112 §2.2", "bare CR as an empty line", `‸\r${NEXT}`, "bare-cr");
refuse("RFC 9112 §2.2", "two CR before LF", `‸\r\r\n${NEXT}`, "bare-cr");
refuse(
  "RFC 9112 §2.2",
  "LF ends the request line",
  "GET / HTTP/1.1‸\nHost: a\r\n\r\n",
  "bare-lf",
);
refuse(
  "RFC 9112 §2.2",
  "CR ends the request line",
  "GET / HTTP/1.1‸\rHost: a\r\n\r\n",
  "bare-cr",
);
refuse(
  "RFC 9112 §2.2",
  "CR CR LF ends the request line",
  "GET / HTTP/1.1‸\r\r\nHost: a\r\n\r\n",
  "bare-cr",
);
refuse(
  "RFC 9112 §2.2",
  "LF CR ends the request line",
  "GET / HTTP/1.1‸\n\rHost: a\r\n\r\n",
  "bare-lf",
);
refuse("RFC 9112 §2.2", "LF ends a field line", `${GET}X: y‸\n\r\n`, "bare-lf");
refuse(
  "RFC 9112 §2.2",
  "LF ends a field line without a value",
  `${GET}X:‸\n\r\n`,
  "bare-lf",
);
refuse(
  "RFC 9112 §2.2",
  "CR ends a field line",
  `${GET}X: y‸\rZ: z\r\n\r\n`,
  "bare-cr",
);
refuse(
  "RFC 9112 §2.2",
  "CR CR LF ends a field line",
  `${GET}X: y‸\r\r\n\r\n`,
  "bare-cr",
);
refuse(
  "RFC 9112 §2.2",
  "CR within a value",
  `${GET}X: a‸\rb\r\n\r\n`,
  "bare-cr",
);
refuse("RFC 9112 §2.2", "LF ends the section", `${GET}‸\n`, "bare-lf");
refuse("RFC 9112 §2.2", "CR ends the section", `${GET}‸\r${NEXT}`, "bare-cr");
refuse(
  "RFC 9112 §2.2",
  "LF ends every line",
  "GET / HTTP/1.1‸\nHost: a\n\n",
  "bare-lf",
);
refuse(
  "RFC 9112 §2.2",
  "white space before the first field line",
  "GET / HTTP/1.1\r\n‸ Host: a\r\n\r\n",
  "obs-fold",
);
refuse(
  "RFC 9112 §2.2",
  "a line of white space before the first field line",
  "GET / HTTP/1.1\r\n‸ \r\nHost: a\r\n\r\n",
  "obs-fold",
);
refuse(
  "RFC 9112 §2.2",
  "a byte order mark",
  `‸\xef\xbb\xbf${NEXT}`,
  "invalid-method",
);

accept("RFC 9112 §2.3", "HTTP/1.1", NEXT, { version: "1.1", keepAlive: true });
accept("RFC 9112 §2.3", "HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", {
  version: "1.0",
  keepAlive: false,
  lines: [],
});
for (let minor = 2; minor <= 9; minor++) {
  accept(
    "RFC 9110 §2.5",
    `HTTP/1.${minor} is read as 1.1`,
    `GET / HTTP/1.${minor}\r\nHost: a\r\n\r\n`,
    { version: "1.1", keepAlive: true },
  );
}
for (const version of ["0.9", "0.0", "2.0", "2.1", "3.0", "9.9"]) {
  refuse(
    "RFC 9110 §15.6.6",
    `HTTP/${version}`,
    `GET / ‸HTTP/${version}\r\nHost: a\r\n\r\n`,
    "unsupported-version",
  );
}
for (
  const [title, version] of [
    ["lower case", "‸http/1.1"],
    ["mixed case", "H‸ttp/1.1"],
    ["another protocol", "HT‸CPCP/1.0"],
    ["two digits after the point", "HTTP/1.1‸0"],
    ["two digits before the point", "HTTP/1‸1.1"],
    ["no minor version", "HTTP/2‸"],
    ["no digit before the point", "HTTP/‸.1"],
    ["no digit after the point", "HTTP/1.‸"],
    ["a comma for the point", "HTTP/1‸,1"],
    ["a letter", "HTTP/1.‸x"],
    ["white space after it", "HTTP/1.1‸ "],
    ["a tab after it", "HTTP/1.1‸\t"],
    ["a word after it", "HTTP/1.1‸ x"],
    ["a NUL after it", "HTTP/1.1‸\0"],
    ["a space in it", "HTTP/‸ 1.1"],
    ["a sign", "HTTP/‸+1.1"],
    ["no slash", "HTTP‸1.1"],
    ["two slashes", "HTTP/‸/1.1"],
    ["a name only", "HTTP‸"],
    ["nothing", "‸"],
  ] as const
) {
  refuse(
    "RFC 9112 §2.3",
    `version with ${title}`,
    `GET / ${version}\r\nHost: a\r\n\r\n`,
    "invalid-version",
  );
}
