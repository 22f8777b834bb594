/**
 * What the commands of the benchmarks share: their command lines.
 *
 * @module
 */

/** What follows `--name`, if that is there. */
export function option(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1];
}

/** The number behind `--name`, or the standard one. */
export function flag(name: string, standard: number): number {
  const given = option(name);
  return given === undefined ? standard : Number(given);
}
