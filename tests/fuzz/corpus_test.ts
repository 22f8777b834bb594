/**
 * Replays the corpus, of requests and of responses: what each input was read as, whole and
 * cut at every byte, and that its differences to the grammar and to other parsers have a
 * class. The client gets the responses, too.
 */

import { assert, assertEquals } from "@std/assert";
import { textOf } from "../support/bytes.ts";
import { compareClient } from "./client.ts";
import {
  compare,
  compareResponses,
  parserPeers,
  responsePeers,
  Tally,
} from "./differential.ts";
import { readByParser, readResponsesByParser } from "./targets/ours.ts";
import type { Verdict } from "./verdict.ts";

/** What the index tells of an input. */
interface Told extends Verdict {
  why: string;
  /** The methods of the requests that responses answer. */
  methods?: string[];
}

/** Registers the tests of the inputs in a folder. Gives its index. */
function replay(
  folder: URL,
  read: (told: Told, pieces: Uint8Array[]) => Promise<Verdict>,
  classify: (told: Told, wire: string, tally: Tally) => Promise<void>,
): Record<string, Told> {
  const index: Record<string, Told> = JSON.parse(
    Deno.readTextFileSync(new URL("index.json", folder)),
  );
  const kind = folder.pathname.split("/").at(-2);

  Deno.test(`the index of ${kind} names every input`, () => {
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
      .filter((name) => name.endsWith(".http")).sort();
    assertEquals(Object.keys(index).sort(), names);
    assert(names.length >= 20, `${names.length} inputs`);
  });

  for (const [name, told] of Object.entries(index)) {
    const wire = Deno.readFileSync(new URL(name, folder));

    Deno.test(`${kind}/${name}: read as before, whole and cut anywhere`, async () => {
      const { why: _why, methods: _methods, ...verdict } = told;
      assertEquals(await read(told, [wire]), verdict);
      for (let at = 1; at < wire.length; at++) {
        const pieces = [wire.subarray(0, at), wire.subarray(at)];
        assertEquals(await read(told, pieces), verdict, `cut at ${at}`);
      }
      const bytes = [...wire].map((byte) => new Uint8Array([byte]));
      assertEquals(await read(told, bytes), verdict, "byte by byte");
    });

    Deno.test(`${kind}/${name}: every difference has a class`, async () => {
      const tally = new Tally();
      await classify(told, textOf(wire), tally);
      assertEquals(tally.inputs, 1);
    });
  }
  return index;
}

const peers = parserPeers();
replay(
  new URL("../corpus/", import.meta.url),
  (_told, pieces) => readByParser(...pieces),
  (_told, wire, tally) => compare(wire, peers, tally),
);

const peersOfResponses = responsePeers();
const RESPONSES = new URL("../corpus/responses/", import.meta.url);
const responses = replay(
  RESPONSES,
  ({ methods }, pieces) => readResponsesByParser(methods!, ...pieces),
  async (told, wire, tally) => {
    const methods = told.methods!;
    await compareResponses({ wire, methods }, peersOfResponses, tally);
  },
);

for (const [name, { methods: all }] of Object.entries(responses)) {
  const wire = textOf(Deno.readFileSync(new URL(name, RESPONSES)));
  Deno.test(`responses/${name}: the client hands out what the parser finds`, async () => {
    const plain = {
      body: "none",
      way: "text",
      field: "",
      abortAt: -1,
    } as const;
    const [first = "GET", ...others] = all!;
    // A tunnel has no request along with it.
    const methods = first === "CONNECT" ? [first] : [first, ...others, "GET"];
    await compareClient({
      ...{ wire, cuts: [], pipeline: 5, closeAt: -1 },
      ...{ ahead: true, fails: false },
      asks: methods.map((method) => ({ ...plain, method: method as "GET" })),
    });
  });
}
