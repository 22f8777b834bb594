/**
 * The application examples handle invalid requests.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { Example } from "../support/example.ts";
import { curl } from "../support/programs.ts";
import { test } from "../support/waiting.ts";

test("hello: a malformed percent-encoding is answered with 400", async () => {
  await using example = Example.start("hello.ts", ["0"]);
  const url = `http://127.0.0.1:${await example.port()}`;
  assertStringIncludes(
    await curl("-i", `${url}/hello/%zz`),
    "HTTP/1.1 400 Bad Request",
  );
  assertEquals(await curl(`${url}/hello/%41`), "hello, A\n");
  example.process.kill("SIGTERM");
  assertEquals((await example.end()).errors, "");
});

test("Hono: a malformed form is a client error, and uploads are bounded", async () => {
  await using example = Example.start("hono.ts", ["0"]);
  const url = `http://127.0.0.1:${await example.port()}/upload`;
  const status = async (type: string, body: BodyInit) => {
    // One connection per request: the server closes after an oversized body.
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    const headers = { "content-type": type };
    const answer = await fetch(url, { method: "POST", headers, body, client });
    await answer.body?.cancel();
    return answer.status;
  };
  assertEquals(await status("multipart/form-data", "x"), 400);
  assertEquals(await status("multipart/form-data; boundary=b", "x"), 400);
  assertEquals(await status("text/plain", "x"), 400);
  const form = new FormData();
  form.append("file", new File(["x".repeat(2_000_000)], "a.txt"));
  const large = await fetch(url, { method: "POST", body: form });
  await large.body?.cancel();
  assertEquals(large.status, 413);
  // The same without a declared length.
  const text = await new Response(form).text();
  const stream = new Blob([text]).stream();
  const boundary = text.slice(2, text.indexOf("\r\n"));
  assertEquals(
    await status(`multipart/form-data; boundary=${boundary}`, stream),
    413,
  );
  example.process.kill("SIGTERM");
  assertEquals((await example.end()).errors, "");
});
