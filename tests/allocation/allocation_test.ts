/**
 * Bytes allocated per request, measured and not timed, in a process of its own:
 * only there does the heap stand still but for the parser.
 */

import { assert } from "@std/assert";

Deno.test("parsing, header lookup and release allocate nothing, and the cycle of a server a response object", async () => {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-config",
      "--v8-flags=--expose-gc,--min-semi-space-size=512,--max-semi-space-size=512",
      new URL("measure.ts", import.meta.url).pathname,
    ],
    stderr: "inherit",
  }).output();
  assert(success, "the measurement failed");
  const { control, requestBytes, ...perRequest } = JSON.parse(
    new TextDecoder().decode(stdout),
  ) as Record<string, number>;
  console.log({ control, requestBytes, ...perRequest });
  assert(control! > 50, `a subarray counted as ${control} bytes`);
  assert(Object.keys(perRequest).length > 0, "nothing was measured");
  for (const [what, bytes] of Object.entries(perRequest)) {
    // The response object takes 32 bytes. Promises of reads and writes blur the cycle;
    // yet nothing that can be allocated is smaller than 12 bytes.
    const most = what.startsWith("cycle") ? 32 + 6 : 1;
    assert(bytes < most, `${what}: ${bytes} bytes a request`);
  }
  assert(requestBytes! < 1024, `a request takes ${requestBytes} bytes`);
});
