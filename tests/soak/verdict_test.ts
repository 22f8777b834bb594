/**
 * The verdict of the soak finds what it is there to find.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { Pools } from "@pooled/http1";
import type { ClientSample, Sample, ServerSample } from "./report.ts";
import {
  heapTrend,
  judgeClientErrors,
  judgeClientRest,
  judgeErrors,
  judgeRest,
  judgeTrend,
  MOST_GROWTH,
} from "./verdict.ts";

/** A sample every two seconds, with a heap that wavers around `heap`. */
function samples(heap: (seconds: number) => number) {
  return Array.from({ length: 60 }, (_, i) => ({
    seconds: 2 * i,
    heapUsed: heap(2 * i) + (i % 3) * 50_000,
  }));
}

Deno.test("a heap that wavers is no leak, nor is one that grew at first", () => {
  for (const heap of [() => 9e6, (s: number) => s < 50 ? s * 1_000_000 : 5e7]) {
    assertEquals(judgeTrend(heapTrend(samples(heap)), "server"), []);
    assertEquals(judgeTrend(heapTrend(samples(heap)), "client"), []);
  }
});

Deno.test("a heap that grows in the second half is a leak", () => {
  for (const whose of ["server", "client"] as const) {
    const rate = 2 * MOST_GROWTH[whose] / 60;
    const trend = heapTrend(samples((s) => 9_000_000 + rate * s));
    assert(Math.abs(trend.slope - rate) < rate / 10, `${trend.slope}`);
    assertEquals(judgeTrend(trend, whose).length, 1);
  }
});

Deno.test("too few samples make no verdict", () => {
  assertThrows(() => heapTrend(samples(() => 1).slice(0, 4)), Error, "too few");
});

/** What the last samples of both processes share. */
const LAST: Sample = {
  kind: "sample",
  final: true,
  seconds: 1,
  heapUsed: 1,
  rss: 1,
  external: 1,
  openFiles: 20,
  unhandled: [],
};

Deno.test("each error and each thing that is not at rest is told", () => {
  assertEquals(
    judgeErrors({ unexpectedErrors: ["a"], unhandled: ["b"] }),
    ["reported to onError: a", "unhandled: b"],
  );
  const pools = new Pools().stats();
  const rest: ServerSample = {
    ...LAST,
    openStreams: 0,
    openUpgrades: 0,
    ends: 1,
    expectedErrors: 0,
    unexpectedErrors: [],
    stats: {
      connections: 0,
      accepted: 1,
      aborted: 0,
      dropped: 0,
      shed: 0,
      buffered: 0,
      requests: 1,
      bytesReceived: 1,
      bytesSent: 1,
      refusals: {},
      pools,
    },
  };
  assertEquals(judgeRest(rest, 20), []);
  rest.openStreams = 2;
  rest.openFiles = 30;
  rest.stats.connections = 1;
  pools.requests.inUse = 3;
  rest.ends = 2;
  assertEquals(judgeRest(rest, 20).length, 5);
});

Deno.test("the same of the client process", () => {
  assertEquals(
    judgeClientErrors({ violations: ["a"], unhandled: ["b"] }),
    ["our client: a", "unhandled in the client: b"],
  );
  const pools = new Pools().stats();
  const rest: ClientSample = {
    ...LAST,
    asked: 7,
    answered: 4,
    failed: 3,
    checked: 2,
    openConnections: 0,
    openBodies: 0,
    pools,
    violations: [],
    neverShown: [],
  };
  assertEquals(judgeClientRest(rest, 20), []);
  rest.answered = 3;
  rest.openFiles = 30;
  rest.openBodies = 1;
  rest.openConnections = 1;
  pools.responses.inUse = 1;
  pools.slabs[0]!.inUse = 2;
  assertEquals(judgeClientRest(rest, 20).length, 6);
});
