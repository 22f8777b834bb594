/**
 * The demo and the inspector, each run in a child process.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Example } from "../support/example.ts";
import { answerTo } from "../support/raw_client.ts";
import { within } from "../support/waiting.ts";

const root = new URL("../../", import.meta.url).pathname;

Deno.test("the demo ends by itself and leaks nothing", async () => {
  const demo = new Deno.Command(Deno.execPath(), {
    args: ["task", "demo"],
    cwd: root,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "inherit",
  });
  const { code, stdout } = await within(demo.output(), "its end", 60_000);
  const text = new TextDecoder().decode(stdout);
  assertEquals(code, 0);
  assertStringIncludes(text, "the client was told: 10000 requests");
  assertStringIncludes(text, "1 for 10000 served");
  assertStringIncludes(text, "0 requests, 0 slabs");
  const allocated = Number(text.match(/a request (\S+) by the parser/)?.[1]);
  // With few requests, one-time allocations and the compiler's weigh in, and so does what
  // the collector frees of theirs. The smallest object takes 12 bytes.
  assert(Math.abs(allocated) < 6, text);
});

Deno.test("the inspector prints the request and answers it", async () => {
  await using inspector = Example.start("inspect.ts", ["--port", "0"]);
  const [url] = await inspector.line(/listening on (http:\S+)\n/);
  const answer = await fetch(`${url}/a?b=1`, {
    method: "POST",
    body: "hello",
    headers: { "X-Spelled-So": "yes" },
  });
  assertStringIncludes(await answer.text(), "POST /a: ");
  await inspector.line(/POST \/a\?b=1 HTTP\/1\.1/);
  await inspector.line(/\(5 bytes of body, Content-Length\)/);
  await inspector.line(/\| hello/);

  const refusal = await answerTo(
    Number(new URL(url!).port),
    "GET / HTTP/1.1\nHost: a\n\n",
  );
  assertStringIncludes(refusal, "HTTP/1.1 400 ");
  assertStringIncludes(refusal, "bare-lf: found ");
  await inspector.line(/refused with 400: bare-lf/);
});
