/**
 * Host (RFC 9112 §3.2, RFC 9110 §7.2).
 */

import { accept, GET, refuse } from "./table.ts";

for (
  const host of [
    "a",
    "a.example",
    "a.example.",
    "A.Example",
    "a:80",
    "a:",
    "a:0",
    "a:00080",
    "a:65535",
    "127.0.0.1",
    "127.0.0.1:8000",
    "999.999.999.999",
    "[::]",
    "[::1]",
    "[::1]:80",
    "[::1]:",
    "[2001:DB8::1]",
    "[1:2:3:4:5:6:7:8]",
    "[::ffff:1.2.3.4]",
    "[1:2:3:4:5:6:7::]",
    "[::2:3:4:5:6:7:8]",
    "[1:2:3:4:5:6:1.2.3.4]",
    "%41",
    "a%2Fb",
    "a%00b",
    "a_b-c~d",
    "-",
    "a,b",
    "!$&'()*+,;=",
    "xn--bcher-kva.example",
    "x".repeat(300),
  ]
) {
  const title = host.length > 80 ? `of ${host.length} bytes` : host;
  accept(
    "RFC 9110 §7.2",
    `Host ${title}`,
    `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    { fields: { host } },
  );
}
accept(
  "RFC 9110 §7.2",
  "hOsT in any case",
  "GET / HTTP/1.1\r\nhOsT: a\r\n\r\n",
  {
    fields: { host: "a" },
    lines: [["hOsT", "a"]],
  },
);
accept(
  "RFC 9110 §7.2",
  "Host as the last field",
  "GET / HTTP/1.1\r\nX: y\r\nHost: a\r\n\r\n",
  { fields: { host: "a" } },
);
accept(
  "RFC 9110 §7.2",
  "Host without white space",
  "GET / HTTP/1.1\r\nHost:a:80\r\n\r\n",
  { fields: { host: "a:80" } },
);
accept(
  "RFC 9110 §7.2",
  "Host in HTTP/1.0",
  "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
  { fields: { host: "a" } },
);
accept(
  "RFC 9112 §3.2",
  "no Host in HTTP/1.0",
  "GET / HTTP/1.0\r\nX: y\r\n\r\n",
  { fields: { x: "y" } },
);
refuse(
  "RFC 9112 §3.2",
  "no Host in HTTP/1.1",
  "GET / HTTP/1.1\r\nX: y\r\n‸\r\n",
  "missing-host",
);
refuse(
  "RFC 9112 §3.2",
  "no field at all in HTTP/1.1",
  "GET / HTTP/1.1\r\n‸\r\n",
  "missing-host",
);
refuse(
  "RFC 9112 §3.2",
  "no Host in HTTP/1.5",
  "GET / HTTP/1.5\r\nX: y\r\n‸\r\n",
  "missing-host",
);
refuse(
  "RFC 9112 §3.2",
  "Hos and Hosts are no Host",
  "GET / HTTP/1.1\r\nHos: a\r\nHosts: a\r\n‸\r\n",
  "missing-host",
);
refuse(
  "RFC 9112 §3.2",
  "no Host with CONNECT",
  "CONNECT b:443 HTTP/1.1\r\n‸\r\n",
  "missing-host",
);
refuse(
  "RFC 9112 §3.2",
  "Host twice",
  `${GET}‸Host: b\r\n\r\n`,
  "repeated-host",
);
refuse(
  "RFC 9112 §3.2",
  "Host twice, equal",
  `${GET}X: y\r\n‸HOST: a\r\n\r\n`,
  "repeated-host",
);
refuse(
  "RFC 9112 §3.2",
  "Host three times",
  `${GET}‸Host: a\r\nHost: a\r\n\r\n`,
  "repeated-host",
);
refuse(
  "RFC 9112 §3.2",
  "Host twice, one empty",
  `GET / HTTP/1.1\r\nHost:\r\n‸Host: a\r\n\r\n`,
  "repeated-host",
);
refuse(
  "RFC 9112 §3.2",
  "Host twice in HTTP/1.0",
  "GET / HTTP/1.0\r\nHost: a\r\n‸Host: a\r\n\r\n",
  "repeated-host",
);
refuse(
  "RFC 9110 §7.2",
  "an empty Host",
  "GET / HTTP/1.1\r\nHost:‸\r\n\r\n",
  "invalid-host",
);
refuse(
  "RFC 9110 §7.2",
  "a bad Host in HTTP/1.0",
  "GET / HTTP/1.0\r\nHost: ‸a/b\r\n\r\n",
  "invalid-host",
);
for (
  const host of [
    ":80",
    "a b",
    "a\tb",
    "a, b",
    "a/",
    "a/b",
    "http://a",
    "a?b",
    "a#b",
    "a\\b",
    "u@a",
    "u:p@a",
    "@a",
    "a@",
    "a:x",
    "a:80x",
    "a:-1",
    "a:+80",
    "a: 80",
    "a :80",
    "a:65536",
    "a:99999999999999999999",
    "a:80:80",
    "a::",
    "::1",
    "%",
    "%4",
    "%4g",
    "a%",
    "[",
    "]",
    "[]",
    "[:]",
    "[:::]",
    "[::1",
    "::1]",
    "[::1]a",
    "[::1]80",
    "[::1]:x",
    "[[::1]]",
    "a[::1]",
    "[g::1]",
    "[::12345]",
    "[1:2:3:4:5:6:7]",
    "[1:2:3:4:5:6:7:8:9]",
    "[1:2:3:4:5:6:7:8::]",
    "[1::2::3]",
    "[1:2:]",
    "[:1]",
    "[1.2.3.4]",
    "[::1.2.3]",
    "[::1.2.3.256]",
    "[::01.2.3.4]",
    "[::1.2.3.4.5]",
    "[::1.2.3.4:5]",
    "[fe80::1%eth0]",
    "[fe80::1%25eth0]",
    "[::1 ]",
    "<a>",
    '"a"',
    "a|b",
    "a^b",
    "`",
    "{a}",
    "\x80",
    "b\xfccher.example",
    "a\xff",
  ]
) {
  refuse(
    "RFC 9110 §7.2",
    `Host ${JSON.stringify(host)}`,
    `GET / HTTP/1.1\r\nHost: ‸${host}\r\n\r\n`,
    "invalid-host",
  );
}
