/**
 * http-parser-js as a target.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { HTTPParser } from "http-parser-js";
import type { Peer } from "../verdict.ts";
import { Recorder } from "./recorder.ts";

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
      const recorder = new Recorder();
      const parser = new HTTPParser(HTTPParser.REQUEST);
      const wentBackwards = stopBackwards(parser);
      let keepAlive = false;
      let upgrade = false;
      parser[HTTPParser.kOnHeadersComplete] = (head) => {
        recorder.begin();
        recorder.method = HTTPParser.methods[head.method]!;
        recorder.target = head.url;
        recorder.headers();
        keepAlive = head.shouldKeepAlive;
        upgrade = head.upgrade;
      };
      parser[HTTPParser.kOnBody] = (chunk, offset, length) => {
        recorder.body += chunk.toString("latin1", offset, offset + length);
      };
      parser[HTTPParser.kOnMessageComplete] = () =>
        recorder.complete(keepAlive);
      const outcome = parser.execute(
        Buffer.from(wire.buffer, wire.byteOffset, wire.length),
      );
      if (wentBackwards()) return null;
      if (outcome as unknown instanceof Error) {
        const { code, message } = outcome as unknown as Error & {
          code?: string;
        };
        return recorder.verdict("refused", code ?? message);
      }
      return upgrade ? recorder.switched() : recorder.verdict("waiting");
    },
  };
}
