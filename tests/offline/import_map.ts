/**
 * The import map of a network without JSR: that of `deno.json`, with the stand-ins of
 * this folder in place of the `@std` packages.
 *
 * `stand_ins.json` lists them below the pin that each was written for, by the exports
 * they replace. A pin that moves fails until its stand-ins have followed.
 *
 * @module
 */

/** An import map, as `deno.json` holds one. */
export interface ImportMap {
  imports: Record<string, string>;
  scopes: Record<string, Record<string, string>>;
}

/** By pin, the file that stands in for each export. */
export type StandIns = Record<string, Record<string, string>>;

/** `entries` with what is relative made absolute. */
function absolute(
  entries: Record<string, string>,
  root: URL,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(entries).map(([name, target]) => [
      name,
      target.startsWith("./") ? new URL(target, root).href : target,
    ]),
  );
}

/**
 * The map, and a line for each stand-in that serves.
 *
 * @param root The folder of `deno.json`.
 * @throws {Error} The pins of `deno.json` and those of the stand-ins differ.
 */
export function offlineImportMap(
  { imports, scopes }: ImportMap,
  standIns: StandIns,
  root: URL,
): { map: ImportMap; serving: string[] } {
  const map: ImportMap = {
    imports: absolute(imports, root),
    scopes: Object.fromEntries(
      Object.entries(scopes).map(([scope, entries]) => [
        new URL(scope, root).href,
        absolute(entries, root),
      ]),
    ),
  };
  const pins = new Map(
    Object.entries(imports)
      .filter(([, target]) => target.startsWith("jsr:"))
      .map(([name, pin]) => [pin, name]),
  );
  const apart = [...new Set([...pins.keys(), ...Object.keys(standIns)])]
    .filter((pin) => !pins.has(pin) || standIns[pin] === undefined);
  if (apart.length > 0) {
    throw new Error(
      `deno.json and tests/offline/stand_ins.json differ in ${
        apart.join(", ")
      }`,
    );
  }
  const serving: string[] = [];
  for (const [pin, files] of Object.entries(standIns)) {
    const name = pins.get(pin)!;
    delete map.imports[name];
    for (const [path, file] of Object.entries(files)) {
      const specifier = name + path.slice(1);
      map.imports[specifier] = new URL(`tests/offline/${file}`, root).href;
      serving.push(`tests/offline/${file} serves for ${pin}${path.slice(1)}`);
    }
  }
  return { map, serving };
}
