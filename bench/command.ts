/**
 * What the commands of the benchmarks share: numbers from the command line, and the
 * middle of a sample.
 *
 * @module
 */

/** The number behind `--name`, or the standard one. */
export function flag(name: string, standard: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? standard : Number(Deno.args[at + 1]);
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
