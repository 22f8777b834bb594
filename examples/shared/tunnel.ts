/**
 * Bytes in both directions, between a client that left HTTP behind and its server.
 *
 * @module
 */

import type { Duplex } from "@pooled/http1";

/**
 * Forwards bytes in both directions until both have ended: either side may half-close
 * first and still read. What fails in one direction ends the other, and so do `idle`
 * milliseconds without a byte in either.
 */
export async function join(a: Duplex, b: Duplex, idle: number): Promise<void> {
  let moved = true;
  const cuts: (() => void)[] = [];
  const pump = async (from: Duplex, to: Duplex) => {
    const reader = from.readable.getReader();
    const writer = to.writable.getWriter();
    cuts.push(() => {
      reader.cancel().catch(() => {});
      writer.abort().catch(() => {});
    });
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return await writer.close();
      await writer.write(value);
      moved = true;
    }
  };
  const cut = () => cuts.forEach((cut) => cut());
  const watch = setInterval(() => {
    if (!moved) cut();
    moved = false;
  }, idle);
  try {
    await Promise.all([pump(a, b), pump(b, a)]);
  } catch {
    // One side was reset, or the tunnel timed out.
  } finally {
    clearInterval(watch);
    cut();
  }
}

/**
 * The streams of a connection, for `join`. Those of a `Deno.Conn` close the connection
 * when one of them ends; these half-close it, and it is the caller's to close. A chunk is
 * valid until the next read.
 */
export function duplexOf(conn: Deno.TcpConn): Duplex {
  const buffer = new Uint8Array(65536);
  return {
    readable: new ReadableStream<Uint8Array>({
      async pull(controller) {
        const count = await conn.read(buffer);
        if (count === null) controller.close();
        else controller.enqueue(buffer.subarray(0, count));
      },
    }, { highWaterMark: 0 }),
    writable: new WritableStream<Uint8Array>({
      start(controller) {
        // The `abort` callback would wait for a pending write, which may stall.
        controller.signal.addEventListener("abort", () => {
          conn[Symbol.dispose]();
        });
      },
      async write(chunk) {
        for (let at = 0; at < chunk.length;) {
          at += await conn.write(chunk.subarray(at));
        }
      },
      close: () => conn.closeWrite(),
    }),
  };
}
