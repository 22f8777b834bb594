/**
 * Parsers with the interface that Node.js has for its own: llhttp in this runtime, and
 * http-parser-js.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import * as httpCommon from "node:_http_common";
import { textOf } from "../../support/bytes.ts";
import type { Verdict } from "../verdict.ts";
import { Recorder } from "./recorder.ts";

// deno-lint-ignore no-explicit-any -- implementations of an interface without types
type Untyped = any;

/** The parser of `node:http` in this runtime, and the methods by their numbers. */
export const { HTTPParser: NativeParser, methods: NATIVE_METHODS } =
  httpCommon as Untyped;

/** What such a parser tells of a head. */
export interface NodeHead {
  /** The number of the method of a request. */
  method: number;
  url: string | undefined;
  statusCode: number;
  statusMessage: string;
  upgrade: boolean;
  shouldKeepAlive: boolean;
}

/** How an input is read. */
export interface Reading {
  /** Notes the head. Gives what llhttp takes as a hint, and whether HTTP ends here. */
  onHead(
    head: NodeHead,
    recorder: Recorder,
  ): { hint: number; switches: boolean };
  /** Whether the end of the input may be the end of a message. */
  ends: boolean;
}

/** Gives an input to a parser whose callbacks have the keys of `keys`. */
export function runNodeParser(
  parser: Untyped,
  keys: Untyped,
  wire: Uint8Array<ArrayBuffer>,
  { onHead, ends }: Reading,
): Verdict {
  const recorder = new Recorder();
  let keepAlive = false;
  let switched = false;
  // More than 32 fields come in parts, and the target with the first of them.
  parser[keys.kOnHeaders] = (_: string[], url: string) => {
    recorder.target += url;
  };
  parser[keys.kOnHeadersComplete] = (...args: Untyped[]) => {
    const head = headOf(args);
    // Those of the other kind begin a message with the first of its bytes.
    if (keys.kOnMessageBegin === undefined) recorder.begin();
    const { hint, switches } = onHead(head, recorder);
    recorder.headers();
    keepAlive = head.shouldKeepAlive;
    switched = switches;
    return hint;
  };
  if (keys.kOnMessageBegin !== undefined) {
    parser[keys.kOnMessageBegin] = () => recorder.begin();
  }
  parser[keys.kOnBody] = (chunk: Buffer, offset = 0, length = chunk.length) => {
    recorder.body += textOf(chunk.subarray(offset, offset + length));
  };
  parser[keys.kOnMessageComplete] = () => recorder.complete(keepAlive);
  const bytes = Buffer.from(wire.buffer, wire.byteOffset, wire.length);
  const acts = [() => parser.execute(bytes)];
  if (ends) acts.push(() => parser.finish());
  for (const act of acts) {
    const outcome = act();
    if (outcome instanceof Error) {
      if (ends && switched) break;
      const { code, reason, message, bytesParsed } = outcome as Untyped;
      return ends && /EOF|ended/i.test(`${code} ${message}`)
        ? recorder.verdict("waiting")
        : recorder.verdict(
          "refused",
          reason ?? code ?? message,
          bytesParsed ?? -1,
        );
    }
    if (switched) break;
  }
  return switched ? recorder.switched() : recorder.verdict("waiting");
}

/** One parser passes an object, the other its parts. */
function headOf(args: Untyped[]): NodeHead {
  if (args.length === 1) return args[0];
  const [, , , method, url, statusCode, statusMessage, upgrade, keeps] = args;
  return {
    ...{ method, url, statusCode, statusMessage, upgrade },
    shouldKeepAlive: keeps,
  };
}
