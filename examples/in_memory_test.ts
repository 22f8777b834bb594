/**
 * Tests a handler without a port: `request` passes it one request through the whole wire
 * format and returns a Fetch `Response`. Needs no permissions.
 *
 * `deno test examples/in_memory_test.ts`
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  fetchHandler,
  type Handler,
  request,
  serveConnection,
} from "@pooled/http1";

const handler: Handler = async (req, res) => {
  if (req.path !== "/sum") return res.send("nothing here", { status: 404 });
  const numbers = (await req.text()).split(" ").map(Number);
  if (numbers.some(Number.isNaN)) {
    return res.send("numbers were expected", { status: 400 });
  }
  res.json({ sum: numbers.reduce((sum, number) => sum + number, 0) });
};

Deno.test("the numbers of a body are added up", async () => {
  const init = { method: "POST", body: "1 2 39" };
  const response = await request(handler, "/sum", init);
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { sum: 42 });
});

Deno.test("a body that is not numbers is refused", async () => {
  const init = { method: "POST", body: "1 two" };
  assert.equal((await request(handler, "/sum", init)).status, 400);
});

Deno.test("an application of Deno.serve is asked the same way", async () => {
  const app = ({ url }: Request) => new Response(new URL(url).pathname);
  const response = await request(fetchHandler(app), "/a");
  assert.equal(await response.text(), "/a");
});

Deno.test("a handler that throws answers with 500", async () => {
  const errors: unknown[] = [];
  const broken: Handler = () => {
    throw new Error("broken");
  };
  const { status } = await request(broken, "/", {}, {
    // Without it, the error is printed.
    onError: (error) => void errors.push(error),
  });
  assert.equal(status, 500);
  assert.match(String(errors), /broken/);
});

// Bytes that no Fetch Request can say go through a pair of streams.

/** Sends the bytes of a client that then half-closes; returns the whole response. */
async function answerTo(handler: Handler, wire: string): Promise<string> {
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const down = new TransformStream<Uint8Array, Uint8Array>();
  const served = serveConnection(
    { readable: up.readable, writable: down.writable },
    handler,
  );
  const answer = new Response(down.readable).text();
  const sent = new Blob([wire]).stream().pipeTo(up.writable);
  // After a refusal the server stops reading, so sending may fail.
  await Promise.allSettled([sent, served]);
  return await answer;
}

Deno.test("two requests on one connection are answered in order", async () => {
  const head = "POST /sum HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n";
  const answer = await answerTo(handler, `${head}1${head}2`);
  assert.match(answer, /^HTTP\/1\.1 200 .*\{"sum":1\}HTTP.*\{"sum":2\}$/s);
});

Deno.test("a malformed request never reaches the handler", async () => {
  const answer = await answerTo(
    () => assert.fail("it did"),
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
  );
  assert.match(answer, /^HTTP\/1\.1 400 /);
});
