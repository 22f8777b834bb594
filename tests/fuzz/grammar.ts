/**
 * A second reading of an input: the grammar of RFC 9112 as regular expressions, slow and
 * plain. Whatever the parser accepts has to be what the grammar finds.
 *
 * @module
 */

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const VALUE = "[\\t\\x20-\\x7e\\x80-\\xff]*";
/** A field line. */
export const FIELD = `${TOKEN}:${VALUE}\\r\\n`;
const QUOTED =
  '"(?:[\\t\\x20\\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"';
const BWS = "[ \\t]*";
const EXTENSION =
  `${BWS};${BWS}${TOKEN}(?:${BWS}=${BWS}(?:${TOKEN}|${QUOTED}))?`;

/** At most four empty lines, a request line, field lines, an empty line. */
const HEAD = new RegExp(
  `(?:\\r\\n){0,4}(${TOKEN}) ([\\x21-\\x7e]+) HTTP/1\\.(\\d)\\r\\n((?:${FIELD})*)\\r\\n`,
  "y",
);
const CHUNK_LINE = new RegExp(`([0-9a-fA-F]+)(?:${EXTENSION})*\\r\\n`, "y");
const TRAILERS = new RegExp(`(?:${FIELD})*\\r\\n`, "y");

/** A message that the grammar finds. */
export interface Found {
  method: string;
  target: string;
  body: string;
}

/** A length of a body, or a reading of it that is no message. */
type Body = { text: string; end: number } | null;

/** The messages at the start of an input, up to the first that is none or not whole. */
export function readByGrammar(wire: string): Found[] {
  const found: Found[] = [];
  let at = 0;
  for (;;) {
    HEAD.lastIndex = at;
    const head = HEAD.exec(wire);
    if (head === null) return found;
    const [, method, target, minor, section] = head;
    const body = bodyOf(wire, HEAD.lastIndex, section!, Number(minor) > 0);
    if (body === null) return found;
    found.push({ method: method!, target: target!, body: body.text });
    at = body.end;
  }
}

/** The values of the lines of one name. */
export function valuesOf(section: string, name: string): string[] {
  return section.split("\r\n").map((line) => line.split(/:(.*)/s))
    .filter(([other]) => other!.toLowerCase() === name)
    .map(([, value]) => value!.replaceAll(/^[ \t]+|[ \t]+$/g, ""));
}

function bodyOf(
  wire: string,
  at: number,
  section: string,
  isHttp11: boolean,
): Body {
  const lengths = valuesOf(section, "content-length");
  const codings = valuesOf(section, "transfer-encoding");
  if (codings.length > 0) {
    const isChunked = codings.join().toLowerCase() === "chunked";
    return isChunked && isHttp11 && lengths.length === 0
      ? chunksOf(wire, at)
      : null;
  }
  if (lengths.length === 0) return { text: "", end: at };
  if (lengths.length > 1 || !/^\d+$/.test(lengths[0]!)) return null;
  const end = at + Number(lengths[0]);
  return end <= wire.length ? { text: wire.slice(at, end), end } : null;
}

/** The chunks and trailers from `at` on. */
export function chunksOf(wire: string, at: number): Body {
  let text = "";
  for (;;) {
    CHUNK_LINE.lastIndex = at;
    const line = CHUNK_LINE.exec(wire);
    if (line === null) return null;
    const size = parseInt(line[1]!, 16);
    const start = CHUNK_LINE.lastIndex;
    if (size === 0) {
      TRAILERS.lastIndex = start;
      return TRAILERS.test(wire) ? { text, end: TRAILERS.lastIndex } : null;
    }
    const end = start + size;
    if (wire.slice(end, end + 2) !== "\r\n") return null;
    text += wire.slice(start, end);
    at = end + 2;
  }
}
