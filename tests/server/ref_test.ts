/**
 * `ref()` and `unref()`: whether a server keeps the process alive.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { textOf } from "../support/bytes.ts";
import { within } from "../support/waiting.ts";

const encoder = new TextEncoder();

/** Runs a program in a child process and returns its output. Kills it if it hangs. */
async function runProgram(text: string): Promise<string> {
  const mod = new URL("../../mod.ts", import.meta.url).href;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", "--no-lock", "--ext=ts", "-"],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(
    encoder.encode(`import { serve } from "${mod}";\n${text}`),
  );
  await writer.close();
  const output = child.output();
  try {
    const { stdout, stderr } = await within(output, "the program to end");
    return textOf(stdout) + textOf(stderr);
  } catch (error) {
    child.kill();
    await output;
    throw error;
  }
}

const PROGRAM = `
const server = serve(
  { hostname: "127.0.0.1", port: 0, onListen() {}, bodyTimeout: 100 },
  (req, res) => {
    if (req.path !== "/stream") return res.send("hello");
    res.send(new ReadableStream({
      start: (controller) => controller.enqueue(new Uint8Array([33])),
    }));
  },
);
const { port } = server.addr;
const conn = await Deno.connect({ hostname: "127.0.0.1", port });
const ask = async (path) => {
  await conn.write(new TextEncoder().encode(
    "GET " + path + " HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"));
  await conn.read(new Uint8Array(1000));
};
`;

Deno.test("an unref'ed server does not keep the process alive", async () => {
  // Once with a connection from before unref(), once with a later one.
  assertStringIncludes(
    await runProgram(`${PROGRAM}
      await ask("/");
      server.unref();
      addEventListener("unload", () => console.log("ended"));`),
    "ended",
  );
  assertStringIncludes(
    await runProgram(`${PROGRAM}
      server.unref();
      await ask("/");
      addEventListener("unload", () => console.log("ended"));`),
    "ended",
  );
});

Deno.test("a server keeps the process alive, also after unref and ref", async () => {
  // The timer is unref'ed: it fires only if the server keeps the process alive.
  const text = (before: string, milliseconds = 100) =>
    `${PROGRAM}
    conn.close();
    ${before}
    Deno.unrefTimer(setTimeout(() => {
      console.log("was kept");
      Deno.exit();
    }, ${milliseconds}));`;
  assertEquals(await runProgram(text("")), "was kept\n");
  assertEquals(
    await runProgram(text("server.unref(); server.ref();")),
    "was kept\n",
  );
  // So long that only a process that nothing keeps alive ends before.
  assertEquals(await runProgram(text("server.unref();", 3_600_000)), "");
});

Deno.test("shutdown resolves if only a silent stream to a disconnected client is left", async () => {
  assertEquals(
    await runProgram(`${PROGRAM}
      await ask("/stream");
      conn.close();
      await new Promise((resolve) => setTimeout(resolve, 20));
      // Only the shutdown keeps the process alive, as in a signal listener.
      server.shutdown().then(() => console.log("over"));`),
    "over\n",
  );
});
