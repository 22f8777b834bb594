/**
 * llhttp as targets: in WebAssembly, as undici ships it, and the native one that the
 * runtime has for `node:http`.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import * as httpCommon from "node:_http_common";
import llhttpModule from "undici/lib/llhttp/llhttp_simd-wasm.js";
import llhttpConstants from "undici/lib/llhttp/constants.js";
import { textOf } from "../../support/bytes.ts";
import type { Peer, Verdict } from "../verdict.ts";
import { Recorder } from "./recorder.ts";

const REQUEST = 1;
const OK = 0;
const PAUSED_UPGRADE = 22;
/** More than any generated input has. */
const INPUT_SIZE = 1 << 20;

/** llhttp in WebAssembly. */
export function llhttpWasm(): Peer {
  const methods = new Map(
    Object.entries(
      (llhttpConstants as unknown as { METHODS: Record<string, number> })
        .METHODS,
    ).map(([name, id]) => [id, name]),
  );
  let recorder = new Recorder();
  const text = (at: number, length: number) =>
    textOf(new Uint8Array(api.memory.buffer, at, length));
  const { exports } = new WebAssembly.Instance(
    new WebAssembly.Module(llhttpModule as unknown as BufferSource),
    {
      env: {
        wasm_on_message_begin: () => (recorder.begin(), 0),
        wasm_on_url: (_: number, at: number, length: number) => {
          recorder.target += text(at, length);
          return 0;
        },
        wasm_on_status: () => 0,
        wasm_on_header_field: () => 0,
        wasm_on_header_value: () => 0,
        wasm_on_headers_complete: (p: number) => {
          recorder.method = methods.get(api.llhttp_get_method!(p))!;
          recorder.headers();
          return 0;
        },
        wasm_on_body: (_: number, at: number, length: number) => {
          recorder.body += text(at, length);
          return 0;
        },
        wasm_on_message_complete: (p: number) => {
          recorder.complete(api.llhttp_should_keep_alive!(p) !== 0);
          return 0;
        },
      },
    },
  );
  const api = exports as unknown as
    & Record<string, (...args: number[]) => number>
    & { memory: WebAssembly.Memory };
  (api as unknown as { _initialize?(): void })._initialize?.();
  const input = api.malloc!(INPUT_SIZE);

  const execute = (parser: number, length: number): Verdict => {
    let at = input;
    for (;;) {
      const errno = api.llhttp_execute!(parser, at, input + length - at);
      if (errno === OK) return recorder.verdict("waiting");
      at = api.llhttp_get_error_pos!(parser);
      if (errno !== PAUSED_UPGRADE) {
        const reason = api.llhttp_get_error_reason!(parser);
        return recorder.verdict(
          "refused",
          cString(api.memory, reason),
          at - input,
        );
      }
      if (recorder.messages.at(-1)!.method === "CONNECT") {
        return recorder.switched();
      }
      // A server that does not upgrade goes on with HTTP.
      api.llhttp_resume_after_upgrade!(parser);
    }
  };
  return {
    name: "llhttp, WebAssembly",
    run(wire) {
      recorder = new Recorder();
      new Uint8Array(api.memory.buffer).set(wire, input);
      const parser = api.llhttp_alloc!(REQUEST);
      try {
        return execute(parser, wire.length);
      } finally {
        api.llhttp_free!(parser);
      }
    },
  };
}

/** The text that a C function of a WebAssembly module returned. */
export function cString(memory: WebAssembly.Memory, at: number): string {
  const bytes = new Uint8Array(memory.buffer, at);
  return textOf(bytes.subarray(0, bytes.indexOf(0)));
}

/** The parser of `node:http` in this runtime. */
export function llhttpNative(): Peer {
  // deno-lint-ignore no-explicit-any -- internal to Node, without types
  const { HTTPParser, methods } = httpCommon as any;
  return {
    name: "llhttp, native",
    run(wire) {
      const recorder = new Recorder();
      const parser = new HTTPParser();
      parser.initialize(HTTPParser.REQUEST, {});
      let keepAlive = false;
      let upgrade = false;
      parser[HTTPParser.kOnMessageBegin] = () => recorder.begin();
      // More than 32 fields come in parts, and the target with the first of them.
      parser[HTTPParser.kOnHeaders] = (_: string[], target: string) => {
        recorder.target += target;
      };
      parser[HTTPParser.kOnHeadersComplete] = (
        ...[, , , method, target, , , isUpgrade, keeps]: [
          ...[unknown, unknown, unknown, number, string | undefined],
          ...[unknown, unknown, boolean, boolean],
        ]
      ) => {
        recorder.target += target ?? "";
        recorder.method = methods[method] ?? null;
        recorder.headers();
        upgrade = isUpgrade;
        keepAlive = keeps;
        return 0;
      };
      parser[HTTPParser.kOnBody] = (chunk: Uint8Array) => {
        recorder.body += textOf(chunk);
      };
      parser[HTTPParser.kOnMessageComplete] = () =>
        recorder.complete(keepAlive);
      const outcome = parser.execute(
        Buffer.from(wire.buffer, wire.byteOffset, wire.length),
      );
      if (outcome instanceof Error) {
        const { reason, bytesParsed } = outcome as unknown as {
          reason: string;
          bytesParsed: number;
        };
        return recorder.verdict("refused", reason, bytesParsed);
      }
      return upgrade ? recorder.switched() : recorder.verdict("waiting");
    },
  };
}
