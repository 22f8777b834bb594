/**
 * Accept loops that survive client resets; `serve` has its own.
 *
 * @module
 */

/** Milliseconds to pause when the system runs out of a resource. */
const PAUSE_MS = 100;

/**
 * The connections of a listener, until it is closed. Iterating over the listener itself
 * would throw and end when a client resets its connection before the accept.
 */
export async function* connectionsOf<C extends Deno.Conn>(
  listener: Deno.Listener<C>,
): AsyncGenerator<C> {
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

/**
 * Runs `work` on each connection of a listener, and closes the connection afterwards.
 * While `most` are open, further ones wait in the queue of the system.
 */
export async function eachConnection<C extends Deno.Conn>(
  listener: Deno.Listener<C>,
  most: number,
  work: (conn: C) => Promise<void>,
): Promise<void> {
  let open = 0;
  let wake = () => {};
  for await (const conn of connectionsOf(listener)) {
    open++;
    // A failure is the client's, who left, was too slow or sent nonsense.
    work(conn).catch(() => {}).finally(() => {
      conn[Symbol.dispose]();
      open--;
      wake();
    });
    while (open >= most) await new Promise<void>((resolve) => wake = resolve);
  }
}
