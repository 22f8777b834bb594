/**
 * A minimal in-memory `Conn` whose methods a test can override.
 *
 * @module
 */

import type { Conn } from "@pooled/http1";
import { bytesOf, textOf } from "./bytes.ts";

/** Returns a connection that delivers `wire` and then waits for more input. */
export function memoryConn(wire: string, overrides: Partial<Conn> = {}) {
  const end = Promise.withResolvers<number | null>();
  let left = bytesOf(wire);
  const conn = {
    written: "",
    closed: false,
    read(p: Uint8Array): Promise<number | null> {
      if (left.length === 0) return end.promise;
      const count = Math.min(p.length, left.length);
      p.set(left.subarray(0, count));
      left = left.subarray(count);
      return Promise.resolve(count);
    },
    write(p: Uint8Array): Promise<number> {
      conn.written += textOf(p);
      return Promise.resolve(p.length);
    },
    closeWrite: () => Promise.resolve(),
    close() {
      conn.closed = true;
      end.reject(new Deno.errors.BadResource("closed"));
    },
    ...overrides,
  };
  end.promise.catch(() => {});
  return conn;
}
