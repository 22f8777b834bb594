/**
 * This project's parsers as targets.
 *
 * @module
 */

import {
  HttpError,
  type HttpMessage,
  Pools,
  RequestParser,
  ResponseParser,
} from "@pooled/http1";
import { textOf } from "../../support/bytes.ts";
import { isFinal } from "../../support/final_status.ts";
import type { Message, Verdict } from "../verdict.ts";

interface Parser<M> {
  push(bytes: Uint8Array): void;
  next(): M | null;
  end(): void;
}

/** What is told of a message before its body is read, and whether it is the last one. */
type Head = Pick<Message, "method" | "target" | "switched"> & { last: boolean };

/** Reads every message of an input that comes in pieces, one after another. */
async function readMessages<M extends HttpMessage>(
  parser: Parser<M>,
  pieces: readonly Uint8Array[],
  headOf: (message: M) => Head,
): Promise<Verdict> {
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
      const message = parser.next();
      if (message === null) {
        if (next > pieces.length) return verdict("waiting");
        more();
        continue;
      }
      const { last, ...head } = headOf(message);
      const { keepAlive } = message;
      // What follows a switch is no body.
      const reading = head.switched
        ? Promise.resolve(new Uint8Array())
        : message.bytes();
      let isRead = false;
      const done = () => void (isRead = true);
      reading.then(done, done);
      await null;
      while (!isRead && next <= pieces.length) {
        more();
        // The turns in which a body that is complete settles.
        for (let turn = 0; turn < 4 && !isRead; turn++) await null;
      }
      messages.push({ ...head, body: textOf(await reading), keepAlive });
      message.release();
      if (head.switched) return verdict("switched");
      if (last) return verdict("closed");
    }
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return error.code === "unexpected-eof"
      ? verdict("waiting")
      : verdict("refused", error.code, error.offset);
  }
}

/** Reads every request of an input that comes in pieces. */
export async function readByParser(
  ...pieces: Uint8Array[]
): Promise<Verdict> {
  using parser = new RequestParser({ pools: new Pools() });
  return await readMessages(parser, pieces, (request) => {
    const { method, target, keepAlive } = request;
    const switched = method === "CONNECT";
    return { method, target, switched, last: !keepAlive };
  });
}

/** Reads every response of an input that comes in pieces. */
export async function readResponsesByParser(
  methods: readonly string[],
  ...pieces: Uint8Array[]
): Promise<Verdict> {
  using parser = new ResponseParser({ pools: new Pools() });
  let finals = 0;
  const reader = {
    push: (bytes: Uint8Array) => parser.push(bytes),
    next: () => parser.next(methods[finals] ?? "GET"),
    end: () => parser.end(),
  };
  return await readMessages(reader, pieces, (response) => {
    const { status, statusText, keepAlive } = response;
    const switched = switches(methods[finals] ?? "GET", status);
    if (isFinal(status)) finals++;
    return {
      ...{ method: `${status}`, target: statusText, switched },
      last: !keepAlive && isFinal(status),
    };
  });
}

/** Whether what follows the head of such a response is no HTTP. */
export function switches(method: string, status: number): boolean {
  return status === 101 ||
    (method === "CONNECT" && status >= 200 && status < 300);
}
