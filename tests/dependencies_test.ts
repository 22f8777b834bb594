/**
 * Dependencies: `deno task` and the examples download no package, each package has one
 * version, and the stand-ins match the pins.
 */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { type ImportMap, offlineImportMap } from "./offline/import_map.ts";
import standIns from "./offline/stand_ins.json" with { type: "json" };

const root = new URL("../", import.meta.url);

/** The contents of all source files and documents below a folder. */
function* texts(folder: URL): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (name.startsWith(".") || name === "node_modules") continue;
    const path = new URL(name + (isDirectory ? "/" : ""), folder);
    if (isDirectory) yield* texts(path);
    else if (/\.(ts|md|json)$/.test(name)) yield Deno.readTextFileSync(path);
  }
}

/** The npm packages in a Deno cache directory. */
function packages(cache: string): string[] {
  try {
    return [...Deno.readDirSync(`${cache}/npm`)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

Deno.test("deno task and an example download no package", async () => {
  const cache = await Deno.makeTempDir();
  try {
    for (
      const args of [
        ["task", "--eval", "echo done"],
        ["cache", "examples/hello.ts", "examples/demo.ts"],
      ]
    ) {
      const { success, stderr } = await new Deno.Command(Deno.execPath(), {
        args,
        cwd: root,
        env: { DENO_DIR: cache },
      }).output();
      assert(success, new TextDecoder().decode(stderr));
      assertEquals(packages(cache), [], `deno ${args[0]}`);
    }
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
});

Deno.test("each npm package is pinned, to one version", () => {
  const versions = new Map<string, Set<string>>();
  for (const text of texts(root)) {
    const specifiers = text.matchAll(
      /"npm:\/?((?:@[\w.-]+\/)?[\w.-]+)@([^/"]+)[^"]*"/g,
    );
    for (const [, name, version] of specifiers) {
      versions.set(name!, (versions.get(name!) ?? new Set()).add(version!));
    }
  }
  assert(versions.has("hono") && versions.has("@perseveranza-pets/milo"));
  for (const [name, all] of versions) {
    assertEquals(all.size, 1, `${name}: ${[...all].join(", ")}`);
    assertMatch([...all][0]!, /^\d+\.\d+\.\d+$/, `${name}@${[...all][0]}`);
  }
});

/** Builds the import map for a configuration with these imports and stand-ins. */
function offline(
  pins: Record<string, string>,
  files: Record<string, Record<string, string>>,
) {
  return offlineImportMap({ imports: pins, scopes: {} }, files, root);
}

Deno.test("stand-ins replace the packages they are pinned to, and nothing else", () => {
  const { map, serving } = offlineImportMap(
    {
      imports: { "@std/a": "jsr:@std/a@^1.0.0", "us": "./mod.ts" },
      scopes: { "./tests/": { "other": "npm:other@1.2.3" } },
    },
    { "jsr:@std/a@^1.0.0": { ".": "a.ts", "./types": "types.ts" } },
    root,
  );
  assertEquals(map, {
    imports: {
      "us": `${root}mod.ts`,
      "@std/a": `${root}tests/offline/a.ts`,
      "@std/a/types": `${root}tests/offline/types.ts`,
    },
    scopes: { [`${root}tests/`]: { "other": "npm:other@1.2.3" } },
  });
  assertEquals(serving.length, 2);
});

Deno.test("a pin that differs from its stand-ins is an error", () => {
  const one = { ".": "a.ts" };
  assertThrows(
    () =>
      offline({ "@std/a": "jsr:@std/a@^2.0.0" }, { "jsr:@std/a@^1.0.0": one }),
    Error,
    "differ in jsr:@std/a@^2.0.0, jsr:@std/a@^1.0.0",
  );
  assertThrows(
    () => offline({ "@std/a": "jsr:@std/a@^1.0.0" }, {}),
    Error,
    "differ in jsr:@std/a@^1.0.0",
  );
});

Deno.test("this repository's pins match its stand-ins, and every stand-in file exists", () => {
  const { map } = offlineImportMap(config as ImportMap, standIns, root);
  for (const target of Object.values(map.imports)) {
    assert(Deno.statSync(new URL(target)).isFile, target);
  }
});
