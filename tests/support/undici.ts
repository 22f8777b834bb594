/**
 * What undici leaves behind.
 *
 * @module
 */

import { sleep } from "./waiting.ts";

/** More milliseconds than between two ticks of undici's timer. */
const TICK = 550;

/**
 * Waits until undici's timer has stopped, which the sanitizer would report: it outlives
 * the last client by two ticks, and the second one counts from when the first is run.
 */
export async function untilUndiciRests(): Promise<void> {
  await sleep(TICK);
  await sleep(TICK);
}
