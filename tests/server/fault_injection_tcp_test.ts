/**
 * Connections of the system that break: each fault at the first calls.
 */

import { assert, assertEquals } from "@std/assert";
import { Pools, serve } from "@pooled/http1";
import { untilAtRest } from "../support/at_rest.ts";
import { type Fault, FAULTS, FaultyConn } from "../support/faulty_conn.ts";
import { assertEnds, RawClient } from "../support/raw_client.ts";
import { get, last, post } from "../support/requests.ts";
import { withoutUnhandled } from "../support/unhandled.ts";
import { sanitized, within } from "../support/waiting.ts";

/** What a client of the system sends. */
const WIRES = [last(), get("/a") + post("/b", "body") + last()];

/** Serves a client of the system on a connection that breaks at the `at`-th call. */
async function serveTcp(
  fault: Fault,
  wire: string,
  at: number,
): Promise<void> {
  const pools = new Pools();
  const errors: unknown[] = [];
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = await Promise.all([
    RawClient.connect((listener.addr as Deno.NetAddr).port),
    listener.accept(),
  ]);
  listener.close();
  using client = accepted[0];
  const conn = new FaultyConn(accepted[1], fault, at);
  const server = serve(
    ReadableStream.from([conn]),
    async (req, res) => res.send(await req.text()),
    {
      pools,
      onError: (error) => void errors.push(error),
      headTimeout: 200,
      bodyTimeout: 200,
      idleTimeout: 200,
      goneTimeout: 200,
      writeTimeout: 200,
    },
  );
  await client.send(wire);
  await client.conn.closeWrite();
  await within(server.finished, "the end of the server");
  await untilAtRest(pools);
  conn.closeInner();
  await assertEnds(client.conn);
  const blamed = conn.broken && fault.blame === "program";
  assertEquals(errors.length, blamed ? 1 : 0);
  const { connections, bytesSent } = server.stats();
  // A write can be done when its connection is closed already.
  assert(connections === 0 && bytesSent <= conn.written.length);
}

for (const fault of FAULTS) {
  // The reads and writes of the system end with their connection.
  if (fault.hangs === "for ever" && fault.method !== "closeWrite") continue;
  sanitized(`TCP: ${fault.name}`, () =>
    withoutUnhandled(async () => {
      const runs = WIRES.flatMap((wire) =>
        [1, 2, 3].map((at) => serveTcp(fault, wire, at))
      );
      await Promise.all(runs);
    }));
}
