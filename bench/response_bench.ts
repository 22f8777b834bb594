/**
 * Parsing responses, ours and all peers, with a group for each input. For `deno bench`.
 */

import { RESPONSE_INPUTS } from "./inputs.ts";
import { inTurn } from "./lib/work.ts";
import { OURS } from "./lib/results.ts";
import { responsePeers } from "./response_peers.ts";

for (const [group, wires] of Object.entries(RESPONSE_INPUTS)) {
  for (const { name, parse } of responsePeers(wires)) {
    Deno.bench(
      name,
      { group, baseline: name === OURS },
      inTurn(wires, (wire) => parse(wire)),
    );
  }
}
