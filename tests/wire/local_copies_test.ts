/**
 * The scanners redeclare constants of other modules, which V8 then folds. Each copy has
 * the value of its original.
 */

import { assert, assertEquals } from "@std/assert";
import * as ascii from "../../src/wire/ascii.ts";
import * as bodyLength from "../../src/wire/body_length.ts";
import * as fieldTable from "../../src/wire/field_table.ts";
import * as names from "../../src/wire/names.ts";
import * as outcome from "../../src/wire/outcome.ts";

const WIRE = new URL("../../src/wire/", import.meta.url);

const ORIGINALS = new Map<string, unknown>(
  [ascii, bodyLength, fieldTable, names, outcome].flatMap((module) =>
    Object.entries(module)
  ),
);

Deno.test("the local copies of constants have the values of the originals", () => {
  let copies = 0;
  for (const { name: file } of Deno.readDirSync(WIRE)) {
    const text = Deno.readTextFileSync(new URL(file, WIRE));
    const found = text.matchAll(/^const ([A-Z][A-Z_0-9]*) = (-?\w+);/gm);
    for (const [, name, value] of found) {
      if (!ORIGINALS.has(name!) || Number.isNaN(Number(value))) continue;
      copies++;
      assertEquals(Number(value), ORIGINALS.get(name!), `${name} in ${file}`);
    }
  }
  // Guards the scanner itself.
  assert(copies > 40, `${copies} copies were found`);
});
