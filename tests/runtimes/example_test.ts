/**
 * The example for Node.js and Bun, started as its header says.
 */

import { assertEquals } from "@std/assert";
import { curl } from "../support/programs.ts";
import { Program, RUNTIMES } from "../support/runtimes.ts";
import { test } from "../support/waiting.ts";

for (const runtime of RUNTIMES.slice(1)) {
  test(`examples/node.ts in ${runtime.name}`, async () => {
    await using program = Program.start(
      runtime,
      "examples/node.ts",
      ["0"],
    );
    const port = await program.port();
    assertEquals(await curl(`http://127.0.0.1:${port}/a`), "hello /a\n");
  });
}
