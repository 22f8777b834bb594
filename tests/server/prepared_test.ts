/**
 * Prepared responses.
 */

import { assertEquals, assertThrows } from "@std/assert";
import { prepareResponse } from "@pooled/http1";
import { BAD_FIELDS } from "../support/bad_fields.ts";
import { bytesOf } from "../support/bytes.ts";
import { exchange } from "../support/exchange.ts";
import { ask, keep } from "../support/requests.ts";
import { fieldOf, valuesOf } from "../support/response_reader.ts";
import { test } from "../support/waiting.ts";

test("a prepared response works on every connection and HTTP version", async () => {
  const hello = prepareResponse({
    status: 201,
    headers: { "x-a": "1", "content-type": "text/html" },
    body: "hello",
  });
  assertEquals(hello.status, 201);
  for (let round = 0; round < 2; round++) {
    const { answers } = await exchange(
      (_req, res) => res.send(hello),
      keep("GET") + keep("HEAD") +
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" +
        "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" +
        keep("POST") + ask("HEAD"),
    );
    assertEquals(
      answers.map((answer) => [
        answer.line,
        answer.body,
        fieldOf(answer, "content-length"),
        fieldOf(answer, "content-type"),
        fieldOf(answer, "x-a"),
        fieldOf(answer, "connection"),
      ]),
      [
        ["hello", null],
        ["", null],
        ["hello", "keep-alive"],
        ["", "keep-alive"],
        ["hello", null],
        ["", "close"],
      ].map(([body, connection]) => [
        "HTTP/1.1 201 Created",
        body,
        "5",
        "text/html",
        "1",
        connection,
      ]),
    );
  }
});

test("a prepared response can end the connection", async () => {
  const bye = prepareResponse({
    headers: { connection: "close, x-hop" },
    body: "bye",
  });
  const { answers } = await exchange(
    (_req, res) => res.send(bye),
    keep("GET") + keep("GET"),
  );
  assertEquals(answers.map(({ body }) => body), ["bye"]);
  const options = valuesOf(answers[0]!, "connection").join(", ").split(/ *, */);
  assertEquals(options.sort(), ["close", "x-hop"]);
});

test("prepareResponse throws on invalid arguments", () => {
  for (const [name, value] of BAD_FIELDS) {
    assertThrows(
      () => prepareResponse({ headers: [[name, value]] }),
      TypeError,
    );
  }
  for (const length of ["2", "4", "", "3, 3"]) {
    assertThrows(
      () =>
        prepareResponse({ headers: { "content-length": length }, body: "abc" }),
      TypeError,
      "Content-Length",
    );
  }
  prepareResponse({ headers: { "content-length": "3" }, body: "abc" });
  return Promise.resolve();
});

test("changing the inputs of prepareResponse later does not affect the response", async () => {
  const body = bytesOf("hello");
  const headers = new Headers({ "x-a": "1" });
  const prepared = prepareResponse({ body, headers });
  body.fill(0);
  headers.set("x-a", "2");
  const { answer } = await exchange((_req, res) => res.send(prepared));
  assertEquals([answer.body, fieldOf(answer, "x-a")], ["hello", "1"]);
});
