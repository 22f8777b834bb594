/**
 * milo in WebAssembly as a target.
 *
 * @module
 */

import miloModule from "@perseveranza-pets/milo/index-with-wasm.js";
import { textOf } from "../../support/bytes.ts";
import type { Peer } from "../verdict.ts";
import { Recorder } from "./recorder.ts";

/** More than any generated input has. */
const INPUT_SIZE = 1 << 20;

/** milo, with a parser of its own for each input. */
export function milo(): Peer {
  // deno-lint-ignore no-explicit-any -- it has no types for this entry
  const { milo } = miloModule as any;
  const input: number = milo.alloc(INPUT_SIZE);
  // The memory may grow, which detaches every view of it.
  const memory = () =>
    new Uint8Array(
      milo.memory.buffer.buffer ?? milo.memory.buffer,
      input,
      INPUT_SIZE,
    );
  return {
    name: "milo",
    run(wire) {
      const recorder = new Recorder();
      memory().set(wire);
      const parser: number = milo.create();
      milo.setMode(parser, milo.MESSAGE_TYPE_REQUEST);
      const text = (at: number, length: number) =>
        textOf(memory().subarray(at, at + length));
      let switched = false;
      milo.setOnMethod(parser, (_: number, at: number, length: number) => {
        recorder.begin();
        recorder.method = text(at, length);
      });
      milo.setOnUrl(parser, (_: number, at: number, length: number) => {
        recorder.target = text(at, length);
      });
      milo.setOnHeaders(parser, () => recorder.headers());
      milo.setOnData(parser, (_: number, at: number, length: number) => {
        recorder.body += text(at, length);
      });
      const onSwitch = () => void (switched = true);
      milo.setOnUpgrade(parser, onSwitch);
      milo.setOnConnect(parser, onSwitch);
      milo.setOnMessageComplete(parser, () => {
        recorder.complete(
          milo.getConnection(parser) !== milo.CONNECTION_CLOSE,
        );
      });
      try {
        const consumed = milo.parse(parser, input, wire.length);
        if (switched) return recorder.switched();
        const code: number = milo.getErrorCode(parser);
        return code === 0
          ? recorder.verdict("waiting")
          : recorder.verdict("refused", milo.Errors[code], consumed);
      } finally {
        milo.destroy(parser);
      }
    },
  };
}
