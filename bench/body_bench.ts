/**
 * What a chunked body costs, from its bytes on the wire to one array.
 *
 * ChunkedSmall is 64 KiB in chunks of 16 bytes, ChunkedLarge 1 MiB in chunks of
 * 64 KiB; the pushes are of 64 KiB, as a socket would give them.
 */

import { RequestParser } from "../src/parser.ts";
import { chunkedPost } from "./inputs.ts";

const parser = new RequestParser();
const PUSH = 65536;

async function gather(wire: Uint8Array, size: number): Promise<void> {
  parser.push(wire.subarray(0, PUSH));
  const request = parser.next()!;
  const body = request.bytes();
  for (let at = PUSH; at < wire.length; at += PUSH) {
    parser.push(wire.subarray(at, at + PUSH));
  }
  if ((await body).length !== size) throw new Error("a body is cut short");
  request.release();
}

const small = chunkedPost(4096, 16);
const large = chunkedPost(16, 65536);

// Declared async: the runner does not await what a plain function returns.
Deno.bench("ChunkedSmall", { group: "body" }, async () => {
  await gather(small, 65536);
});

Deno.bench("ChunkedLarge", { group: "body" }, async () => {
  await gather(large, 1048576);
});
