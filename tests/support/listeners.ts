/**
 * Ports on which somebody listens, or no longer does.
 *
 * @module
 */

import { assertInstanceOf } from "@std/assert";
import { turn, within } from "./waiting.ts";

/** The port of a TCP address. */
export function portOf(addr: Deno.Addr | null): number {
  return (addr as Deno.NetAddr).port;
}

/** Waits until nobody listens there: the system takes its time with that. */
export async function untilRefused(port: number): Promise<void> {
  let waiting = true;
  const refused = (async () => {
    while (waiting) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      } catch (error) {
        if (error instanceof Deno.errors.ConnectionRefused) return;
        // Accepted by the system, and by nobody else.
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
