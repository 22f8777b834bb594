/**
 * The parsers that ours is measured against do the same work: a comparison with one
 * that skipped some would be worth nothing.
 */

import { assert, assertEquals } from "@std/assert";
import * as inputs from "../../bench/inputs.ts";
import { peers } from "../../bench/peers.ts";

const [ours, ...others] = peers();
const wires = Object.values(inputs).filter((input) =>
  input instanceof Uint8Array
);

for (const peer of others) {
  Deno.test(`${peer.name} tells the requests of the benchmarks as we do`, () => {
    assert(wires.length > 0, "the benchmarks have no input");
    for (const wire of wires) {
      // Twice, and alternating, as the benchmark has it.
      for (let i = 0; i < 2; i++) {
        assertEquals(peer.tell(wire), ours!.tell(wire));
        assertEquals(peer.count(wire), ours!.count(wire));
      }
    }
  });
}
