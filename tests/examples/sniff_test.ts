/**
 * The example that speaks HTTP, TLS and a line protocol on one port, with curl and
 * openssl as its clients, and with clients that stall, flood or leave.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { bytesOf } from "../support/bytes.ts";
import { type Certificate, makeCertificate } from "../support/certificate.ts";
import {
  assertSockets,
  Example,
  resetUnaccepted,
  sockets,
} from "../support/example.ts";
import { curl, ended, TemporaryDirectory } from "../support/programs.ts";
import { assertEnds, RawClient, reset } from "../support/raw_client.ts";
import { get, last } from "../support/requests.ts";
import { sleep, test, within } from "../support/waiting.ts";

/** The example and what a test needs of it. */
interface Sniffing {
  example: Example;
  port: number;
  certificate: Certificate;
  /** The sockets of the example before any client. */
  before: number;
}

function sniffing(
  name: string,
  run: (sniffing: Sniffing) => Promise<void>,
  constants: Record<string, number> = {},
): void {
  test(`sniff: ${name}`, async () => {
    using folder = new TemporaryDirectory();
    const certificate = await makeCertificate(folder.path);
    const { certFile, keyFile } = certificate;
    await using example = Example.start("sniff.ts", ["0", certFile, keyFile], {
      constants,
    });
    const port = await example.port();
    await run({ example, port, certificate, before: sockets(example) });
  });
}

/** Ends the example, which must not have failed. */
async function assertSound({ example, before }: Sniffing): Promise<void> {
  await assertSockets(example, before);
  example.process.kill("SIGINT");
  assertEquals(await example.end(), { code: 0, errors: "" });
}

sniffing("HTTP, TLS and lines on one port", async (all) => {
  const { port, certificate } = all;
  const plain = JSON.parse(await curl(`http://127.0.0.1:${port}/a`));
  assertEquals([plain.target, plain.secure, plain.context], [
    ...["/a", false, undefined],
  ]);
  // The client's own port, not that of the relay, and one connection for both requests.
  const url = `https://localhost:${port}/b`;
  const format = "\n%{local_port} %{num_connects}\n";
  const [first, its, second, also] = (await curl(
    ...["--cacert", certificate.certFile, "-w", format, url, url],
  )).split("\n").filter((line) => line !== "");
  const [local, connects] = its!.split(" ").map(Number);
  assertEquals([connects, also], [1, `${local} 0`]);
  for (const line of [first, second]) {
    const { target, secure, context, remoteAddr } = JSON.parse(line!);
    assertEquals([target, secure, context], ["/b", true, "relayed"]);
    assertEquals([remoteAddr.hostname, remoteAddr.port], ["127.0.0.1", local]);
  }
  {
    using client = await RawClient.connect(port);
    await client.send("GET");
    await sleep(20);
    await client.send("TING started\nsecond ");
    await client.until("GETTING started\n");
    await client.send("line\nlast");
    await client.conn.closeWrite();
    assertEquals(await client.rest(), "GETTING started\nsecond line\nlast");
  }
  await assertSound(all);
});

sniffing(
  "HTTP a byte at a time, and nonsense that resembles it",
  async (all) => {
    {
      using client = await RawClient.connect(all.port);
      for (
        const byte
          of "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
      ) {
        await client.send(byte);
        await sleep(1);
      }
      assertStringIncludes(await client.rest(), '"target":"*"');
    }
    {
      // Goes to the HTTP server, which refuses it.
      using client = await RawClient.connect(all.port);
      await client.send("GET nonsense\n");
      assertStringIncludes(await client.rest(), "HTTP/1.1 400 ");
    }
    await assertSound(all);
  },
);

sniffing(
  "TLS with a large body, from openssl, and without ALPN",
  async (all) => {
    const { port, certificate: { certFile } } = all;
    const url = `https://localhost:${port}/`;
    using folder = new TemporaryDirectory();
    const file = `${folder.path}/body`;
    await Deno.writeFile(file, new Uint8Array(3_000_000));
    assertStringIncludes(
      await curl("--cacert", certFile, "--data-binary", `@${file}`, url),
      '"secure":true',
    );
    for (const more of [["-tls1_2"], ["-tls1_3", "-alpn", "http/1.1"]]) {
      const { stdout } = await ended("openssl", [
        ...["s_client", "-connect", `127.0.0.1:${port}`, "-CAfile", certFile],
        ...["-verify_return_error", "-ign_eof", "-quiet", ...more],
      ], bytesOf(last("/openssl")));
      assertStringIncludes(stdout, '"target":"/openssl","secure":true');
    }
    await assertSound(all);
  },
);

sniffing(
  "a TLS client that does not trust, or speaks nonsense",
  async (all) => {
    const { code } = await ended("curl", [
      ...["-sS", "--max-time", "10", `https://127.0.0.1:${all.port}/`],
    ]);
    assertEquals(code, 60);
    for (const text of ["\x16nonsense\r\n", "\x16\x03\x01\0\x05GET /"]) {
      using client = await RawClient.connect(all.port);
      await client.send(text);
      await assertEnds(client.conn);
    }
    await assertSound(all);
  },
);

const SHORT = { SNIFF_MS: 200, LINE_MS: 200, HANDSHAKE_MS: 200, WRITE_MS: 200 };

sniffing(
  "silent, flooding and non-reading clients are dropped",
  async (all) => {
    const { port } = all;
    for (
      const text of [
        ...["", "PO", "no end of line", "x".repeat(100_000), "l\n"],
        // A handshake that does not go on.
        ...["\x16", "\x16\x03\x01\x02\0\x01\0"],
      ]
    ) {
      using client = await RawClient.connect(port);
      await client.send(text).catch(() => {});
      await assertEnds(client.conn);
    }
    {
      using client = await RawClient.connect(port);
      const flood = (async () => {
        for (;;) await client.send("a line\n".repeat(10_000));
      })();
      await flood.catch(() => {});
    }
    // Each try has little time to begin.
    const retry = ["--retry", "20", "--retry-delay", "1"];
    const url = `http://127.0.0.1:${port}/`;
    const answer = await curl(...retry, "--retry-all-errors", url);
    assertStringIncludes(answer, "target");
    await assertSound(all);
  },
  SHORT,
);

sniffing("a TLS client that does not read is dropped", async (all) => {
  const { port, certificate } = all;
  {
    using conn = await Deno.connectTls({
      ...{ hostname: "127.0.0.1", port, caCerts: [certificate.cert] },
    });
    const requests = bytesOf(get("/").repeat(1000));
    const flood = (async () => {
      for (;;) await conn.write(requests);
    })();
    await within(flood.catch(() => {}), "the end of the flood");
  }
  assertStringIncludes(await curl(`http://127.0.0.1:${port}/`), "target");
  await assertSound(all);
}, { WRITE_MS: 200 });

sniffing("clients that reset, or leave early", async (all) => {
  const { example, port } = all;
  await resetUnaccepted(example, port);
  for (const text of ["", "GE", "a line\n", "\x16", "\x16\x03\x01\x02\0\x01"]) {
    await reset(port, text);
    using client = await RawClient.connect(port);
    await client.send(text);
    await client.conn.closeWrite();
    await assertEnds(client.conn);
  }
  assertStringIncludes(await curl(`http://127.0.0.1:${port}/`), "target");
  await assertSound(all);
}, { HANDSHAKE_MS: 200 });

sniffing("a TLS client that leaves in the middle of a request", async (all) => {
  const { port, certificate } = all;
  const where = { hostname: "127.0.0.1", port, caCerts: [certificate.cert] };
  const conn = await Deno.connectTls(where);
  await conn.write(bytesOf("GET / HTTP/1.1\r\nHos"));
  conn.close();
  assertStringIncludes(await curl(`http://127.0.0.1:${port}/`), "target");
  await assertSound(all);
});

sniffing("nobody else gets in through the TLS listener", async (all) => {
  const { example, port, certificate } = all;
  const [inner] = listeningPorts(example).filter((other) => other !== port);
  assert(inner !== undefined);
  const { stdout, code } = await ended("curl", [
    ...["-sS", "--max-time", "10", "--cacert", certificate.certFile],
    `https://localhost:${inner}/`,
  ]);
  assertEquals(stdout, "");
  assert(code !== 0);
  // One that stalls holds up nobody.
  using silent = await RawClient.connect(inner);
  const url = `https://localhost:${port}/`;
  const served = await curl("--cacert", certificate.certFile, url);
  assertStringIncludes(served, '"secure":true');
  silent.conn.close();
  await assertSound(all);
});

sniffing(
  "a shutdown ends what is not HTTP, and answers what is",
  async (all) => {
    const { example, port, certificate } = all;
    const where = { hostname: "127.0.0.1", port };
    const waiting = await Promise.all(
      ["", "GE", "line", "\x16\x03\x01\x02"].map(async (text) => {
        const client = await RawClient.connect(port);
        await client.send(text);
        return client;
      }),
    );
    using tls = await Deno.connectTls({
      ...{ ...where, caCerts: [certificate.cert] },
    });
    using plain = await RawClient.connect(port);
    // Both are served, and idle.
    await tls.write(bytesOf(get("/")));
    await plain.send(get("/"));
    await plain.until("target");
    const buffer = new Uint8Array(4096);
    await within(tls.read(buffer), "the answer over TLS");
    example.process.kill("SIGINT");
    assertEquals(await within(tls.read(buffer), "the end of TLS"), null);
    tls.close();
    await plain.rest();
    plain.conn.close();
    for (const client of waiting) {
      await assertEnds(client.conn);
      client.conn.close();
    }
    assertEquals(await example.end(), { code: 0, errors: "" });
  },
);

/** The ports on which a process listens. */
function listeningPorts({ process }: Example): number[] {
  const inodes = new Set(
    [...Deno.readDirSync(`/proc/${process.pid}/fd`)].map(({ name }) =>
      Deno.readLinkSync(`/proc/${process.pid}/fd/${name}`)
        .match(/^socket:\[(\d+)\]$/)?.[1]
    ),
  );
  return Deno.readTextFileSync("/proc/net/tcp").trim().split("\n").slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((cells) => cells[3] === "0A" && inodes.has(cells[9]))
    .map((cells) => Number.parseInt(cells[1]!.split(":")[1]!, 16));
}
