/**
 * Arguments that the types forbid, as programs without types pass them: each is refused
 * at once, with an error that names it, instead of failing at the first request.
 */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type Conn,
  fetchHandler,
  type Handler,
  type HttpResponseInit,
  prepareResponse,
  request,
  serve,
  serveConnection,
  type ServeOptions,
} from "@pooled/http1";
import { MemoryConn } from "../support/memory_conn.ts";

const handler: Handler = (_req, res) => res.send();
const server = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
const NO_CALLBACKS: unknown[] = ["log", 1, {}, true];

Deno.test("a callback that is no function is refused", () => {
  for (const name of ["onError", "onRequestEnd"]) {
    for (const callback of NO_CALLBACKS) {
      const options = { ...server, [name]: callback } as ServeOptions;
      assertThrows(() => serve(options, handler), TypeError, name);
      const conn = new MemoryConn([]);
      assertThrows(
        () => serveConnection(conn, handler, options),
        TypeError,
        name,
      );
      assertEquals([conn.reads, conn.closed], [0, false]);
    }
  }
  const app = () => new Response();
  for (const onError of NO_CALLBACKS) {
    assertThrows(
      () => fetchHandler(app, { onError: onError as () => Response }),
      TypeError,
      "onError",
    );
  }
});

Deno.test("a callback that is null is none", async () => {
  const none = { onError: null, onRequestEnd: null } as unknown as ServeOptions;
  await using _ = serve({ ...server, ...none }, handler);
  const conn = new MemoryConn(["GET / HTTP/1.1\r\nHost: a\r\n\r\n"]);
  const errors: unknown[] = [];
  const app = fetchHandler(() => {
    throw new Error("of the application");
  }, { onError: null } as never);
  await serveConnection(conn, app, {
    onError: (error) => void errors.push(error),
    onRequestEnd: null as never,
  });
  assertEquals(errors.map(String), ["Error: of the application"]);
});

Deno.test("what is no handler is refused", async () => {
  const message =
    "needs a handler: a function (req, res), or fetchHandler(app)";
  for (const other of [undefined, null, "handler", {}]) {
    const conn = new MemoryConn([]);
    for (
      const call of [
        () => serveConnection(conn, other as Handler),
        () => serve(server, other as Handler),
      ]
    ) assertThrows(call, TypeError, message);
    assertEquals([conn.reads, conn.closed], [0, false]);
    await assertRejects(
      () => request(other as Handler, "/"),
      TypeError,
      message,
    );
  }
});

Deno.test("serve is told what to listen on", () => {
  for (const first of [8000, "8000", undefined, null]) {
    assertThrows(
      () => serve(first as never, handler),
      TypeError,
      "serve listens on options such as { port: 8000 }",
    );
  }
  for (const first of [undefined, null, 8000]) {
    assertThrows(() => serve(first as never), TypeError, "needs a handler");
  }
});

Deno.test("an init that is no object is refused", async () => {
  const inits = [404, "404", null] as unknown as HttpResponseInit[];
  const errors: string[] = [];
  for (const init of inits) {
    const careless: Handler[] = [
      (_req, res) => res.send("no", init),
      (_req, res) => res.json("no", init),
      (_req, res) => res.send(new Blob(["no"]).stream(), init),
    ];
    for (const handler of careless) {
      const response = await request(handler, "/", {}, {
        onError: (error) => void errors.push(String(error)),
      });
      assertEquals(response.status, 500);
      await response.text();
    }
    assertThrows(() => prepareResponse(init as never), TypeError, "init");
  }
  const message = "TypeError: an init is an object such as { status: 404 }";
  assertEquals(errors, new Array(9).fill(message));
});

Deno.test("what is no connection is refused", async () => {
  await using running = serve(server, handler);
  const others: unknown[] = [
    ...[undefined, null, "conn", 1, {}],
    { readable: new ReadableStream() },
    { read: () => {} },
  ];
  for (const other of others as Conn[]) {
    for (
      const call of [
        () => serveConnection(other, handler),
        () => running.serve(other),
      ]
    ) assertThrows(call, TypeError, "no connection");
  }
  assertEquals(running.stats().accepted, 0);
});

Deno.test("protocols that are no array are refused", () => {
  const tls = { ...server, cert: "", key: "" };
  for (const alpnProtocols of ["http/1.1", null, { 0: "h2" }, new Set()]) {
    assertThrows(
      () => serve({ ...tls, alpnProtocols } as never, handler),
      TypeError,
      "alpnProtocols",
    );
  }
});
