/**
 * Random requests against generated and mutated responses: the client hands out what the
 * parser finds, and comes to rest. `deno task fuzz` does the same for longer.
 */

import fc from "fast-check";
import { clientInputs, compareClient } from "../fuzz/client.ts";

Deno.test("each request gets what the parser finds for it", () =>
  fc.assert(
    fc.asyncProperty(clientInputs, async (input) => {
      await compareClient(input);
    }),
    { numRuns: 400 },
  ));
