/**
 * This project's parser as a target.
 *
 * @module
 */

import { HttpError, Pools, RequestParser } from "@pooled/http1";
import { textOf } from "../../support/bytes.ts";
import type { Message, Verdict } from "../verdict.ts";

/** Reads every message of an input that comes in pieces, one after another. */
export async function readByParser(
  ...pieces: Uint8Array[]
): Promise<Verdict> {
  using parser = new RequestParser({ pools: new Pools() });
  const messages: Message[] = [];
  const verdict = (end: Verdict["end"], code = "", at = -1): Verdict => {
    return { messages, end, code, at };
  };
  let next = 0;
  const more = () => {
    const piece = pieces[next++];
    if (piece !== undefined) parser.push(piece);
    else parser.end();
  };
  try {
    for (;;) {
      const request = parser.next();
      if (request === null) {
        if (next > pieces.length) return verdict("waiting");
        more();
        continue;
      }
      const { method, target, keepAlive } = request;
      const reading = request.bytes();
      let isRead = false;
      const done = () => void (isRead = true);
      reading.then(done, done);
      while (!isRead && next <= pieces.length) {
        more();
        // The turns in which a body that is complete settles.
        for (let turn = 0; turn < 4 && !isRead; turn++) await null;
      }
      const body = textOf(await reading);
      const switched = method === "CONNECT";
      messages.push({ method, target, body, keepAlive, switched });
      request.release();
      if (switched) return verdict("switched");
      if (!keepAlive) return verdict("closed");
    }
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return error.code === "unexpected-eof"
      ? verdict("waiting")
      : verdict("refused", error.code, error.offset);
  }
}
