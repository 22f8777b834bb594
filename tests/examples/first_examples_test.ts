/**
 * The demo and the inspector, each in a process of its own, as a user starts them.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";

const root = new URL("../../", import.meta.url).pathname;

function deno(...args: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args,
    cwd: root,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "inherit",
  });
}

Deno.test("the demo ends by itself and has nothing left in use", async () => {
  const { code, stdout } = await deno("task", "demo").output();
  const text = new TextDecoder().decode(stdout);
  assertEquals(code, 0);
  assertStringIncludes(text, "the client was told: 10000 requests");
  assertStringIncludes(text, "1 for 10000 served");
  assertStringIncludes(text, "0 requests, 0 slabs");
  const allocated = Number(text.match(/a request (\S+) by the parser/)?.[1]);
  // What is made once, and the compiler's own, is spread over few requests here; no
  // object is smaller than 12 bytes.
  assert(allocated >= 0 && allocated < 6, text);
});

Deno.test("the inspector shows what a client sends, and answers it", async () => {
  const inspector = deno("run", "-N", "examples/inspect.ts", "--port", "0")
    .spawn();
  const output = inspector.stdout.pipeThrough(new TextDecoderStream());
  let text = "";
  const reader = output.getReader();
  const until = async (part: string) => {
    while (!text.includes(part)) {
      const { done, value } = await reader.read();
      if (done) break;
      text += value;
    }
    assertStringIncludes(text, part);
  };
  try {
    await until("listening on ");
    await until("\n");
    const url = text.match(/http:\S+/)![0];
    const answer = await fetch(`${url}/a?b=1`, {
      method: "POST",
      body: "hello",
      headers: { "X-Spelled-So": "yes" },
    });
    assertStringIncludes(await answer.text(), "POST /a: ");
    await until("POST /a?b=1 HTTP/1.1");
    await until("(5 bytes of body, Content-Length)");
    await until("| hello");

    const { hostname, port } = new URL(url);
    using raw = await Deno.connect({ hostname, port: Number(port) });
    await raw.write(new TextEncoder().encode("GET / HTTP/1.1\nHost: a\n\n"));
    const refusal = await new Response(raw.readable).text();
    assertStringIncludes(refusal, "HTTP/1.1 400 ");
    assertStringIncludes(refusal, "bare-lf: found ");
    await until("refused with 400: bare-lf");
  } finally {
    inspector.kill();
    await reader.cancel();
    await inspector.status;
  }
});
