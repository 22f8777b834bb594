/**
 * The other parsers available to JavaScript, behind one interface: llhttp and milo in
 * WebAssembly, the runtime's own llhttp, http-parser-js, and a hand-written split.
 *
 * Each parses a whole wire of requests without bodies. The timed run counts requests and
 * fields, the check records them, and both run the same code: a parser that skips work
 * fails the check. `response_peers.ts` has the parsers of responses.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { HTTPParser } from "http-parser-js";
import llhttpModule from "undici/lib/llhttp/llhttp_simd-wasm.js";
import llhttpConstants from "undici/lib/llhttp/constants.js";
import miloModule from "@perseveranza-pets/milo/index-with-wasm.js";
import * as httpCommon from "node:_http_common";
import { RequestParser } from "../src/parser.ts";
import type { Input } from "./inputs.ts";
import { OURS } from "./lib/results.ts";

/** The peer that serves as the yardstick. */
export const LLHTTP = "llhttp, WebAssembly";

/** A request as every peer reports it. */
interface Told {
  method: string;
  target: string;
  fields: [string, string][];
}

/** A parser under test. */
export interface Peer {
  name: string;
  /** Parses the wire; returns how many messages, fields and bytes of bodies it found. */
  count(wire: Uint8Array<ArrayBuffer>): number;
  /** Parses the wire in the same way; returns the messages, in a form all peers share. */
  tell(wire: Uint8Array<ArrayBuffer>): object[];
}

const latin1 = new TextDecoder("latin1");

/** Counts what a parser with callbacks finds; records it while `told` is set. */
class Recorder {
  counted = 0;
  told: Told[] | null = null;
  /** The bytes that the offsets of the callbacks refer to. */
  bytes: Uint8Array = new Uint8Array(0);
  #name = "";

  target(start: number, length: number): void {
    this.told?.push({
      method: "",
      target: this.#text(start, length),
      fields: [],
    });
  }

  field(start: number, length: number): void {
    if (this.told !== null) this.#name = this.#text(start, length);
  }

  value(start: number, length: number): void {
    this.counted++;
    const request = this.told?.at(-1);
    request?.fields.push([this.#name, this.#text(start, length)]);
  }

  end(method: () => string): void {
    this.counted++;
    const request = this.told?.at(-1);
    if (request !== undefined) request.method = method();
  }

  /** A whole head from a parser with Node's interface: names and values alternate. */
  head(method: string, target: string, fields: string[]): void {
    this.counted += 1 + fields.length / 2;
    this.told?.push({
      method,
      target,
      fields: Array.from(
        { length: fields.length / 2 },
        (_, i) => [fields[2 * i]!, fields[2 * i + 1]!],
      ),
    });
  }

  #text(start: number, length: number): string {
    return latin1.decode(this.bytes.subarray(start, start + length));
  }
}

/** A peer that reports to a recorder by callbacks. */
function recording(
  name: string,
  recorder: Recorder,
  parse: (wire: Uint8Array<ArrayBuffer>) => void,
): Peer {
  return {
    name,
    count(wire) {
      recorder.counted = 0;
      parse(wire);
      return recorder.counted;
    },
    tell(wire) {
      recorder.told = [];
      parse(wire);
      const { told } = recorder;
      recorder.told = null;
      return told;
    },
  };
}

/** Larger than every wire of the benchmarks. */
const INPUT_SIZE = 65536;

function llhttp(): Peer {
  const recorder = new Recorder();
  const methods = Object.entries(
    (llhttpConstants as unknown as { METHODS: Record<string, number> }).METHODS,
  );
  const { exports } = new WebAssembly.Instance(
    new WebAssembly.Module(llhttpModule as unknown as BufferSource),
    {
      env: {
        wasm_on_message_begin: () => 0,
        wasm_on_url: (_p: number, at: number, length: number) => {
          recorder.target(at - input, length);
          return 0;
        },
        wasm_on_status: () => 0,
        wasm_on_header_field: (_p: number, at: number, length: number) => {
          recorder.field(at - input, length);
          return 0;
        },
        wasm_on_header_value: (_p: number, at: number, length: number) => {
          recorder.value(at - input, length);
          return 0;
        },
        wasm_on_headers_complete: () => 0,
        wasm_on_body: () => 0,
        wasm_on_message_complete: (p: number) => {
          recorder.end(() =>
            methods.find(([, id]) => id === api.llhttp_get_method!(p))![0]
          );
          return 0;
        },
      },
    },
  );
  const api = exports as unknown as
    & Record<string, (...args: number[]) => number>
    & { memory: WebAssembly.Memory };
  const REQUEST = 1;
  const parser = api.llhttp_alloc!(REQUEST);
  const input = api.malloc!(INPUT_SIZE);
  const memory = new Uint8Array(api.memory.buffer, input, INPUT_SIZE);
  recorder.bytes = memory;
  return recording(LLHTTP, recorder, (wire) => {
    memory.set(wire);
    const error = api.llhttp_execute!(parser, input, wire.length);
    if (error !== 0) throw new Error(`llhttp: error ${error}`);
  });
}

function milo(): Peer {
  // deno-lint-ignore no-explicit-any -- it has no types for this entry
  const { milo } = miloModule as any;
  const recorder = new Recorder();
  const input: number = milo.alloc(INPUT_SIZE);
  const memory = new Uint8Array(
    milo.memory.buffer.buffer ?? milo.memory.buffer,
    input,
    INPUT_SIZE,
  );
  recorder.bytes = memory;
  const parser: number = milo.create();
  let method = "";
  milo.setOnMethod(parser, (_: number, at: number, length: number) => {
    if (recorder.told !== null) {
      method = latin1.decode(memory.subarray(at, at + length));
    }
  });
  milo.setOnUrl(
    parser,
    (_: number, at: number, length: number) => recorder.target(at, length),
  );
  milo.setOnHeaderName(
    parser,
    (_: number, at: number, length: number) => recorder.field(at, length),
  );
  milo.setOnHeaderValue(
    parser,
    (_: number, at: number, length: number) => recorder.value(at, length),
  );
  milo.setOnMessageComplete(parser, () => recorder.end(() => method));
  return recording("milo, WebAssembly", recorder, (wire) => {
    memory.set(wire);
    const consumed = milo.parse(parser, input, wire.length);
    if (consumed !== wire.length) {
      throw new Error(`milo: stopped at ${consumed}`);
    }
  });
}

/** The common interface of the two Node parsers. */
interface NodeParser {
  execute(bytes: Buffer): number | Error;
  [callback: number]: (...args: never[]) => void;
}

/** A peer with Node's interface, which reports strings. */
function nodePeer(
  name: string,
  parser: NodeParser,
  recorder: Recorder,
): Peer {
  return recording(name, recorder, (wire) => {
    const consumed = parser.execute(
      Buffer.from(wire.buffer, wire.byteOffset, wire.length),
    );
    if (consumed !== wire.length) throw new Error(`${name}: ${consumed}`);
  });
}

function httpParserJs(): Peer {
  HTTPParser.encoding = "latin1";
  const parser = new HTTPParser(HTTPParser.REQUEST);
  const recorder = new Recorder();
  parser[HTTPParser.kOnHeadersComplete] = ({ method, url, headers }) =>
    recorder.head(HTTPParser.methods[method]!, url, headers);
  parser[HTTPParser.kOnMessageComplete] = () => {};
  const node = parser as unknown as NodeParser;
  return nodePeer("http-parser-js", node, recorder);
}

/** The parser of `node:http` in this runtime. */
function nativeLlhttp(): Peer {
  // deno-lint-ignore no-explicit-any -- internal to Node, without types
  const { HTTPParser, methods } = httpCommon as any;
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {});
  const recorder = new Recorder();
  // Beyond 32 fields they arrive in parts, the target with the first part.
  let early: string[] = [];
  let earlyTarget = "";
  parser[HTTPParser.kOnHeaders] = (fields: string[], target: string) => {
    early.push(...fields);
    earlyTarget += target;
  };
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    fields: string[] | undefined,
    method: number,
    target: string | undefined,
  ) => {
    if (early.length > 0) {
      recorder.head(methods[method], earlyTarget, early);
      early = [];
      earlyTarget = "";
    } else recorder.head(methods[method], target!, fields!);
    return 0;
  };
  parser[HTTPParser.kOnMessageComplete] = () => {};
  return nodePeer("llhttp, native", parser, recorder);
}

/** The usual hand-written parser: decode, split, split again. No checks. */
function byHand(): Peer {
  const decoder = new TextDecoder();
  const tell = (wire: Uint8Array): Told[] => {
    const told: Told[] = [];
    for (const head of decoder.decode(wire).split("\r\n\r\n")) {
      if (head === "") continue;
      const [line, ...fields] = head.split("\r\n");
      const [method, target] = line!.split(" ");
      told.push({
        method: method!,
        target: target!,
        fields: fields.map((field) => {
          const colon = field.indexOf(":");
          return [field.slice(0, colon), field.slice(colon + 1).trim()];
        }),
      });
    }
    return told;
  };
  return {
    name: "by hand, split",
    count: (wire) =>
      tell(wire).reduce((sum, { fields }) => sum + 1 + fields.length, 0),
    tell,
  };
}

function ours(): Peer {
  const parser = new RequestParser();
  return {
    name: OURS,
    count(wire) {
      let counted = 0;
      parser.push(wire);
      for (let request; (request = parser.next()) !== null; request.release()) {
        counted += 1 + request.headers.size;
      }
      return counted;
    },
    tell(wire) {
      const told: Told[] = [];
      parser.push(wire);
      for (let request; (request = parser.next()) !== null; request.release()) {
        const { method, target, headers } = request;
        told.push({ method, target, fields: [...headers] });
      }
      return told;
    },
  };
}

/** All parsers of requests, ours first. */
export function peers(): Peer[] {
  return [ours(), llhttp(), nativeLlhttp(), milo(), httpParserJs(), byHand()];
}

/**
 * The peers that can parse an input, after a check that all find the same messages.
 *
 * @throws {Error} A peer finds other messages than the first.
 */
export function peersFor(
  { benchmark, wires, refusedBy = [] }: Input,
  all: readonly Peer[],
): Peer[] {
  const some = all.filter(({ name }) => !refusedBy.includes(name));
  for (const wire of wires) {
    const expected = JSON.stringify(some[0]!.tell(wire));
    const counted = some[0]!.count(wire);
    for (const { name, tell, count } of some) {
      if (JSON.stringify(tell(wire)) !== expected || count(wire) !== counted) {
        throw new Error(`${name} finds other messages in ${benchmark}`);
      }
    }
  }
  return some;
}
