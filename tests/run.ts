/**
 * Runs the test suite, or type-checks everything, with or without JSR and with whatever
 * programs are installed.
 *
 * The tests import `@std` packages from JSR. Without JSR the stand-ins in
 * `tests/offline/` replace them, and the run lists each one. The run also lists missing
 * programs: locally it skips the tests that need them, in CI it fails. The last line of
 * a test run counts the tests.
 *
 * `--poison` runs tests on pools that check their users, as `tests/support/poison.ts`
 * says: without a path those that use the pools in their own process.
 *
 * `deno run -A tests/run.ts [test | check] [--poison] [arguments of deno test or check]`
 *
 * @module
 */

import { type ImportMap, offlineImportMap } from "./offline/import_map.ts";
import standIns from "./offline/stand_ins.json" with { type: "json" };
import { inCI, missingPrograms } from "./support/needs.ts";

/** Other folders test programs in processes of their own, which load no preload. */
const POISONED = [
  "client",
  "clients",
  "conformance",
  "memory",
  "message",
  "server",
  "stream",
]
  .map((folder) => `tests/${folder}`);

const [command = "test", ...rest] = Deno.args;
const args = rest.filter((arg) => arg !== "--poison");
if (args.length < rest.length) {
  const all = args.every((arg) => arg.startsWith("-"));
  args.push("--preload=tests/support/poison.ts", ...(all ? POISONED : []));
}
const root = new URL("../", import.meta.url);
const config: ImportMap = JSON.parse(
  Deno.readTextFileSync(new URL("deno.json", root)),
);
// Built even when JSR answers, so a pin without stand-ins fails on every machine.
const offline = offlineImportMap(config, standIns, root);

/** Whether JSR answers within 20 seconds. */
async function jsrAnswers(): Promise<boolean> {
  const probe = new Deno.Command(Deno.execPath(), {
    args: ["eval", `import "${config.imports["@std/assert"]}"`],
    stdout: "null",
    stderr: "null",
    signal: AbortSignal.timeout(20_000),
  });
  try {
    return (await probe.output()).success;
  } catch {
    return false;
  }
}

const imports: string[] = [];
if (!await jsrAnswers()) {
  const map = encodeURIComponent(JSON.stringify(offline.map));
  imports.push(`--import-map=data:application/json,${map}`);
  console.log(`JSR does not answer:\n  ${offline.serving.join("\n  ")}`);
}

const missing = command === "test" ? missingPrograms() : null;
if (missing !== null && inCI()) {
  console.error(missing);
  Deno.exit(1);
}

const child = new Deno.Command(Deno.execPath(), {
  args: command === "check" ? ["check", ...imports, ...args, "."] : [
    ...["test", "-A", "--doc", "--sanitize-ops", "--sanitize-resources"],
    ...[...imports, ...args],
  ],
  cwd: root,
  env: { [Deno.stdout.isTerminal() ? "FORCE_COLOR" : "NO_COLOR"]: "1" },
  stdout: command === "check" ? "inherit" : "piped",
}).spawn();

if (command === "check") Deno.exit((await child.status).code);

// Forwards the output as it arrives and keeps its tail for the runner's summary line.
let tail = "";
const decoder = new TextDecoder();
for await (const chunk of child.stdout) {
  await Deno.stdout.write(chunk);
  tail = (tail + decoder.decode(chunk, { stream: true })).slice(-4000);
}
const { code } = await child.status;
// deno-lint-ignore no-control-regex -- strips terminal escape sequences
const plain = tail.replaceAll(/\x1b\[[0-9;]*m/g, "");
const line = plain.match(/^.*\d+ passed.*$/gm)?.at(-1) ?? "";
const count = (what: string) =>
  Number(line.match(RegExp(`(\\d+) ${what}`))?.[1] ?? 0);
const [passed, failed, left] = ["passed", "failed", "ignored"].map(count);
if (missing !== null) console.log(`left out ${left} tests: ${missing}`);
console.log(`${passed} passed, ${failed} failed`);
Deno.exit(code === 0 && passed === 0 ? 1 : code);
