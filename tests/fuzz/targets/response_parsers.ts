/**
 * Parsers of responses as targets: this project's, llhttp in WebAssembly and native, and
 * http-parser-js.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import * as httpCommon from "node:_http_common";
import llhttpModule from "undici/lib/llhttp/llhttp_simd-wasm.js";
import { HTTPParser } from "http-parser-js";
import { HttpError, Pools, ResponseParser } from "@pooled/http1";
import { textOf } from "../../support/bytes.ts";
import { isFinal } from "../../support/final_status.ts";
import type { Message, ResponsePeer, Verdict } from "../verdict.ts";
import { stopBackwards } from "./http_parser_js.ts";
import { cString } from "./llhttp.ts";
import { Recorder } from "./recorder.ts";

/** Reads every response of an input that comes in pieces, one after another. */
export async function readResponsesByParser(
  methods: readonly string[],
  ...pieces: Uint8Array[]
): Promise<Verdict> {
  using parser = new ResponseParser({ pools: new Pools() });
  const messages: Message[] = [];
  const verdict = (end: Verdict["end"], code = "", at = -1): Verdict => {
    return { messages, end, code, at };
  };
  let finals = 0;
  let next = 0;
  const more = () => {
    const piece = pieces[next++];
    if (piece !== undefined) parser.push(piece);
    else parser.end();
  };
  try {
    for (;;) {
      const method = methods[finals] ?? "GET";
      const response = parser.next(method);
      if (response === null) {
        if (next > pieces.length) return verdict("waiting");
        more();
        continue;
      }
      const { status, statusText, keepAlive } = response;
      if (isFinal(status)) finals++;
      const switched = status === 101 ||
        (method === "CONNECT" && status >= 200 && status < 300);
      const reading = switched ? null : response.bytes();
      let isRead = switched;
      const done = () => void (isRead = true);
      reading?.then(done, done);
      while (!isRead && next <= pieces.length) {
        more();
        // The turns in which a body that is complete settles.
        for (let turn = 0; turn < 4 && !isRead; turn++) await null;
      }
      const body = reading === null ? "" : textOf(await reading);
      messages.push({
        method: `${status}`,
        target: statusText,
        body,
        keepAlive,
        switched,
      });
      response.release();
      if (switched) return verdict("switched");
      if (!keepAlive && isFinal(status)) return verdict("closed");
    }
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return error.code === "unexpected-eof"
      ? verdict("waiting")
      : verdict("refused", error.code, error.offset);
  }
}

const RESPONSE = 2;
const OK = 0;
const INVALID_EOF_STATE = 14;
const PAUSED_UPGRADE = 22;
const SKIP_BODY = 1;
const SKIP_BODY_AND_REST = 2;
/** More than any generated input has. */
const INPUT_SIZE = 1 << 20;

/** What the callback at the end of a head returns to llhttp. */
function lengthHint(method: string, status: number): number {
  if (method === "HEAD") return SKIP_BODY;
  return method === "CONNECT" && status >= 200 && status < 300
    ? SKIP_BODY_AND_REST
    : 0;
}

/** llhttp in WebAssembly. */
export function llhttpWasmResponses(): ResponsePeer {
  let recorder = new Recorder();
  let methods: readonly string[] = [];
  let finals = 0;
  const text = (at: number, length: number) =>
    textOf(new Uint8Array(api.memory.buffer, at, length));
  const { exports } = new WebAssembly.Instance(
    new WebAssembly.Module(llhttpModule as unknown as BufferSource),
    {
      env: {
        wasm_on_message_begin: () => (recorder.begin(), 0),
        wasm_on_url: () => 0,
        wasm_on_status: (_: number, at: number, length: number) => {
          recorder.target += text(at, length);
          return 0;
        },
        wasm_on_header_field: () => 0,
        wasm_on_header_value: () => 0,
        wasm_on_headers_complete: (p: number, status: number) => {
          status = api.llhttp_get_status_code!(p);
          recorder.method = `${status}`.padStart(3, "0");
          recorder.headers();
          const hint = lengthHint(methods[finals] ?? "GET", status);
          if (isFinal(status)) finals++;
          return hint;
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
    let errno = api.llhttp_execute!(parser, input, length);
    if (errno === OK) errno = api.llhttp_finish!(parser);
    if (errno === OK || errno === INVALID_EOF_STATE) {
      return recorder.verdict("waiting");
    }
    if (errno === PAUSED_UPGRADE) return recorder.switched();
    return recorder.verdict(
      "refused",
      cString(api.memory, api.llhttp_get_error_reason!(parser)),
      api.llhttp_get_error_pos!(parser) - input,
    );
  };
  return {
    name: "llhttp, WebAssembly",
    run(wire, all) {
      recorder = new Recorder();
      methods = all;
      finals = 0;
      new Uint8Array(api.memory.buffer).set(wire, input);
      const parser = api.llhttp_alloc!(RESPONSE);
      try {
        return execute(parser, wire.length);
      } finally {
        api.llhttp_free!(parser);
      }
    },
  };
}

/** The parser of `node:http` in this runtime. */
export function llhttpNativeResponses(): ResponsePeer {
  // deno-lint-ignore no-explicit-any -- internal to Node, without types
  const { HTTPParser } = httpCommon as any;
  return {
    name: "llhttp, native",
    run: (wire, methods) =>
      runNodeParser(new HTTPParser(), HTTPParser, wire, methods, (parser) => {
        parser.initialize(HTTPParser.RESPONSE, {});
      }),
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
      const verdict = runNodeParser(
        parser,
        HTTPParser,
        wire,
        methods,
        () => {},
      );
      return wentBackwards() ? null : verdict;
    },
  };
}

// deno-lint-ignore no-explicit-any -- two implementations of an interface without types
type NodeParser = any;

/** Runs a parser with Node's interface. */
function runNodeParser(
  parser: NodeParser,
  keys: NodeParser,
  wire: Uint8Array<ArrayBuffer>,
  methods: readonly string[],
  open: (parser: NodeParser) => void,
): Verdict {
  const recorder = new Recorder();
  let finals = 0;
  let keepAlive = false;
  let upgrade = false;
  open(parser);
  const onHead = (
    status: number,
    reason: string,
    isUpgrade: boolean,
    keeps: boolean,
  ): number => {
    recorder.begin();
    recorder.method = `${status}`.padStart(3, "0");
    recorder.target = reason;
    recorder.headers();
    keepAlive = keeps;
    const hint = lengthHint(methods[finals] ?? "GET", status);
    if (isFinal(status)) finals++;
    upgrade = isUpgrade || hint === SKIP_BODY_AND_REST;
    return hint;
  };
  parser[keys.kOnHeaders] = () => {};
  parser[keys.kOnHeadersComplete] = (...args: unknown[]) => {
    // One passes an object, the other its parts.
    if (args.length === 1) {
      // deno-lint-ignore no-explicit-any -- see above
      const head = args[0] as any;
      return onHead(
        head.statusCode,
        head.statusMessage,
        head.upgrade,
        head.shouldKeepAlive,
      );
    }
    const [, , , , , status, reason, isUpgrade, keeps] = args;
    return onHead(
      status as number,
      reason as string,
      isUpgrade as boolean,
      keeps as boolean,
    );
  };
  parser[keys.kOnBody] = (chunk: Buffer, offset = 0, length = chunk.length) => {
    recorder.body += textOf(chunk.subarray(offset, offset + length));
  };
  parser[keys.kOnMessageComplete] = () => recorder.complete(keepAlive);
  const bytes = Buffer.from(wire.buffer, wire.byteOffset, wire.length);
  for (const act of [() => parser.execute(bytes), () => parser.finish()]) {
    const outcome = act();
    if (upgrade) return recorder.switched();
    if (outcome instanceof Error) {
      const { code, reason, message } = outcome as Error & {
        code?: string;
        reason?: string;
      };
      return `${code}`.includes("EOF") || /EOF|ended/i.test(message)
        ? recorder.verdict("waiting")
        : recorder.verdict("refused", reason ?? code ?? message);
    }
  }
  return recorder.verdict("waiting");
}
