/**
 * Our benchmarks, defined once for the timed runs of the suite, the allocation counts,
 * and `deno bench`.
 *
 * One operation takes a message from its bytes to its release: the copy into the slab,
 * the parse, reading the method or status and the number of fields, and the return to the
 * pool.
 * Streams and connections run in memory with many requests a call, which amortizes
 * their own cost; only KeepAlive10Requests includes it.
 *
 * @module
 */

import {
  type Handler,
  type HttpRequest,
  Pools,
  prepareResponse,
  readRequests,
  RequestParser,
  RequestStream,
  ResponseParser,
  serveConnection,
} from "../../mod.ts";
import {
  chunkedPost,
  type Input,
  INPUTS,
  lengthPost,
  repeat,
  RESPONSE_INPUTS,
  SIMPLE_GET,
  TEN_HEADERS,
} from "../inputs.ts";
import type { Measurable } from "./allocations.ts";
import { MemoryConn, PatientConn } from "./memory_conn.ts";
import { inTurn } from "./work.ts";

/** The group of the parser of responses. */
export const RESPONSES = "responses";

/** One benchmark of ours. */
export interface Case extends Measurable {
  group: string;
  /** The input, if peers can parse it too. */
  input?: Input;
}

const requests = new RequestParser();
const responses = new ResponseParser();
let seen = 0;

function parseRequests(wire: Uint8Array): void {
  requests.push(wire);
  for (let request; (request = requests.next()) !== null; request.release()) {
    if (request.method === "GET") seen += request.headers.size;
  }
}

function parseResponses(wire: Uint8Array): void {
  responses.push(wire);
  for (let one; (one = responses.next()) !== null; one.release()) {
    if (one.status >= 200) seen += one.headers.size;
  }
}

function parsing(
  group: string,
  input: Input,
  parse: (wire: Uint8Array) => void,
): Case {
  const { benchmark, wires, messages } = input;
  seen = 0;
  for (const wire of wires) parse(wire);
  if (seen < wires.length * messages) {
    throw new Error(`${benchmark}: ${seen} seen`);
  }
  const run = inTurn(wires, parse);
  return { benchmark, group, ops: messages, input, promises: false, run };
}

/** The size of one read and the number of reads: 1 MiB in all. */
const CHUNK = 65536;
const CHUNKS = 16;
const STREAMED = Math.floor(CHUNK * CHUNKS / SIMPLE_GET.length);
const STREAM = repeat(SIMPLE_GET, STREAMED);

/** `STREAM` as a byte stream that supports BYOB readers. */
function byteSource(): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      const request = controller.byobRequest;
      const room = request?.view?.byteLength ?? CHUNK;
      const piece = STREAM.subarray(at, at + room);
      at += piece.length;
      if (piece.length === 0) {
        controller.close();
        request?.respond(0);
      } else if (request?.view) {
        new Uint8Array(request.view.buffer, request.view.byteOffset).set(piece);
        request.respond(piece.length);
      } else {
        controller.enqueue(piece.slice());
      }
    },
  });
}

function streaming(
  benchmark: string,
  open: () => AsyncIterable<{ method: string } & Disposable>,
): Case {
  const run = async () => {
    let seen = 0;
    for await (using request of open()) if (request.method === "GET") seen++;
    if (seen !== STREAMED) throw new Error(`${seen} of ${STREAMED} requests`);
  };
  return { benchmark, group: "stream", ops: STREAMED, promises: true, run };
}

const MEGABYTES_10 = 10_000_000;

/** Gathers a body into one array; the wire is pushed in socket-sized chunks. */
function gathering(
  benchmark: string,
  wire: Uint8Array<ArrayBuffer>,
  bytes: number,
): Case {
  const parser = new RequestParser({ maxBodySize: bytes });
  const run = async () => {
    parser.push(wire.subarray(0, CHUNK));
    const request = parser.next()!;
    const body = request.bytes();
    for (let at = CHUNK; at < wire.length; at += CHUNK) {
      parser.push(wire.subarray(at, at + CHUNK));
    }
    if ((await body).length !== bytes) throw new Error("a body is cut short");
    request.release();
  };
  return { benchmark, group: "body", ops: 1, bytes, promises: true, run };
}

const ANSWERED = 20_000;
const WINDOW = repeat(SIMPLE_GET, 1000);

/** Parse, handler and response of pipelined requests on one connection. */
function answering(benchmark: string, group: string, handler: Handler): Case {
  const run = async () => {
    const conn = new MemoryConn(WINDOW, ANSWERED / 1000);
    await serveConnection(conn, handler);
    if (conn.written < ANSWERED * 50) throw new Error("answers are missing");
  };
  return { benchmark, group, ops: ANSWERED, promises: true, run };
}

const prepared = prepareResponse({ body: "Hello, World!" });

/** One connection from open to close, with ten requests sent one by one. */
function keepingAlive(): Case {
  const run = async () => {
    const conn = new PatientConn(SIMPLE_GET, 10);
    await serveConnection(conn, (_req, res) => res.send(prepared));
    if (conn.answers !== 10) throw new Error(`${conn.answers} answers`);
  };
  return {
    benchmark: "KeepAlive10Requests",
    group: "keep-alive",
    ops: 10,
    promises: true,
    run,
  };
}

const HELD = 1000;
const HELD_WINDOW = repeat(TEN_HEADERS, HELD);

/** Holds many requests from empty pools at once, to measure their memory. */
function making(): Case {
  const run = () => {
    const parser = new RequestParser({ pools: new Pools() });
    const held: HttpRequest[] = [];
    parser.push(HELD_WINDOW);
    for (let request; (request = parser.next()) !== null;) held.push(request);
    if (held.length !== HELD) throw new Error(`${held.length} requests`);
    for (const request of held) request.release();
    parser[Symbol.dispose]();
  };
  return {
    benchmark: "NewPooledRequest",
    group: "memory",
    ops: HELD,
    promises: false,
    run,
  };
}

/** Makes the cases of each group, in the order of the tables. */
const MAKERS: Readonly<Record<string, () => Case[]>> = {
  parse: () => INPUTS.map((input) => parsing("parse", input, parseRequests)),
  [RESPONSES]: () =>
    RESPONSE_INPUTS.map((input) => parsing(RESPONSES, input, parseResponses)),
  stream: () => [
    streaming("readRequests", () => readRequests(byteSource())),
    streaming(
      "RequestStream",
      () => byteSource().pipeThrough(new RequestStream()),
    ),
  ],
  body: () => [
    gathering("ChunkedSmall", chunkedPost(4096, 16), 4096 * 16),
    gathering("ChunkedLarge", chunkedPost(16, 65536), 16 * 65536),
    gathering("Body10MB", lengthPost(MEGABYTES_10), MEGABYTES_10),
  ],
  response: () => [
    answering("Write200OK", "response", (_req, res) => res.send(prepared)),
    answering(
      "WriteText",
      "response",
      (_req, res) => res.send("Hello, World!"),
    ),
    answering(
      "WriteJSONResponse",
      "response",
      (_req, res) => res.json({ message: "Hello, World!" }),
    ),
  ],
  cycle: () => [
    answering(
      "HandlerAsync",
      "cycle",
      // deno-lint-ignore require-await -- the async call is what is measured
      async (_req, res) => res.send(prepared),
    ),
  ],
  "keep-alive": () => [keepingAlive()],
  memory: () => [making()],
};

/** The groups of the cases. */
export const GROUPS: readonly string[] = Object.keys(MAKERS);

/**
 * The cases of a group, or all of them. Making them runs their code once: a process that
 * makes one group is compiled for this group alone.
 */
export function cases(group?: string): Case[] {
  if (group === undefined) return GROUPS.flatMap((one) => cases(one));
  return MAKERS[group]?.() ?? [];
}

/**
 * Registers cases with `deno bench`, one group for each input. The runner shows the time
 * of a call, which makes as many operations as the name says.
 *
 * @param input The input of each benchmark, by the benchmark's name.
 */
export function register(input: Record<string, string>): void {
  const all = cases();
  for (const [benchmark, group] of Object.entries(input)) {
    const one = all.find((one) => one.benchmark === benchmark);
    if (one === undefined) throw new Error(`no such benchmark: ${benchmark}`);
    const { ops, run } = one;
    const name = ops === 1 ? benchmark : `${benchmark}, ${ops} operations`;
    // Must be async: the runner does not await the promise of a plain function.
    Deno.bench(name, { group }, async () => await run());
  }
}
