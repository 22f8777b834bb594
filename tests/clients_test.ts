/**
 * The server over real sockets, used by clients that nobody here wrote: curl, undici,
 * `fetch`, `node:http`, a `WebSocket`, Chromium, ab and wrk. What they put on the wire
 * is theirs, and they judge what comes back; the tests look at what the client says
 * it got, and at what the handler says it was asked.
 *
 * A machine without Chromium, ab or wrk leaves out their tests, but for CI; any other
 * program that is missing fails its tests, and the message names its package.
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import http from "node:http";
import { Duplex } from "node:stream";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type {
  ConnectionInfo,
  Handler,
  HttpRequest,
  HttpResponse,
  HttpServer,
} from "@pooled/http1";
import { Receiver, Sender } from "ws";
import { makeCertificate, patterned, within, withServer } from "./serving.ts";
import { needs } from "./support/programs.ts";

// ------------------------------------------------------------------------ helpers

/** The Debian packages of the programs that are used here. */
const PACKAGES: Record<string, string> = {
  ab: "apache2-utils",
  chromium: "chromium",
  curl: "curl",
  openssl: "openssl",
  wrk: "wrk",
};

/** What became of a program. */
interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Starts a program, or says what to install. */
function start(program: string, args: string[], stdin?: "piped") {
  try {
    return new Deno.Command(program, {
      args,
      stdin: stdin ?? "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(
      `${program} is missing: apt-get install ${PACKAGES[program]}`,
    );
  }
}

/** Runs a program to its end, `input` being what it reads. */
async function ended(
  program: string,
  args: string[],
  input?: ReadableStream<Uint8Array> | Uint8Array,
): Promise<Ended> {
  const child = start(program, args, input && "piped");
  if (input !== undefined) {
    const source = input instanceof Uint8Array
      ? new Blob([input.slice()]).stream()
      : input;
    // A client that stops reading is judged by what it says, not by this pipe.
    source.pipeTo(child.stdin).catch(() => {});
  }
  const output = within(child.output(), `the end of ${program}`, 20_000);
  const { code, stdout, stderr } = await output.catch((error) => {
    child.kill();
    throw error;
  });
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/** What curl prints; it has to end well. */
async function curl(...args: string[]): Promise<string> {
  return (await curlWith(undefined, ...args)).stdout;
}

async function curlWith(
  input: ReadableStream<Uint8Array> | Uint8Array | undefined,
  ...args: string[]
): Promise<Ended> {
  // -q: the test must not depend on somebody's .curlrc, nor on a proxy of theirs.
  const result = await ended("curl", ["-qsS", "--noproxy", "", ...args], input);
  assertEquals(result.code, 0, `curl ${args.join(" ")}: ${result.stderr}`);
  return result;
}

/** Waits until the server has no connection: `shutdown()` leaves those handed over. */
async function untilNoConnections(server: HttpServer): Promise<void> {
  const gone = (async () => {
    while (server.stats().connections > 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  await within(gone, "the connections to close");
}

/** A directory that is gone at the end of the block. */
class TemporaryDirectory implements Disposable {
  readonly path: string = Deno.makeTempDirSync();

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** The other end's port: it tells one connection from another. */
function portOf(info: ConnectionInfo): number {
  return (info.remoteAddr as Deno.NetAddr).port;
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A stream of these pieces, each asked for by whoever reads. */
function streamOf(
  pieces: Iterable<Uint8Array<ArrayBuffer>>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(pieces);
}

// --------------------------------------------------------------------------- curl

Deno.test("curl: two URLs share a connection", async () => {
  await withServer((req, res, info) => {
    res.send(`${req.target} ${portOf(info)}\n`);
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
    res.send(`${portOf(info)}\n`, {
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

Deno.test("curl: POST of a form, of JSON, and of nothing", async () => {
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

Deno.test("curl: a chunked upload streams back", async () => {
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

Deno.test("curl: a POST whose Transfer-Encoding is asked for", async () => {
  await withServer(async (req, res) => {
    res.json({ chunked: req.chunked, text: await req.text() });
  }, async ({ url }) => {
    const args = ["-H", "Transfer-Encoding: chunked", "-d", "some text"];
    // Behind it another, which is only understood if the last chunk was.
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

Deno.test("curl: a refused expectation saves the body", async () => {
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
    // No chunks for such a client: the end of the body is that of the connection.
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
    // A client of that version can keep the connection where it asks for it.
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
    // A client that offers HTTP/2 first gets what there is.
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

Deno.test("curl: HEAD, and a GET behind it", async () => {
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

Deno.test("curl: trailers, after which the connection goes on", async () => {
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

Deno.test("curl: a client that leaves stops an endless response", async () => {
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
  }, async ({ url, errors }) => {
    const { code } = await ended("curl", ["-qs", "--max-time", "0.3", url]);
    assertEquals(code, 28, "curl ended otherwise than by its deadline");
    await within(stopped.promise, "the stream to be cancelled");
    await within(aborted.promise, "the signal");
    assertEquals(errors, []);
    // The stream's own timer may be under way.
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
      // The tunnel is kept for the second request: no CONNECT, no connection.
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

// -------------------------------------------------------------------------- fetch

Deno.test("fetch: a body goes up and comes down piece by piece", async () => {
  const sent = patterned(2_000_000);
  function* pieces() {
    for (let at = 0, size = 1; at < sent.length; at += size, size *= 3) {
      yield sent.slice(at, at + size);
    }
  }
  await withServer(async (req, res) => {
    if (req.method === "GET") return res.send(streamOf(pieces()));
    const hash = createHash("sha256");
    for await (const chunk of req.body!) hash.update(chunk);
    res.json({ chunked: req.chunked, digest: hash.digest("hex") });
  }, async ({ url }) => {
    using client = Deno.createHttpClient({});
    const up = await fetch(url, {
      client,
      method: "POST",
      body: streamOf(pieces()),
    });
    assertEquals(await up.json(), { chunked: true, digest: digestOf(sent) });
    const down = await fetch(url, { client });
    assertEquals(digestOf(await down.bytes()), digestOf(sent));
  });
});

Deno.test("fetch: an abort while the handler works reaches its signal", async () => {
  const begun = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  await withServer(async (req, res) => {
    const { signal } = req;
    begun.resolve();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    aborted.resolve();
    res.send("for nobody");
  }, async ({ url, errors }) => {
    using client = Deno.createHttpClient({});
    const aborter = new AbortController();
    const answer = fetch(url, { client, signal: aborter.signal });
    await within(begun.promise, "the handler");
    aborter.abort();
    await answer.catch(() => {});
    await within(aborted.promise, "the signal");
    assertEquals(errors, []);
  });
});

Deno.test("fetch: an abort in the middle of a download", async () => {
  const aborted = Promise.withResolvers<void>();
  const cancelled = Promise.withResolvers<void>();
  await withServer((req, res) => {
    req.signal.addEventListener("abort", () => aborted.resolve());
    res.send(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(10)),
        cancel: () => cancelled.resolve(),
      }),
    );
  }, async ({ url, server, errors }) => {
    using client = Deno.createHttpClient({});
    const aborter = new AbortController();
    const { body } = await fetch(url, { client, signal: aborter.signal });
    const reader = body!.getReader();
    assertEquals((await reader.read()).value?.length, 10);
    aborter.abort();
    await reader.read().catch(() => {});
    await within(aborted.promise, "the signal");
    // A client that ended its input might still read, so the stream that gives it
    // nothing is left alone for a while.
    await within(cancelled.promise, "the stream to be cancelled");
    await untilNoConnections(server);
    assertEquals(errors, []);
  }, { bodyTimeout: 100 });
});

Deno.test("fetch: an abort in the middle of an upload", async () => {
  const arrived = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<unknown>();
  await withServer(async (req) => {
    try {
      for await (const _ of req.body!) arrived.resolve();
    } catch (error) {
      failed.resolve(error);
      throw error;
    }
  }, async ({ url, server, errors }) => {
    using client = Deno.createHttpClient({});
    const aborter = new AbortController();
    const answer = fetch(url, {
      client,
      signal: aborter.signal,
      method: "POST",
      body: new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(10)),
      }),
    });
    await within(arrived.promise, "the first piece");
    aborter.abort();
    await answer.catch(() => {});
    await within(failed.promise, "the request body to fail");
    await untilNoConnections(server);
    // To leave is the client's good right, and no fault of the program.
    assertEquals(errors, []);
  });
});

// ---------------------------------------------------------------------- node:http

/** One request by `node:http`, its body written in these pieces. */
function nodeRequest(
  url: string,
  options: http.RequestOptions,
  pieces: string[] = [],
): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => text += chunk);
      response.on("end", () => resolve({ status: response.statusCode, text }));
      response.on("error", reject);
    });
    request.on("error", reject);
    for (const piece of pieces) request.write(piece);
    request.end();
  });
}

Deno.test("node:http: an agent that keeps its connection", async () => {
  await withServer(async (req, res, info) => {
    res.json({
      port: portOf(info),
      chunked: req.chunked,
      text: await req.text(),
    });
  }, async ({ url, server }) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    let port: number | undefined;
    for (let i = 0; i < 200; i++) {
      const posts = i % 3 === 0;
      const { status, text } = await within(
        nodeRequest(
          url,
          { agent, method: posts ? "POST" : "GET" },
          posts ? [`${i}`, ` and `, `${-i}`] : [],
        ),
        "an answer",
      );
      assertEquals(status, 200);
      const seen = JSON.parse(text);
      port ??= seen.port;
      assertEquals(seen, {
        port,
        chunked: posts,
        text: posts ? `${i} and ${-i}` : "",
      });
    }
    assertEquals(server.stats().accepted, 1);
    agent.destroy();
  });
});

// --------------------------------------------------------------------- WebSockets

/** Answers a WebSocket handshake (RFC 6455 §4.2.2) and echoes what is said. */
function echoSocket(req: HttpRequest, res: HttpResponse): void {
  const key = req.headers.get("sec-websocket-key");
  assertEquals(req.upgrade?.toLowerCase(), "websocket");
  const accept = createHash("sha1")
    .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  const pair = res.upgrade({ headers: { "sec-websocket-accept": accept } });
  const stream = Duplex.fromWeb(pair as Parameters<typeof Duplex.fromWeb>[0]);
  const sender = new Sender(stream);
  const receiver = new Receiver({ isServer: true });
  receiver.on("message", (data: Buffer, binary: boolean) => {
    sender.send(data, { binary, fin: true, mask: false, compress: false });
  });
  receiver.on("conclude", (code: number) => {
    sender.close(code, "", false, () => stream.end());
  });
  stream.on("error", () => {});
  stream.pipe(receiver);
}

Deno.test("a WebSocket of Deno talks to an upgraded connection", async () => {
  const sent = patterned(300_000);
  await withServer(echoSocket, async ({ port, server, errors }) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    socket.binaryType = "arraybuffer";
    const got: unknown[] = [];
    const closed = new Promise<number>((resolve) => {
      socket.onclose = ({ code }) => resolve(code);
    });
    socket.onopen = () => {
      socket.send("hello");
      socket.send(sent);
    };
    socket.onmessage = ({ data }) => {
      got.push(data);
      if (got.length === 2) socket.close(1000);
    };
    assertEquals(await within(closed, "the close"), 1000);
    assertEquals(got[0], "hello");
    assertEquals(
      digestOf(new Uint8Array(got[1] as ArrayBuffer)),
      digestOf(sent),
    );
    await untilNoConnections(server);
    assertEquals(errors, []);
  });
});

// ----------------------------------------------------------------------- Chromium

const PAGE = `<!doctype html><title>test</title><script>
const results = {};
const note = async (name, make) => {
  try { results[name] = await make(); } catch (error) { results[name] = String(error); }
};
const text = async (path, init) => (await fetch(path, init)).text();
onload = async () => {
  await note("get", () => text("/get?a=b"));
  await note("post", () => text("/post", { method: "POST", body: "some text" }));
  await note("large", () => text("/large", {
    method: "PUT", body: new Blob([new Uint8Array(1500000).fill(7)]),
  }));
  await note("form", () => {
    const body = new FormData();
    body.append("file", new Blob(["content"]), "name.txt");
    return text("/form", { method: "POST", body });
  });
  await note("empty", async () => (await fetch("/empty")).status);
  await note("redirect", async () => {
    const { redirected, url } = await fetch("/redirect");
    return [redirected, new URL(url).pathname];
  });
  await note("head", async () => {
    const { headers } = await fetch("/get", { method: "HEAD" });
    return headers.get("content-length");
  });
  await note("stream", async () => {
    // The second piece is made when the first was seen.
    const reader = (await fetch("/stream")).body.getReader();
    const pieces = [];
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return pieces;
      pieces.push(decoder.decode(value));
      if (pieces.length === 1) await text("/more", { method: "POST" });
    }
  });
  await note("events", () => new Promise((resolve, reject) => {
    const source = new EventSource("/events");
    const seen = [];
    source.onerror = reject;
    source.onmessage = ({ data }) => {
      if (seen.push(data) < 3) return;
      source.close();
      resolve(seen);
    };
  }));
  await note("many", async () => {
    const all = await Promise.all(
      Array.from({ length: 100 }, (_, i) => text("/get?" + i)),
    );
    return all.every((answer, i) => answer === "GET /get?" + i);
  });
  await note("socket", () => new Promise((resolve, reject) => {
    const socket = new WebSocket("ws://" + location.host + "/socket");
    socket.binaryType = "arraybuffer";
    const seen = [];
    socket.onerror = () => reject("socket error");
    socket.onopen = () => { socket.send("hello"); socket.send(new Uint8Array(100000)); };
    socket.onmessage = ({ data }) => {
      if (seen.push(data.byteLength ?? data) === 2) socket.close(1000);
    };
    socket.onclose = ({ code }) => resolve([...seen, code]);
  }));
  await fetch("/done", { method: "POST", body: JSON.stringify(results) });
};
</script>`;

Deno.test("Chromium: a page uses all there is", needs("chromium"), async () => {
  const done = Promise.withResolvers<unknown>();
  const more = Promise.withResolvers<void>();
  const handler: Handler = async (req, res) => {
    switch (req.path) {
      case "/":
        return res.send(PAGE, { headers: { "content-type": "text/html" } });
      case "/get":
        return res.send(`${req.method} ${req.target}`);
      case "/post":
        return res.send(`${req.method} ${await req.text()}`);
      case "/large": {
        let sum = 0;
        for await (const chunk of req.body!) {
          for (const byte of chunk) sum += byte;
        }
        return res.send(`${req.contentLength} ${sum}`);
      }
      case "/form": {
        const type = req.headers.get("content-type")!;
        const form = await new Response(await req.bytes(), {
          headers: { "content-type": type },
        }).formData();
        const file = form.get("file") as File;
        return res.send(`${file.name} ${await file.text()}`);
      }
      case "/empty":
        return res.send(null, { status: 204 });
      case "/redirect":
        return res.send(null, { status: 302, headers: { location: "/get" } });
      case "/stream":
        return res.send(twoPieces("first", more.promise, "second"));
      case "/more":
        more.resolve();
        return res.send();
      case "/events":
        return res.send(
          streamOf([1, 2, 3].map((i) => Buffer.from(`data: ${i}\n\n`))),
          { headers: { "content-type": "text/event-stream" } },
        );
      case "/socket":
        return echoSocket(req, res);
      case "/done":
        done.resolve(await req.json());
        return res.send();
    }
    res.send("not found", { status: 404 });
  };
  await withServer(handler, async ({ url, server, errors }) => {
    const profile = Deno.makeTempDirSync();
    const browser = start("chromium", [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"],
      ...["--no-first-run", "--disable-background-networking"],
      ...["--disable-component-update", "--disable-sync", "--no-proxy-server"],
      ...["--disable-dev-shm-usage", `--user-data-dir=${profile}`, url],
    ]);
    // Read, so that it never waits for us to take what it says.
    const said = browser.output();
    let results: unknown;
    try {
      results = await within(done.promise, "the page to be done", 40_000);
    } finally {
      browser.kill();
      await said;
      await removeProfile(profile);
    }
    assertEquals(results, {
      get: "GET /get?a=b",
      post: "POST some text",
      large: "1500000 10500000",
      form: "name.txt content",
      empty: 204,
      redirect: [true, "/get"],
      head: "9",
      stream: ["first", "second"],
      events: ["1", "2", "3"],
      many: true,
      socket: ["hello", 100000, 1000],
    });
    await untilNoConnections(server);
    assertEquals(errors, []);
  });
});

/** A stream of two texts, the second of which waits. */
function twoPieces(
  first: string,
  between: Promise<void>,
  second: string,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from((async function* () {
    yield Buffer.from(first);
    await between;
    yield Buffer.from(second);
  })());
}

/** Removes the browser's profile, into which its helpers may still write. */
async function removeProfile(profile: string): Promise<void> {
  for (let left = 50;; left--) {
    try {
      return Deno.removeSync(profile, { recursive: true });
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

// --------------------------------------------------------------------- ab and wrk

Deno.test("ab: HTTP/1.0 with keep-alive", needs("ab"), async () => {
  using directory = new TemporaryDirectory();
  const file = `${directory.path}/body`;
  Deno.writeFileSync(file, patterned(5000));
  await withServer(async (req, res) => {
    if (req.method === "GET") return res.send("hello");
    res.send(`${(await req.bytes()).length}`);
  }, async ({ url, server, errors }) => {
    const runs = [
      ["-k", "-n", "3000", "-c", "20"],
      ["-k", "-n", "1000", "-c", "10", "-p", file],
    ];
    for (const args of runs) {
      const count = Number(args[2]);
      const before = server.stats().requests;
      const { code, stdout, stderr } = await ended("ab", [
        ...["-q", ...args, `${url}/`],
      ]);
      assertEquals(code, 0, stderr);
      const figure = (name: string) =>
        Number(stdout.match(new RegExp(`${name}: +(\\d+)`))?.[1]);
      assertEquals(figure("Complete requests"), count, stdout);
      assertEquals(figure("Failed requests"), 0, stdout);
      assertEquals(figure("Keep-Alive requests"), count, stdout);
      assert(!stdout.includes("Non-2xx"), stdout);
      // At the end ab may have asked for more than it needed.
      assert(server.stats().requests - before >= count);
    }
    assertEquals(errors, []);
  });
});

Deno.test("ab: HTTP/1.0 without keep-alive", needs("ab"), async () => {
  await withServer(
    (_req, res) => res.send("hello"),
    async ({ url, server }) => {
      const { code, stdout, stderr } = await ended("ab", [
        ...["-q", "-n", "300", "-c", "10", `${url}/`],
      ]);
      assertEquals(code, 0, stderr);
      assertStringIncludes(stdout, "Complete requests:      300");
      assertStringIncludes(stdout, "Failed requests:        0");
      assert(server.stats().accepted >= 300);
    },
  );
});

Deno.test("wrk: fifty connections for a second", needs("wrk"), async () => {
  await withServer(async (req, res) => {
    if (req.path === "/later") await Promise.resolve();
    res.json({ hello: "world" });
  }, async ({ url, server, errors }) => {
    for (const path of ["/", "/later"]) {
      const { code, stdout, stderr } = await ended("wrk", [
        ...["-t", "1", "-c", "50", "-d", "1s", url + path],
      ]);
      assertEquals(code, 0, stderr);
      assert(!stdout.includes("Socket errors"), stdout);
      assert(!stdout.includes("Non-2xx"), stdout);
      const made = Number(stdout.match(/(\d+) requests in/)?.[1]);
      assert(made > 100, stdout);
      assert(server.stats().requests >= made);
    }
    assertEquals(errors, []);
    await untilNoConnections(server);
  });
});
