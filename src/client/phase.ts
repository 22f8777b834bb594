/**
 * The phases of a client's connection, and what it waits for in each.
 *
 * @module
 */

import type { WaitKind, Watched } from "../io/deadlines.ts";
import type { Call } from "./call.ts";

/**
 * - open: requests are sent
 * - closing: the last requests are sent and answered
 * - raw: the connection was handed over by `upgrade()`
 * - lingering: the output is half-closed
 */
export type Phase = "open" | "closing" | "raw" | "lingering" | "closed";

/**
 * What a client is doing.
 *
 * - `"idle"`: no request is under way
 * - `"busy"`: a request waits, was sent, or its response is not read to its end
 * - `"closing"`: no further request is taken; those under way are answered
 * - `"closed"`: the connection has ended, or was handed over
 */
export type ClientState = "idle" | "busy" | "closing" | "closed";

/** What a client waits for. A request, here, is the next one of its program. */
export type Awaits = Extract<
  WaitKind,
  "nothing" | "head" | "body" | "rest" | "request" | "close"
>;

/**
 * What a connection waits for.
 *
 * @param first The first call that is not over.
 * @param sending The call that is being sent.
 */
export function awaitedIn(
  phase: Phase,
  first: Call | undefined,
  sending: Call | null,
  { machine, output }: Watched,
): Awaits {
  if (phase === "lingering") return "close";
  if (phase === "raw" || phase === "closed") return "nothing";
  if (first === undefined) return "request";
  const { body } = machine;
  if (first.state === "answered") {
    if (body.discarding) return "rest";
    // A program that closes the client has no reason left not to read.
    return body.starved || phase === "closing" ? "body" : "nothing";
  }
  // The response may be on its way although the request could not be written.
  if (output.closed) return "close";
  return first === sending || output.pending > 0 ? "nothing" : "head";
}
