/**
 * The main job on real input: a client sends ten thousand pipelined requests over
 * TCP, split at awkward places. The server reads them and their bodies with
 * `readRequests`, and answers the last one with their count. Then it prints the cost.
 *
 * `deno task demo`; its flags expose the garbage collector and keep it from running
 * while the heap is measured.
 *
 * @module
 */

import { Pools, readRequests, RequestParser } from "@pooled/http1";

declare const gc: () => void;

const REQUESTS = 10_000;
const SHOWN = 5;
const encoder = new TextEncoder();

/** Request number `i`: mostly GETs, some with a body in either framing. */
function requestText(i: number): string {
  const last = i === REQUESTS - 1 ? "Connection: close\r\n" : "";
  const common = `Host: localhost\r\nUser-Agent: demo/1.0\r\n${last}`;
  if (i % 10 === 3) {
    const body = JSON.stringify({ id: i, note: "x".repeat(i % 700) });
    return `POST /items HTTP/1.1\r\n${common}Content-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`;
  }
  if (i % 10 === 7) {
    const chunk = `line ${i}\n`.repeat(1 + i % 40);
    const size = chunk.length.toString(16);
    return `PUT /log/${i} HTTP/1.1\r\n${common}Transfer-Encoding: chunked\r\n\r\n` +
      `${size}\r\n${chunk}\r\n${size};part=2\r\n${chunk}\r\n0\r\nX-Lines: ${i}\r\n\r\n`;
  }
  return `GET /items/${i}?verbose=1 HTTP/1.1\r\n${common}Accept: */*\r\n\r\n`;
}

const wire = encoder.encode(
  Array.from({ length: REQUESTS }, (_, i) => requestText(i)).join(""),
);

/** Sends the wire in pieces of varying sizes; returns the response. */
async function client(port: number): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  conn.setNoDelay(true);
  const sizes = [1, 2, 3, 1460, 7, 65536, 11, 4096, 13, 29, 536, 20000];
  for (let at = 0, i = 0; at < wire.length; i++) {
    const piece = wire.subarray(at, at + sizes[i % sizes.length]!);
    for (let sent = 0; sent < piece.length;) {
      sent += await conn.write(piece.subarray(sent));
    }
    at += piece.length;
  }
  return await new Response(conn.readable).text();
}

const pools = new Pools();

/** Reads requests until the client asks to close; returns the bytes of all bodies. */
async function serve(listener: Deno.Listener): Promise<number> {
  const conn = await listener.accept();
  let count = 0;
  let bodyBytes = 0;
  for await (using request of readRequests(conn.readable, { pools })) {
    const body = request.body && await request.bytes();
    bodyBytes += body?.length ?? 0;
    if (count++ < SHOWN) {
      const trailers = request.trailers
        ? ` and ${request.trailers.size} trailer`
        : "";
      console.log(
        `${request.method} ${request.target}  ${request.headers.size} fields` +
          (body ? `, ${body.length} bytes of body` : "") + trailers,
      );
    }
    if (!request.keepAlive) {
      const answer = `${count} requests`;
      await conn.write(encoder.encode(
        `HTTP/1.1 200 OK\r\nContent-Length: ${answer.length}\r\nConnection: close\r\n\r\n${answer}`,
      ));
      break;
    }
  }
  return bodyBytes;
}

/** Bytes that the parser itself allocates per request, on the same wire. */
function allocatedPerRequest(): number {
  const parser = new RequestParser();
  const piece = 16_384;
  const run = () => {
    let count = 0;
    for (let at = 0; at < wire.length; at += piece) {
      parser.push(pieces[at / piece]!);
      for (let request; (request = parser.next()) !== null; request.release()) {
        if (request.headers.has("host")) count++;
      }
    }
    return count;
  };
  const pieces = Array.from(
    { length: Math.ceil(wire.length / piece) },
    (_, i) => wire.subarray(i * piece, (i + 1) * piece),
  );
  for (let i = 0; i < 20; i++) run();
  // The minimum of a few runs: the runtime itself sometimes allocates.
  let least = Infinity;
  for (let i = 0; i < 5; i++) {
    gc();
    const before = Deno.memoryUsage().heapUsed;
    const count = run();
    const bytes = Deno.memoryUsage().heapUsed - before;
    least = Math.min(least, bytes / count);
  }
  parser[Symbol.dispose]();
  return least;
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const { port } = listener.addr as Deno.NetAddr;
console.log(
  `listening on 127.0.0.1:${port}; the client sends ${REQUESTS} requests\n`,
);

const started = performance.now();
const [bodyBytes, answer] = await Promise.all([serve(listener), client(port)]);
const seconds = (performance.now() - started) / 1000;
listener.close();
console.log(`…\n\nthe client was told: ${answer.split("\r\n\r\n")[1]}\n`);

const { requests, slabs } = pools.stats();
const served = requests.created + requests.reused;
const rows: [string, string][] = [
  ["requests", `${served}`],
  ["bytes", `${wire.length}, of which ${bodyBytes} in bodies`],
  [
    "requests a second",
    `${Math.round(served / seconds)}, client and server in one thread`,
  ],
  ["request objects created", `${requests.created} for ${served} served`],
  [
    "slabs created",
    slabs.filter((tier) => tier.created > 0)
      .map((tier) => `${tier.created} of ${tier.size / 1024} KiB`).join(", "),
  ],
  [
    "still in use",
    `${requests.inUse} requests, ${
      slabs.reduce((sum, tier) => sum + tier.inUse, 0)
    } slabs`,
  ],
  [
    "bytes allocated a request",
    `${allocatedPerRequest().toFixed(2)} by the parser`,
  ],
];
for (const [what, value] of rows) console.log(`${what.padEnd(26)}${value}`);
