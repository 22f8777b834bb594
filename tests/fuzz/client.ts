/**
 * The client against the parser: random requests on one connection, whose server sends
 * generated and mutated responses, cut anywhere. Each request gets the response that the
 * parser finds for it, or the same refusal; nothing comes after an error, everything
 * settles, and nothing is kept.
 *
 * @module
 */

import fc from "fast-check";
import {
  HttpError,
  Pools,
  type ReceivedResponse,
  ResponseParser,
} from "@pooled/http1";
import { bytesOf, cutAt, textOf } from "../support/bytes.ts";
import { Unclassified } from "./classes.ts";
import { answers } from "./responses.ts";
import {
  type Ask,
  describe,
  type Outcome,
  runClient,
} from "./targets/connect.ts";
import { switches } from "./targets/ours.ts";

/** A run of the client, as plain data. */
export interface ClientInput {
  wire: string;
  /** Where the wire is cut, each modulo its length. */
  cuts: number[];
  asks: Ask[];
  pipeline: number;
  closeAt: number;
  ahead: boolean;
  fails: boolean;
}

const METHODS = ["GET", "GET", "HEAD", "PUT", "POST"] as const;
const WAYS = ["text", "text", "chunks", "hold", "release", "cancel", "fetch"];

const ask = (
  methods: readonly Ask["method"][],
  more: { [K in "body" | "field" | "abortAt"]: readonly Ask[K][] },
): fc.Arbitrary<Ask> =>
  fc.record({
    method: fc.constantFrom(...methods),
    way: fc.constantFrom(...WAYS as Ask["way"][]),
    body: fc.constantFrom(...more.body),
    field: fc.constantFrom(...more.field),
    abortAt: fc.constantFrom(...more.abortAt),
  });

/** What leaves the connection open, and a request whole before its response comes. */
const PLAIN = {
  body: ["none", "bytes", "stream"],
  field: [""],
  abortAt: [-1],
} as const;

const ANY = {
  body: [...PLAIN.body, "slow"],
  field: ["", "", "", "", "Expect: 100-continue", "Connection: close"],
  abortAt: [-1, -1, -1, -1, 0, 1, 2],
} as const;

const wires = {
  wire: answers.map(({ wire }) => wire),
  cuts: fc.array(fc.nat(), { maxLength: 6 }),
};

/** Sessions in which the program and the server take turns at will. */
const free: fc.Arbitrary<ClientInput> = fc.record({
  ...wires,
  asks: fc.array(
    ask([...METHODS, "CONNECT", "UPGRADE"], ANY),
    { minLength: 1, maxLength: 5 },
  ),
  pipeline: fc.constantFrom(1, 2, 5),
  closeAt: fc.constantFrom(-1, -1, -1, 0, 1),
  ahead: fc.constant(false),
  fails: fc.constantFrom(false, false, true),
});

/** A request that may be sent along with others: Fetch cannot say so of a POST. */
const pipelined = ask(METHODS, PLAIN).map((ask): Ask =>
  ask.method === "POST" && ask.way === "fetch" ? { ...ask, method: "PUT" } : ask
);

/** Sessions whose requests are all sent before the first response comes. */
const ahead: fc.Arbitrary<ClientInput> = fc.record({
  ...wires,
  asks: fc.oneof(
    {
      weight: 4,
      arbitrary: fc.array(pipelined, { minLength: 1, maxLength: 5 }),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(ask(["CONNECT", "UPGRADE"], PLAIN)),
    },
  ),
  pipeline: fc.constant(5),
  closeAt: fc.constant(-1),
  ahead: fc.constant(true),
  fails: fc.constant(false),
});

/** Runs of the client. */
export const clientInputs: fc.Arbitrary<ClientInput> = fc.oneof(free, ahead);

/** What the parser finds for one request. */
type Found = Omit<Outcome, "method" | "way"> & {
  /** The bytes ahead of the response. */
  start: number;
};

const MOST_INTERIM = 32;

/** A parser that gets its input byte by byte, so that it is known where a message ends. */
class SlowReader implements Disposable {
  readonly #parser = new ResponseParser({ pools: new Pools() });
  readonly #bytes: Uint8Array;
  /** Bytes so far. */
  at = 0;
  #ended = false;

  constructor(wire: string) {
    this.#bytes = bytesOf(wire);
  }

  #more(): void {
    if (this.at < this.#bytes.length) {
      this.#parser.push(this.#bytes.subarray(this.at, ++this.at));
    } else if (!this.#ended) {
      this.#ended = true;
      this.#parser.end();
    }
  }

  /** The next response; `null` if there is none. */
  next(method: string): ReceivedResponse | null {
    for (;;) {
      const ended = this.#ended;
      const response = this.#parser.next(method);
      if (response !== null || ended) return response;
      this.#more();
    }
  }

  /** Reads a body to its end, and no further. */
  async read(response: ReceivedResponse): Promise<string> {
    const reading = response.bytes();
    let isRead = false;
    const done = () => void (isRead = true);
    reading.then(done, done);
    for (;;) {
      // The turns in which a body that is complete settles.
      for (let turn = 0; turn < 4 && !isRead; turn++) await null;
      if (isRead) return textOf(await reading);
      this.#more();
    }
  }

  [Symbol.dispose](): void {
    this.#parser[Symbol.dispose]();
  }
}

/** What the parser finds for requests of these methods, in this order. */
async function readForClient(
  wire: string,
  methods: readonly string[],
): Promise<Found[]> {
  using reader = new SlowReader(wire);
  const all: Found[] = [];
  let over = false;
  for (const method of methods) {
    const found: Found = {
      ...{ interims: [], head: null, body: null, failure: null },
      start: reader.at,
    };
    all.push(found);
    if (over) found.failure = "RequestError";
    else over = !await readOne(reader, method, found);
  }
  return all;
}

/** Reads the response to one request. Gives whether another may follow. */
async function readOne(
  reader: SlowReader,
  asked: string,
  found: Found,
): Promise<boolean> {
  const method = asked === "UPGRADE" ? "GET" : asked;
  try {
    for (;;) {
      using response = reader.next(method);
      if (response === null) {
        found.failure = "RequestError";
        return false;
      }
      const { status, keepAlive } = response;
      const switched = switches(method, status);
      const isAsked = asked === "UPGRADE"
        ? (response.upgrade ?? "").split(",").every(isOffered)
        : status !== 101;
      if (switched && !isAsked) {
        found.failure = "unasked-upgrade";
        return false;
      }
      if (status < 200 && !switched) {
        if (found.interims.length === MOST_INTERIM) {
          found.failure = "too-many-interim";
          return false;
        }
        found.interims.push(describe(response));
        continue;
      }
      found.head = describe(response);
      found.body = await reader.read(response);
      return keepAlive && !switched;
    }
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    found.failure = error.code;
    return false;
  }
}

/** Whether an element of Upgrade is empty, or a protocol that the client offers. */
function isOffered(element: string): boolean {
  return /^[ \t]*(?:|x|websocket)[ \t]*$/i.test(element);
}

function show(value: unknown): string {
  return JSON.stringify(value);
}

/** The status of a described head. */
function statusOf(head: string): number {
  return Number(head.slice(0, 3));
}

/** Whether the client read a body that it could compare. */
function comparesBody({ way, head }: Outcome): boolean {
  // Fetch has no body of these.
  return way !== "fetch" || ![204, 205, 304].includes(statusOf(head!));
}

/** @throws {Unclassified} The client hands out what the parser does not find. */
function checkFound(outcome: Outcome, found: Found): void {
  const differs = (what: string, ours: unknown, theirs: unknown) =>
    new Unclassified(
      `the client has the ${what} ${show(ours)}, and the parser ${
        show(theirs)
      }`,
    );
  const { interims, head, body } = outcome;
  // Fetch tells no interim responses.
  const sameInterims = found.interims.slice(0, interims.length);
  if (show(interims) !== show(sameInterims)) {
    throw differs("interim responses", interims, found.interims);
  }
  if (head === null) return;
  if (head !== found.head) throw differs("head", head, found.head);
  if (outcome.way !== "fetch" && interims.length < found.interims.length) {
    throw differs("interim responses", interims, found.interims);
  }
  if (body !== null && body !== found.body && comparesBody(outcome)) {
    throw differs("body", body, found.body);
  }
}

/** @throws {Unclassified} The client has less than the parser, or another refusal. */
function checkWhole(outcome: Outcome, found: Found): void {
  const { way, head, body, failure } = outcome;
  const noFetch = failure === "no Fetch" && statusOf(found.head ?? "") > 599;
  if (noFetch) return;
  const reads = way !== "release" && way !== "cancel";
  // A stream delivers what is too long for one array, as far as it comes.
  const sameFailure = failure === found.failure ||
    (failure !== null && found.failure === "body-too-large");
  const right = found.head === null
    ? head === null && failure === found.failure
    : head !== null && (!reads || !comparesBody(outcome) ||
      (sameFailure && (body === null) === (found.body === null)));
  if (!right) {
    throw new Unclassified(
      `the client has ${show(outcome)}, and the parser ${show(found)}`,
    );
  }
}

/**
 * Runs the client, and compares what it hands out with what the parser finds.
 *
 * @throws {Error} They differ, or the client does not end well.
 */
export async function compareClient(input: ClientInput): Promise<number> {
  const { wire, asks } = input;
  const bytes = bytesOf(wire);
  const cuts = input.cuts.map((at) => at % (bytes.length + 1))
    .sort((a, b) => a - b);
  const { outcomes, seen } = await runClient({
    ...input,
    pieces: cutAt(bytes, cuts),
  });
  const numbers = seen.map(({ number }) => number);
  if (new Set(numbers).size !== numbers.length) {
    throw new Unclassified(`the server has seen the requests ${numbers}`);
  }
  // Those that were not sent, and have no response, come last.
  const order = [
    ...numbers,
    ...asks.keys().filter((number) => !numbers.includes(number)),
  ];
  const sent = order.map((number) => outcomes[number]!);
  const found = await readForClient(wire, sent.map(({ method }) => method));
  let failed: string | null = null;
  let answered = 0;
  for (const [i, outcome] of sent.entries()) {
    checkFound(outcome, found[i]!);
    if (input.ahead) checkWhole(outcome, found[i]!);
    if (outcome.head !== null) {
      answered++;
      if (i >= seen.length || found[i]!.start < seen[i]!.given) {
        throw new Unclassified(`${show(outcome)} came before its request`);
      }
    }
    if (failed !== null && outcome.head !== null) {
      throw new Unclassified(`${show(outcome)} came after ${failed}`);
    }
    if (outcome.failure !== "no Fetch") failed ??= outcome.failure;
  }
  return answered;
}
