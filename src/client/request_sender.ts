/**
 * Sends the request whose turn it is: the head, a wait for 100 (Continue), the body.
 *
 * @module
 */

import { BodySender, isDetached, streamOf } from "../io/body_sender.ts";
import { appendText, type Output } from "../io/output.ts";
import type { Call } from "./call.ts";

/** The owner of a sender. */
export interface SenderOwner {
  /** The whole request is in the output. */
  requestSent(): void;
  /** The body cannot be sent; the error is the program's. */
  requestFailed(call: Call, error: unknown): void;
}

export class RequestSender {
  /** The request being sent, or `null`. */
  call: Call | null = null;
  readonly #output: Output;
  readonly #owner: SenderOwner;
  readonly #continueTimeout: number;
  /** The stream of `call`, or of the request before it until that stream has ended. */
  #body: BodySender | null = null;
  /** The bound on the wait for a 100 (Continue). */
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(output: Output, owner: SenderOwner, continueTimeout: number) {
    this.#output = output;
    this.#owner = owner;
    this.#continueTimeout = continueTimeout;
  }

  /** Whether the body waits for a 100 (Continue), so that nothing of it was sent. */
  get awaitsContinue(): boolean {
    return this.#timer !== null;
  }

  /** Sends the head, and as much of the rest as possible. */
  begin(call: Call): void {
    const { body, head, expectsContinue } = call.plan;
    call.state = "sent";
    appendText(this.#output, head);
    if (body === null) return;
    this.call = call;
    if (!expectsContinue) return this.#sendBody(call);
    this.#timer = setTimeout(() => this.proceed(), this.#continueTimeout);
  }

  /** Sends the body that waited for a 100 (Continue). */
  proceed(): void {
    if (this.#timer === null) return;
    this.#stopTimer();
    this.#sendBody(this.call!);
    this.#output.flush();
  }

  #sendBody(call: Call): void {
    const { body, length, chunked, trailers } = call.plan;
    if (
      body instanceof Uint8Array &&
      (body.length !== length || isDetached(body))
    ) {
      this.call = null;
      return this.#owner.requestFailed(call, transferredError());
    }
    if (body instanceof Uint8Array && !chunked) {
      this.call = null;
      this.#output.append(body);
      return this.#owner.requestSent();
    }
    try {
      const stream = body instanceof Uint8Array ? streamOf(body) : body!;
      const sender = new BodySender(stream, this.#output, {
        chunked,
        length,
        trailers,
      });
      this.#body = sender;
      sender.run(() => this.#sent(call)).then(
        () => this.#end(call, sender, null),
        (error) => this.#end(call, sender, { error }),
      );
    } catch (error) {
      // The stream was locked while the request waited.
      this.call = null;
      this.#owner.requestFailed(call, error);
    }
  }

  /** The whole request is in the output, although its stream may not have ended. */
  #sent(call: Call): void {
    if (this.call !== call) return;
    this.call = null;
    this.#output.flush();
    this.#owner.requestSent();
  }

  #end(call: Call, sender: BodySender, failure: { error: unknown } | null) {
    if (sender.stopped) return;
    if (this.#body === sender) this.#body = null;
    if (failure === null) return this.#sent(call);
    if (this.call === call) this.call = null;
    this.#output.flush();
    // The owner knows of an output that has failed, and a response that is over stands.
    if (!this.#output.closed && call.state !== "over") {
      this.#owner.requestFailed(call, failure.error);
    }
  }

  /** Gives up the rest of the request, which stays incomplete. */
  stop(reason: unknown): void {
    const { call } = this;
    this.#body?.stop(reason);
    this.#body = null;
    this.call = null;
    if (!this.awaitsContinue) return;
    this.#stopTimer();
    // Nothing will ever read the stream, so it must not go on producing.
    const stream = call!.plan.body;
    if (stream instanceof ReadableStream) stream.cancel(reason).catch(() => {});
  }

  #stopTimer(): void {
    clearTimeout(this.#timer!);
    this.#timer = null;
  }
}

function transferredError(): TypeError {
  return new TypeError("the bytes of the body were transferred or resized");
}
