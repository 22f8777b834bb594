/**
 * The header of the PROXY protocol, versions 1 and 2, by which a load balancer tells
 * whom a connection comes from.
 *
 * @module
 */

import { isIPv4, isIPv6 } from "node:net";

/** The bytes within which a header must end, those of its extensions included. */
export const LONGEST_HEADER = 4096;

/** What a header says. */
export interface ProxyHeader {
  /** Bytes of the header. */
  length: number;
  /** The client; `null` if the balancer speaks for itself, or does not know. */
  client: Deno.NetAddr | null;
}

/** The longest line that version 1 allows, with its CRLF. */
const LONGEST_LINE = 107;
const LINE_START = "PROXY ";
const PORT = "(0|[1-9]\\d{0,4})";
const LINE = RegExp(
  "^PROXY (?:UNKNOWN(?: [^\\r\\n]*)?|" +
    `TCP([46]) ([\\da-fA-F:.]+) ([\\da-fA-F:.]+) ${PORT} ${PORT})\r\n$`,
);

/** The first bytes of version 2. */
const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
/** Bytes of version 2 before its addresses. */
const FIXED = 16;
/** The version, and the command: whether the balancer speaks for itself. */
const LOCAL = 0x20;
const PROXY = 0x21;
/** The families of addresses. */
const UNSPECIFIED = 0x00;
const TCP4 = 0x11;
const TCP6 = 0x21;
/** The bytes of the client's address and port and of the server's. */
const ADDRESS_BYTES: Record<number, number> = {
  [UNSPECIFIED]: 0,
  [TCP4]: 12,
  [TCP6]: 36,
};

/**
 * Parses a header at the start of `bytes`. Gives `null` while it is incomplete.
 *
 * @throws {Error} There is no valid header, or one that is too long.
 */
export function parseProxyHeader(bytes: Uint8Array): ProxyHeader | null {
  const start = latin1(bytes.subarray(0, SIGNATURE.length));
  if (start.startsWith(SIGNATURE)) return parseBinary(bytes);
  if (start.startsWith(LINE_START)) return parseLine(bytes);
  if (SIGNATURE.startsWith(start) || LINE_START.startsWith(start)) return null;
  throw new Error("no PROXY header");
}

function parseLine(bytes: Uint8Array): ProxyHeader | null {
  const text = latin1(bytes.subarray(0, LONGEST_LINE));
  const length = text.indexOf("\n") + 1;
  if (length === 0 && text.length < LONGEST_LINE) return null;
  const match = text.slice(0, length).match(LINE);
  if (match === null) throw new Error("malformed PROXY line");
  const [, version, hostname, server, port, serverPort] = match;
  if (version === undefined) return { length, client: null };
  const isAddress = version === "4" ? isIPv4 : isIPv6;
  if (
    !isAddress(hostname!) || !isAddress(server!) ||
    Number(port) > 65535 || Number(serverPort) > 65535
  ) throw new Error("malformed address in a PROXY line");
  const client = version === "4" ? hostname! : canonical(hostname!);
  return { length, client: address(client, Number(port)) };
}

function parseBinary(bytes: Uint8Array): ProxyHeader | null {
  if (bytes.length < FIXED) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const command = view.getUint8(12);
  const family = view.getUint8(13);
  // What follows the addresses are extensions, which this server skips.
  const length = FIXED + view.getUint16(14);
  if (command !== LOCAL && command !== PROXY) {
    throw new Error("unknown version or command in a PROXY header");
  }
  if (length > LONGEST_HEADER) throw new Error("too long a PROXY header");
  if (
    command === PROXY &&
    !(length - FIXED >= (ADDRESS_BYTES[family] ?? Infinity))
  ) throw new Error("malformed addresses in a PROXY header");
  if (bytes.length < length) return null;
  if (command === LOCAL || family === UNSPECIFIED) {
    return { length, client: null };
  }
  return family === TCP4
    ? {
      length,
      client: address(
        bytes.subarray(FIXED, FIXED + 4).join("."),
        view.getUint16(FIXED + 8),
      ),
    }
    : {
      length,
      client: address(ipv6(view, FIXED), view.getUint16(FIXED + 32)),
    };
}

/** The text of the IPv6 address at `at`. */
function ipv6(view: DataView, at: number): string {
  const groups = Array.from(
    { length: 8 },
    (_, i) => view.getUint16(at + 2 * i).toString(16),
  );
  return canonical(groups.join(":"));
}

/** An IPv6 address in the form of RFC 5952, so that each client has one spelling. */
function canonical(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

function address(hostname: string, port: number): Deno.NetAddr {
  return { transport: "tcp", hostname, port };
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
