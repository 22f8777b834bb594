/**
 * Connections that break: each fault at each call, in the middle of a client's work. Every
 * promise settles, no response is swapped, and nothing is kept or left unhandled.
 */

import { assert, assertEquals } from "@std/assert";
import {
  connect,
  HttpError,
  Pools,
  RequestError,
  RequestParser,
} from "@pooled/http1";
import { assertAtRest, untilAtRest } from "../support/at_rest.ts";
import { bytesOf } from "../support/bytes.ts";
import { ok } from "../support/clients.ts";
import { type Fault, FAULTS, FaultyConn } from "../support/faulty_conn.ts";
import { MemoryConn } from "../support/memory_conn.ts";
import { streamOf } from "../support/streams.ts";
import { withoutUnhandled } from "../support/unhandled.ts";
import { sanitized, until, within } from "../support/waiting.ts";

/** A server that answers each request with its target, in two pieces. */
class AnsweringConn extends MemoryConn {
  readonly #parser = new RequestParser({ pools: new Pools() });

  constructor() {
    super([], { ends: "after the server" });
  }

  override async write(bytes: Uint8Array): Promise<number> {
    const count = await super.write(bytes);
    this.#parser.push(bytesOf(this.writes.at(-1)!));
    for (let request; (request = this.#parser.next()) !== null;) {
      const answer = ok(request.target);
      this.give(answer.slice(0, 30));
      this.give(answer.slice(30));
      request.release();
    }
    return count;
  }

  override close(): void {
    super.close();
    this.#parser[Symbol.dispose]();
  }
}

/** What a client does: the text of each response, or the error. */
async function work(conn: FaultyConn, pools: Pools): Promise<unknown[]> {
  const client = connect(conn, {
    authority: "a",
    pools,
    pipeline: 2,
    headTimeout: 100,
    bodyTimeout: 100,
    idleTimeout: 100,
    writeTimeout: 100,
  });
  const ask = async (init: Parameters<typeof client.request>[0]) => {
    using response = await client.request(init);
    return await response.text();
  };
  const asked = [
    ask({ target: "/1" }),
    ask({ target: "/2", method: "PUT", body: streamOf(["a", "b"]) }),
    ask({ target: "/3", method: "POST", body: "c" }),
    client.fetch("/4").then((response) => response.text()),
  ].map((result) => result.catch((error) => error));
  const results = await within(Promise.all(asked), "the results");
  await within(client.close(), "the end of the client");
  return results;
}

/** More calls than the client's work makes of any method but `read`. */
const CALLS = 12;

const WHOLE = ["/1", "/2", "/3", "/4"];

async function run(fault: Fault, at: number): Promise<boolean> {
  const pools = new Pools();
  const inner = new AnsweringConn();
  const conn = new FaultyConn(inner, fault, at);
  const results = await work(conn, pools);
  for (const [i, result] of results.entries()) {
    if (typeof result === "string") assertEquals(result, WHOLE[i]);
    else {
      assert(
        result instanceof RequestError || result instanceof HttpError,
        String(result),
      );
    }
  }
  if (fault.blame === "nobody" || !conn.broken) assertEquals(results, WHOLE);
  assertEquals(conn.calls.close, 1, "calls of close()");
  conn.closeInner();
  await untilAtRest(
    pools,
    fault.hangs === "for ever" && conn.broken ? assertOneSlab : assertAtRest,
  );
  await until(() => inner.closed, "the close");
  return conn.broken;
}

/** A read or write that never settles keeps its slab, and nothing else. */
function assertOneSlab(pools: Pools): void {
  const { responses, tables, slabs } = pools.stats();
  const kept = slabs.reduce((sum, { inUse }) => sum + inUse, 0);
  assert(kept <= 1, `${kept} slabs in use`);
  assertEquals([responses.inUse, tables.inUse], [0, 0]);
}

for (const fault of FAULTS) {
  sanitized(
    `a client's connection: ${fault.name}`,
    () =>
      withoutUnhandled(async () => {
        // At once: a failed write leaves the client two seconds for a response to come.
        const runs = Array.from({ length: CALLS }, (_, i) => run(fault, i + 1));
        const broken = await Promise.all(runs);
        assert(broken[0], "the fault never happened");
      }),
  );
}
