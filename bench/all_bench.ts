/**
 * The benchmarks for Deno's own runner, `deno bench -A bench/`. It shows the time of
 * one call, which makes as many operations as the name says.
 */

import { CASES } from "./cases.ts";

for (const { benchmark, group, ops, promises, run } of CASES) {
  const name = ops === 1 ? benchmark : `${benchmark}, ${ops} operations`;
  // Declared async: the runner does not await what a plain function returns.
  Deno.bench(name, { group }, promises ? async () => await run() : () => run());
}
