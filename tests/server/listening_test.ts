/**
 * Listening: addresses, announcements and options.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { stub } from "@std/testing/mock";
import { type Handler, Pools, serve, type ServeOptions } from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { hello } from "../support/handlers.ts";
import { portOf, untilRefused } from "../support/listeners.ts";
import { answerTo, RawClient } from "../support/raw_client.ts";
import { GET, LAST_GET } from "../support/requests.ts";
import { within } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

/** An unused port. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return portOf(listener.addr);
}

/** Captures `console.log` while `test` runs. */
function listeningTo(test: () => void): string[] {
  using log = stub(console, "log");
  test();
  return log.calls.map(({ args }) => args.join(" "));
}

Deno.test("serve(options, handler) passes its address to onListen", async () => {
  const pools = new Pools();
  let told: Deno.Addr | undefined;
  const server = serve({
    hostname: "127.0.0.1",
    port: 0,
    pools,
    onListen: (addr) => {
      told = addr;
    },
  }, hello);
  assertEquals(told, server.addr!);
  assertEquals(server.addr?.transport, "tcp");
  const answer = await answerTo(portOf(server.addr), LAST_GET);
  assert(answer.endsWith("\r\n\r\nhello"), answer);
  await server.shutdown();
  assertAtRest(pools);
});

Deno.test("without onListen, the address is printed", async () => {
  const pools = new Pools();
  const servers: ReturnType<typeof serve>[] = [];
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/socket`;
  const lines = listeningTo(() => {
    servers.push(
      serve({ hostname: "127.0.0.1", port: 0, pools }, hello),
      serve({ hostname: "::1", port: 0, pools }, hello),
      serve({ path, pools }, hello),
      // A listener opened by the program is not announced.
      serve(Deno.listen({ hostname: "127.0.0.1", port: 0 }), hello, { pools }),
    );
  });
  const [first, second] = servers.map(({ addr }) => addr);
  assertEquals(lines, [
    `Listening on http://127.0.0.1:${portOf(first!)}/`,
    `Listening on http://[::1]:${portOf(second!)}/`,
    `Listening on ${path}`,
  ]);
  await Promise.all(servers.map((server) => server.shutdown()));
  Deno.removeSync(directory, { recursive: true });
  assertAtRest(pools);
});

Deno.test("serve(listener, handler, options)", async () => {
  const pools = new Pools();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let told: Deno.Addr | undefined;
  const server = serve(listener, hello, {
    pools,
    onListen: (addr) => {
      told = addr;
    },
  });
  assertEquals(server.addr, listener.addr);
  assertEquals(told, listener.addr);
  const { port } = listener.addr as Deno.NetAddr;
  assertStringIncludes(await answerTo(port, LAST_GET), "hello");
  await server.shutdown();
  await untilRefused(port);
  assertAtRest(pools);
});

Deno.test("closing the listener ends the server", async () => {
  const pools = new Pools();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const errors: unknown[] = [];
  const server = serve(listener, hello, {
    pools,
    onError: (error) => void errors.push(error),
  });
  const { port } = listener.addr as Deno.NetAddr;
  using idle = await RawClient.connect(port);
  await idle.send(GET);
  await idle.until("hello");
  listener.close();
  await within(idle.rest(), "the end of an idle connection");
  idle.conn.close();
  await within(server.finished, "the end of the server");
  assertEquals(errors, []);
  assertAtRest(pools);
});

Deno.test("serve throws if the port is in use", async () => {
  await withServer(hello, async ({ port, url }) => {
    assertThrows(
      () => serve({ hostname: "127.0.0.1", port, onListen() {} }, hello),
      Deno.errors.AddrInUse,
    );
    assertEquals(await (await fetch(url)).text(), "hello");
  });
});

Deno.test("options out of range throw, and leave no listener open", () => {
  const port = freePort();
  const wrong: ServeOptions[] = [
    ...[0, -1, 1.5, NaN].flatMap((value) => [
      { headTimeout: value },
      { bodyTimeout: value },
      { idleTimeout: value },
      { writeTimeout: value },
      { maxRequests: value },
    ]),
    ...[-1, 0.5, NaN].map((maxDrain) => ({ maxDrain })),
    ...[0, -1, NaN].map((maxConnections) => ({ maxConnections })),
    { maxRequestLine: -1 },
    { maxHeaderBytes: 65_000 },
    { maxHeaders: 1.5 },
    { maxBodySize: NaN },
  ];
  for (const options of wrong) {
    const what = JSON.stringify(options);
    const where = { hostname: "127.0.0.1", port, onListen: () => {} };
    let error: unknown;
    try {
      serve({ ...where, ...options }, hello).shutdown();
    } catch (thrown) {
      error = thrown;
    }
    assertInstanceOf(error, RangeError, `${what} was taken`);
    // Succeeds only if the server is not listening.
    Deno.listen({ hostname: "127.0.0.1", port }).close();
  }
});

Deno.test("options that contradict each other throw, as does a missing handler", () => {
  const port = freePort();
  const where = { hostname: "127.0.0.1", port, onListen: () => {} };
  assertThrows(() => serve({ ...where, cert: "a" }, hello), TypeError, "key");
  assertThrows(() => serve({ ...where, key: "a" }, hello), TypeError, "cert");
  assertThrows(
    () => serve({ path: "/tmp/none", cert: "a", key: "b" }, hello),
    TypeError,
    "Unix",
  );
  const none = undefined as unknown as Handler;
  assertThrows(() => serve(where, none), TypeError, "handler");
  assertThrows(
    () =>
      serve({
        ...where,
        onListen() {
          throw new Error("from onListen");
        },
      }, hello),
    Error,
    "from onListen",
  );
  Deno.listen({ hostname: "127.0.0.1", port }).close();
});
