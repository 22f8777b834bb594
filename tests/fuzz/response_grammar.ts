/**
 * A second reading of responses: the grammar of RFC 9112 as regular expressions.
 *
 * @module
 */

import { chunksOf, FIELD, type Found, valuesOf } from "./grammar.ts";

/** A status line, with or without a reason and the space before it; field lines. */
const HEAD = new RegExp(
  "HTTP/1\\.(\\d) ([1-9]\\d\\d)(?: ([\\t\\x20-\\x7e\\x80-\\xff]*))?\\r\\n" +
    `((?:${FIELD})*)\\r\\n`,
  "y",
);

/** Where a body ends, or `null` if the message is none, or not whole. */
type Body = { text: string; end: number } | null;

/** The responses at the start of an input, up to the first that is none or not whole. */
export function readResponsesByGrammar(
  wire: string,
  methods: readonly string[],
): Found[] {
  const found: Found[] = [];
  let finals = 0;
  let at = 0;
  for (;;) {
    HEAD.lastIndex = at;
    const head = HEAD.exec(wire);
    if (head === null) return found;
    const [, minor, status, reason = "", section] = head;
    const code = Number(status);
    const method = methods[finals] ?? "GET";
    const tunnel = method === "CONNECT" && code >= 200 && code < 300;
    if (code >= 200 || code === 101) finals++;
    const body = tunnel
      ? { text: "", end: wire.length }
      : bodyOf(wire, HEAD.lastIndex, section!, code, method, Number(minor) > 0);
    if (body === null) return found;
    found.push({ method: status!, target: reason, body: body.text });
    if (tunnel || code === 101) return found;
    at = body.end;
  }
}

function bodyOf(
  wire: string,
  at: number,
  section: string,
  status: number,
  method: string,
  isHttp11: boolean,
): Body {
  const lengths = valuesOf(section, "content-length");
  const codings = valuesOf(section, "transfer-encoding");
  const none = { text: "", end: at };
  // What is announced has to be one thing, and readable, wherever it stands.
  if (codings.length > 0) {
    if (!isHttp11 || lengths.length > 0) return null;
    if (codings.join().toLowerCase() !== "chunked") return null;
  } else if (
    lengths.length > 1 || (lengths.length === 1 && !/^\d+$/.test(lengths[0]!))
  ) return null;
  if (status < 200 || status === 204) {
    const announced = codings.length > 0 || Number(lengths[0] ?? 0) > 0;
    if (announced) return null;
    return status !== 101 || switches(section, isHttp11) ? none : null;
  }
  if (status === 304 || method === "HEAD") return none;
  if (codings.length > 0) return chunksOf(wire, at);
  if (lengths.length === 0) return { text: wire.slice(at), end: wire.length };
  const end = at + Number(lengths[0]);
  return end <= wire.length ? { text: wire.slice(at, end), end } : null;
}

/** Whether a 101 names the protocol. */
function switches(section: string, isHttp11: boolean): boolean {
  const options = valuesOf(section, "connection").join().split(",")
    .map((option) => option.replaceAll(/^[ \t]+|[ \t]+$/g, "").toLowerCase());
  return isHttp11 && options.includes("upgrade") &&
    valuesOf(section, "upgrade").length > 0;
}
