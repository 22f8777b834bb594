/**
 * The clients of the soak: each behaves one way after the other, by its own random
 * choices.
 *
 * @module
 */

import * as orderly from "./orderly_clients.ts";
import { Random } from "./random.ts";
import * as rude from "./rude_clients.ts";

/** What a client does on one connection. */
export type Behaviour = (client: orderly.Client) => Promise<void>;

/** What a client that writes its own bytes does next; some more often than others. */
export const BYTEWISE: readonly Behaviour[] = [
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
export function neverShown(
  behaviours: readonly Behaviour[],
  behaved: Behaved,
): string[] {
  return [...new Set(behaviours.map(({ name }) => name))]
    .filter((name) => !behaved.has(name));
}

/** One connection after the other, until the signal. */
export async function client(
  behaviours: readonly Behaviour[],
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
    const behaviour = random.pick(behaviours);
    try {
      await behaviour(given);
    } catch (error) {
      const text = error instanceof Error ? error.stack : error;
      throw new Error(`${behaviour.name}, client ${number}: ${text}`);
    }
    behaved.add(behaviour.name);
  }
}
