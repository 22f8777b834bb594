/**
 * Runs each server example with its documented command against an independent client:
 * curl, `fetch` or a `WebSocket`.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { makeCertificate } from "../support/certificate.ts";
import { Example } from "../support/example.ts";
import { curl } from "../support/programs.ts";

Deno.test("example: hello", async () => {
  await using example = Example.start("hello.ts", ["0"]);
  const url = `http://127.0.0.1:${await example.port()}`;
  assertStringIncludes(await curl(`${url}/`), "<h1>hello</h1>");
  assertEquals(await curl(`${url}/hello/J%C3%B6rg`), "hello, Jörg\n");
  assertEquals(await curl("-d", "12345", `${url}/echo`), '{"length":5}');
  assertStringIncludes(await curl("-i", `${url}/x`), "HTTP/1.1 404 Not Found");
});

Deno.test("example: Hono", async () => {
  await using example = Example.start("hono.ts", ["0"]);
  const url = `http://127.0.0.1:${await example.port()}`;
  assertEquals(await curl(`${url}/`), "hello from Hono\n");
  assertEquals(await curl(`${url}/users/7`), '{"id":"7"}');
  const form = new FormData();
  form.append("file", new File(["contents"], "a.txt"));
  const answer = await fetch(`${url}/upload`, { method: "POST", body: form });
  assertEquals(await answer.json(), { name: "a.txt", size: 8 });
});

Deno.test("example: Unix socket", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/hello.sock`;
    await using example = Example.start("unix.ts", [path]);
    await example.line(/Listening on (.*)\n/);
    assertEquals(
      await curl("--unix-socket", path, "http://localhost/a"),
      "GET /a through a Unix socket\n",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("example: TLS", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { certFile, keyFile } = await makeCertificate(folder);
    await using example = Example.start("tls.ts", [certFile, keyFile, "0"]);
    const url = `https://localhost:${await example.port()}/`;
    assertEquals(await curl("--cacert", certFile, url), '{"secure":true}');
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("example: forward proxy", async () => {
  await using proxy = Example.start("forward_proxy.ts", ["0", "127.0.0.1"]);
  await using hello = Example.start("hello.ts", ["0"]);
  const [through, to] = await Promise.all([proxy.port(), hello.port()]);
  const tunnel = ["-p", "-x", `http://127.0.0.1:${through}`];
  assertEquals(
    await curl(...tunnel, `http://127.0.0.1:${to}/hello/there`),
    "hello, there\n",
  );
  // Enough to exert backpressure in one direction of the tunnel.
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/body`;
    await Deno.writeFile(file, new Uint8Array(1_000_000));
    assertEquals(
      await curl(
        ...tunnel,
        "--data-binary",
        `@${file}`,
        `http://127.0.0.1:${to}/echo`,
      ),
      '{"length":1000000}',
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  assertStringIncludes(
    await curl("-i", `http://127.0.0.1:${through}/`),
    "400 Bad Request",
  );
});

Deno.test("example: WebSocket", async () => {
  await using example = Example.start("websocket.ts", ["0"]);
  const address = `127.0.0.1:${await example.port()}`;
  assertStringIncludes(await curl(`http://${address}/`), "new WebSocket(");
  assertStringIncludes(
    await curl("-i", `http://${address}/echo`),
    "HTTP/1.1 426",
  );
  const socket = new WebSocket(`ws://${address}/echo`);
  socket.binaryType = "arraybuffer";
  const next = () =>
    new Promise<MessageEvent>((resolve, reject) => {
      socket.onmessage = resolve;
      socket.onerror = reject;
      socket.onclose = reject;
    });
  await new Promise((resolve) => socket.onopen = resolve);
  for (const text of ["one", "two", "x".repeat(200_000)]) {
    const answer = next();
    socket.send(text);
    assertEquals((await answer).data, text);
  }
  const answer = next();
  socket.send(new Uint8Array([1, 2, 3]));
  assertEquals(new Uint8Array((await answer).data), new Uint8Array([1, 2, 3]));
  const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
  socket.close(1000, "done");
  assertEquals((await closed).wasClean, true);
});

Deno.test("example: workers share a port", async () => {
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr as Deno.NetAddr;
  free.close();
  await using example = Example.start("workers.ts", [String(port), "3"]);
  for (let i = 0; i < 3; i++) {
    await example.line(RegExp(`(worker ${i}) listens`));
  }
  const seen = new Set<string>();
  for (let i = 0; i < 64 && seen.size < 2; i++) {
    seen.add(await curl(`http://127.0.0.1:${port}/`));
  }
  assert(seen.size >= 2, `only ${[...seen]} answered`);
});
