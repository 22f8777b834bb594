/**
 * Runs an input, split into pieces, through one of the parser APIs and describes the
 * outcome as plain data, so that two runs can be compared. Each run ends with a leak
 * check of its pools.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  HttpError,
  type HttpHeaders,
  type HttpMessage,
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

/** A request as plain data; bytes are Latin-1 strings. */
export interface Seen {
  method: string;
  target: string;
  path: string;
  query: string;
  version: string;
  /** Each field line, in wire order. */
  lines: [string, string][];
  /** The result of `headers.get` by lowercase name. */
  values: Record<string, string | null>;
  contentLength: number | null;
  chunked: boolean;
  keepAlive: boolean;
  expectContinue: boolean;
  upgrade: string | null;
  /** The body, or the refusal that its buffered read rejected with. */
  body: string | Refused;
  trailers: [string, string][] | null;
}

/** The result of parsing an input. */
export interface Outcome {
  requests: Seen[];
  error: Refused | null;
}

/** Converts an `HttpError` to plain data and rethrows anything else. */
export function refusalOf(error: unknown): Refused {
  if (!(error instanceof HttpError)) throw error;
  return { code: error.code, status: error.status, offset: error.offset };
}

type Head = Omit<Seen, "body" | "trailers">;

/** The lines of a section; their number is that of `size`. */
export function linesOf(fields: HttpHeaders): [string, string][] {
  const lines = [...fields];
  assertEquals(fields.size, lines.length);
  return lines;
}

function headOf(request: HttpRequest): Head {
  const { headers } = request;
  const lines = linesOf(headers);
  // No prototype: a field may be named `__proto__`.
  const values: Record<string, string | null> = Object.create(null);
  for (const [name] of lines) {
    const key = name.toLowerCase();
    if (Object.hasOwn(values, key)) continue;
    values[key] = headers.get(name);
    // Every lookup method must agree with the field lines.
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

/** The whole body, or its refusal. */
export async function bodyOf(message: HttpMessage): Promise<string | Refused> {
  try {
    return textOf(await message.bytes());
  } catch (error) {
    return refusalOf(error);
  }
}

/**
 * The trailers of a body that was read in full. After a refused body they are not
 * compared: whether they arrive depends on when the rest of the body is discarded.
 */
export function trailersOf(
  message: HttpMessage,
  body: string | Refused,
): [string, string][] | null {
  if (typeof body !== "string" || message.trailers === null) return null;
  return linesOf(message.trailers);
}

/** Reads a request and its body, and releases it. */
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

/** Options of a run. */
export interface RunOptions {
  limits?: ParserLimits;
  /**
   * If true, requests are held until the end of the input and read only then, which
   * exposes bytes moved or overwritten in the meantime. If false, each request is
   * released as early as possible, so its object is reused.
   *
   * A held run also shares its pools with other runs, whose slabs and tables contain
   * stale data.
   */
  hold?: boolean;
}

const usedPools = new Pools();

/** Parses the pieces of an input with `RequestParser`. */
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
      // Awaited at the end of the run; until then a rejection is not unhandled.
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
    // `push` copies, so overwriting the piece must not affect the parser.
    piece.fill(0x58);
    drain();
    // A microtask, in which a finished request is released before the next piece.
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

/** The ways to parse a stream: a BYOB or default source, or a transform stream. */
export const STREAMS = ["byob", "default", "transform"] as const;
export type StreamKind = typeof STREAMS[number];

/** Parses the pieces of an input with `readRequests` or `RequestStream`. */
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

/** Parses a single request and returns it with its parser. */
export function parseOne(
  lines: string[],
  body = "",
  options: ParserOptions = {},
): { request: HttpRequest; parser: RequestParser } {
  const parser = new RequestParser({ pools: new Pools(), ...options });
  parser.push(new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n" + body));
  return { request: parser.next()!, parser };
}
