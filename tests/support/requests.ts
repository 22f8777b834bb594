/**
 * Requests in wire format.
 *
 * @module
 */

/** A GET with keep-alive. */
export const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** A GET with `Connection: close`. */
export const LAST_GET =
  "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/** A GET in HTTP/1.0. */
export const GET_10 = "GET / HTTP/1.0\r\n\r\n";

/** A request without a body, with keep-alive. */
export function keep(method: string, target = "/"): string {
  return `${method} ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;
}

/** A request without a body, with `Connection: close`. */
export function ask(method: string, target = "/"): string {
  return `${method} ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
}

/** A GET with additional field lines. */
export function get(target: string, ...lines: string[]): string {
  return [`GET ${target} HTTP/1.1`, "Host: a", ...lines, "", ""].join("\r\n");
}

/** A GET with a target and `Connection: close`. */
export function last(target = "/last"): string {
  return get(target, "Connection: close");
}

/** A POST with a Content-Length. */
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

/** A POST with these chunks. */
export function chunked(target: string, ...chunks: string[]): string {
  const wire = chunks.map((chunk) =>
    `${chunk.length.toString(16)}\r\n${chunk}\r\n`
  );
  return `POST ${target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${
    wire.join("")
  }0\r\n\r\n`;
}

/** A POST with an invalid chunk size. */
export const BAD_CHUNKS =
  "POST /bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
  "3\r\nabc\r\nxyz\r\n";

/** An upgrade request that offers two protocols. */
export const UPGRADE = get(
  "/up",
  "Connection: keep-alive, Upgrade",
  "Upgrade: x/1, y",
);

/** A CONNECT request. */
export const CONNECT = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";

/** A POST; `rest` is the remaining fields, the empty line and the body. */
export function postWith(path: string, rest = "\r\n"): string {
  return `POST ${path} HTTP/1.1\r\nHost: a\r\n${rest}`;
}
