/**
 * Gives generated and mutated inputs to this project, to the grammar and to its peers,
 * and classifies every difference.
 *
 * @module
 */

import fc from "fast-check";
import { bytesOf } from "../support/bytes.ts";
import { clientInputs, compareClient } from "./client.ts";
import { classifyAgainstGrammar, classifyAgainstPeer } from "./classes.ts";
import { readByGrammar } from "./grammar.ts";
import { RESPONSES } from "./response_classes.ts";
import { readResponsesByGrammar } from "./response_grammar.ts";
import { type Answers, answers } from "./responses.ts";
import { messages } from "./messages.ts";
import { mutated } from "./mutations.ts";
import { httpParserJs } from "./targets/http_parser_js.ts";
import { llhttpNative, llhttpWasm } from "./targets/llhttp.ts";
import { milo } from "./targets/milo.ts";
import { readByParser, readResponsesByParser } from "./targets/ours.ts";
import {
  httpParserJsResponses,
  llhttpNativeResponses,
  llhttpWasmResponses,
} from "./targets/response_parsers.ts";
import { servers } from "./targets/servers.ts";
import type { Peer, ResponsePeer } from "./verdict.ts";

/** The share of the time that the servers have: a connection takes long. */
const SERVERS_SHARE = 0.3;

/** Counts the classes, with an example of each. */
export class Tally {
  readonly counts = new Map<string, number>();
  inputs = 0;
  accepted = 0;

  add(found: string | null): void {
    if (found !== null) {
      this.counts.set(found, (this.counts.get(found) ?? 0) + 1);
    }
  }
}

/** The parsers that are compared within the process. */
export function parserPeers(): Peer[] {
  return [llhttpWasm(), llhttpNative(), milo(), httpParserJs()];
}

/**
 * Compares all readings of one input.
 *
 * @throws {Error} Two of them differ in a way that has no class.
 */
export async function compare(
  wire: string,
  peers: readonly Peer[],
  tally: Tally,
): Promise<void> {
  const bytes = bytesOf(wire);
  const ours = await readByParser(bytes);
  tally.inputs++;
  tally.accepted += ours.messages.length;
  tally.add(classifyAgainstGrammar(ours, readByGrammar(wire)));
  for (const peer of peers) {
    const theirs = await peer.run(bytes);
    if (theirs !== null) {
      tally.add(classifyAgainstPeer(peer.name, ours, theirs, wire));
    }
  }
}

/** The parsers of responses. */
export function responsePeers(): ResponsePeer[] {
  return [
    llhttpWasmResponses(),
    llhttpNativeResponses(),
    httpParserJsResponses(),
  ];
}

/**
 * Compares all readings of the responses in one input.
 *
 * @throws {Error} Two of them differ in a way that has no class.
 */
export async function compareResponses(
  { wire, methods }: Answers,
  peers: readonly ResponsePeer[],
  tally: Tally,
): Promise<void> {
  const bytes = bytesOf(wire);
  const ours = await readResponsesByParser(methods, bytes);
  tally.inputs++;
  tally.accepted += ours.messages.length;
  tally.add(
    classifyAgainstGrammar(ours, readResponsesByGrammar(wire, methods)),
  );
  for (const peer of peers) {
    const theirs = peer.run(bytes, methods);
    if (theirs === null) continue;
    tally.add(classifyAgainstPeer(peer.name, ours, theirs, wire, RESPONSES));
  }
}

/** Checks a property for some milliseconds; gives a report of the failure, or `null`. */
async function check<T>(
  property: fc.IAsyncProperty<[T]>,
  what: string,
  seed: number,
  milliseconds: number,
): Promise<string | null> {
  const details = await fc.check(property, {
    seed,
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: milliseconds,
    markInterruptAsFailure: false,
  });
  if (!details.failed) return null;
  const [input] = details.counterexample ?? [];
  return `${details.errorInstance}\n  ${what}: ${JSON.stringify(input)}\n` +
    `  seed ${details.seed}, path ${details.counterexamplePath}`;
}

/** Fuzzes responses for some milliseconds; gives a report of the failure, or `null`. */
export function fuzzResponses(
  milliseconds: number,
  seed: number,
  tally: Tally,
): Promise<string | null> {
  const peers = responsePeers();
  const property = fc.asyncProperty(
    answers,
    (input) => compareResponses(input, peers, tally),
  );
  return check(property, "responses", seed, milliseconds);
}

/** Fuzzes the client for some milliseconds; gives a report of the failure, or `null`. */
export function fuzzClient(
  milliseconds: number,
  seed: number,
  tally: Tally,
): Promise<string | null> {
  const property = fc.asyncProperty(clientInputs, async (input) => {
    tally.accepted += await compareClient(input);
    tally.inputs++;
  });
  return check(property, "session", seed, milliseconds);
}

/** Fuzzes for some milliseconds; gives a report of the failure, or `null`. */
export async function fuzz(
  milliseconds: number,
  seed: number,
  tally: Tally,
): Promise<string | null> {
  const peers = parserPeers();
  const running = await servers();
  const start = performance.now();
  let inServers = 0;
  try {
    const property = fc.asyncProperty(mutated(messages), async (wire) => {
      await compare(wire, peers, tally);
      const now = performance.now();
      if (inServers > (now - start) * SERVERS_SHARE) return;
      const ours = await readByParser(bytesOf(wire));
      const verdicts = await Promise.all(
        running.map((server) => server.run(bytesOf(wire))),
      );
      for (const [i, verdict] of verdicts.entries()) {
        const { name } = running[i]!;
        tally.add(classifyAgainstPeer(name, ours, verdict, wire));
      }
      inServers += performance.now() - now;
    });
    return await check(property, "input", seed, milliseconds);
  } finally {
    for (const server of running) await server[Symbol.asyncDispose]();
  }
}
