/**
 * Where parsers of responses differ from this project, each with a reason.
 *
 * @module
 */

import type { Known } from "./classes.ts";

const TAB_BEHIND_CODING =
  "a tab behind a coding is not part of it (RFC 9110 §5.5)";
const CHUNKS_OF_304 = "a 304 has no body (RFC 9112 §6.3 item 1)";

function hasTabBehindCoding(wire: string): boolean {
  return /^transfer-encoding:[^\n]*chunked *\t/im.test(wire);
}

/** Whether a 304 says that it is chunked: its chunks are read where none are. */
function hasChunked304(wire: string): boolean {
  return /^HTTP\/1\.\d 304/m.test(wire) && /^transfer-encoding:/im.test(wire);
}

/** The known differences between readings of responses. */
export const RESPONSES: Known = {
  others: [
    {
      peer: /^http-parser-js$/,
      reason: CHUNKS_OF_304,
      holds: (_, _theirs, wire) => hasChunked304(wire),
    },
    {
      peer: /^llhttp/,
      reason: TAB_BEHIND_CODING,
      holds: (ours, theirs, wire) =>
        ours.method === theirs.method && hasTabBehindCoding(wire),
    },
  ],
  earlier: [
    {
      peer: /^http-parser-js$/,
      reason: CHUNKS_OF_304,
      holds: (_, wire) => hasChunked304(wire),
    },
    {
      peer: /^llhttp/,
      reason: TAB_BEHIND_CODING,
      holds: (_, wire) => hasTabBehindCoding(wire),
    },
  ],
};
