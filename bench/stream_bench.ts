/**
 * Requests out of a stream in memory: 4 MiB of pipelined GETs in chunks of 64 KiB
 * an iteration, through each of the two ways, and through the parser alone.
 */

import { RequestParser } from "../src/parser.ts";
import { readRequests, RequestStream } from "../src/stream.ts";
import { SIMPLE_GET } from "./inputs.ts";

const CHUNK = 65536;
const CHUNKS = 64;
const REQUESTS = Math.floor(CHUNK * CHUNKS / SIMPLE_GET.length);

const wire = new Uint8Array(REQUESTS * SIMPLE_GET.length);
for (let i = 0; i < REQUESTS; i++) {
  wire.set(SIMPLE_GET, i * SIMPLE_GET.length);
}

/** The wire as a byte stream that fills whatever buffer its reader lends. */
function byteSource(): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      const request = controller.byobRequest;
      const room = request?.view?.byteLength ?? CHUNK;
      const piece = wire.subarray(at, at + room);
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

async function count(
  requests: AsyncIterable<{ method: string } & Disposable>,
): Promise<void> {
  let seen = 0;
  for await (using request of requests) if (request.method === "GET") seen++;
  if (seen !== REQUESTS) throw new Error(`${seen} of ${REQUESTS} requests`);
}

const group = `stream of ${REQUESTS} requests`;

Deno.bench("RequestParser alone", { group, baseline: true }, () => {
  const parser = new RequestParser();
  let seen = 0;
  for (let at = 0; at < wire.length; at += CHUNK) {
    parser.push(wire.subarray(at, at + CHUNK));
    for (let request; (request = parser.next()) !== null; request.release()) {
      if (request.method === "GET") seen++;
    }
  }
  parser[Symbol.dispose]();
  if (seen !== REQUESTS) throw new Error(`${seen} of ${REQUESTS} requests`);
});

// Declared async: the runner does not await what a plain function returns.
Deno.bench("readRequests", { group }, async () => {
  await count(readRequests(byteSource()));
});

Deno.bench("RequestStream", { group }, async () => {
  await count(byteSource().pipeThrough(new RequestStream()));
});
