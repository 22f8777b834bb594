/**
 * Parsing responses, ours and all peers, with a group for each input. For `deno bench`.
 */

import { RESPONSE_INPUTS } from "./inputs.ts";
import { inTurn } from "./lib/work.ts";
import { OURS } from "./lib/results.ts";
import { peersFor } from "./peers.ts";
import { responsePeers } from "./response_peers.ts";

const all = responsePeers();

for (const input of RESPONSE_INPUTS) {
  const { benchmark: group, wires } = input;
  for (const { name, count } of peersFor(input, all)) {
    Deno.bench(name, { group, baseline: name === OURS }, inTurn(wires, count));
  }
}
