/**
 * Parsers of responses: ours, llhttp in WebAssembly and the runtime's own, and
 * http-parser-js. As in `peers.ts`, the timed run counts what the check records.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import * as httpCommon from "node:_http_common";
import { HTTPParser } from "http-parser-js";
import llhttpModule from "undici/lib/llhttp/llhttp_simd-wasm.js";
import { ResponseParser } from "../src/parser.ts";
import { OURS } from "./lib/results.ts";
import { LLHTTP, type Peer } from "./peers.ts";

/** A response as every peer reports it. */
interface Told {
  status: number;
  reason: string;
  fields: [string, string][];
  bodyLength: number;
}

/**
 * Parses the wire, and records each response in `told` if that is asked for. Returns the
 * number of responses, fields and bytes of bodies.
 */
type Parse = (wire: Uint8Array<ArrayBuffer>, told?: Told[]) => number;

function peer(name: string, parse: Parse): Peer {
  return {
    name,
    count: (wire) => parse(wire),
    tell(wire) {
      const told: Told[] = [];
      parse(wire, told);
      return told;
    },
  };
}

const latin1 = new TextDecoder("latin1");

function ours(): Peer {
  const parser = new ResponseParser();
  return peer(OURS, (wire, told) => {
    let counted = 0;
    parser.push(wire);
    for (let one; (one = parser.next()) !== null; one.release()) {
      counted += 1 + one.headers.size + (one.contentLength ?? 0);
      told?.push({
        status: one.status,
        reason: one.statusText,
        fields: [...one.headers],
        bodyLength: one.contentLength ?? 0,
      });
    }
    return counted;
  });
}

/** Larger than every wire of the benchmarks. */
const INPUT_SIZE = 65536;
const RESPONSE = 2;

function llhttp(): Peer {
  let counted = 0;
  let told: Told[] | undefined;
  let name = "";
  const text = (at: number, length: number) =>
    latin1.decode(memory.subarray(at - input, at - input + length));
  const { exports } = new WebAssembly.Instance(
    new WebAssembly.Module(llhttpModule as unknown as BufferSource),
    {
      env: {
        wasm_on_message_begin: () => {
          told?.push({ status: 0, reason: "", fields: [], bodyLength: 0 });
          return 0;
        },
        wasm_on_url: () => 0,
        wasm_on_status: (_p: number, at: number, length: number) => {
          if (told !== undefined) told.at(-1)!.reason = text(at, length);
          return 0;
        },
        wasm_on_header_field: (_p: number, at: number, length: number) => {
          if (told !== undefined) name = text(at, length);
          return 0;
        },
        wasm_on_header_value: (_p: number, at: number, length: number) => {
          counted++;
          told?.at(-1)?.fields.push([name, text(at, length)]);
          return 0;
        },
        wasm_on_headers_complete: (p: number) => {
          if (told !== undefined) {
            told.at(-1)!.status = api.llhttp_get_status_code!(p);
          }
          return 0;
        },
        wasm_on_body: (_p: number, _at: number, length: number) => {
          counted += length;
          if (told !== undefined) told.at(-1)!.bodyLength += length;
          return 0;
        },
        wasm_on_message_complete: () => {
          counted++;
          return 0;
        },
      },
    },
  );
  const api = exports as unknown as
    & Record<string, (...args: number[]) => number>
    & { memory: WebAssembly.Memory };
  const parser = api.llhttp_alloc!(RESPONSE);
  const input = api.malloc!(INPUT_SIZE);
  const memory = new Uint8Array(api.memory.buffer, input, INPUT_SIZE);
  return peer(LLHTTP, (wire, wanted) => {
    counted = 0;
    told = wanted;
    memory.set(wire);
    const error = api.llhttp_execute!(parser, input, wire.length);
    if (error !== 0) throw new Error(`llhttp: error ${error}`);
    return counted;
  });
}

/** The common interface of the two Node parsers. */
interface NodeParser {
  execute(bytes: Buffer): number | Error;
  [callback: number]: (...args: never[]) => unknown;
}

/** A peer with Node's interface, which reports strings. */
function nodePeer(
  name: string,
  parser: NodeParser,
  // deno-lint-ignore no-explicit-any -- two implementations of an interface without types
  keys: any,
): Peer {
  let counted = 0;
  let told: Told[] | undefined;
  const onHead = (fields: string[], status: number, reason: string) => {
    counted += fields.length / 2;
    told?.push({
      status,
      reason,
      fields: Array.from(
        { length: fields.length / 2 },
        (_, i) => [fields[2 * i]!, fields[2 * i + 1]!],
      ),
      bodyLength: 0,
    });
    return 0;
  };
  parser[keys.kOnHeadersComplete] = (
    // deno-lint-ignore no-explicit-any -- an object or its parts
    ...args: any[]
  ) =>
    args.length === 1
      ? onHead(args[0].headers, args[0].statusCode, args[0].statusMessage)
      : onHead(args[2], args[5], args[6]);
  parser[keys.kOnBody] = (
    chunk: Uint8Array,
    _start?: number,
    length = chunk.length,
  ) => {
    counted += length;
    if (told !== undefined) told.at(-1)!.bodyLength += length;
  };
  parser[keys.kOnMessageComplete] = () => void counted++;
  return peer(name, (wire, wanted) => {
    counted = 0;
    told = wanted;
    const consumed = parser.execute(
      Buffer.from(wire.buffer, wire.byteOffset, wire.length),
    );
    if (consumed !== wire.length) throw new Error(`${name}: ${consumed}`);
    return counted;
  });
}

function httpParserJs(): Peer {
  HTTPParser.encoding = "latin1";
  const parser = new HTTPParser(HTTPParser.RESPONSE);
  return nodePeer(
    "http-parser-js",
    parser as unknown as NodeParser,
    HTTPParser,
  );
}

/** The parser of `node:http` in this runtime. */
function nativeLlhttp(): Peer {
  // deno-lint-ignore no-explicit-any -- internal to Node, without types
  const { HTTPParser } = httpCommon as any;
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.RESPONSE, {});
  return nodePeer("llhttp, native", parser, HTTPParser);
}

/** All parsers of responses, ours first. */
export function responsePeers(): Peer[] {
  return [ours(), llhttp(), nativeLlhttp(), httpParserJs()];
}
