/**
 * The clients of the soak: each behaves one way after the other, by its own random
 * choices.
 *
 * @module
 */

import * as orderly from "./orderly_clients.ts";
import { Random } from "./random.ts";
import * as rude from "./rude_clients.ts";

/** What a client does next; some more often than others. */
const BEHAVIOURS = [
  orderly.pipelining,
  orderly.pipelining,
  orderly.pipelining,
  orderly.halfClosing,
  orderly.halfClosing,
  orderly.continuing,
  orderly.upgrading,
  orderly.listening,
  rude.stallingInHead,
  rude.silent,
  rude.abortingUpload,
  rude.abortingDownload,
  rude.resetting,
  rude.abortingUpgrade,
  rude.brokenDownload,
  rude.malformed,
];

/** Names of behaviours that came to their end. */
export type Behaved = Set<string>;

/** Behaviours that no client has shown. */
export function neverShown(behaved: Behaved): string[] {
  return [...new Set(BEHAVIOURS.map(({ name }) => name))]
    .filter((name) => !behaved.has(name));
}

/** One connection after the other, until the signal. */
export async function client(
  port: number,
  seed: number,
  number: number,
  behaved: Behaved,
  signal: AbortSignal,
): Promise<void> {
  const random = new Random(seed * 1000 + number);
  let ids = 0;
  const given = { port, random, nextId: () => `${number}-${ids++}` };
  while (!signal.aborted) {
    const behaviour = random.pick(BEHAVIOURS);
    try {
      await behaviour(given);
    } catch (error) {
      throw new Error(`${behaviour.name}, client ${number}: ${error}`);
    }
    behaved.add(behaviour.name);
  }
}
