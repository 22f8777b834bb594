/**
 * Operations whose allocations `bench/lib/allocations.ts` measures: parsing with lookups,
 * discarding bodies, reading strings of a repeated head, and server cycles.
 *
 * @module
 */

import {
  chunkedPost,
  JSON_RESPONSE,
  PAGE_RESPONSE,
  PIPELINED_16,
  repeat,
  SIMPLE_GET,
  TEN_HEADERS,
  THIRTY_TWO_HEADERS,
} from "../../bench/inputs.ts";
import { MIXED_RESPONSES } from "../../bench/fresh_heads.ts";
import type { Measurable } from "../../bench/lib/allocations.ts";
import { MemoryConn } from "../../bench/lib/memory_conn.ts";
import {
  type Handler,
  type HttpRequest,
  prepareResponse,
  RequestParser,
  ResponseParser,
  serveConnection,
} from "../../mod.ts";

const parser = new RequestParser();
/** Counts successful lookups; a case without any throws. */
let checked = 0;

function use(request: HttpRequest): void {
  if (request.method === "GET") checked++;
  if (request.headers.has("host")) checked++;
  if (request.headers.equals("Host", "www.example.com")) checked++;
  if (request.headers.equals("connection", "keep-alive")) checked++;
  if (request.keepAlive && request.contentLength === null) checked++;
}

function parse(wire: Uint8Array): void {
  parser.push(wire);
  for (let request; (request = parser.next()) !== null;) {
    use(request);
    request.release();
  }
}

/** Holds many requests at once, like a server with slow handlers. */
const alive: HttpRequest[] = new Array(16);
function parseAndHold(wire: Uint8Array): void {
  parser.push(wire);
  let count = 0;
  for (let request; (request = parser.next()) !== null;) {
    use(request);
    alive[count++] = request;
  }
  for (let i = 0; i < count; i++) alive[i]!.release();
}

/** Reads strings, which a head cache hit takes from the cache. */
function parseAndRead(wire: Uint8Array): void {
  parser.push(wire);
  for (let request; (request = parser.next()) !== null;) {
    if (request.path === request.target) checked++;
    if (request.headers.get("host") !== null) checked++;
    if (request.headers.get("X-Header-10") !== null) checked++;
    request.release();
  }
}

const responses = new ResponseParser();

/** Looks at responses; their bodies are discarded. */
function parseResponses(wire: Uint8Array): void {
  responses.push(wire);
  for (let response; (response = responses.next()) !== null;) {
    if (response.status === 200 && response.contentLength !== null) checked++;
    if (response.headers.has("content-type")) checked++;
    if (response.headers.equals("Server", "cloudflare")) checked++;
    if (response.keepAlive && response.statusText === "OK") checked++;
    response.release();
  }
}

let turn = 0;
/** A head that differs from the last, so that it is parsed; no string is asked for. */
function parseFreshResponse(): void {
  responses.push(MIXED_RESPONSES[turn = (turn + 1) % MIXED_RESPONSES.length]!);
  for (let response; (response = responses.next("GET")) !== null;) {
    if (response.status >= 200) checked++;
    if (response.headers.has("set-cookie")) checked++;
    response.release();
  }
}

function parsing(
  benchmark: string,
  operation: (wire: Uint8Array) => void,
  wire: Uint8Array,
  ops = 1,
): Measurable {
  const before = checked;
  operation(wire);
  if (checked === before) throw new Error(`${benchmark} parses nothing`);
  return { benchmark, ops, promises: false, run: () => operation(wire) };
}

const WINDOWS = 500;

/** The server cycle of parse, handler and response, with `requests` per read. */
function cycle(what: string, requests: number, handler: Handler): Measurable {
  const wire = repeat(SIMPLE_GET, requests);
  const run = async () => {
    const conn = new MemoryConn(wire, WINDOWS);
    await serveConnection(conn, handler);
    if (conn.written < WINDOWS * requests * 50) {
      throw new Error("answers are missing");
    }
  };
  const benchmark = `${what}, ${requests} a read`;
  return { benchmark, ops: WINDOWS * requests, promises: true, run };
}

/** The last view of the control case. The export keeps V8 from eliding the allocation. */
export let kept: Uint8Array | null = null;
const prepared = prepareResponse({ body: "Hello, World!" });
const sendPrepared: Handler = (req, res) => {
  use(req);
  res.send(prepared);
};
const sendText: Handler = (_req, res) => res.send("Hello, World!");

/** All cases. The control allocates one view per operation. */
export const cases = (): readonly Measurable[] => [
  parsing("control", (wire) => {
    kept = wire.subarray(1);
    checked++;
  }, SIMPLE_GET),
  parsing("simpleGet", parse, SIMPLE_GET),
  parsing("tenHeaders", parse, TEN_HEADERS),
  parsing("thirtyTwoHeaders", parse, THIRTY_TWO_HEADERS),
  parsing("pipelined16", parse, PIPELINED_16, 16),
  parsing("discardedBody", parse, chunkedPost(4, 16)),
  parsing("stringsOfAKnownHead", parseAndRead, TEN_HEADERS),
  parsing("held16", parseAndHold, PIPELINED_16, 16),
  parsing("response", parseResponses, JSON_RESPONSE),
  parsing("responseOfASite", parseResponses, PAGE_RESPONSE),
  parsing("freshResponse", parseFreshResponse, PAGE_RESPONSE),
  parsing("responses16", parseResponses, repeat(JSON_RESPONSE, 16), 16),
  cycle("cycle", 1, sendPrepared),
  cycle("cycle", 40, sendPrepared),
  cycle("cycleOfText", 1, sendText),
  cycle("cycleOfText", 40, sendText),
];
