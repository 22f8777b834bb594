/**
 * curl as a client of the server.
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Handler } from "@pooled/http1";
import { digestOf, patterned } from "../support/bytes.ts";
import { makeCertificate } from "../support/certificate.ts";
import {
  curl,
  curlWith,
  ended,
  start,
  TemporaryDirectory,
} from "../support/programs.ts";
import { streamOf } from "../support/streams.ts";
import { until, within } from "../support/waiting.ts";
import {
  clientPortOf,
  untilNoConnections,
  withServer,
} from "../support/with_server.ts";

Deno.test("curl: two URLs share a connection", async () => {
  await withServer((req, res, info) => {
    res.send(`${req.target} ${clientPortOf(info)}\n`);
  }, async ({ url, server }) => {
    const lines = (await curl(`${url}/a?x=1`, `${url}/b`)).split("\n");
    const [first, second] = lines.map((line) => line.split(" "));
    assertEquals([first![0], second![0]], ["/a?x=1", "/b"]);
    assertEquals(first![1], second![1], "another connection was opened");
    const { accepted, requests } = server.stats();
    assertEquals([accepted, requests], [1, 2]);
  });
});

Deno.test("curl: Connection: close from either side ends the connection", async () => {
  await withServer((req, res, info) => {
    res.send(`${clientPortOf(info)}\n`, {
      headers: req.path === "/close" ? { connection: "close" } : {},
    });
  }, async ({ url, server }) => {
    const answer = await curl(
      ...["-w", "%{num_connects} ", `${url}/close`, `${url}/close`],
      ...["--next", "-sS", "-H", "Connection: close", "-w", "%{num_connects} "],
      ...[`${url}/`, `${url}/`],
    );
    assertEquals([...answer.matchAll(/\n1 ?/g)].length, 4, answer);
    assertEquals(server.stats().accepted, 4);
  });
});

Deno.test("curl: a hundred transfers at once", async () => {
  await withServer(async (req, res) => {
    await Promise.resolve();
    res.send(`${req.query}\n`);
  }, async ({ url, server }) => {
    const answer = await curl(
      ...["--parallel", "--parallel-immediate", "--parallel-max", "20"],
      `${url}/?[1-100]`,
    );
    const numbers = answer.trim().split("\n").map(Number);
    assertEquals(
      numbers.sort((a, b) => a - b),
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    assertEquals(server.stats().requests, 100);
  });
});

Deno.test("curl: POST of a form, of JSON, and without a body", async () => {
  await withServer(async (req, res) => {
    const { method, contentLength } = req;
    const type = req.headers.get("content-type");
    res.json({ method, contentLength, type, text: await req.text() });
  }, async ({ url }) => {
    const seen = async (...args: string[]) =>
      JSON.parse(await curl(...args, url));
    const form = "application/x-www-form-urlencoded";
    assertEquals(
      await seen("-d", "name=value", "--data-urlencode", "text=a b&c"),
      {
        method: "POST",
        contentLength: 23,
        type: form,
        text: "name=value&text=a+b%26c",
      },
    );
    assertEquals(await seen("--json", '{"a":[1,2]}'), {
      method: "POST",
      contentLength: 11,
      type: "application/json",
      text: '{"a":[1,2]}',
    });
    assertEquals(await seen("-d", ""), {
      method: "POST",
      contentLength: 0,
      type: form,
      text: "",
    });
  });
});

Deno.test("curl: a chunked upload is echoed as a stream", async () => {
  const sent = patterned(700_001);
  await withServer((req, res) => {
    res.send(req.body, {
      headers: { "x-chunked": `${req.chunked} ${req.contentLength}` },
    });
  }, async ({ url }) => {
    using directory = new TemporaryDirectory();
    const got = `${directory.path}/got`;
    const pieces = [0, 1, 65_536, 65_537, 300_000, 700_001];
    const { stdout } = await curlWith(
      streamOf(pieces.slice(1).map((end, i) => sent.slice(pieces[i], end))),
      ...["-T", "-", "-o", got, "-D", "-", `${url}/upload`],
    );
    assertStringIncludes(stdout, "x-chunked: true null");
    assertStringIncludes(stdout.toLowerCase(), "transfer-encoding: chunked");
    assertEquals(digestOf(Deno.readFileSync(got)), digestOf(sent));
  });
});

Deno.test("curl: a POST with an explicit Transfer-Encoding", async () => {
  await withServer(async (req, res) => {
    res.json({ chunked: req.chunked, text: await req.text() });
  }, async ({ url }) => {
    const args = ["-H", "Transfer-Encoding: chunked", "-d", "some text"];
    // The second request parses only if the first body was read to its end.
    const answer = await curl(...args, url, url);
    const one = '{"chunked":true,"text":"some text"}';
    assertEquals(answer, one + one);
  });
});

Deno.test("curl: a large body waits for its 100 (Continue)", async () => {
  const sent = patterned(3_000_000);
  await withServer(async (req, res) => {
    assert(req.expectContinue);
    const hash = createHash("sha256");
    for await (const chunk of req.body!) hash.update(chunk);
    res.send(hash.digest("hex"));
  }, async ({ url, errors }) => {
    const { stdout, stderr } = await curlWith(
      sent,
      ...["-v", "--expect100-timeout", "10", "-H", "Expect: 100-continue"],
      ...["--data-binary", "@-", url],
    );
    assertEquals(stdout, digestOf(sent));
    assertStringIncludes(stderr, "< HTTP/1.1 100 Continue");
    assert(!stderr.includes("Done waiting for 100-continue"), stderr);
    assertEquals(errors, []);
  });
});

Deno.test("curl: with a refused expectation the body is not sent", async () => {
  const sent = patterned(3_000_000);
  await withServer((_req, res) => {
    res.send("too large\n", { status: 413 });
  }, async ({ url, server }) => {
    const { stdout, stderr } = await curlWith(
      sent,
      ...["-v", "--expect100-timeout", "10", "-H", "Expect: 100-continue"],
      ...["-w", "%{http_code} %{size_upload}", "--data-binary", "@-", url],
    );
    assertEquals(stdout, "too large\n413 0");
    assert(!stderr.includes("HTTP/1.1 100"), stderr);
    await untilNoConnections(server);
    assert(server.stats().bytesReceived < 1000);
  });
});

Deno.test("curl: HTTP/1.0", async () => {
  await withServer(async (req, res) => {
    const head = `${req.httpVersion} ${req.method} ${await req.text()}\n`;
    const { path } = req;
    if (path === "/whole") return res.send(head);
    // HTTP/1.0 has no chunked coding: the close of the connection delimits the body.
    res.send(streamOf([head, "more\n"].map((text) => Buffer.from(text))));
  }, async ({ url, server }) => {
    const args = ["--http1.0", "-D", "-"];
    const whole = await curl(...args, "-d", "body", `${url}/whole`);
    assert(whole.endsWith("\r\n\r\n1.0 POST body\n"), whole);
    assertStringIncludes(whole, "Connection: close\r\n");
    const streamed = await curl(...args, `${url}/streamed`);
    assert(streamed.endsWith("\r\n\r\n1.0 GET \nmore\n"), streamed);
    assert(!streamed.toLowerCase().includes("transfer-encoding"), streamed);
    await untilNoConnections(server);
    // An HTTP/1.0 client can request keep-alive.
    const kept = await curl(
      ...[...args, "-H", "Connection: keep-alive", "-w", "%{num_connects}\n"],
      ...[`${url}/whole`, `${url}/whole`],
    );
    assertEquals(kept.match(/\n[01](?=\n)/g), ["\n1", "\n0"], kept);
    assertEquals(kept.match(/connection: keep-alive/gi)?.length, 2);
  });
});

Deno.test("curl: a Unix socket", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/socket`;
  let transport: string | undefined;
  await withServer(async (req, res, info) => {
    transport = info.localAddr?.transport;
    res.send(`${req.headers.get("host")} ${req.path} ${await req.text()}`);
  }, async ({ server }) => {
    const answer = await curl(
      ...["--unix-socket", path, "-d", "text", "http://example.test/a"],
    );
    assertEquals(answer, "example.test /a text");
    assertEquals(server.addr, { transport: "unix", path } as Deno.UnixAddr);
    assertEquals(transport, "unix");
  }, { path });
});

Deno.test("curl: TLS", async () => {
  using directory = new TemporaryDirectory();
  const { cert, key, certFile } = await makeCertificate(directory.path);
  const body = patterned(1_500_000);
  await withServer(async (req, res, info) => {
    assert(info.secure);
    if (req.method === "GET") return res.send(body);
    res.send(digestOf(await req.bytes()));
  }, async ({ port, server }) => {
    const url = `https://127.0.0.1:${port}/`;
    const got = `${directory.path}/got`;
    const args = ["--cacert", certFile, "--http1.1"];
    const { stdout } = await curlWith(
      body,
      ...[...args, "-H", "Expect:", "--data-binary", "@-", url],
      ...["--next", "-sS", ...args, "-o", got, "-w", " %{num_connects}", url],
    );
    assertEquals(stdout, `${digestOf(body)} 0`);
    assertEquals(digestOf(Deno.readFileSync(got)), digestOf(body));
    // A client that prefers HTTP/2 negotiates HTTP/1.1.
    const version = ["-o", "/dev/null", "-w", "%{http_version}"];
    assertEquals(
      await curl("--cacert", certFile, "--http2", ...version, url),
      "1.1",
    );
    assertEquals(server.stats().requests, 3);
  }, {
    cert,
    key,
    maxBodySize: body.length,
  });
});

Deno.test("curl: HEAD followed by GET on one connection", async () => {
  await withServer((req, res) => {
    if (req.path === "/text") return res.send("eleven byte");
    res.send(streamOf([Buffer.from("streamed")]));
  }, async ({ url }) => {
    const answer = await curl(
      ...["-I", `${url}/text`, "-I", `${url}/stream`],
      ...["--next", "-sS", "-w", " %{num_connects}", `${url}/text`],
    );
    const [first, second, last] = answer.split("\r\n\r\n");
    assertStringIncludes(first!, "HTTP/1.1 200 OK");
    assertStringIncludes(first!, "Content-Length: 11");
    assertStringIncludes(second!, "HTTP/1.1 200 OK");
    assertEquals(last, "eleven byte 0");
  });
});

Deno.test("curl: trailers, and another request on the same connection", async () => {
  const text = "summed up";
  await withServer((_req, res) => {
    let sum = 0;
    const body = streamOf([...text].map((character) => {
      sum += character.charCodeAt(0);
      return Buffer.from(character);
    }));
    res.send(body, {
      headers: { trailer: "x-sum" },
      trailers: () => ({ "x-sum": String(sum) }),
    });
  }, async ({ url }) => {
    const args = ["-D", "-", "-w", "<%{num_connects}>\n"];
    const answer = await curl(...args, url, url);
    const sum = [...text].reduce((all, c) => all + c.charCodeAt(0), 0);
    assertEquals(answer.match(/x-sum: \d+(?=\r\n)/g), [
      `x-sum: ${sum}`,
      `x-sum: ${sum}`,
    ]);
    assertEquals(answer.match(/<\d>/g), ["<1>", "<0>"]);
  });
});

Deno.test("curl: a disconnect cancels an endless response", async () => {
  const stopped = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  await withServer((req, res) => {
    req.signal.addEventListener("abort", () => aborted.resolve());
    res.send(
      new ReadableStream({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 1));
          controller.enqueue(new Uint8Array(1000));
        },
        cancel: () => stopped.resolve(),
      }),
    );
  }, async ({ url, server, errors }) => {
    const child = start("curl", ["-qs", "--max-time", "50", url]);
    const output = child.output();
    await until(() => server.stats().bytesSent > 5000, "the response");
    child.kill();
    const { signal } = await within(output, "the end of curl");
    assertEquals(signal, "SIGTERM", "curl ended before");
    await within(stopped.promise, "the stream to be cancelled");
    await within(aborted.promise, "the signal");
    assertEquals(errors, []);
    // Waits for the stream's last timer, which the sanitizer would report.
    await new Promise((resolve) => setTimeout(resolve, 10));
  });
});

Deno.test("curl: through a proxy, by CONNECT and in absolute-form", async () => {
  const proxy: Handler = async (req, res) => {
    if (req.method !== "CONNECT") {
      return res.send(`${req.target} for ${req.headers.get("host")}`);
    }
    const target = new URL(`http://${req.target}`);
    if (target.hostname !== "127.0.0.1") {
      return res.send("not there\n", { status: 403 });
    }
    const upstream = await Deno.connect({
      hostname: target.hostname,
      port: Number(target.port),
    });
    const tunnel = res.upgrade();
    Promise.all([
      tunnel.readable.pipeTo(upstream.writable),
      upstream.readable.pipeTo(tunnel.writable),
    ]).catch(() => {});
  };
  const body = patterned(400_000);
  await withServer(async (req, res) => {
    if (req.method === "POST") return res.send(await req.bytes());
    res.send(`origin ${req.target}`);
  }, async (origin) => {
    await withServer(proxy, async ({ url, server }) => {
      const through = ["-x", url];
      assertEquals(
        await curl(...through, "http://example.test/path?q=1"),
        "http://example.test/path?q=1 for example.test",
      );
      using directory = new TemporaryDirectory();
      const got = `${directory.path}/got`;
      const { stdout } = await curlWith(
        body,
        ...["-p", ...through, `${origin.url}/a`],
        ...["--next", "-sS", "-p", ...through, "--data-binary", "@-"],
        ...["-o", got, "-w", " %{http_connect} %{num_connects}", origin.url],
      );
      // The second request reuses the tunnel: no new CONNECT and no new connection.
      assertEquals(stdout, "origin /a 000 0");
      assertEquals(digestOf(Deno.readFileSync(got)), digestOf(body));
      assertEquals(origin.server.stats().accepted, 1);
      const refused = await ended("curl", [
        ...["-qs", "-p", ...through, "http://example.test/"],
        ...["-w", "%{http_connect}"],
      ]);
      assertEquals([refused.code, refused.stdout], [56, "403"]);
      await untilNoConnections(server);
    });
  });
});
