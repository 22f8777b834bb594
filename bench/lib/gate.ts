/**
 * Fails on new allocations: counts what each benchmark allocates and compares it with
 * the baseline in the repository. It measures no time, so it works on any machine.
 *
 * A finding counts only if two measurements agree, since the compiler may have disturbed
 * a single one.
 *
 * `deno task bench:gate` exits with 1 on any new allocation.
 * `deno task bench:gate --update RESULTS.json` writes the baseline from a result of
 * `deno task bench --json RESULTS.json`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { median } from "simple-statistics";
import { type Allocated, measureAllocations } from "./allocations.ts";
import {
  allowedBytes,
  allowedObjects,
  OURS,
  ratios,
  type Results,
} from "./results.ts";

/** A benchmark in the baseline. */
interface Known extends Partial<Allocated> {
  /** The median ratio to the yardstick; absolute times would hold on one machine only. */
  ratio?: number;
}

/** The baseline, by the names of benchmarks. */
export type Baseline = Record<string, Known>;

/** One line for each new allocation, and for each benchmark in only one table. */
export function newAllocations(
  found: Record<string, Allocated>,
  baseline: Baseline,
): string[] {
  const lines: string[] = [];
  for (
    const [benchmark, { bytesPerOp, allocsPerOp }] of Object.entries(found)
  ) {
    const known = baseline[benchmark];
    if (known?.bytesPerOp === undefined || known.allocsPerOp === undefined) {
      lines.push(`${benchmark} is not in the baseline: see bench/lib/gate.ts`);
      continue;
    }
    const objects = allowedObjects(known.allocsPerOp);
    const bytes = allowedBytes(known.bytesPerOp);
    if (allocsPerOp > objects) {
      lines.push(
        `${benchmark}: ${allocsPerOp} objects an operation, ` +
          `${objects.toFixed(3)} allowed`,
      );
    }
    if (bytesPerOp > bytes) {
      lines.push(
        `${benchmark}: ${bytesPerOp} bytes an operation, ` +
          `${bytes.toFixed(1)} allowed`,
      );
    }
  }
  for (const [benchmark, { allocsPerOp }] of Object.entries(baseline)) {
    if (allocsPerOp !== undefined && found[benchmark] === undefined) {
      lines.push(`${benchmark} is in the baseline, but was not measured`);
    }
  }
  return lines;
}

/** Makes the baseline from a run of the suite. */
export function baselineOf({ rows }: Results): Baseline {
  const baseline: Baseline = {};
  for (const row of rows) {
    const { benchmark, subject, yardstick, bytesPerOp, allocsPerOp } = row;
    if (subject !== OURS) continue;
    const known: Known = {
      ...yardstick && { ratio: Number(median(ratios(row)).toPrecision(4)) },
      ...bytesPerOp !== undefined && { bytesPerOp },
      ...allocsPerOp !== undefined && { allocsPerOp },
    };
    if (Object.keys(known).length > 0) baseline[benchmark] = known;
  }
  return baseline;
}

const BASELINE = new URL("../baseline.json", import.meta.url);

async function update(path: string): Promise<void> {
  const baseline = baselineOf(JSON.parse(await Deno.readTextFile(path)));
  await Deno.writeTextFile(BASELINE, JSON.stringify(baseline, null, 2) + "\n");
}

/** Checks the baseline; returns the exit code. */
async function check(): Promise<number> {
  const baseline: Baseline = JSON.parse(await Deno.readTextFile(BASELINE));
  const found = await measureAllocations();
  let lines = newAllocations(found, baseline);
  if (lines.length > 0) {
    const again = await measureAllocations();
    for (const [benchmark, one] of Object.entries(found)) {
      const { bytesPerOp, allocsPerOp } = again[benchmark]!;
      one.bytesPerOp = Math.min(one.bytesPerOp, bytesPerOp);
      one.allocsPerOp = Math.min(one.allocsPerOp, allocsPerOp);
    }
    lines = newAllocations(found, baseline);
  }
  for (const line of lines) console.error(line);
  console.log(
    `${Object.keys(found).length} benchmarks, ${lines.length} findings`,
  );
  return lines.length > 0 ? 1 : 0;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { update: { type: "string" } } });
  if (values.update === undefined) Deno.exit(await check());
  await update(values.update);
}
