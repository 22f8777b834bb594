/**
 * One request of a client, from the queue to the end of its response.
 *
 * @module
 */

import type { Duplex } from "../io/transport.ts";
import type { ReceivedResponse } from "../message/response.ts";
import { RequestError } from "./request_error.ts";
import type { RequestPlan } from "./request_plan.ts";

/**
 * - queued: nothing was sent
 * - sent: its head was handed to the output
 * - answered: the head of its final response has come
 * - over: so has the rest, or the request has failed
 */
type CallState = "queued" | "sent" | "answered" | "over";

export class Call {
  readonly plan: RequestPlan;
  readonly onInterim: ((response: ReceivedResponse) => void) | undefined;
  /** The final response. */
  readonly response: Promise<ReceivedResponse>;
  state: CallState = "queued";
  /** The bytes of the input when it was sent: none of them can be of its response. */
  sentAt = 0;
  /** Interim responses so far. */
  interims = 0;
  /** The streams of an upgraded connection. */
  duplex: Duplex | null = null;
  readonly #response = Promise.withResolvers<ReceivedResponse>();
  readonly #signal: AbortSignal | undefined;
  readonly #aborted: () => void;

  /**
   * @param aborted Called when the signal aborts before the call is over.
   * @throws The reason of a signal that is aborted already.
   */
  constructor(
    plan: RequestPlan,
    signal: AbortSignal | undefined,
    onInterim: ((response: ReceivedResponse) => void) | undefined,
    aborted: (call: Call, reason: unknown) => void,
  ) {
    signal?.throwIfAborted();
    this.plan = plan;
    this.onInterim = onInterim;
    this.response = this.#response.promise;
    this.#signal = signal;
    this.#aborted = () => aborted(this, signal!.reason);
    signal?.addEventListener("abort", this.#aborted);
  }

  /** Whether it may share the way with other requests (RFC 9112 §9.3.2). */
  get pipelines(): boolean {
    const { idempotent, upgrades, expectsContinue, close } = this.plan;
    return idempotent && !upgrades && !expectsContinue && !close;
  }

  answer(response: ReceivedResponse): void {
    this.state = "answered";
    this.#response.resolve(response);
  }

  /** Ends a call that needs nothing of the connection any more. */
  end(): void {
    this.state = "over";
    this.#signal?.removeEventListener("abort", this.#aborted);
  }

  /** Ends a call with an error, which its promise gets unless it has a response. */
  fail(error: unknown): void {
    this.end();
    this.#response.reject(error);
  }

  /** The error for the loss of the connection. */
  lost(message: string, cause: unknown): RequestError {
    const { state } = this;
    const retryable = state === "queued" ||
      (state === "sent" && this.plan.idempotent);
    return new RequestError(message, retryable, cause);
  }
}
