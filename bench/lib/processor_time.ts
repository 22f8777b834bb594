/**
 * Processor time as the operating system counts it; Linux.
 *
 * @module
 */

/** Clock ticks of `/proc` in a second, on every Linux that Deno runs on. */
const TICKS = 100;

/** Seconds of processor time, user and system, of a process. */
export async function processorTime(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  // The name of the program may hold spaces, and ends with a parenthesis.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}
