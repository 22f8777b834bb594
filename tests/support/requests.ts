/**
 * Requests as they stand on the wire.
 *
 * @module
 */

/** A GET, after which the connection stays. */
export const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** A GET that is the last request of its connection. */
export const LAST_GET =
  "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/** A GET of HTTP/1.0. */
export const GET_10 = "GET / HTTP/1.0\r\n\r\n";

/** A request without a body, after which the connection stays. */
export function keep(method: string, target = "/"): string {
  return `${method} ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;
}

/** A request without a body that is the last of its connection. */
export function ask(method: string, target = "/"): string {
  return `${method} ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
}

/** A GET with more field lines. */
export function get(target: string, ...lines: string[]): string {
  return [`GET ${target} HTTP/1.1`, "Host: a", ...lines, "", ""].join("\r\n");
}

/** The last request of a connection. */
export function last(target = "/last"): string {
  return get(target, "Connection: close");
}

/** A POST whose body has a length. */
export function post(target: string, body: string, ...lines: string[]): string {
  return [
    `POST ${target} HTTP/1.1`,
    "Host: a",
    `Content-Length: ${body.length}`,
    ...lines,
    "",
    body,
  ].join("\r\n");
}

/** A POST whose body comes in these chunks. */
export function chunked(target: string, ...chunks: string[]): string {
  const wire = chunks.map((chunk) =>
    `${chunk.length.toString(16)}\r\n${chunk}\r\n`
  );
  return `POST ${target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${
    wire.join("")
  }0\r\n\r\n`;
}

/** A POST with a chunk size that is none. */
export const BAD_CHUNKS =
  "POST /bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
  "3\r\nabc\r\nxyz\r\n";

/** A request to upgrade to the first of two protocols. */
export const UPGRADE = get(
  "/up",
  "Connection: keep-alive, Upgrade",
  "Upgrade: x/1, y",
);

/** A CONNECT. */
export const CONNECT = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";

/** A POST with the rest of its fields and its body. */
export function postWith(path: string, rest = "\r\n"): string {
  return `POST ${path} HTTP/1.1\r\nHost: a\r\n${rest}`;
}
