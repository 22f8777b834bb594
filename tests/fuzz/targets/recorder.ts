/**
 * Turns the callbacks of a parser into a verdict.
 *
 * @module
 */

import type { End, Message, Verdict } from "../verdict.ts";

/** Gathers the messages of one input. */
export class Recorder {
  readonly messages: Message[] = [];
  method: string | null = "";
  target = "";
  body = "";
  /** Whether the head of a message is complete, and its body is not. */
  #isOpen = false;

  /** A message begins. */
  begin(): void {
    this.method = "";
    this.target = "";
    this.body = "";
  }

  /** The head of the message is complete. */
  headers(): void {
    this.#isOpen = true;
  }

  /** The message is complete. */
  complete(keepAlive: boolean | null): void {
    const { method, target, body } = this;
    this.#isOpen = false;
    this.messages.push({ method, target, body, keepAlive, switched: false });
    this.begin();
  }

  /** The verdict of a parser that leaves HTTP behind the last message. */
  switched(): Verdict {
    if (this.#isOpen) this.complete(null);
    const last = this.messages.at(-1);
    if (last !== undefined) last.switched = true;
    return this.verdict("switched");
  }

  verdict(end: End, code = "", at = -1): Verdict {
    return { messages: this.messages, end, code, at };
  }
}
