/**
 * Every way in which two readings of an input may differ, each with a reason. A
 * difference of no class is a fault of this project until it is shown to be none.
 *
 * @module
 */

import type { Found } from "./grammar.ts";
import type { Message, Verdict } from "./verdict.ts";

/** A difference that is no fault: the name of its class. */
export type Class = string;

/** A difference that has no class. */
export class Unclassified extends Error {}

function show(value: unknown): string {
  return JSON.stringify(value);
}

/**
 * The class of the difference between the parser and the grammar; `null` where there is
 * none. The parser may only stop earlier, by a refusal or the end of the connection.
 *
 * @throws {Unclassified} The parser accepts what the grammar does not.
 */
export function classifyAgainstGrammar(
  ours: Verdict,
  grammar: Found[],
): Class | null {
  for (const [i, { method, target, body }] of ours.messages.entries()) {
    const found = grammar[i];
    if (
      found === undefined || found.method !== method ||
      found.target !== target || found.body !== body
    ) {
      throw new Unclassified(
        `message ${i} is ${
          show({ method, target, body })
        } for the parser and ` +
          `${show(found)} by the grammar`,
      );
    }
  }
  if (grammar.length === ours.messages.length) return null;
  if (ours.end === "waiting") {
    throw new Unclassified(
      `the parser waits for message ${ours.messages.length}, which is ` +
        `${show(grammar[ours.messages.length])} by the grammar`,
    );
  }
  return ours.end === "refused"
    ? `stricter than the grammar: ${ours.code}`
    : `stops where the connection is ${ours.end}`;
}

/** Where a peer reads another message than this project, and why that is its fault. */
export interface OtherMessage {
  peer: RegExp;
  reason: string;
  holds(ours: Message, theirs: Message, wire: string): boolean;
}

/** Where a peer has a message for which this project still waits. */
export interface EarlierMessage {
  peer: RegExp;
  reason: string;
  holds(theirs: Message, wire: string): boolean;
}

/** The differences of a kind of messages that are known. */
export interface Known {
  others: readonly OtherMessage[];
  earlier: readonly EarlierMessage[];
}

const OTHER_BODIES: readonly OtherMessage[] = [
  {
    peer: /^milo$/,
    reason: "codings are compared without regard to case (RFC 9112 §7)",
    holds: (_, { body }, wire) =>
      body === "" && /^transfer-encoding:[ \t]*chunked/im.test(wire) &&
      !/^transfer-encoding:[ \t]*chunked[ \t]*\r?$/m.test(wire),
  },
  {
    peer: /^milo$/,
    reason: "a coding ends before white space (RFC 9110 §5.5)",
    holds: (_, { body }, wire) =>
      body === "" && /^transfer-encoding:[ \t]*chunked[ \t]+\r?$/im.test(wire),
  },
  {
    peer: /http/,
    reason: "an upgrade has its body first (RFC 9110 §7.8)",
    holds: (_, _theirs, wire) => /^upgrade:/im.test(wire),
  },
];

/** Where `Deno.serve` gives an application less than it has read. */
const FETCH: readonly OtherMessage[] = [
  {
    peer: /^Deno.serve$/,
    reason: "Fetch has no body for GET and HEAD",
    holds: ({ method }, theirs) =>
      theirs.method === method && theirs.body === "" &&
      /^(?:GET|HEAD)$/i.test(method!),
  },
  {
    peer: /^Deno.serve$/,
    reason: "Fetch rewrites the case of methods",
    holds: (ours, theirs) =>
      ours.method!.toUpperCase() === theirs.method!.toUpperCase(),
  },
];

const EARLIER: readonly EarlierMessage[] = [
  {
    peer: /http/,
    reason: "an upgrade has its body first (RFC 9110 §7.8)",
    holds: (_, wire) => /^upgrade:/im.test(wire),
  },
  {
    peer: /^Deno.serve$/,
    reason: "Fetch has no body for GET and HEAD",
    holds: ({ method, body }) => body === "" && /^(?:GET|HEAD)$/.test(method!),
  },
  {
    peer: /^milo$/,
    reason: "a body in chunks that it takes for none",
    holds: ({ body }, wire) =>
      body === "" && /^transfer-encoding:/im.test(wire),
  },
];

const REQUESTS: Known = {
  others: [...OTHER_BODIES, ...FETCH],
  earlier: EARLIER,
};

function sameMessage(ours: Message, theirs: Message): boolean {
  return (theirs.method === null || ours.method === theirs.method) &&
    (theirs.switched || ours.body === theirs.body);
}

/**
 * The class of the difference between the parser and a peer; `null` where there is none.
 * The parser has agreed with the grammar, so a peer that refuses, waits or closes where
 * the parser goes on is the peer's own affair.
 *
 * @throws {Unclassified} Both accept, and not the same; or the peer has more than this
 * project has refused or closed.
 */
export function classifyAgainstPeer(
  peer: string,
  ours: Verdict,
  theirs: Verdict,
  wire: string,
  known: Known = REQUESTS,
): Class | null {
  for (let i = 0;; i++) {
    const our = ours.messages[i];
    const their = theirs.messages[i];
    if (our === undefined && their === undefined) return null;
    if (their === undefined) {
      return `${peer} ${
        theirs.end === "refused" ? `refuses: ${theirs.code}` : "stops earlier"
      }`;
    }
    if (our === undefined) {
      return classifyMore(peer, ours, their, wire, known);
    }
    if (!sameMessage(our, their)) {
      const other = known.others.find((one) =>
        one.peer.test(peer) && one.holds(our, their, wire)
      );
      if (other !== undefined) {
        return `${peer} reads another body: ${other.reason}`;
      }
      throw new Unclassified(
        `message ${i} is ${show(our)} for this project and ${
          show(their)
        } for ${peer}`,
      );
    }
    if (our.switched || their.switched) return null;
    if (their.keepAlive === false && our.keepAlive) return `${peer} closes`;
  }
}

/** The class where a peer has a message more. */
function classifyMore(
  peer: string,
  ours: Verdict,
  theirs: Message,
  wire: string,
  known: Known,
): Class {
  if (ours.end === "refused") return `${peer} accepts: ${ours.code}`;
  if (ours.end !== "waiting") return `${peer} goes on where we are ${ours.end}`;
  const early = known.earlier.find((one) =>
    one.peer.test(peer) && one.holds(theirs, wire)
  );
  if (early !== undefined) return `${peer} has it earlier: ${early.reason}`;
  throw new Unclassified(
    `${peer} has ${show(theirs)}, for which this project waits`,
  );
}
