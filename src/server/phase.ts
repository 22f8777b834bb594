/**
 * The phases of a connection's life, and what it waits for in each.
 *
 * @module
 */

import { READ_AHEAD } from "../memory/sizes.ts";
import type { WaitKind, Watched } from "../io/deadlines.ts";

/**
 * - open: requests are answered
 * - leaving: the last response is being written
 * - lingering: the output is half-closed, and the input is read to its end
 * - raw: the connection was handed over by `upgrade()`
 */
export type Phase = "open" | "leaving" | "lingering" | "raw" | "closed";

/** What a server waits for. */
export type Awaits = Exclude<WaitKind, "rest">;

/** What is known of the exchange under way; its request is `null` if there is none. */
interface Current {
  readonly request: unknown;
  readonly streaming: boolean;
}

/** What a connection waits for. `inputEnded` says that the client has ended its input. */
export function awaitedIn(
  phase: Phase,
  { machine, output, requests }: Watched,
  exchange: Current,
  inputEnded: boolean,
): Awaits {
  switch (phase) {
    case "lingering":
      return "close";
    case "leaving":
      // The half-close itself can stall: TLS sends close_notify first.
      return output.pending > 0 ? "nothing" : "close";
    case "raw":
    case "closed":
      return "nothing";
    case "open":
      break;
    default:
      phase satisfies never;
  }
  if (exchange.request !== null) {
    if (exchange.streaming && inputEnded) {
      return output.pending === 0 ? "content" : "nothing";
    }
    if (machine.body.starved) return "body";
    return inputEnded || machine.error !== null ||
        machine.unread > READ_AHEAD
      ? "sign of life"
      : "nothing";
  }
  if (machine.body.active) return "body";
  return machine.idle && requests > 0 ? "request" : "head";
}
