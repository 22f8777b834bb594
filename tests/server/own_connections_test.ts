/**
 * Program-defined connections: the minimal `Conn`, and connections that violate the
 * interface.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type Conn,
  type Handler,
  Pools,
  serve,
  serveConnection,
} from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { portOf } from "../support/listeners.ts";
import { memoryConn } from "../support/plain_conn.ts";
import { answerTo } from "../support/raw_client.ts";
import { sanitized, within } from "../support/waiting.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST_GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

const hello: Handler = (_req, res) => res.send("hello");

for (const count of [0, -1, -100, 1.5, NaN, 1e9, "3", undefined, null]) {
  sanitized(
    `a write that returns ${count} is reported as misuse`,
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
    `a read that returns ${count} is reported as misuse`,
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
  "a closeWrite that never settles does not delay the close",
  async () => {
    const conn = memoryConn(LAST_GET, {
      closeWrite: () => new Promise(() => {}),
    });
    await within(serveConnection(conn, hello), "the end");
    assert(conn.closed);
  },
);

sanitized(
  "a connection without an address or optional methods is served",
  async () => {
    const pools = new Pools();
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const minimal = async function* (): AsyncGenerator<Conn> {
      for await (const conn of listener) {
        yield {
          read: (p) => conn.read(p),
          // Accepts only a few bytes per write.
          write: (p) => conn.write(p.subarray(0, 7)),
          closeWrite: () => conn.closeWrite(),
          close: () => conn.close(),
        };
      }
    };
    const server = serve(minimal(), (req, res, info) => {
      res.send(`${req.path} ${info.remoteAddr}`);
    }, { pools });
    const answer = await answerTo(portOf(listener.addr), GET + LAST_GET);
    assertEquals(answer.match(/\/ null/g)?.length, 2, answer);
    listener.close();
    await within(server.finished, "the end of the server");
    assertAtRest(pools);
  },
);
