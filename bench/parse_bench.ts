/**
 * Parsing heads, ours beside all peers: a group for each input. `deno bench` runs it.
 */

import { INPUTS } from "./inputs.ts";
import { inTurn } from "./lib/work.ts";
import { OURS } from "./lib/results.ts";
import { peers, peersFor } from "./peers.ts";

const all = peers();

for (const input of INPUTS) {
  const { benchmark: group, wires } = input;
  for (const { name, count } of peersFor(input, all)) {
    Deno.bench(name, { group, baseline: name === OURS }, inTurn(wires, count));
  }
}
