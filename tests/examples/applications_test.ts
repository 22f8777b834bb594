/**
 * The application examples handle invalid requests.
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { Example } from "../support/example.ts";
import { curl } from "../support/programs.ts";
import { RawClient } from "../support/raw_client.ts";
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

test("access log: one line per response, whatever the request", async () => {
  await using example = Example.start("access_log.ts", ["0"]);
  const port = await example.port();
  const target = '/"quoted"%0a{"status":200}\\';
  const requests = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`,
    "GET /fails HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\nx",
  ];
  using client = await RawClient.connect(port);
  await client.send(requests.join(""));
  const answers = await client.rest();
  const statuses = [200, 200, 404, 500, 413];
  assertEquals(
    [...answers.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) =>
      Number(status)
    ),
    statuses,
  );
  await example.line(/(.*"status":413.*)\n/);
  // A refused message never becomes a request and is not logged.
  assertStringIncludes(
    await curl("-i", "-H", "Host: a b", `http://127.0.0.1:${port}/`),
    " 400 ",
  );
  await curl(`http://127.0.0.1:${port}/last`);
  await example.line(/(\/last)/);
  await example.line(/last.*\n/);
  const lines = example.text.split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  assertEquals(
    lines.map(({ method, target, status }) => [method, target, status]),
    [
      ["GET", "/", 200],
      ["HEAD", "/", 200],
      ["GET", target, 404],
      ["GET", "/fails", 500],
      ["POST", "/echo", 413],
      ["GET", "/last", 404],
    ],
  );
  for (const { time, remote, ms } of lines) {
    assert(!Number.isNaN(Date.parse(time)));
    assertMatch(remote, /^127\.0\.0\.1:\d+$/);
    assert(Number.isFinite(ms) && ms >= 0);
  }
  assertEquals(
    lines[0].remote,
    `127.0.0.1:${(client.conn.localAddr as Deno.NetAddr).port}`,
  );
});
