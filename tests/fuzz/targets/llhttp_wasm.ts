/**
 * llhttp in WebAssembly, as undici ships it: one parser of requests or responses at a time.
 *
 * @module
 */

import llhttpModule from "undici/lib/llhttp/llhttp_simd-wasm.js";
import { textOf } from "../../support/bytes.ts";
import { Recorder } from "./recorder.ts";

export const REQUEST = 1;
export const RESPONSE = 2;
export const OK = 0;
/** More than any generated input has. */
const INPUT_SIZE = 1 << 20;

type Api =
  & Record<string, (...args: number[]) => number>
  & { memory: WebAssembly.Memory };

/** One instance of the module; its parsers report to the recorder of the run. */
export class LlhttpModule {
  readonly api: Api;
  recorder: Recorder = new Recorder();
  /** Called with the parser at the end of a head; llhttp takes the result as a hint. */
  #onHead: (parser: number) => number = () => 0;
  readonly #input: number;

  constructor() {
    const text = (at: number, length: number) =>
      textOf(new Uint8Array(this.api.memory.buffer, at, length));
    const onTarget = (_: number, at: number, length: number) => {
      this.recorder.target += text(at, length);
      return 0;
    };
    const { exports } = new WebAssembly.Instance(
      new WebAssembly.Module(llhttpModule as unknown as BufferSource),
      {
        env: {
          wasm_on_message_begin: () => (this.recorder.begin(), 0),
          wasm_on_url: onTarget,
          wasm_on_status: onTarget,
          wasm_on_header_field: () => 0,
          wasm_on_header_value: () => 0,
          wasm_on_headers_complete: (parser: number) => {
            const hint = this.#onHead(parser);
            this.recorder.headers();
            return hint;
          },
          wasm_on_body: (_: number, at: number, length: number) => {
            this.recorder.body += text(at, length);
            return 0;
          },
          wasm_on_message_complete: (parser: number) => {
            const keeps = this.api.llhttp_should_keep_alive!(parser) !== 0;
            this.recorder.complete(keeps);
            return 0;
          },
        },
      },
    );
    this.api = exports as unknown as Api;
    (this.api as unknown as { _initialize?(): void })._initialize?.();
    this.#input = this.api.malloc!(INPUT_SIZE);
  }

  /** Runs a fresh parser on an input, which `execute` gives to it. */
  run<T>(
    type: number,
    wire: Uint8Array,
    onHead: (parser: number) => number,
    execute: (parser: number, at: number, end: number) => T,
  ): T {
    this.recorder = new Recorder();
    this.#onHead = onHead;
    new Uint8Array(this.api.memory.buffer).set(wire, this.#input);
    const parser = this.api.llhttp_alloc!(type);
    try {
      return execute(parser, this.#input, this.#input + wire.length);
    } finally {
      this.api.llhttp_free!(parser);
    }
  }

  /** The refusal of a parser. */
  refusal(parser: number) {
    const { api, recorder } = this;
    const bytes = new Uint8Array(
      api.memory.buffer,
      api.llhttp_get_error_reason!(parser),
    );
    return recorder.verdict(
      "refused",
      textOf(bytes.subarray(0, bytes.indexOf(0))),
      api.llhttp_get_error_pos!(parser) - this.#input,
    );
  }
}
