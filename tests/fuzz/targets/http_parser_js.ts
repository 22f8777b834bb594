/**
 * http-parser-js as a target.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { HTTPParser } from "http-parser-js";
import { textOf } from "../../support/bytes.ts";
import type { Peer } from "../verdict.ts";
import { Recorder } from "./recorder.ts";

/** http-parser-js, with a parser of its own for each input. */
export function httpParserJs(): Peer {
  HTTPParser.encoding = "latin1";
  return {
    name: "http-parser-js",
    run(wire) {
      // It loops for ever on a chunk size below zero.
      if (textOf(wire).match(/\n-[0-9a-f]/i)) return null;
      const recorder = new Recorder();
      const parser = new HTTPParser(HTTPParser.REQUEST);
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
