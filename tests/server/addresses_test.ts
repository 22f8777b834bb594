/**
 * The types of addresses follow from the kind of listener, and addresses are of that
 * kind when the server runs.
 */

import { assert, assertEquals } from "@std/assert";
import { assertType, type IsExact } from "@std/testing/types";
import {
  type AcceptSource,
  type Duplex,
  fetchHandler,
  type Handler,
  type HttpServer,
  serve,
  serveConnection,
  type ServeOptions,
} from "@pooled/http1";
import { makeCertificate } from "../support/certificate.ts";
import { curl, TemporaryDirectory } from "../support/programs.ts";
import { answerTo } from "../support/raw_client.ts";
import { last } from "../support/requests.ts";
import { test } from "../support/waiting.ts";

type Any = Deno.Addr | null;

test("a port: handlers, onListen and addr have a hostname and a port", async () => {
  const listened: [string, number][] = [];
  await using server = serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ hostname, port }) => listened.push([hostname, port]),
  }, (_req, res, info) => res.send(`from ${info.remoteAddr.hostname}`));
  assertType<IsExact<typeof server, HttpServer<Deno.NetAddr>>>(true);
  const { hostname, port } = server.addr;
  assertEquals(listened, [[hostname, port]]);
  assert((await answerTo(port, last())).includes("from 127.0.0.1"));
});

test("a handler among the options has the types of its listener", async () => {
  await using server = serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => assert(port > 0),
    handler: (_req, res, info) => res.send(`from ${info.remoteAddr.hostname}`),
  });
  const answer = await answerTo(server.addr.port, last());
  assert(answer.includes("from 127.0.0.1"));
});

test("a Unix socket: handlers, onListen and addr have a path", async () => {
  using folder = new TemporaryDirectory();
  for (const own of [false, true]) {
    const path = `${folder.path}/${own}.sock`;
    const listened: string[] = [];
    const onListen = (addr: Deno.UnixAddr) => void listened.push(addr.path);
    const handler: Handler<Deno.UnixAddr> = (_req, res, info) =>
      res.send(info.remoteAddr.transport);
    await using server = own
      ? serve(Deno.listen({ transport: "unix", path }), handler, { onListen })
      : serve({ path, onListen }, handler);
    assertType<IsExact<typeof server, HttpServer<Deno.UnixAddr>>>(true);
    assertEquals([server.addr.path, ...listened], [path, path]);
    assertEquals(
      await curl("--unix-socket", path, "http://localhost/"),
      "unix",
    );
  }
});

test("listeners for TCP and TLS give a hostname and a port", async () => {
  const { cert, key } = await makeCertificate();
  const where = { hostname: "127.0.0.1", port: 0 };
  const handler: Handler<Deno.NetAddr> = (_req, res, info) =>
    res.send(info.remoteAddr.hostname);
  {
    await using server = serve(Deno.listen(where), handler);
    assertType<IsExact<typeof server, HttpServer<Deno.NetAddr>>>(true);
    const answer = await answerTo(server.addr.port, last());
    assert(answer.endsWith("127.0.0.1"), answer);
  }
  await using server = serve(Deno.listenTls({ ...where, cert, key }), handler);
  assertType<IsExact<typeof server, HttpServer<Deno.NetAddr>>>(true);
  const url = `https://127.0.0.1:${server.addr.port}/`;
  assertEquals(await curl("-k", url), "127.0.0.1");
});

test("a Fetch application has the types of its listener", async () => {
  await using server = serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    fetchHandler((_request, { remoteAddr }) =>
      new Response(`from ${remoteAddr.hostname}`)
    ),
  );
  const answer = await answerTo(server.addr.port, last());
  assert(answer.includes("from 127.0.0.1"));
});

test("a connection of one's own has the type of its address", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const answer = answerTo(listener.addr.port, last());
  const conn = await listener.accept();
  await serveConnection(conn, (_req, res, info) => {
    res.send(`from ${info.remoteAddr.hostname}`);
  });
  assert((await answer).includes("from 127.0.0.1"));
});

/** Compiles only if the types are as they should be; never called. */
export function typesOfServe(
  source: AsyncGenerator<Duplex>,
  object: AcceptSource,
  pair: Duplex,
  listener: Deno.Listener,
  tcpOrTls: Deno.TcpListener | Deno.TlsListener,
  options: ServeOptions,
  unixConn: Deno.UnixConn,
  either: Deno.TcpConn | Deno.UnixConn,
): void {
  // A source of one's own may have an address, or none.
  const anywhere = serve(source, (_req, _res, { remoteAddr }) => {
    assertType<IsExact<typeof remoteAddr, Any>>(true);
  });
  assertType<IsExact<typeof anywhere, HttpServer>>(true);
  assertType<IsExact<typeof anywhere.addr, Any>>(true);
  serve(object, (_req, res) => res.send(), {
    onListen: (addr) => assertType<IsExact<typeof addr, Deno.Addr>>(true),
  });
  serveConnection(pair, (_req, _res, { remoteAddr }) => {
    assertType<IsExact<typeof remoteAddr, Any>>(true);
  });
  // Either of two listeners for TCP.
  const { addr } = serve(tcpOrTls, (_req, res, { remoteAddr }) => {
    res.send(remoteAddr.hostname);
  });
  assertType<IsExact<typeof addr, Deno.NetAddr>>(true);
  // A listener of no particular kind, and options of either.
  serve(listener, (_req, _res, { remoteAddr }) => {
    assertType<IsExact<typeof remoteAddr, Deno.Addr>>(true);
  });
  serve(options, (_req, _res, { remoteAddr }) => {
    assertType<IsExact<typeof remoteAddr, Deno.NetAddr | Deno.UnixAddr>>(true);
  });

  // A handler for any address fits everywhere, one for TCP only there.
  const any: Handler = (_req, res) => res.send();
  const tcp: Handler<Deno.NetAddr> = any;
  const served: HttpServer<Deno.NetAddr> = serve({ port: 0 }, tcp);
  serve({ path: "" }, any);
  serve(source, any);
  // @ts-expect-error -- no address may be known.
  serve(source, tcp);
  // @ts-expect-error -- the addresses are paths.
  serve({ path: "" }, tcp);
  // @ts-expect-error -- no address may be known.
  serveConnection(pair, tcp);
  serveConnection<Deno.NetAddr>(pair, tcp, { remoteAddr: served.addr });
  serveConnection(either, any);
  serveConnection(unixConn, any, { remoteAddr: served.addr });

  // Connections on a running server.
  const general: HttpServer = served;
  general.serve(pair);
  general.serve(unixConn);
  served.serve(pair, { remoteAddr: served.addr, context: "anything" });
  // @ts-expect-error -- the handler expects an address of TCP.
  served.serve(unixConn);
  served.serve(unixConn, { remoteAddr: served.addr });
  // @ts-expect-error -- so it does of what the program tells.
  served.serve(pair, { remoteAddr: unixConn.remoteAddr });

  // What Deno.serve takes fits, whatever address it is typed for.
  const app: Deno.ServeHandler = () => new Response();
  const tcpApp: Deno.ServeHandler<Deno.NetAddr> = () => new Response();
  serve({ port: 0 }, fetchHandler(app));
  serve({ port: 0 }, fetchHandler(tcpApp));
  serve({ path: "" }, fetchHandler(app));
  serve(source, fetchHandler(app));
  serve(source, fetchHandler({ fetch: tcpApp }));
  serve(
    { path: "" },
    fetchHandler((_request, info) => new Response(info.remoteAddr.path)),
  );
  const askPath = (path: string) => new Response(path);
  // @ts-expect-error -- the address has no path.
  serve({}, fetchHandler((_, info) => askPath(info.remoteAddr.path)));
}
