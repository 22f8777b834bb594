/**
 * Responses as objects: their use after the release, in the console, as a Fetch
 * `Response`; their pools and their streams.
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  HttpError,
  Pools,
  readResponses,
  type ReceivedResponse,
  ResponseParser,
  ResponseStream,
} from "@pooled/http1";
import { FIELD_NAMES } from "../../src/wire/names.ts";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { cancellable, streamOf } from "../support/streams.ts";

/** Parses one response and gives it with its parser and pools. */
function one(
  wire: string,
  method = "GET",
): { response: ReceivedResponse; parser: ResponseParser; pools: Pools } {
  const pools = new Pools();
  const parser = new ResponseParser({ pools });
  parser.push(bytesOf(wire));
  return { response: parser.next(method)!, parser, pools };
}

function hello(fields = ""): string {
  return `HTTP/1.1 200 OK\r\n${fields}Content-Length: 5\r\n\r\nhello`;
}

Deno.test("a response shows itself in the console and in JSON, and nothing once released", () => {
  const { response } = one(hello());
  assertEquals(Deno.inspect(response), "ReceivedResponse 200 OK");
  assertEquals(
    JSON.stringify(response),
    '{"status":200,"statusText":"OK","httpVersion":"1.1","headers":[["Content-Length","5"]]}',
  );
  response.release();
  assertEquals(Deno.inspect(response), "ReceivedResponse (released)");
  assertEquals(JSON.stringify(response), '{"released":true}');
});

Deno.test("every property but released throws once a response is released", async () => {
  const { response, parser, pools } = one(hello());
  const { headers } = response;
  {
    using _ = response;
    assertEquals(response.released, false);
  }
  assertEquals(response.released, true);
  for (
    const name of [
      ...["status", "statusText", "httpVersion", "headers", "contentLength"],
      ...["chunked", "keepAlive", "upgrade", "body", "bodyUsed", "trailers"],
    ] as const
  ) {
    assertThrows(
      () => response[name as keyof ReceivedResponse],
      TypeError,
      "released",
    );
  }
  assertThrows(() => headers.get("a"), TypeError, "released");
  assertThrows(() => response.toResponse(), TypeError, "released");
  await assertRejects(() => response.bytes(), TypeError, "released");
  response.release();
  parser[Symbol.dispose]();
  assertAtRest(pools);
});

Deno.test("text, json, arrayBuffer and the stream of a body", async () => {
  const body = '{"a":"ä"}';
  const bytes = textOf(new TextEncoder().encode(body));
  const wire =
    `HTTP/1.1 200 OK\r\nContent-Length: ${bytes.length}\r\n\r\n${bytes}`;
  assertEquals(await one(wire).response.text(), body);
  assertEquals(await one(wire).response.json(), { a: "ä" });
  assertEquals(
    textOf(new Uint8Array(await one(wire).response.arrayBuffer())),
    bytes,
  );
  const { response } = one(wire);
  assertEquals(await new Response(response.body).text(), body);
  assert(response.bodyUsed);
  await assertRejects(() => response.text(), TypeError, "already used");
});

Deno.test("a body until the end is complete when the input ends", async () => {
  const { response, parser, pools } = one("HTTP/1.1 200 OK\r\n\r\nab");
  const text = response.text();
  parser.push(bytesOf("cd"));
  assertEquals(parser.next(), null);
  parser.end();
  assertEquals(await text, "abcd");
  assertEquals(parser.next(), null);
  response.release();
  parser[Symbol.dispose]();
  assertAtRest(pools);
});

Deno.test("the stream of a body until the end gives bytes as they come", async () => {
  const { response, parser } = one("HTTP/1.1 200 OK\r\n\r\nab");
  const reader = response.body!.getReader();
  assertEquals(textOf((await reader.read()).value!), "ab");
  const later = reader.read();
  parser.push(bytesOf("cd"));
  assertEquals(textOf((await later).value!), "cd");
  const end = reader.read();
  parser.end();
  assertEquals((await end).done, true);
  response.release();
  parser[Symbol.dispose]();
});

Deno.test("a body until the end that is too large is refused, and the rest discarded", async () => {
  const pools = new Pools();
  const parser = new ResponseParser({ pools, maxBodySize: 4 });
  parser.push(bytesOf("HTTP/1.1 200 OK\r\n\r\nhello"));
  const response = parser.next()!;
  const error = await assertRejects(() => response.bytes(), HttpError);
  assertEquals([error.code, error.status], ["body-too-large", 502]);
  response.release();
  parser.push(bytesOf("more"));
  assertEquals(parser.next(), null);
  parser.end();
  assertEquals(parser.next(), null);
  parser[Symbol.dispose]();
  assertAtRest(pools);
});

Deno.test("bytes behind a 101 never become a response", () => {
  const { response, parser, pools } = one(
    "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + hello(),
  );
  assertEquals(response.upgrade, "x");
  response.release();
  assertEquals(parser.next(), null);
  parser.push(bytesOf(hello()));
  assertEquals(parser.next(), null);
  parser.end();
  assertEquals(parser.next(), null);
  parser[Symbol.dispose]();
  assertAtRest(pools);
});

Deno.test("toResponse: status, fields and body outlive the pooled response", async () => {
  const { response, parser, pools } = one(
    hello("Set-Cookie: a=b\r\nset-cookie: c=d\r\nX-A: 1\r\nx-a: 2\r\n"),
  );
  const fetched = response.toResponse();
  response.release();
  assertEquals(fetched.status, 200);
  assertEquals(fetched.statusText, "OK");
  assertEquals(fetched.headers.getSetCookie(), ["a=b", "c=d"]);
  assertEquals(fetched.headers.get("x-a"), "1, 2");
  assertEquals(await fetched.text(), "hello");
  assertEquals(parser.next(), null);
  parser[Symbol.dispose]();
  assertAtRest(pools);
});

Deno.test("toResponse: the next response ends the body", async () => {
  const { response, parser, pools } = one(hello() + hello());
  const fetched = response.toResponse();
  response.release();
  parser.next()!.release();
  await assertRejects(() => fetched.text(), TypeError, "next message");
  parser[Symbol.dispose]();
  assertAtRest(pools);
});

Deno.test("toResponse: statuses that have no body in Fetch, and a response to HEAD", async () => {
  for (
    const [wire, method] of [
      ["HTTP/1.1 204 X\r\n\r\n", "GET"],
      ["HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n", "GET"],
      ["HTTP/1.1 205 X\r\nContent-Length: 5\r\n\r\nhello", "GET"],
      ["HTTP/1.1 205 X\r\nContent-Length: 0\r\n\r\n", "GET"],
      ["HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\n", "HEAD"],
    ] as const
  ) {
    const { response, parser, pools } = one(
      `${wire}HTTP/1.1 404 Next\r\nContent-Length: 0\r\n\r\n`,
      method,
    );
    const fetched = response.toResponse();
    assertEquals(fetched.body, null);
    assertEquals(await fetched.text(), "");
    response.release();
    using next = parser.next()!;
    assertEquals(next.status, 404);
    next.release();
    parser[Symbol.dispose]();
    assertAtRest(pools);
  }
});

Deno.test("toResponse throws where Fetch has no such status, and leaves the response usable", async () => {
  for (
    const status of [
      "100 X\r\n",
      "103 X\r\n",
      "600 X\r\nContent-Length: 0\r\n",
      "999 X\r\nContent-Length: 0\r\n",
    ]
  ) {
    const { response } = one(`HTTP/1.1 ${status}\r\n`);
    assertThrows(
      () => response.toResponse(),
      TypeError,
      `status ${response.status}`,
    );
    assertEquals(await response.text(), "");
  }
  const { response } = one(hello());
  await response.text();
  assertThrows(() => response.toResponse(), TypeError, "already used");
});

Deno.test("the text of a status line survives a cached head", () => {
  const pools = new Pools();
  const parser = new ResponseParser({ pools });
  for (let i = 0; i < 6; i++) {
    parser.push(bytesOf("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
    using response = parser.next()!;
    assertEquals([response.status, response.statusText], [404, "Not Found"]);
  }
  parser.push(bytesOf("HTTP/1.1 404 Not Fount\r\nContent-Length: 0\r\n\r\n"));
  using response = parser.next()!;
  assertEquals(response.statusText, "Not Fount");
  assertEquals(pools.stats().responses.created, 1);
  assertEquals(pools.stats().requests.created, 0);
});

Deno.test("every known field name is found, as sent, in lower and in upper case", () => {
  const names = FIELD_NAMES.slice(1)
    .filter((name) => !/^(?:content-length|transfer-encoding)$/.test(name));
  for (
    const change of [
      (name: string) => name,
      (name: string) => name.toUpperCase(),
    ]
  ) {
    const parser = new ResponseParser({ pools: new Pools(), maxHeaders: 300 });
    parser.push(bytesOf(
      `HTTP/1.1 204 X\r\n${
        names.map((name, i) => `${change(name)}: value ${i}\r\n`).join("")
      }\r\n`,
    ));
    using response = parser.next()!;
    for (const [i, name] of names.entries()) {
      assertEquals(response.headers.get(name), `value ${i}`, name);
      assert(response.headers.equals(name.toUpperCase(), `value ${i}`), name);
    }
    response.release();
    parser[Symbol.dispose]();
  }
});

Deno.test("a method that is no string throws", async () => {
  const parser = new ResponseParser({ pools: new Pools() });
  parser.push(bytesOf(hello()));
  assertThrows(() => parser.next(1 as never), TypeError, "no string");
  assertEquals(parser.next()!.status, 200);
  parser[Symbol.dispose]();

  const pools = new Pools();
  const read = async (method: () => string) => {
    const seen: number[] = [];
    const source = streamOf([hello() + hello()]);
    for await (using response of readResponses(source, { pools, method })) {
      seen.push(response.status);
    }
    return seen;
  };
  const methods = ["GET"];
  await assertRejects(
    () => read(() => methods.shift()!),
    TypeError,
    "has no request",
  );
  await assertRejects(
    () =>
      read(() => {
        throw new RangeError("who asks?");
      }),
    RangeError,
    "who asks?",
  );
  assertAtRest(pools);
});

Deno.test("readResponses: leaving the loop cancels the source", async () => {
  const pools = new Pools();
  const { stream, cancelled } = cancellable(hello());
  for await (using response of readResponses(stream, { pools })) {
    assertEquals(await response.text(), "hello");
    break;
  }
  await cancelled;
  assertAtRest(pools);
});

Deno.test("readResponses: a source that fails fails a body until the end", async () => {
  const pools = new Pools();
  const source = new ReadableStream<Uint8Array>({
    start: (controller) =>
      controller.enqueue(bytesOf("HTTP/1.1 200 OK\r\n\r\nhalf")),
    pull: (controller) => controller.error(new Error("the line broke")),
  }, { highWaterMark: 0 });
  await assertRejects(
    async () => {
      for await (using response of readResponses(source, { pools })) {
        await response.text();
      }
    },
    Error,
    "the line broke",
  );
  assertAtRest(pools);
});

Deno.test("ResponseStream: an unread body applies backpressure to the writer", async () => {
  const pools = new Pools();
  const { readable, writable } = new ResponseStream({ pools });
  const writer = writable.getWriter();
  const reader = readable.getReader();
  const first = reader.read();
  let isWritten = false;
  const write = writer.write(bytesOf("HTTP/1.1 200 OK\r\n\r\nhello"))
    .then(() => isWritten = true);
  const { value: response } = await first;
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(isWritten, false);
  const text = response!.text();
  await write;
  await writer.close();
  assertEquals(await text, "hello");
  response!.release();
  assertEquals((await reader.read()).done, true);
  assertAtRest(pools);
});

Deno.test("ResponseStream: closing within a message rejects", async () => {
  const { readable, writable } = new ResponseStream();
  const writer = writable.getWriter();
  const read = readable.getReader().read();
  const write = writer.write(bytesOf("HTTP/1.1 200"));
  const closed = writer.close();
  for (const promise of [read, closed]) {
    const error = await assertRejects(() => promise, HttpError);
    assertEquals([error.code, error.status], ["unexpected-eof", 502]);
  }
  await write.catch(() => {});
});

Deno.test("a refusal names what was found and the status of a gateway", () => {
  const parser = new ResponseParser({ pools: new Pools() });
  parser.push(bytesOf("HTTP/1.1 2000 OK\r\n\r\n"));
  const error = assertThrows(() => parser.next(), HttpError);
  assertEquals([error.code, error.status, error.offset], [
    "invalid-status",
    502,
    9,
  ]);
  assertStringIncludes(error.message, "2000 OK");
  assertStringIncludes(error.message, "RFC 9110 §15");
  for (
    const [code, status] of [
      ["head-timeout", 504],
      ["body-timeout", 504],
      ["buffers-full", 503],
      ["bare-lf", 502],
    ] as const
  ) {
    assertEquals(new HttpError(code, 0, "x", "response").status, status);
  }
});
