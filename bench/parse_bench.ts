/**
 * Parsing heads, ours and all peers, with a group for each input. For `deno bench`.
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
