/**
 * Runs an input, split into pieces, through one of the APIs for responses and describes
 * the outcome as plain data, as `parser_runs.ts` does for requests.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  type ParserLimits,
  Pools,
  readResponses,
  type ReceivedResponse,
  ResponseParser,
  ResponseStream,
} from "@pooled/http1";
import { assertAtRest } from "./at_rest.ts";
import { isFinal } from "./final_status.ts";
import {
  bodyOf,
  linesOf,
  refusalOf,
  type Refused,
  type StreamKind,
  trailersOf,
} from "./parser_runs.ts";
import { streamOf } from "./streams.ts";

/** A response as plain data; bytes are Latin-1 strings. */
export interface SeenResponse {
  status: number;
  statusText: string;
  version: string;
  /** Each field line, in wire order. */
  lines: [string, string][];
  contentLength: number | null;
  chunked: boolean;
  keepAlive: boolean;
  upgrade: string | null;
  hasBody: boolean;
  /** The body, or the refusal that its buffered read rejected with. */
  body: string | Refused;
  trailers: [string, string][] | null;
}

/** The result of parsing an input. */
export interface ResponseOutcome {
  responses: SeenResponse[];
  error: Refused | null;
}

type Head = Omit<SeenResponse, "body" | "trailers" | "hasBody">;

function headOf(response: ReceivedResponse): Head {
  const { headers } = response;
  const lines = linesOf(headers);
  for (const [name] of lines) {
    const all = lines.filter(([other]) =>
      other.toLowerCase() === name.toLowerCase()
    ).map(([, value]) => value);
    assertEquals(headers.getAll(name.toUpperCase()), all);
  }
  return {
    status: response.status,
    statusText: response.statusText,
    version: response.httpVersion,
    lines,
    contentLength: response.contentLength,
    chunked: response.chunked,
    keepAlive: response.keepAlive,
    upgrade: response.upgrade,
  };
}

/** Reads a response and its body, and releases it. */
async function describe(response: ReceivedResponse): Promise<SeenResponse> {
  try {
    const head = headOf(response);
    const body = await bodyOf(response);
    const hasBody = response.body !== null;
    return { ...head, hasBody, body, trailers: trailersOf(response, body) };
  } finally {
    response.release();
    assert(response.released);
  }
}

/** Options of a run. */
export interface ResponseRunOptions {
  limits?: ParserLimits;
  /** The methods of the requests, GET where there are no more. */
  methods?: readonly string[];
  /** As in `RunOptions`. */
  hold?: boolean;
}

const usedPools = new Pools();

/** Parses the pieces of an input with `ResponseParser`. */
export async function parseResponses(
  pieces: readonly Uint8Array[],
  { limits = {}, methods = [], hold = false }: ResponseRunOptions = {},
): Promise<ResponseOutcome> {
  const pools = hold ? usedPools : new Pools();
  const parser = new ResponseParser({ ...limits, pools });
  const seen: (() => Promise<SeenResponse>)[] = [];
  let finals = 0;
  let error: unknown = null;

  const take = (response: ReceivedResponse) => {
    if (isFinal(response.status)) finals++;
    if (hold) {
      const body = bodyOf(response);
      const hasBody = response.body !== null;
      seen.push(async () => {
        const read = await body;
        const head = headOf(response);
        const trailers = trailersOf(response, read);
        response.release();
        return { ...head, hasBody, body: read, trailers };
      });
    } else {
      const done = describe(response);
      // Awaited at the end of the run; until then a rejection is not unhandled.
      done.catch(() => {});
      seen.push(() => done);
    }
  };
  const drain = () => {
    try {
      for (;;) {
        const response = parser.next(methods[finals]);
        if (response === null) return;
        assertEquals(error, null, "a response came after a refusal");
        take(response);
      }
    } catch (thrown) {
      if (error !== null) assertStrictEquals(thrown, error);
      error = thrown;
    }
  };

  for (const piece of pieces) {
    parser.push(piece);
    // `push` copies, so overwriting the piece must not affect the parser.
    piece.fill(0x58);
    drain();
    // A microtask, in which a finished response is released before the next piece.
    if (!hold && seen.length > 0) await null;
  }
  parser.end();
  drain();
  const responses: SeenResponse[] = [];
  for (const one of seen) responses.push(await one());
  drain();
  parser[Symbol.dispose]();
  assertAtRest(pools);
  return { responses, error: error === null ? null : refusalOf(error) };
}

/** Parses the pieces of an input with `readResponses` or `ResponseStream`. */
export async function streamResponses(
  kind: StreamKind,
  pieces: readonly Uint8Array<ArrayBuffer>[],
  { limits = {}, methods = [] }: ResponseRunOptions = {},
): Promise<ResponseOutcome> {
  const pools = new Pools();
  let asked = 0;
  const method = () => methods[asked++] ?? "GET";
  const options = { ...limits, pools, method };
  const source = streamOf(pieces, kind === "byob" ? "bytes" : undefined);
  const responses: SeenResponse[] = [];
  let error: Refused | null = null;
  try {
    const readable = kind === "transform"
      ? source.pipeThrough(new ResponseStream(options))
      : readResponses(source, options);
    for await (const response of readable) {
      responses.push(await describe(response));
    }
  } catch (thrown) {
    error = refusalOf(thrown);
  }
  const finals = responses.filter(({ status }) => isFinal(status)).length;
  // An interim response, and a head refused for its framing, have asked as well.
  assert(asked === finals || asked === finals + 1, `asked ${asked} times`);
  assertAtRest(pools);
  return { responses, error };
}
