/**
 * Counts the bytes that parsing allocates: collect, run N times, and divide the
 * growth of the heap by N. The young generation is made so large that nothing is
 * collected in between; see `allocation_test.ts` for the flags.
 *
 * Prints one JSON object of bytes for each operation.
 *
 * @module
 */

import {
  chunkedPost,
  PIPELINED_16,
  repeat,
  SIMPLE_GET,
  TEN_HEADERS,
  THIRTY_TWO_HEADERS,
} from "../../bench/inputs.ts";
import { MemoryConn } from "../../bench/memory_conn.ts";
import {
  type Handler,
  type HttpRequest,
  Pools,
  prepareResponse,
  RequestParser,
  serveConnection,
} from "../../mod.ts";

declare const gc: () => void;

const COUNT = 100_000;
const pools = new Pools();
const parser = new RequestParser({ pools });
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

/** Many requests alive at once, as a server with slow handlers has them. */
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

/** Reads strings, of which there are new ones only where the head is new. */
function parseAndRead(wire: Uint8Array): void {
  parser.push(wire);
  for (let request; (request = parser.next()) !== null;) {
    if (request.path === request.target) checked++;
    if (request.headers.get("host") !== null) checked++;
    if (request.headers.get("X-Header-10") !== null) checked++;
    request.release();
  }
}

function measure(
  operation: (wire: Uint8Array) => void,
  wire: Uint8Array,
  requests: number,
): number {
  const rounds = COUNT / requests;
  // Once for the code to be compiled at its best, then for the count.
  for (let i = 0; i < COUNT; i++) operation(wire);
  let least = Infinity;
  for (let attempt = 0; attempt < 3; attempt++) {
    gc();
    const before = Deno.memoryUsage().heapUsed;
    for (let i = 0; i < rounds; i++) operation(wire);
    const bytes = (Deno.memoryUsage().heapUsed - before) / COUNT;
    least = Math.min(least, bytes);
  }
  return least;
}

/**
 * The same for whole cycles: parse, handler, response, on a connection in memory.
 * A read and a write cost promises and views, however many requests are in them; so
 * what counts is how much more two windows differ that hold 1 and 40 requests.
 */
async function measureCycle(handler: Handler): Promise<number> {
  const windows = COUNT / 5;
  const measureWindows = async (requests: number) => {
    const wire = repeat(SIMPLE_GET, requests);
    const run = async () => {
      const conn = new MemoryConn(wire, windows);
      await serveConnection(conn, handler, { pools });
      if (conn.written < windows * requests * 50) {
        throw new Error("answers are missing");
      }
    };
    for (let i = 0; i < 3; i++) await run();
    let least = Infinity;
    for (let attempt = 0; attempt < 3; attempt++) {
      gc();
      const before = Deno.memoryUsage().heapUsed;
      await run();
      least = Math.min(least, Deno.memoryUsage().heapUsed - before);
    }
    return least;
  };
  const many = await measureWindows(40);
  return (many - await measureWindows(1)) / (windows * 39);
}

// What the measurement sees when there is something to see.
let kept: Uint8Array | null = null;
const control = measure(
  (wire) => {
    kept = wire.subarray(1);
  },
  SIMPLE_GET,
  1,
);

const prepared = prepareResponse({ body: "Hello, World!" });
const result = {
  control,
  simpleGet: measure(parse, SIMPLE_GET, 1),
  tenHeaders: measure(parse, TEN_HEADERS, 1),
  thirtyTwoHeaders: measure(parse, THIRTY_TWO_HEADERS, 1),
  pipelined16: measure(parse, PIPELINED_16, 16),
  discardedBody: measure(parse, chunkedPost(4, 16), 1),
  stringsOfAKnownHead: measure(parseAndRead, TEN_HEADERS, 1),
  held16: measure(parseAndHold, PIPELINED_16, 16),
  cycle: await measureCycle((req, res) => {
    use(req);
    res.send(prepared);
  }),
  cycleOfText: await measureCycle((_req, res) => res.send("Hello, World!")),
};
if (checked === 0 || kept === null) throw new Error("nothing was measured");
parser[Symbol.dispose]();
console.log(JSON.stringify({ ...result, requestBytes: requestBytes() }));

/** What a pooled request takes with its table, on the heap and off it. */
function requestBytes(): number {
  const many = 5000;
  const fresh = new Pools();
  const held: HttpRequest[] = new Array(many);
  const holder = new RequestParser({ pools: fresh });
  holder.push(TEN_HEADERS);
  holder.next()!.release();
  // One large window: only request objects are made while it is measured.
  const wire = new Uint8Array(SIMPLE_GET.length * many);
  for (let i = 0; i < many; i++) wire.set(SIMPLE_GET, i * SIMPLE_GET.length);
  holder.push(wire);
  gc();
  const before = Deno.memoryUsage();
  for (let i = 0; i < many; i++) held[i] = holder.next()!;
  gc();
  const after = Deno.memoryUsage();
  const bytes = after.heapUsed - before.heapUsed + after.external -
    before.external;
  for (const request of held) request.release();
  holder[Symbol.dispose]();
  return bytes / many;
}
