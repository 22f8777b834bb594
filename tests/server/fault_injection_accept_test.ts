/**
 * Listeners that break at each call of `accept`.
 */

import { assert, assertEquals } from "@std/assert";
import { type AcceptSource, type Conn, Pools, serve } from "@pooled/http1";
import { untilAtRest } from "../support/at_rest.ts";
import { hello } from "../support/handlers.ts";
import { MemoryConn } from "../support/memory_conn.ts";
import { last } from "../support/requests.ts";
import { bodiesOf } from "../support/response_reader.ts";
import { withoutUnhandled } from "../support/unhandled.ts";
import { sanitized, until, within } from "../support/waiting.ts";

/** Connections that a listener has to give. */
const CONNECTIONS = 3;

/** What takes the place of some calls of `accept`. */
interface AcceptFault {
  name: string;
  accept(): unknown;
  /** What becomes of the server. */
  consequence: "reported" | "counted" | "ends" | "waits";
}

const emfile = () =>
  Object.assign(new Error("Too many open files (os error 24)"), {
    code: "EMFILE",
  });

const ACCEPT_FAULTS: AcceptFault[] = [
  {
    name: "rejects for want of descriptors",
    accept: () => Promise.reject(emfile()),
    consequence: "reported",
  },
  {
    name: "throws",
    accept: () => {
      throw emfile();
    },
    consequence: "reported",
  },
  {
    name: "rejects with nothing",
    accept: () => Promise.reject(undefined),
    consequence: "reported",
  },
  ...(["ConnectionReset", "ConnectionAborted", "NotConnected"] as const).map(
    (kind): AcceptFault => ({
      name: `rejects with ${kind}`,
      accept: () => Promise.reject(new Deno.errors[kind]("gone")),
      consequence: "counted",
    }),
  ),
  ...[undefined, 7, {}, { read() {} }].map((garbage): AcceptFault => ({
    name: `gives ${Deno.inspect(garbage)}`,
    accept: () => Promise.resolve(garbage),
    consequence: "ends",
  })),
  {
    name: "never settles",
    accept: () => new Promise(() => {}),
    consequence: "waits",
  },
];

/** Gives connections, and breaks at some calls. */
class FaultyListener implements AcceptSource {
  readonly addr: Deno.Addr = {
    transport: "tcp",
    hostname: "127.0.0.1",
    port: 1,
  };
  readonly conns = Array.from(
    { length: CONNECTIONS },
    () => new MemoryConn([last()]),
  );
  closes = 0;
  #accepts = 0;
  #given = 0;
  readonly #closed = Promise.withResolvers<never>();
  readonly #fault: AcceptFault;
  readonly #from: number;
  readonly #times: number;

  constructor(fault: AcceptFault, from: number, times: number) {
    this.#fault = fault;
    this.#from = from;
    this.#times = times;
    this.#closed.promise.catch(() => {});
  }

  accept(): Promise<Conn> {
    const call = ++this.#accepts - this.#from;
    if (call >= 0 && call < this.#times) {
      return this.#fault.accept() as Promise<Conn>;
    }
    const conn = this.conns[this.#given++];
    return conn === undefined ? this.#closed.promise : Promise.resolve(conn);
  }

  close(): void {
    this.closes++;
    this.#closed.reject(new Deno.errors.BadResource("closed"));
    throw new Error("a close that fails");
  }

  [Symbol.asyncIterator](): AsyncIterator<Conn> {
    throw new Error("a listener is not iterated");
  }
}

/** Serves a listener that breaks `times` times from the `from`-th accept on. */
async function serveFaulty(
  fault: AcceptFault,
  from: number,
  times: number,
): Promise<void> {
  const pools = new Pools();
  const errors: unknown[] = [];
  const listener = new FaultyListener(fault, from, times);
  const server = serve(listener, hello, {
    pools,
    onListen() {},
    onError: (error) => void errors.push(error),
  });
  const { consequence } = fault;
  const ends = consequence === "ends" || consequence === "waits";
  const served = ends ? Math.min(from - 1, CONNECTIONS) : CONNECTIONS;
  const failures = from <= CONNECTIONS + 1 ? times : 0;
  const reports = consequence === "reported"
    ? failures
    : consequence === "ends"
    ? Math.min(failures, 1)
    : 0;
  await until(
    () =>
      listener.conns.filter(({ closed }) => closed).length === served &&
      errors.length === reports,
    "the connections",
  );
  await within(server.shutdown(), "the end of the server");
  await untilAtRest(pools);
  assertEquals(listener.closes, 1);
  const { accepted, aborted, connections, requests } = server.stats();
  assertEquals([accepted, connections], [served, 0]);
  // The end of the server comes before a request that has not arrived.
  const answered = listener.conns.flatMap(({ wire }) => bodiesOf(wire));
  assertEquals(answered, Array(requests).fill("hello"));
  if (consequence !== "ends") assertEquals(requests, served);
  assertEquals(aborted, consequence === "counted" ? failures : 0);
  assertEquals(errors.length, reports);
}

for (const fault of ACCEPT_FAULTS) {
  sanitized(`accept ${fault.name}`, () =>
    withoutUnhandled(async () => {
      const runs: Promise<void>[] = [];
      for (let from = 1; from <= CONNECTIONS + 2; from++) {
        for (const times of [1, 2, 5]) {
          runs.push(
            serveFaulty(fault, from, times).catch((cause) => {
              throw new Error(`${times} times from ${from} on`, { cause });
            }),
          );
        }
      }
      await Promise.all(runs);
    }));
}

sanitized(
  "a connection that cannot be asked for its address is closed",
  () =>
    withoutUnhandled(async () => {
      for (const name of ["remoteAddr", "localAddr"]) {
        const errors: unknown[] = [];
        const conn = Object.defineProperty(new MemoryConn([last()]), name, {
          get: () => {
            throw new Error("no address");
          },
        });
        const next = new MemoryConn([last()]);
        const server = serve(ReadableStream.from([conn, next]), hello, {
          onError: (error) => void errors.push(error),
        });
        await within(server.finished, "the end of the server");
        assertEquals(errors.length, 1);
        assert(conn.closed, "the connection was left open");
        assertEquals(bodiesOf(next.wire), ["hello"]);
      }
    }),
);
