/**
 * The client example on a Unix socket.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { serve } from "../../mod.ts";
import { Example, type ExampleOptions } from "../support/example.ts";
import { test } from "../support/waiting.ts";

/** Runs the example against a server on a Unix socket. */
async function withServer(
  listen: (path: string) => AsyncDisposable | Disposable,
  run: (example: Example) => Promise<void>,
  options?: ExampleOptions,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/a.sock`;
    await using _ = listen(path);
    await using example = Example.start(
      "unix_client.ts",
      [path, "/b"],
      options,
    );
    await run(example);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

test("Unix client: prints the response of a server", () =>
  withServer(
    (path) =>
      serve({ path, onListen() {} }, (req, res) =>
        res.send(`${req.target} of ${req.headers.get("host")}`, {
          headers: { "X-Case": "1" },
        })),
    async (example) => {
      assertEquals(await example.end(), { code: 0, errors: "" });
      assertStringIncludes(example.text, "200 OK\n");
      assertStringIncludes(example.text, "X-Case: 1\n");
      assertStringIncludes(example.text, "\n\n/b of localhost\n");
    },
  ));

test("Unix client: asks a server of its own", async () => {
  await using example = Example.start("unix_client.ts", []);
  assertEquals(await example.end(), { code: 0, errors: "" });
  assertStringIncludes(example.text, "/ through a Unix socket\n");
});

test("Unix client: a server that never answers ends the program with an error", () =>
  withServer(
    (path) => Deno.listen({ transport: "unix", path }),
    async (example) => {
      const { code, errors } = await example.end();
      assertEquals(code, 1);
      assertStringIncludes(errors, "TimeoutError");
    },
    { constants: { TOTAL_MS: 200 } },
  ));
