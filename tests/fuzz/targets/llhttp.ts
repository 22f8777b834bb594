/**
 * llhttp as targets: in WebAssembly, as undici ships it, and the native one that the
 * runtime has for `node:http`.
 *
 * @module
 */

import llhttpConstants from "undici/lib/llhttp/constants.js";
import type { Peer } from "../verdict.ts";
import { LlhttpModule, OK, REQUEST } from "./llhttp_wasm.ts";
import { NATIVE_METHODS, NativeParser, runNodeParser } from "./node_parser.ts";

const PAUSED_UPGRADE = 22;

/** llhttp in WebAssembly. */
export function llhttpWasm(): Peer {
  const { METHODS } = llhttpConstants as unknown as {
    METHODS: Record<string, number>;
  };
  const methods = new Map(
    Object.entries(METHODS).map(([name, id]) => [id, name]),
  );
  const llhttp = new LlhttpModule();
  const { api } = llhttp;
  const onHead = (parser: number) => {
    llhttp.recorder.method = methods.get(api.llhttp_get_method!(parser))!;
    return 0;
  };
  return {
    name: "llhttp, WebAssembly",
    run: (wire) =>
      llhttp.run(REQUEST, wire, onHead, (parser, at, end) => {
        for (;;) {
          const errno = api.llhttp_execute!(parser, at, end - at);
          if (errno === OK) return llhttp.recorder.verdict("waiting");
          if (errno !== PAUSED_UPGRADE) return llhttp.refusal(parser);
          if (llhttp.recorder.messages.at(-1)!.method === "CONNECT") {
            return llhttp.recorder.switched();
          }
          // A server that does not upgrade goes on with HTTP.
          at = api.llhttp_get_error_pos!(parser);
          api.llhttp_resume_after_upgrade!(parser);
        }
      }),
  };
}

/** The parser of `node:http` in this runtime. */
export function llhttpNative(): Peer {
  return {
    name: "llhttp, native",
    run(wire) {
      const parser = new NativeParser();
      parser.initialize(NativeParser.REQUEST, {});
      return runNodeParser(parser, NativeParser, wire, {
        onHead({ method, url, upgrade }, recorder) {
          recorder.target += url ?? "";
          recorder.method = NATIVE_METHODS[method] ?? null;
          return { hint: 0, switches: upgrade };
        },
        ends: false,
      });
    },
  };
}
