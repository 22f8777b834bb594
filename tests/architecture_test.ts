/**
 * The layering of `src`, checked on its imports, type-only ones included: no cycles, no
 * import from a higher layer, and no runtime API below the connections.
 */

import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../src/", import.meta.url);

/** The layers, lowest first. A file imports from its own layer or a lower one. */
const LAYERS: Record<string, number> = {
  "wire/": 0,
  "errors.ts": 1,
  "limits.ts": 1,
  "memory/": 1,
  "message/": 2,
  "io/": 3,
  "server/": 4,
  "client/": 4,
};
/** The entry points that users import. */
const DOORS = 5;

function layerOf(file: string): number {
  const layer = Object.keys(LAYERS).find((name) => file.startsWith(name));
  return layer === undefined ? DOORS : LAYERS[layer]!;
}

/** Paths of the source files, relative to `src`. */
function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(new URL(folder, ROOT))].flatMap((entry) =>
    entry.isDirectory
      ? filesIn(`${folder}${entry.name}/`)
      : [`${folder}${entry.name}`]
  );
}

const SOURCES = new Map(
  filesIn("").map((file) => [file, Deno.readTextFileSync(new URL(file, ROOT))]),
);

const SIZES = new Map(
  [...SOURCES].map(([file, text]) => [file, text.split("\n").length - 1]),
);

/** Paths of the files that a file imports or re-exports, relative to `src`. */
function importsOf(file: string): string[] {
  const text = SOURCES.get(file)!;
  const found = text.matchAll(/^(?:import|export)\b[^;]*?\bfrom "([^"]+)";/gm);
  return [...found].map(([, specifier]) => {
    const target = new URL(specifier!, new URL(file, ROOT)).href;
    assert(
      target.startsWith(ROOT.href),
      `${file} imports ${specifier}, which is no file of src`,
    );
    return target.slice(ROOT.href.length);
  });
}

const IMPORTS = new Map([...SOURCES.keys()].map((f) => [f, importsOf(f)]));

Deno.test("every import names an existing file", () => {
  const arrows = [...IMPORTS.values()].flat();
  // Guards the import scanner itself: it must find imports at all.
  assert(arrows.length > SOURCES.size, `${arrows.length} imports were found`);
  for (const target of arrows) assert(SOURCES.has(target), target);
});

Deno.test("no file imports from a higher layer", () => {
  const up: string[] = [];
  for (const [file, targets] of IMPORTS) {
    for (const target of targets) {
      if (layerOf(target) > layerOf(file)) up.push(`${file} → ${target}`);
    }
  }
  assertEquals(up, []);
});

Deno.test("server and client know nothing of each other", () => {
  const across: string[] = [];
  for (const [file, targets] of IMPORTS) {
    const other = file.startsWith("server/")
      ? "client/"
      : file.startsWith("client/")
      ? "server/"
      : null;
    for (const target of targets) {
      if (other !== null && target.startsWith(other)) {
        across.push(`${file} → ${target}`);
      }
    }
  }
  assertEquals(across, []);
});

Deno.test("imports form no cycle", () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: string[]) => {
    if (path.includes(file)) {
      circles.push([...path.slice(path.indexOf(file)), file].join(" → "));
      return;
    }
    if (done.has(file)) return;
    for (const target of IMPORTS.get(file)!) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of IMPORTS.keys()) visit(file, []);
  assertEquals(circles, []);
});

Deno.test("no runtime API is named below the connections", () => {
  const named: string[] = [];
  for (const [file, text] of SOURCES) {
    // The doors of the server tell the addresses of its connections.
    if (/^(?:server|io)\/|^(?:serve|in_memory)\.ts$/.test(file)) continue;
    // Comments may name a runtime, and Symbol.for("Deno.customInspect") is only a string.
    const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "")
      .replaceAll('Symbol.for("Deno.customInspect")', "");
    if (/\bDeno\b|\bBun\b|\bprocess\b|"node:/.test(code)) named.push(file);
  }
  assertEquals(named, []);
});

Deno.test("no source or test file is longer than 600 lines", () => {
  const long: string[] = [];
  for (const file of filesIn("../tests/")) {
    if (!file.endsWith(".ts")) continue;
    const text = Deno.readTextFileSync(new URL(file, ROOT));
    SIZES.set(file, text.split("\n").length - 1);
  }
  for (const [file, lines] of SIZES) {
    if (lines > 600) long.push(`${file}: ${lines}`);
  }
  assertEquals(long, []);
});

Deno.test("ARCHITECTURE.md names files and functions that exist", () => {
  const text = Deno.readTextFileSync(new URL("../ARCHITECTURE.md", ROOT));
  const start = text.indexOf("## Where it happens");
  const table = text.slice(start, text.indexOf("\n## ", start));
  const gone: string[] = [];
  let names = 0;
  for (const line of table.split("\n").filter((line) => line.startsWith("|"))) {
    const [, , ...columns] = line.split("|");
    for (const [i, folder] of ["server/", "client/"].entries()) {
      let source = "";
      for (const [, name] of columns[i]!.matchAll(/`([\w#/.]+)`/g)) {
        names++;
        if (name!.endsWith(".ts")) {
          const file = name!.includes("/") ? name! : folder + name;
          source = SOURCES.get(file) ?? "";
          if (source === "") gone.push(file);
        } else if (
          !RegExp(`^ *(?:[a-z]+ )*${name}[(<:]`, "m").test(source)
        ) gone.push(`${name} in ${line}`);
      }
    }
  }
  // Guards the scanner itself.
  assert(names > 40, `${names} names were found`);
  assertEquals(gone, []);
});
