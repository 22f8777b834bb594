/**
 * What handlers are told of a connection beside its addresses: the program's `context`,
 * and the protocol that TLS negotiated.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  fetchHandler,
  type Handler,
  Pools,
  serve,
  serveConnection,
} from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { bytesOf } from "../support/bytes.ts";
import { makeCertificate } from "../support/certificate.ts";
import { MemoryConn } from "../support/memory_conn.ts";
import { curl, ended } from "../support/programs.ts";
import { RawClient } from "../support/raw_client.ts";
import { get, last } from "../support/requests.ts";
import { bodiesOf } from "../support/response_reader.ts";
import { sanitized, sleep, test, until, within } from "../support/waiting.ts";
import { withServer } from "../support/with_server.ts";

test("handlers find the context that a connection was given with", async () => {
  const told: unknown[] = [];
  const native: Handler = (_req, res, info) => {
    told.push(info.context);
    res.send();
  };
  const app = fetchHandler((_request, info) => {
    told.push(info.context);
    return new Response();
  });
  const given = { tenant: "a" };
  for (const handler of [native, app]) {
    await withServer(handler, async ({ server, port }) => {
      const wire = get("/") + last();
      for (const context of [given, undefined, null, 0]) {
        const conn = new MemoryConn([wire], { ends: "after the server" });
        await server.serve(conn, { context });
      }
      const conn = new MemoryConn([wire], { ends: "after the server" });
      await serveConnection(conn, handler, { context: given });
      using client = await RawClient.connect(port);
      await client.send(wire);
      await client.rest();
    });
    assertEquals(told.splice(0), [
      ...[given, given, undefined, undefined, null, null, 0, 0],
      ...[given, given, undefined, undefined],
    ]);
  }
});

const tellProtocol: Handler = (_req, res, info) =>
  res.send(`${info.alpnProtocol} ${info.secure}`);

test("handlers know what ALPN negotiated, from the first request on", async () => {
  const { cert, key } = await makeCertificate();
  const app = fetchHandler((_request, { alpnProtocol }) =>
    new Response(`${alpnProtocol} true`)
  );
  for (const handler of [tellProtocol, app]) {
    for (
      const [offered, asked, expected] of [
        [undefined, ["--http1.1"], "http/1.1 true"],
        [undefined, ["--no-alpn"], "null true"],
        [["http/1.0", "http/1.1"], ["--http1.1"], "http/1.1 true"],
        [["http/1.0"], ["--http1.0"], "http/1.0 true"],
        [[], ["--http1.1"], "null true"],
      ] as const
    ) {
      await withServer(handler, async ({ port }) => {
        const url = `https://127.0.0.1:${port}/`;
        const twice = [url, "-k", ...asked, url];
        assertEquals(await curl("-k", ...twice), expected + expected);
      }, { cert, key, ...offered && { alpnProtocols: [...offered] } });
    }
  }
  await withServer(tellProtocol, async ({ url }) => {
    assertEquals(await curl(url), "null false");
  });
});

test("serve refuses to offer a protocol that it does not speak", () => {
  const options = { port: 0, cert: "", key: "", alpnProtocols: ["h2"] };
  let error: unknown;
  try {
    serve(options, tellProtocol);
  } catch (thrown) {
    error = thrown;
  }
  assert(error instanceof TypeError);
  assertStringIncludes(error.message, '"h2"');
  return Promise.resolve();
});

test("a client that negotiated HTTP/2 is not answered, and onError is told", async () => {
  const { cert, key } = await makeCertificate();
  const pools = new Pools();
  const errors: unknown[] = [];
  const listener = Deno.listenTls({
    ...{ hostname: "127.0.0.1", port: 0, cert, key },
    alpnProtocols: ["h2", "http/1.1"],
  });
  const server = serve(listener, tellProtocol, {
    pools,
    onError: (error) => void errors.push(error),
  });
  const url = `https://127.0.0.1:${server.addr.port}/`;
  const address = `127.0.0.1:${server.addr.port}`;
  const { stdout } = await ended("openssl", [
    ...["s_client", "-connect", address, "-alpn", "h2", "-quiet"],
  ], bytesOf("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  assertEquals(stdout, "");
  await until(() => errors.length === 1, "the report");
  assert(errors[0] instanceof TypeError);
  assertStringIncludes(errors[0].message, '"h2"');
  assertEquals(await curl("-k", "--http1.1", url), "http/1.1 true");
  const { connections, requests } = server.stats();
  assert(connections <= 1);
  assertEquals(requests, 1);
  await server.shutdown();
  assertEquals(errors.length, 1);
  assertAtRest(pools);
});

test("a TLS connection of one's own, of which bytes were read", async () => {
  const { cert, key } = await makeCertificate();
  const where = { hostname: "127.0.0.1", port: 0 };
  for (const protocol of ["http/1.1", "h2"]) {
    using listener = Deno.listenTls({
      ...{ ...where, cert, key, alpnProtocols: [protocol] },
    });
    const errors: unknown[] = [];
    const [client, conn] = await Promise.all([
      Deno.connectTls({
        ...{ ...where, port: listener.addr.port, caCerts: [cert] },
        alpnProtocols: [protocol],
      }),
      listener.accept(),
    ]);
    using _ = client;
    await client.write(bytesOf(get("/1") + last("/2")));
    const buffer = new Uint8Array(1000);
    const count = await within(conn.read(buffer), "the request");
    const served = serveConnection(conn, tellProtocol, {
      received: buffer.subarray(0, count!),
      onError: (error) => void errors.push(error),
    });
    buffer.fill(0);
    let text = "";
    const decoder = new TextDecoder();
    for (let n; (n = await client.read(buffer).catch(() => null)) !== null;) {
      text += decoder.decode(buffer.subarray(0, n));
    }
    client.close();
    await within(served, "the end");
    const spoken = protocol === "http/1.1";
    assertEquals(
      bodiesOf(text),
      spoken ? ["http/1.1 true", "http/1.1 true"] : [],
    );
    assertEquals(errors.length, spoken ? 0 : 1);
  }
});

for (const early of [false, true]) {
  const when = early ? "after bytes were read" : "after the first read";
  const wire = last();
  const serveShaking = async (handshake: unknown, headTimeout = 60_000) => {
    const pools = new Pools();
    const errors: unknown[] = [];
    const conn = Object.assign(
      new MemoryConn(early ? [] : [wire], { ends: "after the server" }),
      { handshake },
    );
    await within(
      serveConnection(conn, tellProtocol, {
        ...early && { received: bytesOf(wire) },
        onError: (error) => void errors.push(error),
        ...{ pools, headTimeout },
      }),
      "the end",
    );
    assert(conn.closed);
    assertAtRest(pools);
    return { errors, text: conn.wire };
  };

  sanitized(`a handshake that is late, ${when}`, async () => {
    const { errors, text } = await serveShaking(async () => {
      await sleep(20);
      return { alpnProtocol: "http/1.1" };
    });
    assertEquals(bodiesOf(text), ["http/1.1 true"]);
    assertEquals(errors, []);
  });

  sanitized(`a handshake that never settles, ${when}`, async () => {
    const { errors, text } = await serveShaking(
      () => new Promise(() => {}),
      50,
    );
    assert(!text.includes("null true"), text);
    assertEquals(errors, []);
  });

  for (
    const [how, handshake] of Object.entries({
      rejects: () => Promise.reject(new Error("broken")),
      throws: () => {
        throw new Error("broken");
      },
    })
  ) {
    sanitized(`a handshake that ${how}, ${when}`, async () => {
      const { errors, text } = await serveShaking(handshake);
      assertEquals([text, errors.length], ["", 0]);
    });
  }

  sanitized(`a handshake that tells nothing, ${when}`, async () => {
    for (const handshake of [() => {}, () => Promise.resolve({}), true]) {
      const { errors, text } = await serveShaking(handshake);
      assertEquals(bodiesOf(text), ["null true"]);
      assertEquals(errors, []);
    }
  });
}
