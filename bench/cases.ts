/**
 * What is measured of ours, defined once: for the timed runs of the suite, for the
 * count of allocations, and for `deno bench`.
 *
 * A request counts from its bytes to its release: the copy into the slab, the parse,
 * one look at the method and at the number of fields, and the return to the pool.
 * What goes through a stream or a connection does so in memory, many requests a call,
 * so that what a stream or a connection costs once is spread over all of them; only
 * KeepAlive10Requests is about that cost.
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
  serveConnection,
} from "../mod.ts";
import {
  BROWSER_GET,
  chunkedPost,
  GET_WITH_HEADERS,
  PIPELINED_16,
  repeat,
  SIMPLE_GET,
  TEN_HEADERS,
  THIRTY_TWO_HEADERS,
} from "./inputs.ts";
import { MemoryConn, PatientConn } from "./memory_conn.ts";
import { inTurn, type Work } from "./work.ts";

/** One benchmark of ours. */
export interface Case extends Work {
  benchmark: string;
  group: string;
  /** Operations that one call makes. */
  ops: number;
  /** Payload bytes that one operation moves. */
  bytes?: number;
  /** What is parsed, one after the other: the peers are given the same. */
  wires?: Uint8Array<ArrayBuffer>[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** How many heads go round where each is to be news. */
const VARIANTS = 64;

/** Two letters that differ in each variant, the first from one to the next. */
function letters(variant: number): string {
  const of = (i: number) => "abcdefgh"[i % 8]!;
  return of(variant) + of(variant >> 3);
}

/** The case of its letters says which variant it is; its meaning stays. */
function keepAlive(variant: number): string {
  const bits = [..."keepal"].map((letter, i) =>
    variant >> i & 1 ? letter.toUpperCase() : letter
  ).join("");
  return `${bits.slice(0, 4)}-${bits.slice(4)}ive`;
}

/** The head with another target, and another value in each field but Host. */
function fresh(
  head: Uint8Array<ArrayBuffer>,
  variant: number,
): Uint8Array<ArrayBuffer> {
  const news = letters(variant);
  return encoder.encode(
    decoder.decode(head)
      .replace(/^GET \/../, `GET /${news}`)
      .replaceAll(/^(?!GET|Host)([\w-]+: )(..)/gm, `$1${news}`)
      .replace(/^Connection: .*(?=\r)/m, `Connection: ${keepAlive(variant)}`),
  );
}

function variants(head: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const all = Array.from({ length: VARIANTS }, (_, i) => fresh(head, i));
  if (all.some(({ length }) => length !== head.length)) {
    throw new Error("the variants are not of one length");
  }
  return all;
}

const parser = new RequestParser();
let seen = 0;

function parse(wire: Uint8Array): void {
  parser.push(wire);
  for (let request; (request = parser.next()) !== null; request.release()) {
    if (request.method === "GET") seen += request.headers.size;
  }
}

function parsing(
  benchmark: string,
  wires: Uint8Array<ArrayBuffer>[],
  ops = 1,
): Case {
  seen = 0;
  for (const wire of wires) parse(wire);
  if (seen < wires.length * ops) throw new Error(`${benchmark}: ${seen} seen`);
  const run = inTurn(wires, parse);
  return { benchmark, group: "parse", ops, wires, promises: false, run };
}

/** What a socket gives at once, and how often: 1 MiB in all. */
const CHUNK = 65536;
const CHUNKS = 16;
const STREAMED = Math.floor(CHUNK * CHUNKS / SIMPLE_GET.length);
const STREAM = repeat(SIMPLE_GET, STREAMED);

/** `STREAM` as a byte stream that fills whatever buffer its reader lends. */
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

/** A POST of ten million bytes; also what is uploaded over a socket. */
export const POST_10_MB = ((): Uint8Array<ArrayBuffer> => {
  const head = encoder.encode(
    "POST /upload HTTP/1.1\r\nHost: www.example.com\r\n" +
      `Content-Length: ${MEGABYTES_10}\r\n\r\n`,
  );
  const all = new Uint8Array(head.length + MEGABYTES_10).fill(0x78);
  all.set(head);
  return all;
})();

/** From the bytes on the wire, in pushes as of a socket, to one array. */
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

/** A connection that is opened, sends ten requests one by one, and is closed. */
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

/** Requests that are alive at once, out of pools that have none yet: their memory. */
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

/** All of them, in the order of the tables. */
export const CASES: readonly Case[] = [
  parsing("ParseSimpleGET", [SIMPLE_GET]),
  parsing("ParseGETWithHeaders", [GET_WITH_HEADERS]),
  parsing("ParseWith10Headers", [TEN_HEADERS]),
  parsing("ParseWith32Headers", [THIRTY_TWO_HEADERS]),
  parsing("ParseBrowserGET703", [BROWSER_GET]),
  parsing("Pipelined16", [PIPELINED_16], 16),
  parsing("FreshSimpleGET", variants(SIMPLE_GET)),
  parsing("FreshBrowserGET703", variants(BROWSER_GET)),
  streaming("readRequests", () => readRequests(byteSource())),
  streaming(
    "RequestStream",
    () => byteSource().pipeThrough(new RequestStream()),
  ),
  gathering("ChunkedSmall", chunkedPost(4096, 16), 4096 * 16),
  gathering("ChunkedLarge", chunkedPost(16, 65536), 16 * 65536),
  gathering("Body10MB", POST_10_MB, MEGABYTES_10),
  answering("Write200OK", "response", (_req, res) => res.send(prepared)),
  answering("WriteText", "response", (_req, res) => res.send("Hello, World!")),
  answering(
    "WriteJSONResponse",
    "response",
    (_req, res) => res.json({ message: "Hello, World!" }),
  ),
  answering(
    "HandlerAsync",
    "cycle",
    // deno-lint-ignore require-await -- what is measured
    async (_req, res) => res.send(prepared),
  ),
  keepingAlive(),
  making(),
];
