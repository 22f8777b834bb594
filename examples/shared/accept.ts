/**
 * An accept loop that survives client resets; `serve` has its own.
 *
 * @module
 */

/** Milliseconds to pause when the system runs out of a resource. */
const PAUSE_MS = 100;

/**
 * The connections of a listener, until it is closed. Iterating over the listener itself
 * would throw and end when a client resets its connection before the accept.
 */
export async function* connectionsOf(
  listener: Deno.TcpListener,
): AsyncGenerator<Deno.TcpConn> {
  for (;;) {
    try {
      yield await listener.accept();
    } catch (error) {
      if (error instanceof Deno.errors.BadResource) return;
      if (
        error instanceof Deno.errors.NotConnected ||
        error instanceof Deno.errors.ConnectionReset ||
        error instanceof Deno.errors.ConnectionAborted
      ) continue;
      // Usually too many open files, which take time to close.
      console.error(error);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
