/**
 * The server in Node.js and Bun: `net_server.mjs` serves sockets there, and clients of
 * this process talk to it. Nothing may be left unhandled, and each program ends by itself
 * with empty pools.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { makeCertificate } from "../support/certificate.ts";
import { curl, curlWith } from "../support/programs.ts";
import { answerTo, RawClient, ResettingClient } from "../support/raw_client.ts";
import {
  folderOf,
  Program,
  type Runtime,
  RUNTIMES,
} from "../support/runtimes.ts";
import { sleep, test, until as whenever, within } from "../support/waiting.ts";

const [OLDEST, , NODE, BUN] = RUNTIMES as [Runtime, Runtime, Runtime, Runtime];

/** How the program makes connections of sockets. */
type Kind = "conn" | "pair" | "source";

interface Served {
  program: Program;
  port: number;
  url: string;
}

interface Scenario {
  what: string;
  run(served: Served): Promise<void>;
  /** Whether it runs in this case. */
  fits(runtime: Runtime, kind: Kind): boolean;
}

/** Runs the program, then ends it: it must exit by itself, and at rest. */
async function withProgram(
  runtime: Runtime,
  kind: Kind,
  settings: Record<string, unknown>,
  run: (served: Served) => Promise<void>,
): Promise<void> {
  await using program = Program.start(
    runtime,
    "tests/runtimes/net_server.mjs",
    [kind, JSON.stringify(settings)],
  );
  const port = await program.port();
  await run({ program, port, url: `http://127.0.0.1:${port}` });
  program.terminate();
  const { code, errors } = await program.end();
  program.forget();
  assertEquals([code, errors], [0, ""]);
  const bad = program.past.filter((line) =>
    /^(unhandled|uncaught|rejected)/.test(line)
  );
  assertEquals(bad, []);
  assertEquals(program.past.at(-1), "in use 0 0 0 0 0 0");
}

/** In Bun a reset during a write is no event, and a paused socket reads on into memory. */
const reportsResets: Scenario["fits"] = (runtime) => runtime !== BUN;
const pauses: Scenario["fits"] = (runtime) => runtime !== BUN;

const scenarios: Scenario[] = [];

function scenario(
  what: string,
  run: Scenario["run"],
  fits: Scenario["fits"] = () => true,
): void {
  scenarios.push({ what, run, fits });
}

/** The streams of Duplex.toWeb notice late in Node.js that the input has ended. */
const seesEnd: Scenario["fits"] = (runtime, kind) =>
  kind === "conn" || runtime === BUN;
/** Bun closes a connection that its client half-closes. */
const halfCloses: Scenario["fits"] = (runtime, kind) =>
  kind === "conn" && runtime !== BUN;

scenario("requests and responses", async ({ port, url, program }) => {
  const two = await curl(
    ...["-w", "%{num_connects}\n", `${url}/hello?a`, `${url}/prepared`],
  );
  assertEquals(two, "GET /hello?a\n1\nprepared\n0\n");

  const head = "HTTP/1.1\r\nHost: a\r\n";
  const three = await answerTo(
    port,
    `GET /hello?1 ${head}\r\nGET /prepared ${head}\r\n` +
      `GET /hello?2 ${head}Connection: close\r\n\r\n`,
  );
  assertEquals(
    three.split(/HTTP\/1.1 200 OK\r\n[^]*?\r\n\r\n/).slice(1),
    ["GET /hello?1\n", "prepared\n", "GET /hello?2\n"],
  );

  assertEquals(await curl("-d", '{"a":1}', `${url}/json`), '{"got":{"a":1}}');
  const trailers = await answerTo(
    port,
    `POST /trailers ${head}TE: trailers\r\nTransfer-Encoding: chunked\r\n` +
      "Connection: close\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 5\r\n\r\n",
  );
  assertStringIncludes(trailers, "3\r\nABC\r\n0\r\nX-Sum: 5\r\n\r\n");

  const stream = await fetch(`${url}/stream?20`);
  assertEquals((await stream.bytes()).length, 20 * 2 ** 20);
  const bodyless = await fetch(`${url}/hello`, { method: "HEAD" });
  assertEquals(
    [bodyless.headers.get("content-length"), await bodyless.text()],
    ["12", ""],
  );

  const failed = await fetch(`${url}/fails`);
  assertEquals([failed.status, await failed.text()], [
    500,
    "Internal Server Error",
  ]);
  await program.line("onError the handler failed");
});

scenario("uploads", async ({ url }) => {
  const bytes = new Uint8Array(3_000_000).fill(65);
  const sized = await curlWith(bytes, "-T", "-", `${url}/length`);
  assertEquals(sized.stdout, "3000000");
  const continued = await curlWith(
    bytes,
    ...["-i", "-H", "Expect: 100-continue", "--expect100-timeout", "15"],
    ...["--data-binary", "@-", `${url}/length`],
  );
  assertStringIncludes(continued.stdout, "HTTP/1.1 100 Continue\r\n");
  assert(continued.stdout.endsWith("\r\n\r\n3000000"), continued.stdout);
  const unread = await curlWith(
    bytes,
    ...["--data-binary", "@-", `${url}/unread`],
  );
  assertEquals(unread.stdout, "unread");
  const large = await curlWith(
    bytes,
    ...["-w", " %{http_code}", "--data-binary", "@-", `${url}/body`],
  );
  assertStringIncludes(large.stdout, "body-too-large");
  assert(large.stdout.endsWith(" 413"), large.stdout);
});

scenario(
  "a refusal is answered, and the connection closed",
  async ({ port }) => {
    // The client keeps its side open.
    const answer = await answerTo(port, "GET / HTTP/1.1\nHost: a\n\n");
    assertStringIncludes(answer, "HTTP/1.1 400 Bad Request\r\n");
    assertStringIncludes(answer, "Connection: close\r\n");
    assertStringIncludes(answer, "bare-lf");
  },
);

scenario("a refusal arrives although more input follows", async ({ port }) => {
  using client = await RawClient.connect(port);
  const sending = client.send("GET / HTTP/1.1\n" + "x".repeat(1_000_000));
  sending.catch(() => {});
  assertStringIncludes(await client.until("bare-lf"), " 400 ");
  await sending.catch(() => {});
});

scenario("upgrade", async ({ port }) => {
  using client = await RawClient.connect(port);
  await client.send(
    "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello",
  );
  await client.until("hello");
  await client.send(" world");
  assertStringIncludes(await client.until("world"), " 101 ");
  assert(client.received.endsWith("\r\n\r\nhello world"), client.received);
  client.conn.close();
});

scenario(
  "upgrade, and both ends half-close",
  async ({ port, program }) => {
    const upgrade = (path: string) =>
      `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n`;
    using first = await RawClient.connect(port);
    await first.send(upgrade("/echo") + "hello");
    await first.until("hello");
    await first.conn.closeWrite();
    assert((await first.rest()).endsWith("\r\n\r\nhello"), first.received);
    await program.line("echoed");

    using second = await RawClient.connect(port);
    await second.send(upgrade("/ends-first"));
    assert((await second.rest()).endsWith("\r\n\r\nbye"), second.received);
    await program.line("half-closed");
    await second.send("more");
    second.conn.close();
    await program.line("then read 4");
  },
  halfCloses,
);

scenario("a Fetch application", async ({ url }) => {
  const json = await fetch(`${url}/fetch/json`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"a":1}',
  });
  assertEquals([json.status, json.headers.get("x-app"), await json.json()], [
    201,
    "yes",
    { got: { a: 1 }, type: "application/json" },
  ]);
  const post = async (path: string, body: BodyInit) =>
    await (await fetch(url + path, { method: "POST", body })).text();
  assertEquals(await post("/fetch/clone", "x=1"), "true,true,x=1,x=1,true");
  const form = new FormData();
  form.append("first", "1");
  form.append("second", new Blob(["2"]));
  assertEquals(await post("/fetch/form", form), "first,second");
  assertEquals(await post("/fetch/size", "x".repeat(3_000_000)), "3000000");
  assertEquals(await curl(`${url}/fetch/copy`), `${url}/fetch/copy 1`);
  const stream = await fetch(`${url}/fetch/stream`);
  assertEquals((await stream.bytes()).length, 2 * 2 ** 20);
  assertEquals(await curl(`${url}/fetch/a/../b?c`), `GET ${url}/fetch/b?c`);
});

scenario(
  "a response of fetch that the runtime decoded",
  async ({ url }) => {
    const text = new TextEncoder().encode("decoded ".repeat(100));
    await using origin = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => {
        const coding = new URL(request.url).pathname.slice(1);
        return new Response(
          new Blob([text]).stream().pipeThrough(
            new CompressionStream(coding as CompressionFormat),
          ),
          { headers: { "content-encoding": coding } },
        );
      },
    );
    for (const coding of ["gzip", "deflate"]) {
      const answer = await curl(
        ...[
          "-i",
          `${url}/fetch/proxy?url=http://127.0.0.1:${origin.addr.port}/${coding}`,
        ],
      );
      const [head, body] = answer.split("\r\n\r\n");
      assertEquals(body, "decoded ".repeat(100));
      assert(!/content-encoding/i.test(head!), head);
    }
  },
);

for (const [runtime, kind] of [[NODE, "conn"], [BUN, "conn"]] as const) {
  test(`${runtime.name}: a Hono application`, async () => {
    const hono = `${await folderOf("hono@4.13.19")}/dist/index.js`;
    await withProgram(runtime, kind, { hono }, async ({ url }) => {
      const user = await fetch(`${url}/fetch/users/7`);
      assertEquals([await user.text(), user.headers.get("x-middleware")], [
        "user 7",
        "GET 200",
      ]);
      const json = await fetch(`${url}/fetch/json`, {
        method: "POST",
        body: "[1]",
      });
      assertEquals([json.status, await json.json()], [201, [1]]);
      const form = new FormData();
      form.append("a", "1");
      const posted = await fetch(`${url}/fetch/form`, {
        method: "POST",
        body: form,
      });
      assertEquals(await posted.json(), { a: "1" });
      const none = await fetch(`${url}/fetch/none`);
      assertEquals([none.status, await none.text()], [404, "404 Not Found"]);
    });
  });
}

const PARTIAL =
  "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf";

scenario(
  "a client resets in the middle of a body",
  async ({ port, program }) => {
    const client = new ResettingClient(port, PARTIAL);
    await program.line("reads");
    await client.reset();
    await until(program, /^body failed/);
    await program.line("done");
  },
);

scenario(
  "a client leaves in the middle of a body",
  async ({ port, program }) => {
    const client = await RawClient.connect(port);
    await client.send(PARTIAL);
    await program.line("reads");
    client.conn.close();
    await until(program, /^body failed/);
    await program.line("done");
  },
  seesEnd,
);

scenario(
  "a client resets in the middle of a response",
  async ({ port, program }) => {
    const client = new ResettingClient(
      port,
      "GET /stream?100 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    await client.until("200 OK");
    await client.reset();
    await until(program, /^cancelled/);
    await program.line("done");
  },
  reportsResets,
);

scenario(
  "a client half-closes, is told of, and gets its response",
  async ({ port, program }) => {
    using client = await RawClient.connect(port);
    await client.send("GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    await program.line("waits");
    await client.conn.closeWrite();
    assert((await client.rest()).endsWith("\r\n\r\nlate"), client.received);
    await until(program, /^aborted/);
    await program.line("done");
  },
  halfCloses,
);

scenario(
  "a client that resets aborts the signal of a waiting handler",
  async ({ port, program }) => {
    const client = new ResettingClient(
      port,
      "GET /waits HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    await program.line("waits");
    await client.reset();
    await until(program, /^aborted/);
    await program.line("done");
  },
);

scenario(
  "a client that leaves an idle connection is noticed",
  async ({ port, program }) => {
    const client = await RawClient.connect(port);
    await client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.until("/hello\n");
    client.conn.close();
    await program.line("done");
  },
  seesEnd,
);

scenario(
  "a client that stalls holds up the response",
  async ({ port, program }) => {
    using client = await RawClient.connect(port);
    const before = program.residentMemory();
    await client.send(
      "GET /stream?100 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    await client.until("200 OK");
    // It has stalled when nothing was taken for a while.
    for (let seen = -1; seen !== program.lines.length;) {
      seen = program.lines.length;
      await sleep(500);
    }
    // What the sockets of both sides hold is the system's; a third would be ours.
    assert(program.count("taken 30") === 0, program.lines.at(-1));
    const grown = program.residentMemory() - before;
    assert(grown < 80_000, `${grown} KiB more`);
    let bytes = 0;
    const buffer = new Uint8Array(2 ** 20);
    for (let count; (count = await client.conn.read(buffer)) !== null;) {
      bytes += count;
    }
    assert(bytes > 95 * 2 ** 20, `${bytes} bytes`);
    await program.line("taken 100");
    await program.line("done");
  },
);

scenario(
  "a handler that does not read holds up the upload",
  async ({ port, program }) => {
    const client = await RawClient.connect(port);
    const before = program.residentMemory();
    const sending = client.send(
      "POST /waits HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n",
    );
    await sending;
    const chunk = new Uint8Array(2 ** 20);
    let sent = 0;
    const sends = (async () => {
      for (;;) sent += await client.conn.write(chunk);
    })().catch(() => {});
    for (let seen = -1; seen !== sent;) {
      seen = sent;
      await sleep(500);
    }
    assert(sent < 30 * 2 ** 20, `${sent} bytes were taken`);
    const grown = program.residentMemory() - before;
    assert(grown < 80_000, `${grown} KiB more`);
    client.conn.close();
    await sends;
    await until(program, /^aborted/);
    await program.line("done");
  },
  pauses,
);

for (const runtime of [NODE, BUN]) {
  test(`${runtime.name}: TLS`, async () => {
    const { cert, key } = await makeCertificate();
    const settings = { tls: { cert, key } };
    await withProgram(runtime, "conn", settings, async ({ port, program }) => {
      const url = `https://127.0.0.1:${port}`;
      const { remoteAddr, localAddr, secure } = JSON.parse(
        await curl("-k", `${url}/who`),
      );
      assertEquals([remoteAddr.hostname, localAddr.port, secure], [
        "127.0.0.1",
        port,
        true,
      ]);
      assertEquals(await curl("-k", "-d", "[1]", `${url}/json`), '{"got":[1]}');
      const stream = await curl(
        ...["-k", "-o", "/dev/null", "-w", "%{size_download}"],
        `${url}/stream?20`,
      );
      assertEquals(stream, String(20 * 2 ** 20));
      assertStringIncludes(await curl("-k", `${url}/fetch/x`), `GET ${url}/`);
      await program.line("done", 4);
    });
  });
}

for (
  const [runtime, kind] of [
    [OLDEST, "conn"],
    [NODE, "conn"],
    [NODE, "pair"],
    [BUN, "conn"],
    [BUN, "pair"],
  ] as [Runtime, Kind][]
) {
  Deno.test(`${runtime.name} serves, ${kind}`, async (t) => {
    const settings = { limits: { goneTimeout: 1000 } };
    await withProgram(runtime, kind, settings, async (served) => {
      for (const { what, run, fits } of scenarios) {
        if (!fits(runtime, kind)) continue;
        await t.step(what, () => within(run(served), "the step"));
        served.program.forget();
      }
    });
  });

  test(`${runtime.name} keeps time, ${kind}`, async () => {
    const limits = {
      // The other clients have to begin within this time.
      headTimeout: 2000,
      idleTimeout: 200,
      bodyTimeout: 200,
      writeTimeout: 200,
    };
    await withProgram(runtime, kind, { limits }, async ({ port, program }) => {
      const late = answerTo(port, "GET / HTTP/1.1\r\nHost:");
      using idle = await RawClient.connect(port);
      await idle.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
      assert((await idle.rest()).endsWith("GET /hello\n"), idle.received);
      using body = await RawClient.connect(port);
      await body.send(PARTIAL);
      assertStringIncludes(await body.rest(), " 408 Request Timeout\r\n");
      await program.line("body failed HttpError");
      const gone = new ResettingClient(
        port,
        "GET /stream?100 HTTP/1.1\r\nHost: a\r\n\r\n",
      );
      await gone.until("200 OK");
      await gone.reset();
      await until(program, /^cancelled/);
      assertStringIncludes(await late, "HTTP/1.1 408 Request Timeout\r\n");
    });
  });
}

for (const runtime of [NODE, BUN]) {
  test(`${runtime.name}: serve takes a source, and shuts down`, async () => {
    await withProgram(runtime, "source", {}, async ({ url, port, program }) => {
      await until(
        program,
        /^TypeError serve opens a port only in Deno.*serveConnection/,
      );
      assertEquals(await curl(`${url}/hello`), "GET /hello\n");
      using idle = await RawClient.connect(port);
      await idle.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
      await idle.until("/hello\n");
      using running = await RawClient.connect(port);
      await running.send("GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
      await program.line("waits");
      program.terminate();
      assert((await idle.rest()).endsWith("GET /hello\n"), idle.received);
      running.conn.close();
      await program.line("shut down");
    });
  });
}

async function until(program: Program, line: RegExp): Promise<void> {
  const isThere = () => program.lines.some((other) => line.test(other));
  await whenever(isThere, `${line}`).catch((error) => {
    throw new Error(`${error.message} in ${JSON.stringify(program.lines)}`);
  });
}
