/**
 * The Unix socket example handles signals.
 */

import { assertEquals } from "@std/assert";
import { Example } from "../support/example.ts";
import { curl } from "../support/programs.ts";
import { test, until } from "../support/waiting.ts";

const encoder = new TextEncoder();

/** Runs a test against the example on a Unix socket. */
async function withUnixSocket(
  run: (example: Example, path: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/hello.sock`;
    await using example = Example.start("unix.ts", [path]);
    await example.line(/Listening on (.*)\n/);
    await run(example, path);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

test("Unix socket: SIGINT shuts the server down gracefully", () =>
  withUnixSocket(async (example, path) => {
    await curl("--unix-socket", path, "http://localhost/a");
    example.process.kill("SIGINT");
    assertEquals(await example.end(), { code: 0, errors: "" });
    assertEquals(exists(path), false);
  }));

test("Unix socket: a second SIGINT does not wait for a slow client", () =>
  withUnixSocket(async (example, path) => {
    using conn = await Deno.connect({ transport: "unix", path });
    await conn.write(encoder.encode("GET / HTTP/1.1\r\nHos"));
    // Once a later client is served, the slow one must have been accepted.
    await curl("--unix-socket", path, "http://localhost/a");
    example.process.kill("SIGINT");
    await until(() => !exists(path), "the first SIGINT to close the socket");
    example.process.kill("SIGINT");
    const { code, errors } = await example.end();
    assertEquals([code, errors], [130, ""]);
    assertEquals(exists(path), false);
  }));
