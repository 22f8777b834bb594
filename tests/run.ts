/**
 * Runs the test suite, or a type check of everything, on any network.
 *
 * The tests import `@std` packages from JSR. Where JSR cannot be reached, an import
 * map puts the stand-ins of `tests/offline/` in their place; nothing else differs.
 * The last line of a test run counts the tests.
 *
 * `deno run -A tests/run.ts [test | check] [arguments of deno test or deno check]`
 *
 * @module
 */

const [command = "test", ...args] = Deno.args;
const root = new URL("../", import.meta.url);

/** Whether JSR answers; a network that swallows requests counts as no. */
async function jsrAnswers(): Promise<boolean> {
  const probe = new Deno.Command(Deno.execPath(), {
    args: ["eval", "import 'jsr:@std/assert@^1.0.0'"],
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

const offline = await jsrAnswers() ? [] : [
  "--import-map",
  new URL("tests/offline/import_map.json", root).pathname,
];
if (offline.length > 0) {
  console.log(
    "JSR does not answer: stand-ins of tests/offline/ serve for @std.",
  );
}

const child = new Deno.Command(Deno.execPath(), {
  args: command === "check" ? ["check", ...offline, ...args, "."] : [
    ...["test", "-A", "--doc", "--sanitize-ops", "--sanitize-resources"],
    ...[...offline, ...args],
  ],
  cwd: root,
  env: { FORCE_COLOR: Deno.stdout.isTerminal() ? "1" : "0" },
  stdout: command === "check" ? "inherit" : "piped",
}).spawn();

if (command === "check") Deno.exit((await child.status).code);

// The output passes through as it comes; the runner's closing line is read on the way.
let tail = "";
const decoder = new TextDecoder();
for await (const chunk of child.stdout) {
  await Deno.stdout.write(chunk);
  tail = (tail + decoder.decode(chunk, { stream: true })).slice(-4000);
}
const { code } = await child.status;
// deno-lint-ignore no-control-regex -- the escape sequences of a terminal
const plain = tail.replaceAll(/\x1b\[[0-9;]*m/g, "");
const counts = [...plain.matchAll(/(\d+) passed.*?\| (\d+) failed/g)].at(-1);
const passed = Number(counts?.[1] ?? 0);
const failed = Number(counts?.[2] ?? 0);
console.log(`${passed} passed, ${failed} failed`);
Deno.exit(code === 0 && passed === 0 ? 1 : code);
