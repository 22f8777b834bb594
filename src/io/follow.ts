/**
 * Abort signals of a program, for as long as a server or a connection lives.
 *
 * @module
 */

/**
 * Calls `end` when the signal aborts, at once if it has. Returns a function that removes
 * the listener.
 */
export function follow(
  signal: AbortSignal | undefined,
  end: (reason: unknown) => void,
): () => void {
  if (signal === undefined) return () => {};
  const abort = () => end(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return () => signal.removeEventListener("abort", abort);
}
