/**
 * Connections that break: each fault at each call, in the middle of each scenario. No
 * fault ends the process, keeps memory, or is blamed on the wrong side.
 */

import { assert, assertEquals } from "@std/assert";
import {
  type Conn,
  HttpError,
  Pools,
  type RequestEnd,
  serve,
  type ServerStats,
} from "@pooled/http1";
import { assertAtRest, untilAtRest } from "../support/at_rest.ts";
import { type Scenario, SCENARIOS } from "../support/fault_scenarios.ts";
import { type Fault, FAULTS, FaultyConn } from "../support/faulty_conn.ts";
import { MemoryConn } from "../support/memory_conn.ts";
import { get, post } from "../support/requests.ts";
import { bodiesOf } from "../support/response_reader.ts";
import { withoutUnhandled } from "../support/unhandled.ts";
import { sanitized, until, within } from "../support/waiting.ts";

/** A fault that never happens. */
const NONE: Fault = {
  name: "none",
  method: "read",
  inject: () => {
    throw new Error("this fault does not happen");
  },
  blame: "nobody",
};

/** What became of a run. */
interface Outcome {
  conn: FaultyConn;
  errors: unknown[];
  ends: RequestEnd[];
  stats: ServerStats;
}

/** Serves one connection that breaks at the `at`-th call. */
async function run(
  { pieces, handler }: Scenario,
  fault: Fault,
  at: number,
): Promise<Outcome> {
  const pools = new Pools();
  const errors: unknown[] = [];
  const ends: RequestEnd[] = [];
  const aborter = new AbortController();
  let working = 0;
  const conn = new FaultyConn(new MemoryConn(pieces), fault, at);
  const source = (async function* (): AsyncGenerator<Conn> {
    yield conn;
  })();
  const server = serve(source, async (req, res, info) => {
    working++;
    try {
      await handler(req, res, info);
    } finally {
      working--;
    }
  }, {
    pools,
    signal: aborter.signal,
    onError: (error) => void errors.push(error),
    onRequestEnd: (end) => void ends.push(end),
    headTimeout: 200,
    bodyTimeout: 200,
    idleTimeout: 200,
    goneTimeout: 200,
    writeTimeout: 200,
  });
  await within(server.finished, "the end of the server");
  await until(() => {
    // What was handed over has no timeouts: the signal ends it.
    if (fault.hangs && conn.broken) aborter.abort();
    return working === 0 && server.stats().connections === 0;
  }, "the end of the handlers");
  const keeps = fault.hangs === "for ever" && conn.broken;
  await untilAtRest(pools, keeps ? assertOneSlab : assertAtRest);
  return { conn, errors, ends, stats: server.stats() };
}

/** A read or write that never settles keeps its slab, and nothing else. */
function assertOneSlab(pools: Pools): void {
  const { requests, tables, slabs } = pools.stats();
  const kept = slabs.reduce((sum, { inUse }) => sum + inUse, 0);
  assert(kept <= 1, `${kept} slabs in use`);
  assertEquals([requests.inUse, tables.inUse], [0, 0]);
}

/** Each request has ended once, and what was refused before it became one. */
function checkEnds({ conn, ends, stats }: Outcome): void {
  const known = ends.filter(({ response }) => response !== null);
  assertEquals(known.length, stats.requests, "ends of requests");
  assertEquals(
    new Set(known.map(({ response }) => response)).size,
    known.length,
  );
  const refused = ends.slice(known.length);
  assert(refused.length <= 1, "two messages were refused");
  assert(refused.every(({ error }) => error instanceof HttpError));
  const sent = ends.reduce((sum, { bytesSent }) => sum + bytesSent, 0);
  assert(sent <= conn.written.length, `${sent} bytes were told`);
  for (const { complete, error } of ends) assert(complete || error !== null);
}

/** Checks what holds after each run. */
function check(
  scenario: Scenario,
  fault: Fault,
  whole: string,
  outcome: Outcome,
): void {
  const { conn, errors, stats } = outcome;
  checkEnds(outcome);
  assertEquals(conn.calls.close, 1, "calls of close()");
  assertEquals([stats.accepted, stats.connections], [1, 0]);
  assertEquals(stats.bytesSent, conn.written.length, "bytes sent");
  assert(stats.requests <= scenario.requests);
  const { blame } = conn.broken ? fault : NONE;
  if (blame === "nobody") {
    if (scenario.echoes) {
      assertEquals(bodiesOf(conn.written), bodiesOf(whole));
    } else assertEquals(conn.written, whole);
    assertEquals(stats.requests, scenario.requests);
    assertEquals(stats.bytesReceived, conn.given, "bytes received");
  } else if (blame === "program") {
    assertEquals(errors.length, 1, `${errors.length} reports`);
    assert(errors[0] instanceof TypeError, `${errors[0]}`);
    assert(whole.startsWith(conn.written), conn.written);
    return;
  }
  assertEquals(errors, []);
}

/** Runs a scenario once for each call that can break. Gives how often one did. */
async function runAll(scenario: Scenario, fault: Fault): Promise<number> {
  const { conn: { written: whole, calls } } = await run(scenario, NONE, 0);
  // What is harmless and lasts is met by all calls from the first one on.
  const count = fault.lasting && fault.blame === "nobody"
    ? 1
    : calls[fault.method];
  const runs = Array.from({ length: count }, async (_, i) => {
    try {
      const outcome = await run(scenario, fault, i + 1);
      check(scenario, fault, whole, outcome);
      return outcome.conn.broken;
    } catch (cause) {
      throw new Error(`${scenario.name}, call ${i + 1}`, { cause });
    }
  });
  return (await Promise.all(runs)).filter(Boolean).length;
}

for (const fault of FAULTS) {
  sanitized(`faults: ${fault.name}`, () =>
    withoutUnhandled(async () => {
      const broken = await Promise.all(
        SCENARIOS.map((scenario) => runAll(scenario, fault)),
      );
      assertEquals(broken.filter((count) => count === 0), [], "no fault met");
    }));
}

sanitized(
  "a write that fails behind the end of the input is not the handler's error",
  async () => {
    const pools = new Pools();
    const errors: unknown[] = [];
    const written = Promise.withResolvers<void>();
    const conn = new MemoryConn([get("/a") + post("/b", "body")]);
    conn.write = async () => {
      await written.promise;
      throw new Deno.errors.BrokenPipe("no reader");
    };
    const met = Promise.withResolvers<unknown>();
    const server = serve(ReadableStream.from([conn]), async (req, res) => {
      if (req.path === "/a") return res.send("a");
      const { signal } = req;
      const reader = req.body!.getReader();
      await until(() => signal.aborted, "the end of the input");
      written.resolve();
      await reader.closed.catch((error) => {
        met.resolve([error, signal.reason]);
        throw error;
      });
    }, { pools, onError: (error) => void errors.push(error) });
    await within(server.finished, "the end of the server");
    const [error, reason] = await within(met.promise, "the error") as unknown[];
    await untilAtRest(pools);
    assert(error === reason, `${error}, ${reason}`);
    assertEquals(errors, []);
  },
);
