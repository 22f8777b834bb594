/**
 * What pools have given out and not got back.
 *
 * @module
 */

import type { PoolsStats } from "../../mod.ts";

/** The kinds of objects that are in use, each with its count; none at rest. */
export function inUse(
  { requests, responses, tables, slabs }: PoolsStats,
): [what: string, count: number][] {
  const all: [string, number][] = [
    ["requests in use", requests.inUse],
    ["responses in use", responses.inUse],
    ["header tables in use", tables.inUse],
    ...slabs.map(({ size, inUse }): [string, number] => [
      `slabs of ${size} bytes in use`,
      inUse,
    ]),
  ];
  return all.filter(([, count]) => count !== 0);
}
