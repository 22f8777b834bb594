/**
 * `RequestParser`: its options, and linear cost on input in small pieces.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { Pools, RequestParser } from "@pooled/http1";
import { assertAtRest } from "./support/at_rest.ts";
import { bytesOf } from "./support/bytes.ts";
import { GET, get } from "./support/requests.ts";

Deno.test("the constructor throws on limits out of range", () => {
  assertThrows(() => new RequestParser({ maxHeaders: -1 }), RangeError);
  assertThrows(() => new RequestParser({ maxBodySize: 1.5 }), RangeError);
  assertThrows(() => new RequestParser({ maxHeaderBytes: 65_000 }), RangeError);
});

Deno.test("parsing a head byte by byte takes linear work", () => {
  // Counts loads, not time: the parser may load each byte a bounded number of times.
  const parser = new RequestParser({
    maxHeaderBytes: 32_000,
    pools: new Pools(),
  });
  const value = "v".repeat(30_000);
  const bytes = bytesOf(get("/", `X-Long: ${value}`));
  let looks = 0;
  const { getInt32 } = DataView.prototype;
  DataView.prototype.getInt32 = function (offset, littleEndian) {
    looks++;
    return getInt32.call(this, offset, littleEndian);
  };
  try {
    for (const byte of bytes) {
      parser.push(Uint8Array.of(byte));
      const request = parser.next();
      if (request === null) continue;
      assertEquals(request.headers.get("x-long"), value);
      request.release();
    }
  } finally {
    DataView.prototype.getInt32 = getInt32;
  }
  assert(looks > bytes.length / 8, `${looks} looks: not counted at all?`);
  assert(looks < 2 * bytes.length, `${looks} looks at ${bytes.length} bytes`);
  parser[Symbol.dispose]();
});

Deno.test("pushing many pieces without calling next() copies a linear number of bytes", () => {
  const pools = new Pools();
  const parser = new RequestParser({ pools });
  const one = bytesOf(GET);
  const copied = bytesCopied(() => {
    for (let i = 0; i < 20_000; i++) parser.push(one);
  });
  const total = 20_000 * one.length;
  assert(copied >= total, `${copied} bytes: not counted at all?`);
  assert(copied <= 4 * total, `${copied} bytes were copied for ${total}`);
  let count = 0;
  for (let request; (request = parser.next()) !== null; request.release()) {
    count++;
  }
  assertEquals(count, 20_000);
  parser[Symbol.dispose]();
  assertAtRest(pools);
});

/** Counts the bytes that `run` copies with `set` and `copyWithin`. */
function bytesCopied(run: () => void): number {
  let count = 0;
  const { set, copyWithin } = Uint8Array.prototype;
  Uint8Array.prototype.set = function (source, offset) {
    count += source.length;
    set.call(this, source, offset);
  };
  Uint8Array.prototype.copyWithin = function (target, start, end) {
    count += (end ?? this.length) - start;
    return copyWithin.call(this, target, start, end);
  };
  try {
    run();
  } finally {
    // Uncovers the inherited methods again.
    const own: Partial<Uint8Array> = Uint8Array.prototype;
    delete own.set;
    delete own.copyWithin;
  }
  return count;
}
