/**
 * Replays the corpus: what each input was read as, whole and cut at every byte, and that
 * its differences to the grammar and to other parsers have a class.
 */

import { assert, assertEquals } from "@std/assert";
import { textOf } from "../support/bytes.ts";
import { compare, parserPeers, Tally } from "./differential.ts";
import { readByParser } from "./targets/ours.ts";
import type { Verdict } from "./verdict.ts";

const FOLDER = new URL("../corpus/", import.meta.url);
const index: Record<string, Verdict & { why: string }> = JSON.parse(
  Deno.readTextFileSync(new URL("index.json", FOLDER)),
);
const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name)
  .filter((name) => name.endsWith(".http")).sort();
const peers = parserPeers();

Deno.test("the index names every input", () => {
  assertEquals(Object.keys(index).sort(), names);
  assert(names.length >= 20, `${names.length} inputs`);
});

for (const [name, expected] of Object.entries(index)) {
  const wire = Deno.readFileSync(new URL(name, FOLDER));

  Deno.test(`${name}: read as before, whole and cut anywhere`, async () => {
    const { why: _why, ...verdict } = expected;
    assertEquals(await readByParser(wire), verdict);
    for (let at = 1; at < wire.length; at++) {
      const pieces = [wire.subarray(0, at), wire.subarray(at)];
      assertEquals(await readByParser(...pieces), verdict, `cut at ${at}`);
    }
    const bytes = [...wire].map((byte) => new Uint8Array([byte]));
    assertEquals(await readByParser(...bytes), verdict, "byte by byte");
  });

  Deno.test(`${name}: every difference has a class`, async () => {
    const tally = new Tally();
    await compare(textOf(wire), peers, tally);
    assertEquals(tally.inputs, 1);
  });
}
