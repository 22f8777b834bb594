/**
 * The README's SIGTERM recipe, run as printed.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Example } from "../support/example.ts";
import { RawClient } from "../support/raw_client.ts";
import { test } from "../support/waiting.ts";

const readme = await Deno.readTextFile(
  new URL("../../README.md", import.meta.url),
);

/** Starts the recipe with `handler`, on a free port and with another deadline. */
function recipe(handler: string, deadline: number): Example {
  const text = readme.match(/```ts ignore\n([^`]*SIGTERM[^`]*)```/)?.[1];
  assert(text !== undefined, "the README has no recipe for SIGTERM");
  assertStringIncludes(text, "port: 8000");
  assertStringIncludes(text, "10_000");
  return Example.program(
    `import { serve, type Handler } from "@pooled/http1";
const handler: Handler = ${handler};
${text.replace("port: 8000", "port: 0").replace("10_000", String(deadline))}`,
    ["-N"],
  );
}

test("SIGTERM: an idle server ends at once", async () => {
  await using example = recipe('(_req, res) => res.send("ok")', 3_600_000);
  using client = await RawClient.connect(await example.port());
  await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.until("ok");
  example.process.kill("SIGTERM");
  assertEquals(await client.rest(), client.received);
  assertEquals(await example.end(), { code: 0, errors: "" });
});

test("SIGTERM: a handler still running at the deadline is cut off", async () => {
  await using example = recipe(
    '() => { console.log("hangs"); return new Promise<void>(() => {}); }',
    300,
  );
  using client = await RawClient.connect(await example.port());
  await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await example.line(/hangs/);
  example.process.kill("SIGTERM");
  assertEquals(await example.end(), { code: 0, errors: "" });
});
