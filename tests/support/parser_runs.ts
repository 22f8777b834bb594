/**
 * Runs an input through one of the faces of the parser, cut as asked, and describes
 * what comes out as plain data, so that two runs can be compared. Each run ends by
 * asserting that its pools are at rest: every test is also a test for leaks.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  HttpError,
  type HttpHeaders,
  type HttpRequest,
  type ParserLimits,
  type ParserOptions,
  Pools,
  readRequests,
  RequestParser,
  RequestStream,
} from "@pooled/http1";
import { assertAtRest } from "./at_rest.ts";
import { textOf } from "./bytes.ts";
import { streamOf } from "./streams.ts";

/** A refusal as plain data. */
export interface Refused {
  code: string;
  status: number;
  offset: number;
}

/** A request as plain data; bytes are strings of one character each. */
export interface Seen {
  method: string;
  target: string;
  path: string;
  query: string;
  version: string;
  /** Each field line, in wire order. */
  lines: [string, string][];
  /** What `get` gives for each name, by the name in lower case. */
  values: Record<string, string | null>;
  contentLength: number | null;
  chunked: boolean;
  keepAlive: boolean;
  expectContinue: boolean;
  upgrade: string | null;
  /** The body, or what a buffered read of it was refused with. */
  body: string | Refused;
  trailers: [string, string][] | null;
}

/** What became of an input. */
export interface Outcome {
  requests: Seen[];
  error: Refused | null;
}

/** An HttpError as plain data; any other error is none that a parser may throw. */
export function refusalOf(error: unknown): Refused {
  if (!(error instanceof HttpError)) throw error;
  return { code: error.code, status: error.status, offset: error.offset };
}

type Head = Omit<Seen, "body" | "trailers">;

function linesOf(fields: HttpHeaders): [string, string][] {
  const lines = [...fields];
  assertEquals(fields.size, lines.length);
  return lines;
}

function headOf(request: HttpRequest): Head {
  const { headers } = request;
  const lines = linesOf(headers);
  // Without a prototype, since a field may be called `__proto__`.
  const values: Record<string, string | null> = Object.create(null);
  for (const [name] of lines) {
    const key = name.toLowerCase();
    if (Object.hasOwn(values, key)) continue;
    values[key] = headers.get(name);
    // The ways to ask for a value have to agree with the lines.
    const all = lines.filter(([other]) => other.toLowerCase() === key)
      .map(([, value]) => value);
    assertEquals(headers.getAll(key.toUpperCase()), all);
    assertEquals(values[key], all.join(key === "cookie" ? "; " : ", "));
    assert(headers.has(key));
    assertEquals(headers.equals(key, all[0]!), all.length === 1);
  }
  assertEquals(headers.get("x-not-in-any-test"), null);
  return {
    method: request.method,
    target: request.target,
    path: request.path,
    query: request.query,
    version: request.httpVersion,
    lines,
    values,
    contentLength: request.contentLength,
    chunked: request.chunked,
    keepAlive: request.keepAlive,
    expectContinue: request.expectContinue,
    upgrade: request.upgrade,
  };
}

async function bodyOf(request: HttpRequest): Promise<string | Refused> {
  try {
    return textOf(await request.bytes());
  } catch (error) {
    return refusalOf(error);
  }
}

/**
 * The trailers of a body that was read. Behind one that was refused they may still
 * come, or not, as the rest of it is passed over sooner or later.
 */
function trailersOf(
  request: HttpRequest,
  body: string | Refused,
): [string, string][] | null {
  if (typeof body !== "string" || request.trailers === null) return null;
  return linesOf(request.trailers);
}

/** Reads a request to its end, and releases it. */
async function describe(request: HttpRequest): Promise<Seen> {
  try {
    const head = headOf(request);
    const body = await bodyOf(request);
    return { ...head, body, trailers: trailersOf(request, body) };
  } finally {
    request.release();
    assert(request.released);
  }
}

/** How a run differs from one with all defaults. */
export interface RunOptions {
  limits?: ParserLimits;
  /**
   * Whether each request is kept until the input has ended and only then looked
   * at, so that bytes which were moved or overwritten meanwhile show. Otherwise a
   * request is done with as soon as can be, so that its object is used again.
   *
   * Such a run also draws from pools that other runs have used: their slabs and
   * tables are full of what those left behind.
   */
  hold?: boolean;
}

const usedPools = new Pools();

/** Runs pieces of an input through `RequestParser`. */
export async function parse(
  pieces: readonly Uint8Array[],
  { limits = {}, hold = false }: RunOptions = {},
): Promise<Outcome> {
  const pools = hold ? usedPools : new Pools();
  const parser = new RequestParser({ ...limits, pools });
  const seen: (() => Promise<Seen>)[] = [];
  let error: unknown = null;

  const take = (request: HttpRequest) => {
    if (hold) {
      const body = bodyOf(request);
      seen.push(async () => {
        const read = await body;
        const head = headOf(request);
        const trailers = trailersOf(request, read);
        request.release();
        return { ...head, body: read, trailers };
      });
    } else {
      const done = describe(request);
      // Whoever awaits it comes later; until then it must not count as unhandled.
      done.catch(() => {});
      seen.push(() => done);
    }
  };
  const drain = () => {
    try {
      for (;;) {
        const request = parser.next();
        if (request === null) return;
        assertEquals(error, null, "a request came after a refusal");
        take(request);
      }
    } catch (thrown) {
      if (error !== null) assertStrictEquals(thrown, error);
      error = thrown;
    }
  };

  for (const piece of pieces) {
    parser.push(piece);
    // What was pushed is the caller's again.
    piece.fill(0x58);
    drain();
    // Lets a request that is done with be released before the next comes.
    if (!hold && seen.length > 0) await null;
  }
  parser.end();
  drain();
  const requests: Seen[] = [];
  for (const one of seen) requests.push(await one());
  drain();
  parser[Symbol.dispose]();
  assertAtRest(pools);
  return { requests, error: error === null ? null : refusalOf(error) };
}

/** The three ways to read requests from a stream. */
export const STREAMS = ["byob", "default", "transform"] as const;
export type StreamKind = typeof STREAMS[number];

/** Runs pieces of an input through `readRequests` or `RequestStream`. */
export async function stream(
  kind: StreamKind,
  pieces: readonly Uint8Array<ArrayBuffer>[],
  limits: ParserLimits = {},
): Promise<Outcome> {
  const pools = new Pools();
  const options = { ...limits, pools };
  const source = streamOf(pieces, kind === "byob" ? "bytes" : undefined);
  const requests: Seen[] = [];
  let error: Refused | null = null;
  try {
    const readable = kind === "transform"
      ? source.pipeThrough(new RequestStream(options))
      : readRequests(source, options);
    for await (const request of readable) {
      requests.push(await describe(request));
    }
  } catch (thrown) {
    error = refusalOf(thrown);
  }
  assertAtRest(pools);
  return { requests, error };
}

/** The one request of a wire, and the parser that made it. */
export function parseOne(
  lines: string[],
  body = "",
  options: ParserOptions = {},
): { request: HttpRequest; parser: RequestParser } {
  const parser = new RequestParser({ pools: new Pools(), ...options });
  parser.push(new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n" + body));
  return { request: parser.next()!, parser };
}
