/**
 * The client in Node.js and Bun: `client_program.mjs` talks to a server of this process.
 * Nothing may be left unhandled, and the program ends by itself beside an idle client.
 */

import { assertEquals } from "@std/assert";
import { Program, RUNTIMES } from "../support/runtimes.ts";
import { test } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

for (const runtime of RUNTIMES) {
  test(`a client in ${runtime.name}`, () =>
    withServer(async (req, res) => {
      if (req.path === "/large") return res.send("x".repeat(1_000_000));
      if (req.path === "/never") {
        const { signal } = req;
        await new Promise((end) => signal.addEventListener("abort", end));
      }
      if (req.path === "/echo") {
        const { readable, writable } = res.upgrade();
        // The program may close its socket before the end has been read.
        return void readable.pipeTo(writable).catch(() => {});
      }
      res.send(`${req.method} ${req.path} ${await req.text()}`);
    }, async ({ port }) => {
      await using program = Program.start(
        runtime,
        "tests/runtimes/client_program.mjs",
        [`${port}`],
      );
      const { code, errors } = await program.end();
      assertEquals(program.lines, [
        "true GET /a ",
        "true PUT /b 12",
        "POST /c x",
        "1000000",
        "true",
        "aborted",
        "101",
        "raw",
        "true GET /idle ",
        "in use 0 0",
      ]);
      assertEquals([code, errors], [0, ""]);
    }));
}
