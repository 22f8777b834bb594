/**
 * Rejections and exceptions that nobody handles: they would end a program.
 *
 * @module
 */

import { turn } from "./waiting.ts";

/** Runs `work`, and checks that it leaves no rejection and no exception unhandled. */
export async function withoutUnhandled(
  work: () => Promise<void>,
): Promise<void> {
  const unhandled: unknown[] = [];
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    unhandled.push(event.reason);
  };
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    unhandled.push(event.error);
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  globalThis.addEventListener("error", onError);
  try {
    await work();
    // A rejection is found unhandled after the microtasks of its turn.
    await turn();
  } finally {
    globalThis.removeEventListener("unhandledrejection", onRejection);
    globalThis.removeEventListener("error", onError);
  }
  if (unhandled.length > 0) {
    throw new Error(`unhandled: ${unhandled[0]}`, { cause: unhandled });
  }
}
