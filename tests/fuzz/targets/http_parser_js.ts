/**
 * http-parser-js as a target.
 *
 * @module
 */

import { HTTPParser } from "http-parser-js";
import type { Peer } from "../verdict.ts";
import { runNodeParser } from "./node_parser.ts";

/**
 * Stops http-parser-js where a length below zero, which it takes in many spellings, sends
 * it back: to bytes that it has read already, or before the first. It would not come to
 * an end. Returns whether that happened.
 */
export function stopBackwards(parser: object): () => boolean {
  const reader = parser as { offset: number; consumeLine(): unknown };
  const { consumeLine } = reader;
  let furthest = 0;
  let backwards = false;
  reader.consumeLine = () => {
    backwards ||= reader.offset < furthest;
    if (backwards) throw new Error("the parser goes backwards");
    furthest = reader.offset;
    return consumeLine.call(parser);
  };
  return () => backwards;
}

/** http-parser-js, with a parser of its own for each input. */
export function httpParserJs(): Peer {
  HTTPParser.encoding = "latin1";
  return {
    name: "http-parser-js",
    run(wire) {
      const parser = new HTTPParser(HTTPParser.REQUEST);
      const wentBackwards = stopBackwards(parser);
      const verdict = runNodeParser(parser, HTTPParser, wire, {
        onHead({ method, url, upgrade }, recorder) {
          recorder.method = HTTPParser.methods[method]!;
          recorder.target = url!;
          return { hint: 0, switches: upgrade };
        },
        ends: false,
      });
      return wentBackwards() ? null : verdict;
    },
  };
}
