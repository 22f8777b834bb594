/**
 * An accept loop of one's own that outlives what its clients do; `serve` brings one.
 *
 * @module
 */

/** Milliseconds without accepting when the system is short of something. */
const PAUSE_MS = 100;

/**
 * The connections of a listener, until it is closed. Iterating over the listener itself
 * throws, and so ends, when a client resets its connection before it is accepted.
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
      // Too many open files, as a rule: they take their time to become fewer.
      console.error(error);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
