/**
 * Where parsers of responses differ from this project, each with a reason.
 *
 * @module
 */

import type { Known } from "./classes.ts";

const TAB_BEHIND_CODING =
  "a tab behind a coding is not part of it (RFC 9110 §5.5)";
const BODY_OF_304 = "a 304 has no body (RFC 9112 §6.3 item 1)";

function hasTabBehindCoding(wire: string): boolean {
  return /^transfer-encoding:[^\n]*chunked *\t/im.test(wire);
}

/** Whether a 304 announces the body that a GET would get, which is read where none is. */
function hasFramed304(wire: string): boolean {
  return /HTTP\/1\.\d 304/.test(wire) &&
    /^(?:transfer-encoding|content-length):/im.test(wire);
}

/** The known differences between readings of responses. */
export const RESPONSES: Known = {
  others: [
    {
      peer: /^http-parser-js$/,
      reason: BODY_OF_304,
      holds: (_, _theirs, wire) => hasFramed304(wire),
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
      reason: BODY_OF_304,
      holds: (_, wire) => hasFramed304(wire),
    },
    {
      peer: /^llhttp/,
      reason: TAB_BEHIND_CODING,
      holds: (_, wire) => hasTabBehindCoding(wire),
    },
  ],
};
