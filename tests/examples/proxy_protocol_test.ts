/**
 * The PROXY protocol example with senders of both versions that are not our own, curl
 * and HAProxy, and with clients that are late, malformed, or leave.
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  assertSockets,
  Example,
  resetUnaccepted,
  sockets,
} from "../support/example.ts";
import { needs } from "../support/needs.ts";
import { curl, start, TemporaryDirectory } from "../support/programs.ts";
import {
  assertEnds,
  RawClient,
  readAll,
  reset,
} from "../support/raw_client.ts";
import { last } from "../support/requests.ts";
import { sleep, test, within } from "../support/waiting.ts";

/** A header of version 2 for 203.0.113.7, port 5555, with an extension. */
const BINARY = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x12" +
  "\xcb\0\x71\x07\xc0\0\x02\x01\x15\xb3\0\x50" + "\x04\0\x03abc";
const LINE = "PROXY TCP4 203.0.113.7 192.0.2.1 5555 80\r\n";

test("PROXY protocol: version 1 from curl", async () => {
  await using example = Example.start("proxy_protocol.ts", ["0"]);
  const url = `http://127.0.0.1:${await example.port()}/`;
  assertMatch(
    await curl("--haproxy-protocol", url, "--next", "--haproxy-protocol", url),
    /^(you are 127\.0\.0\.1, port \d+\n){2}$/,
  );
});

test("PROXY protocol: a header whole, and a byte at a time", async () => {
  await using example = Example.start("proxy_protocol.ts", ["0"]);
  const port = await example.port();
  for (const header of [BINARY, LINE]) {
    for (const pieces of [[header + last()], [...header + last()]]) {
      using client = await RawClient.connect(port);
      for (const piece of pieces) {
        await client.send(piece);
        if (pieces.length > 1) await sleep(1);
      }
      assertStringIncludes(
        await client.rest(),
        "you are 203.0.113.7, port 5555\n",
      );
    }
  }
});

/** Asks HAProxy, through its socket, how its health checks end. */
async function healthOf(socket: string): Promise<string> {
  using conn = await Deno.connect({ transport: "unix", path: socket });
  await conn.write(new TextEncoder().encode("show stat\n"));
  const rows = (await within(readAll(conn), "the statistics")).split("\n")
    .map((row) => row.replace(/^# /, "").split(","));
  const column = rows[0]!.indexOf("check_status");
  return rows.find(([, name]) => name === "example")![column]!;
}

Deno.test(
  "PROXY protocol: version 2 from HAProxy",
  needs("haproxy"),
  async () => {
    using folder = new TemporaryDirectory();
    await using example = Example.start("proxy_protocol.ts", ["0"]);
    const port = await example.port();
    const [tcp4, tcp6, unknown, socket] = ["4", "6", "?", "stats"].map((
      name,
    ) => `${folder.path}/${name}.sock`);
    const config = `${folder.path}/haproxy.cfg`;
    const server = `server example 127.0.0.1:${port} send-proxy-v2`;
    const proxy = (name: string, path: string, ...lines: string[]) =>
      [`listen ${name}`, `  bind unix@${path}`, ...lines.map((l) => `  ${l}`)]
        .join("\n");
    await Deno.writeTextFile(
      config,
      [
        "global",
        `  stats socket ${socket} level admin`,
        "defaults",
        "  mode http",
        "  timeout connect 10s",
        "  timeout client 10s",
        "  timeout server 10s",
        proxy(
          "tcp4",
          tcp4!,
          "http-request set-src str(203.0.113.7)",
          "http-request set-src-port int(5555)",
          "http-request set-dst str(192.0.2.1)",
          "option httpchk GET /",
          // A health check is a LOCAL header.
          `${server} check check-send-proxy inter 100ms`,
        ),
        proxy(
          "tcp6",
          tcp6!,
          "http-request set-src str(2001:db8::7)",
          "http-request set-src-port int(6666)",
          "http-request set-dst str(2001:db8::1)",
          server,
        ),
        // With extensions, and without an address that the example takes.
        proxy(
          "unknown",
          unknown!,
          "unique-id-format %{+X}o%ci:%cp-%rt",
          `${server} proxy-v2-options unique-id,crc32c,authority`,
        ),
        "",
      ].join("\n"),
    );
    const haproxy = start("haproxy", ["-db", "-f", config]);
    const stderr = new Response(haproxy.stderr).text();
    const stdout = new Response(haproxy.stdout).text();
    try {
      const through = (path: string) =>
        curl(
          ...["--retry", "20", "--retry-delay", "1", "--retry-all-errors"],
          ...["--unix-socket", path, "http://localhost/"],
        );
      assertEquals(await through(tcp4!), "you are 203.0.113.7, port 5555\n");
      assertEquals(await through(tcp6!), "you are 2001:db8::7, port 6666\n");
      assertMatch(
        await through(unknown!),
        /^you are 127\.0\.0\.1, port \d+\n$/,
      );
      let health = "";
      for (let i = 0; health !== "L7OK" && i < 100; i++) {
        health = await healthOf(socket!);
        await sleep(50);
      }
      assertEquals(health, "L7OK");
    } finally {
      haproxy.kill();
      await within(haproxy.status, "the end of haproxy");
      await stdout;
      const said = await stderr;
      if (said !== "") console.error(said);
    }
  },
);

test("PROXY protocol: a late or invalid header closes the connection", async () => {
  await using example = Example.start("proxy_protocol.ts", ["0"], {
    constants: { HEADER_MS: 200 },
  });
  const port = await example.port();
  const before = sockets(example);
  {
    using silent = await RawClient.connect(port);
    using half = await RawClient.connect(port);
    await half.send(BINARY.slice(0, 20));
    using trickling = await RawClient.connect(port);
    const trickle = (async () => {
      for (const byte of BINARY.repeat(100)) {
        await trickling.send(byte);
        await sleep(20);
      }
    })();
    await Promise.all([
      assertEnds(silent.conn),
      assertEnds(half.conn),
      assertEnds(trickling.conn),
      trickle.catch(() => {}),
    ]);
  }
  for (
    const text of [
      ...["GET / HTTP/1.1\r\n", "PROXY TCP4 a\r\n", "x".repeat(200)],
      `PROXY UNKNOWN ${"x".repeat(100_000)}`,
      BINARY.slice(0, 14) + "\xff\xff" + "x".repeat(100_000),
    ]
  ) {
    using client = await RawClient.connect(port);
    await client.send(text).catch(() => {});
    await assertEnds(client.conn);
    assertEquals(client.received, "");
  }
  await assertSockets(example, before);
  example.process.kill("SIGTERM");
  assertEquals((await example.end()).errors, "");
});

test("PROXY protocol: the server survives resets and early ends", async () => {
  await using example = Example.start("proxy_protocol.ts", ["0"]);
  const port = await example.port();
  const before = sockets(example);
  await resetUnaccepted(example, port);
  for (const part of ["PROXY TC", BINARY.slice(0, 7), BINARY.slice(0, 20)]) {
    await reset(port, part);
    using client = await RawClient.connect(port);
    await client.send(part);
    await client.conn.closeWrite();
    await assertEnds(client.conn);
  }
  await reset(port, "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nGET /");
  assertStringIncludes(
    await curl("--haproxy-protocol", `http://127.0.0.1:${port}/`),
    "you are 127.0.0.1",
  );
  await assertSockets(example, before);
  example.process.kill("SIGTERM");
  assertEquals((await example.end()).errors, "");
});

test("PROXY protocol: no more than MOST_OPEN connections at a time", async () => {
  await using example = Example.start("proxy_protocol.ts", ["0"], {
    constants: { MOST_OPEN: 2 },
  });
  const port = await example.port();
  using first = await RawClient.connect(port);
  using second = await RawClient.connect(port);
  await Promise.all([first, second].map((client) => client.send("P")));
  using third = await RawClient.connect(port);
  await third.send(LINE + last());
  const answer = third.rest();
  // The third is served only once a place is free.
  assertEquals(await Promise.race([answer, sleep(100)]), undefined);
  first.conn.close();
  assertStringIncludes(await answer, "you are 203.0.113.7");
});

test("PROXY protocol: a shutdown ends those that sent no header yet", async () => {
  await using example = Example.start("proxy_protocol.ts", ["0"]);
  const port = await example.port();
  using silent = await RawClient.connect(port);
  await silent.send("PROXY");
  using idle = await RawClient.connect(port);
  await idle.send(`${LINE}GET / HTTP/1.1\r\nHost: a\r\n\r\n`);
  await idle.until("port 5555\n");
  example.process.kill("SIGINT");
  await Promise.all([assertEnds(silent.conn), assertEnds(idle.conn)]);
  silent.conn.close();
  idle.conn.close();
  assertEquals(await example.end(), { code: 0, errors: "" });
});
