/**
 * Connections of a program's own make that do not keep to the interface.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Handler, Pools, serveConnection } from "@pooled/http1";
import { memoryConn } from "../support/plain_conn.ts";
import { sanitized, within } from "../support/waiting.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST_GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

const hello: Handler = (_req, res) => res.send("hello");

for (const count of [0, -1, -100, 1.5, NaN, 1e9, "3", undefined, null]) {
  sanitized(
    `a write that gives ${count} is an error of the connection`,
    async () => {
      const errors: unknown[] = [];
      const conn = memoryConn(GET, {
        write: () => Promise.resolve(count as number),
      });
      await within(
        serveConnection(conn, hello, {
          onError: (error) => void errors.push(error),
        }),
        "the end",
      );
      assert(conn.closed);
      assertEquals(errors.length, 1);
      assert(errors[0] instanceof TypeError, `${errors[0]}`);
      assertStringIncludes(errors[0].message, "write");
    },
  );
}

for (const count of [0, -1, -100, 1.5, NaN, 1e9, "3", undefined]) {
  sanitized(
    `a read that gives ${count} is an error of the connection`,
    async () => {
      const errors: unknown[] = [];
      const conn = memoryConn("", {
        read: () => Promise.resolve(count as number),
      });
      await within(
        serveConnection(conn, hello, {
          onError: (error) => void errors.push(error),
        }),
        "the end",
      );
      assert(conn.closed);
      assertEquals(errors.length, 1);
      assert(errors[0] instanceof TypeError, `${errors[0]}`);
      assertStringIncludes(errors[0].message, "read");
    },
  );
}

sanitized("a write that never settles ends with writeTimeout", async () => {
  const pools = new Pools();
  const conn = memoryConn(GET, { write: () => new Promise(() => {}) });
  await within(
    serveConnection(conn, hello, { pools, writeTimeout: 50 }),
    "the end",
  );
  assert(conn.closed);
  assertEquals(pools.stats().requests.inUse, 0);
});

sanitized(
  "a closeWrite that never settles does not hold the end up",
  async () => {
    const conn = memoryConn(LAST_GET, {
      closeWrite: () => new Promise(() => {}),
    });
    await within(serveConnection(conn, hello), "the end");
    assert(conn.closed);
  },
);
