/**
 * Bytes allocated per request. A separate process measures them, so that nothing but the
 * parser allocates on its heap.
 */

import { assert } from "@std/assert";
import { measureAllocations } from "../../bench/lib/allocations.ts";

Deno.test("parse, lookup and release allocate nothing; a server cycle allocates one response object", async () => {
  const found = await measureAllocations(
    new URL("cases.ts", import.meta.url).href,
  );
  const { control, ...others } = Object.fromEntries(
    Object.entries(found).map(([name, { bytesPerOp }]) => [name, bytesPerOp]),
  );
  console.log({ control, ...others });
  assert(control! > 50, `a subarray counted as ${control} bytes`);
  for (const [name, bytes] of Object.entries(others)) {
    if (name.startsWith("cycle")) continue;
    // The smallest V8 object takes 12 bytes.
    assert(bytes < 1, `${name}: ${bytes} bytes a request`);
  }
  for (const cycle of ["cycle", "cycleOfText"]) {
    // Each read and write allocates promises and views, independent of the number of
    // requests. So the difference between 40 requests and one is what 39 requests allocate.
    const many = 40 * found[`${cycle}, 40 a read`]!.bytesPerOp;
    const bytes = (many - found[`${cycle}, 1 a read`]!.bytesPerOp) / 39;
    assert(bytes > 0, `${cycle}: ${bytes} bytes a request`);
    // The response object takes 32 bytes; the promises add a little noise.
    assert(bytes < 32 + 6, `${cycle}: ${bytes} bytes a request`);
  }
});

Deno.test("a pooled request with its table takes less than 1 KiB", async () => {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--v8-flags=--expose-gc"],
      new URL("held.ts", import.meta.url).href,
    ],
    stderr: "inherit",
  }).output();
  assert(success, "the measurement failed");
  const bytes = Number(new TextDecoder().decode(stdout));
  assert(bytes > 100 && bytes < 1024, `a request takes ${bytes} bytes`);
});
