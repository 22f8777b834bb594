/**
 * The load generators ab and wrk.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { patterned } from "../support/bytes.ts";
import { needs } from "../support/needs.ts";
import { ended, TemporaryDirectory } from "../support/programs.ts";
import { untilNoConnections, withServer } from "../support/with_server.ts";

Deno.test("ab: HTTP/1.0 with keep-alive", needs("ab"), async () => {
  using directory = new TemporaryDirectory();
  const file = `${directory.path}/body`;
  Deno.writeFileSync(file, patterned(5000));
  await withServer(async (req, res) => {
    if (req.method === "GET") return res.send("hello");
    res.send(`${(await req.bytes()).length}`);
  }, async ({ url, server, errors }) => {
    const runs = [
      ["-k", "-n", "3000", "-c", "20"],
      ["-k", "-n", "1000", "-c", "10", "-p", file],
    ];
    for (const args of runs) {
      const count = Number(args[2]);
      const before = server.stats().requests;
      const { code, stdout, stderr } = await ended("ab", [
        ...["-q", ...args, `${url}/`],
      ]);
      assertEquals(code, 0, stderr);
      const figure = (name: string) =>
        Number(stdout.match(new RegExp(`${name}: +(\\d+)`))?.[1]);
      assertEquals(figure("Complete requests"), count, stdout);
      assertEquals(figure("Failed requests"), 0, stdout);
      assertEquals(figure("Keep-Alive requests"), count, stdout);
      assert(!stdout.includes("Non-2xx"), stdout);
      // ab may send more requests than it counts.
      assert(server.stats().requests - before >= count);
    }
    assertEquals(errors, []);
  });
});

Deno.test("ab: HTTP/1.0 without keep-alive", needs("ab"), async () => {
  await withServer(
    (_req, res) => res.send("hello"),
    async ({ url, server }) => {
      const { code, stdout, stderr } = await ended("ab", [
        ...["-q", "-n", "300", "-c", "10", `${url}/`],
      ]);
      assertEquals(code, 0, stderr);
      assertStringIncludes(stdout, "Complete requests:      300");
      assertStringIncludes(stdout, "Failed requests:        0");
      assert(server.stats().accepted >= 300);
    },
  );
});

Deno.test("wrk: fifty connections for a second", needs("wrk"), async () => {
  await withServer(async (req, res) => {
    if (req.path === "/later") await Promise.resolve();
    res.json({ hello: "world" });
  }, async ({ url, server, errors }) => {
    for (const path of ["/", "/later"]) {
      const { code, stdout, stderr } = await ended("wrk", [
        ...["-t", "1", "-c", "50", "-d", "1s", url + path],
      ]);
      assertEquals(code, 0, stderr);
      assert(!stdout.includes("Socket errors"), stdout);
      assert(!stdout.includes("Non-2xx"), stdout);
      const made = Number(stdout.match(/(\d+) requests in/)?.[1]);
      assert(made > 100, stdout);
      assert(server.stats().requests >= made);
    }
    assertEquals(errors, []);
    await untilNoConnections(server);
  });
});
