/**
 * The parser of PROXY headers that an example uses: each header whole, and from every
 * prefix; and what it refuses.
 */

import { assertEquals, assertThrows } from "@std/assert";
import {
  LONGEST_HEADER,
  parseProxyHeader,
} from "../../examples/shared/proxy_header.ts";
import { bytesOf } from "../support/bytes.ts";

const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
const IPV4 = "\xcb\0\x71\x07\xc0\0\x02\x01\x15\xb3\0\x50";
const IPV6 = "\x20\x01\x0d\xb8" + "\0".repeat(11) + "\x07" +
  "\x20\x01\x0d\xb8" + "\0".repeat(12) + "\x15\xb3\0\x50";

/** A header of version 2. */
function binary(
  command: number,
  family: number,
  rest: string,
  length = rest.length,
): string {
  return SIGNATURE +
    String.fromCharCode(command, family, length >> 8, length & 0xff) + rest;
}

const from = (hostname: string, port: number): Deno.NetAddr => ({
  transport: "tcp",
  hostname,
  port,
});

const VALID: [string, string, Deno.NetAddr | null][] = [
  [
    "v1 TCP4",
    "PROXY TCP4 203.0.113.7 192.0.2.1 5555 80\r\n",
    from("203.0.113.7", 5555),
  ],
  [
    "v1 TCP6",
    "PROXY TCP6 2001:db8::7 2001:db8::1 65535 0\r\n",
    from("2001:db8::7", 65535),
  ],
  [
    "v1 TCP6, in another spelling of the address",
    "PROXY TCP6 2001:0DB8:0:0::7 ::ffff:1.2.3.4 1 2\r\n",
    from("2001:db8::7", 1),
  ],
  ["v1 UNKNOWN", "PROXY UNKNOWN\r\n", null],
  ["v1 UNKNOWN with more", `PROXY UNKNOWN ${"f".repeat(91)}\r\n`, null],
  ["v2 TCP4", binary(0x21, 0x11, IPV4), from("203.0.113.7", 5555)],
  ["v2 TCP6", binary(0x21, 0x21, IPV6), from("2001:db8::7", 5555)],
  [
    "v2 TCP4 with extensions",
    binary(0x21, 0x11, `${IPV4}\x04\0\x03abc`),
    from("203.0.113.7", 5555),
  ],
  ["v2 LOCAL", binary(0x20, 0, ""), null],
  ["v2 LOCAL with an address", binary(0x20, 0x11, IPV4), null],
  ["v2 LOCAL of a family unknown here", binary(0x20, 0x55, "abc"), null],
  ["v2 UNSPEC", binary(0x21, 0, ""), null],
  ["v2 UNSPEC with bytes to skip", binary(0x21, 0, "anything"), null],
  [
    "v2 of the longest length",
    binary(0x21, 0x11, IPV4.padEnd(LONGEST_HEADER - 16, "\0")),
    from("203.0.113.7", 5555),
  ],
];

for (const [name, header, client] of VALID) {
  Deno.test(`PROXY header: ${name}`, () => {
    const { length } = header;
    for (const after of ["", "GET / HTTP/1.1\r\n", "\n\0PROXY "]) {
      const bytes = bytesOf(header + after);
      assertEquals(parseProxyHeader(bytes), { length, client });
    }
    for (let end = 0; end < length; end++) {
      const bytes = bytesOf(header.slice(0, end));
      assertEquals(parseProxyHeader(bytes), null, `${end} bytes`);
    }
    // The position of the bytes in their buffer does not matter.
    const shifted = bytesOf(`xyz${header}`).subarray(3);
    assertEquals(parseProxyHeader(shifted), { length, client });
  });
}

const INVALID: Record<string, string> = {
  "no header": "GET / HTTP/1.1\r\n",
  "another case": "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
  "a bare LF": "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
  "a bare CR": "PROXY TCP4 1.2.3.4 1.2.3.4\r 1 2\r\n",
  "a family in lower case": "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
  "another family": "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
  "UDP": "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
  "no port": "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
  "a port too large": "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
  "a server port too large": "PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n",
  "a port with zeros": "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
  "a signed port": "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
  "two spaces": "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
  "a space at the end": "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
  "no IPv4 address": "PROXY TCP4 1.2.3.400 1.2.3.4 1 2\r\n",
  "IPv6 as TCP4": "PROXY TCP4 ::1 1.2.3.4 1 2\r\n",
  "IPv4 as TCP6": "PROXY TCP6 1.2.3.4 ::1 1 2\r\n",
  "no IPv6 address": "PROXY TCP6 ::1 1::2::3 1 2\r\n",
  "a zone": "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
  "UNKNOWN run together": "PROXY UNKNOWNX\r\n",
  "a line without end": "PROXY UNKNOWN " + "x".repeat(100),
  "a line one byte too long": `PROXY UNKNOWN ${"x".repeat(92)}\r\n`,
  "a signature that breaks off": "\r\n\r\n\0\r\nQUIX",
  "version 1 in binary": binary(0x11, 0x11, IPV4),
  "version 3": binary(0x31, 0x11, IPV4),
  "an unknown command": binary(0x22, 0x11, IPV4),
  "UDP in binary": binary(0x21, 0x12, IPV4),
  "a Unix socket in binary": binary(0x21, 0x31, "x".repeat(216)),
  "an unknown family": binary(0x21, 0x41, IPV4),
  "TCP4 too short": binary(0x21, 0x11, IPV4.slice(1)),
  "TCP6 too short": binary(0x21, 0x21, IPV6.slice(1)),
  "a length too large": binary(0x21, 0x11, IPV4, LONGEST_HEADER - 15),
  "the largest length": binary(0x20, 0, "", 0xffff),
};

for (const [name, header] of Object.entries(INVALID)) {
  Deno.test(`PROXY header: ${name} is refused`, () => {
    assertThrows(() => parseProxyHeader(bytesOf(header)), Error);
  });
}
