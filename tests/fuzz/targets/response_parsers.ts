/**
 * Other parsers of responses as targets: llhttp in WebAssembly and native, and
 * http-parser-js.
 *
 * @module
 */

import { HTTPParser } from "http-parser-js";
import { isFinal } from "../../support/final_status.ts";
import type { ResponsePeer } from "../verdict.ts";
import { stopBackwards } from "./http_parser_js.ts";
import { LlhttpModule, OK, RESPONSE } from "./llhttp_wasm.ts";
import { NativeParser, type Reading, runNodeParser } from "./node_parser.ts";
import type { Recorder } from "./recorder.ts";

const INVALID_EOF_STATE = 14;
const PAUSED_UPGRADE = 22;
const SKIP_BODY = 1;
const SKIP_BODY_AND_REST = 2;

/** What the callback at the end of a head returns to llhttp. */
function lengthHint(method: string, status: number): number {
  if (method === "HEAD") return SKIP_BODY;
  return method === "CONNECT" && status >= 200 && status < 300
    ? SKIP_BODY_AND_REST
    : 0;
}

/** Notes the heads of responses to these methods, and hints at their lengths. */
class Heads {
  readonly #methods: readonly string[];
  #finals = 0;

  constructor(methods: readonly string[]) {
    this.#methods = methods;
  }

  note(recorder: Recorder, status: number): number {
    recorder.method = `${status}`.padStart(3, "0");
    const hint = lengthHint(this.#methods[this.#finals] ?? "GET", status);
    if (isFinal(status)) this.#finals++;
    return hint;
  }
}

/** llhttp in WebAssembly. */
export function llhttpWasmResponses(): ResponsePeer {
  const llhttp = new LlhttpModule();
  const { api } = llhttp;
  return {
    name: "llhttp, WebAssembly",
    run(wire, methods) {
      const heads = new Heads(methods);
      const onHead = (parser: number) =>
        heads.note(llhttp.recorder, api.llhttp_get_status_code!(parser));
      return llhttp.run(RESPONSE, wire, onHead, (parser, at, end) => {
        let errno = api.llhttp_execute!(parser, at, end - at);
        if (errno === OK) errno = api.llhttp_finish!(parser);
        switch (errno) {
          case OK:
          case INVALID_EOF_STATE:
            return llhttp.recorder.verdict("waiting");
          case PAUSED_UPGRADE:
            return llhttp.recorder.switched();
        }
        return llhttp.refusal(parser);
      });
    },
  };
}

/** The parser of `node:http` in this runtime. */
export function llhttpNativeResponses(): ResponsePeer {
  return {
    name: "llhttp, native",
    run(wire, methods) {
      const parser = new NativeParser();
      parser.initialize(NativeParser.RESPONSE, {});
      return runNodeParser(parser, NativeParser, wire, reading(methods));
    },
  };
}

/** http-parser-js, with a parser of its own for each input. */
export function httpParserJsResponses(): ResponsePeer {
  HTTPParser.encoding = "latin1";
  return {
    name: "http-parser-js",
    run(wire, methods) {
      const parser = new HTTPParser(HTTPParser.RESPONSE);
      const wentBackwards = stopBackwards(parser);
      const read = reading(methods);
      const verdict = runNodeParser(parser, HTTPParser, wire, read);
      return wentBackwards() ? null : verdict;
    },
  };
}

/** How a parser with Node's interface reads responses to these methods. */
function reading(methods: readonly string[]): Reading {
  const heads = new Heads(methods);
  return {
    onHead({ statusCode, statusMessage, upgrade }, recorder) {
      const hint = heads.note(recorder, statusCode);
      recorder.target = statusMessage;
      return { hint, switches: upgrade || hint === SKIP_BODY_AND_REST };
    },
    ends: true,
  };
}
