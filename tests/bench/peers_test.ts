/**
 * The benchmarked peers find the same requests as our parser, so that all do the same
 * work.
 */

import { assert, assertThrows } from "@std/assert";
import { INPUTS, RESPONSE_INPUTS } from "../../bench/inputs.ts";
import { peers, peersFor } from "../../bench/peers.ts";
import { responsePeers } from "../../bench/response_peers.ts";

const all = peers();

for (const input of INPUTS) {
  Deno.test(`all peers find the same requests in ${input.benchmark}`, () => {
    // Twice, because a benchmark reuses its parsers.
    for (let i = 0; i < 2; i++) assert(peersFor(input, all).length > 4);
  });
}

const allOfResponses = responsePeers();

for (const input of RESPONSE_INPUTS) {
  Deno.test(`all peers find the same responses in ${input.benchmark}`, () => {
    for (let i = 0; i < 2; i++) {
      assert(peersFor(input, allOfResponses).length === 4);
    }
  });
}

Deno.test("a peer is left out only of inputs that it refuses", () => {
  for (const { wires, refusedBy = [] } of INPUTS) {
    for (const name of refusedBy) {
      const peer = peers().find((peer) => peer.name === name)!;
      assertThrows(() => wires.forEach((wire) => peer.count(wire)));
    }
  }
});

Deno.test("a peer that skips fields or counts no requests is rejected", () => {
  const [ours] = all;
  const blind = {
    ...ours!,
    name: "blind",
    tell: (wire: Uint8Array<ArrayBuffer>) =>
      ours!.tell(wire).map((one) => ({ ...one, fields: [] })),
  };
  const lazy = { ...ours!, name: "lazy", count: () => 0 };
  for (const peer of [blind, lazy]) {
    assertThrows(
      () => peersFor(INPUTS[0]!, [ours!, peer]),
      Error,
      `${peer.name} finds other messages in ${INPUTS[0]!.benchmark}`,
    );
  }
});
