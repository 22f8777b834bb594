/**
 * Tests a handler without a port: a pair of `TransformStream`s serves as the
 * connection. Bytes go in at one end and the response comes out at the other. Needs no
 * permissions.
 *
 * `deno test examples/in_memory_test.ts`
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Handler, serveConnection } from "@pooled/http1";

const handler: Handler = async (req, res) => {
  if (req.path !== "/sum") return res.send("nothing here", { status: 404 });
  const numbers = (await req.text()).split(" ").map(Number);
  if (numbers.some(Number.isNaN)) {
    return res.send("numbers were expected", { status: 400 });
  }
  res.json({ sum: numbers.reduce((sum, number) => sum + number, 0) });
};

/** Sends the bytes of a client that then half-closes; returns the whole response. */
async function answerTo(handler: Handler, wire: string): Promise<string> {
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const down = new TransformStream<Uint8Array, Uint8Array>();
  const served = serveConnection(
    { readable: up.readable, writable: down.writable },
    handler,
    { onError: () => {} },
  );
  const answer = new Response(down.readable).text();
  const sent = new Blob([wire]).stream().pipeTo(up.writable);
  // After a refusal the server stops reading, so sending may fail.
  await Promise.allSettled([sent, served]);
  return await answer;
}

/** A well-formed POST. */
function post(path: string, body: string): string {
  const length = new TextEncoder().encode(body).length;
  return `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${body}`;
}

Deno.test("the numbers of a body are added up", async () => {
  const answer = await answerTo(handler, post("/sum", "1 2 39"));
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(answer, /\r\n\r\n\{"sum":42\}$/);
});

Deno.test("two requests on one connection are answered in order", async () => {
  const wire = post("/sum", "1") + post("/other", "");
  const answer = await answerTo(handler, wire);
  assert.match(answer, /^HTTP\/1\.1 200 .*\{"sum":1\}HTTP\/1\.1 404 /s);
});

Deno.test("a body that is not numbers is refused", async () => {
  const answer = await answerTo(handler, post("/sum", "1 two"));
  assert.match(answer, /^HTTP\/1\.1 400 /);
});

Deno.test("a malformed request never reaches the handler", async () => {
  const answer = await answerTo(
    () => assert.fail("it did"),
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
  );
  assert.match(answer, /^HTTP\/1\.1 400 /);
});
