/**
 * A TCP connection as a pair of streams that end one by one. Those of `Deno.Conn` do not:
 * the end of either closes the connection.
 *
 * @module
 */

import type { Duplex } from "../../../mod.ts";

/** The streams of a connection, which closes when both have ended or one has failed. */
export function streamsOf(conn: Deno.Conn): Duplex {
  let open = 2;
  let closed = false;
  const close = () => {
    if (!closed) conn.close();
    closed = true;
  };
  const end = () => {
    if (--open === 0) close();
  };
  const orClose = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      close();
      throw error;
    }
  };
  return {
    readable: new ReadableStream({
      type: "bytes",
      autoAllocateChunkSize: 16_384,
      async pull(controller) {
        const request = controller.byobRequest!;
        const { buffer, byteOffset, byteLength } = request.view!;
        const into = new Uint8Array(buffer, byteOffset, byteLength);
        const count = await orClose(conn.read(into));
        if (closed) return;
        if (count === null) {
          end();
          controller.close();
        }
        request.respond(count ?? 0);
      },
      cancel: close,
    }),
    writable: new WritableStream({
      async write(chunk) {
        for (let at = 0; at < chunk.length;) {
          at += await orClose(conn.write(chunk.subarray(at)));
        }
      },
      async close() {
        await orClose(conn.closeWrite());
        end();
      },
      abort: close,
    }),
  };
}
