/**
 * Builds the import map for machines without JSR: the one in `deno.json`, with the
 * stand-ins from this folder in place of the `@std` packages.
 *
 * `stand_ins.json` maps each JSR pin to the exports it replaces and their files. Moving
 * a pin in `deno.json` without moving it there is an error.
 *
 * @module
 */

/** The import map fields of `deno.json`. */
export interface ImportMap {
  imports: Record<string, string>;
  scopes: Record<string, Record<string, string>>;
}

/** Maps a JSR pin to the stand-in file for each export. */
export type StandIns = Record<string, Record<string, string>>;

/** Resolves the relative targets of `entries` against `root`. */
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
 * Returns the import map and one line of text for each stand-in it uses.
 *
 * @param root The folder of `deno.json`.
 * @throws {Error} If the JSR pins in `deno.json` and the stand-ins differ.
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
