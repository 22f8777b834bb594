/**
 * Ports of listeners, and waiting for a listener to close.
 *
 * @module
 */

import { assertInstanceOf } from "@std/assert";
import { turn, within } from "./waiting.ts";

/** The port of a TCP address. */
export function portOf(addr: Deno.Addr | null): number {
  return (addr as Deno.NetAddr).port;
}

/** Waits until connections to `port` are refused: the system closes a listener late. */
export async function untilRefused(port: number): Promise<void> {
  let waiting = true;
  const refused = (async () => {
    while (waiting) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      } catch (error) {
        if (error instanceof Deno.errors.ConnectionRefused) return;
        // The kernel completed the handshake before the listener closed.
        assertInstanceOf(error, Deno.errors.ConnectionReset);
      }
      await turn();
    }
  })();
  try {
    await within(refused, "the listener to close");
  } finally {
    waiting = false;
  }
}
