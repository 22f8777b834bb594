/**
 * The client against servers: this module's own, `Deno.serve`, `node:http` and Python's
 * `http.server`; over TCP, TLS, a Unix socket and a socket of Node.js.
 */

import { createServer } from "node:http";
import { connect as connectSocket } from "node:net";
import { assert, assertEquals } from "@std/assert";
import {
  connect,
  type Handler,
  type HttpClient,
  nodeConn,
  Pools,
  serve,
} from "@pooled/http1";
import { untilAtRest } from "../support/at_rest.ts";
import { makeCertificate } from "../support/certificate.ts";
import { withClient } from "../support/clients.ts";
import { needs } from "../support/needs.ts";
import { streamOf } from "../support/streams.ts";
import { test, within } from "../support/waiting.ts";

const LARGE = "0123456789abcdef".repeat(20_000);

/** A server that answers `${method} ${path} ${body}`, and `/large` with `LARGE`. */
interface Echo {
  port: number;
  end(): Promise<unknown>;
}

const ECHOES: Record<string, () => Promise<Echo>> = {
  "this server": () => {
    const server = serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (req, res) => {
        if (req.path === "/large") return res.send(LARGE);
        if (req.path === "/stream") {
          return res.send(streamOf(["a", "b"]), {
            trailers: () => ({ t: "1" }),
          });
        }
        res.send(`${req.method} ${req.path} ${await req.text()}`);
      },
    );
    return Promise.resolve({
      port: server.addr.port,
      end: () => server.shutdown(),
    });
  },
  "Deno.serve": () => {
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request) => {
        const { pathname } = new URL(request.url);
        if (pathname === "/large") return new Response(LARGE);
        if (pathname === "/stream") return new Response(streamOf(["a", "b"]));
        const body = await request.text();
        return new Response(`${request.method} ${pathname} ${body}`);
      },
    );
    return Promise.resolve({
      port: server.addr.port,
      end: () => server.shutdown(),
    });
  },
  "node:http": async () => {
    const server = createServer((req, res) => {
      let body = "";
      req.setEncoding("latin1");
      req.on("data", (chunk) => body += chunk);
      req.on("end", () => {
        if (req.url === "/stream") res.write("a");
        res.end(
          req.url === "/stream"
            ? "b"
            : req.url === "/large"
            ? LARGE
            : `${req.method} ${req.url} ${body}`,
        );
      });
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as { port: number };
    return { port, end: () => new Promise((done) => server.close(done)) };
  },
};

async function textOf(
  client: HttpClient,
  init: Parameters<HttpClient["request"]>[0],
): Promise<string> {
  using response = await within(client.request(init), "a response");
  return await within(response.text(), "a body");
}

for (const [name, start] of Object.entries(ECHOES)) {
  test(`${name}: one connection, every kind of request`, async () => {
    const { port, end } = await start();
    await withClient(port, async (client) => {
      const { closed } = client;
      let ended = false;
      closed.then(() => ended = true);
      assertEquals(await textOf(client, { target: "/a" }), "GET /a ");
      assertEquals(
        await textOf(client, { target: "/b", method: "POST", body: "hi" }),
        "POST /b hi",
      );
      assertEquals(
        await textOf(client, {
          target: "/c",
          method: "PUT",
          body: streamOf(["a", "bc"]),
        }),
        "PUT /c abc",
      );
      assertEquals(
        await textOf(client, {
          target: "/d",
          method: "PUT",
          body: streamOf(["a", "bc"]),
          headers: { "Content-Length": "3" },
        }),
        "PUT /d abc",
      );
      assertEquals(
        await textOf(client, {
          target: "/e",
          method: "POST",
          body: "sure",
          headers: { Expect: "100-continue" },
        }),
        "POST /e sure",
      );
      assertEquals(await textOf(client, { target: "/stream" }), "ab");
      assertEquals(await textOf(client, { target: "/", method: "HEAD" }), "");
      for (let i = 0; i < 3; i++) {
        assertEquals(await textOf(client, { target: "/large" }), LARGE);
        (await client.request({ target: "/a" })).release();
      }
      const response = await client.fetch("/large");
      let length = 0;
      for await (const chunk of response.body!) length += chunk.length;
      assertEquals(length, LARGE.length);
      const upload = await client.fetch("/f", { method: "POST", body: "x" });
      assertEquals(await upload.text(), "POST /f x");
      assertEquals(client.state, "idle");
      assert(!ended);
    });
    await within(end(), "the end of the server");
  });

  test(`${name}: sixteen at a time, in order`, async () => {
    const { port, end } = await start();
    await withClient(port, async (client) => {
      const asked = Array.from({ length: 200 }, async (_, i) => {
        const body = i % 3 === 0 ? `${i}` : "";
        const method = body === "" ? "GET" : "PUT";
        const text = await textOf(client, {
          target: `/${i}`,
          method,
          ...body !== "" && { body },
        });
        assertEquals(text, `${method} /${i} ${body}`);
      });
      await Promise.all(asked);
    }, { pipeline: 16 });
    await within(end(), "the end of the server");
  });
}

test("an idle connection that Deno.serve closes is noticed", async () => {
  const { port, end } = await ECHOES["Deno.serve"]!();
  await withClient(port, async (client) => {
    assertEquals(await textOf(client, { target: "/a" }), "GET /a ");
    await within(end(), "the end of the server");
    await within(client.closed, "the end of the client");
  });
});

Deno.test(
  "Python's http.server, HTTP/1.0 and 1.1",
  needs("python3"),
  async () => {
    const program = `
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
  protocol_version = sys.argv[1]
  def answer(self):
    length = int(self.headers.get("Content-Length", 0))
    body = f"{self.command} {self.path} ".encode() + self.rfile.read(length)
    self.send_response(200)
    if self.protocol_version == "HTTP/1.1":
      self.send_header("Content-Length", str(len(body)))
    self.end_headers()
    self.wfile.write(body)
  do_GET = do_POST = answer
  def log_message(self, *args): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
`;
    for (const version of ["HTTP/1.0", "HTTP/1.1"]) {
      const child = new Deno.Command("python3", {
        args: ["-c", program, version],
        stdout: "piped",
      }).spawn();
      const lines = child.stdout.pipeThrough(new TextDecoderStream())
        .getReader();
      try {
        let text = "";
        while (!text.endsWith("\n")) {
          text += (await within(lines.read(), "the port")).value;
        }
        const port = Number(text);
        await withClient(port, async (client) => {
          const first = { target: "/a", method: "POST", body: "hi" };
          assertEquals(await textOf(client, first), "POST /a hi");
          if (version === "HTTP/1.0") {
            return await within(client.closed, "the end");
          }
          const expect = { ...first, headers: { Expect: "100-continue" } };
          assertEquals(await textOf(client, expect), "POST /a hi");
          assertEquals(await textOf(client, { target: "/b" }), "GET /b ");
          assertEquals(client.state, "idle");
        });
      } finally {
        child.kill();
        await child.status;
        await lines.cancel();
      }
    }
  },
);

test("over TLS, over a Unix socket, and over a socket of Node.js", async () => {
  const { cert, key } = await makeCertificate();
  const folder = await Deno.makeTempDir();
  const path = `${folder}/socket`;
  const quiet = { onListen: () => {} };
  const handler: Handler = (req, res) => res.send(req.path);
  const servers = [
    serve({ hostname: "127.0.0.1", port: 0, cert, key, ...quiet }, handler),
    serve({ hostname: "127.0.0.1", port: 0, ...quiet }, handler),
    serve({ path, ...quiet }, handler),
  ] as const;
  const pools = new Pools();
  const options = { pools, authority: "localhost" };
  const tls = await Deno.connectTls({
    hostname: "127.0.0.1",
    port: servers[0].addr.port,
    caCerts: [cert],
    alpnProtocols: ["http/1.1"],
  });
  const socket = connectSocket(servers[1].addr.port, "127.0.0.1");
  const clients = [
    connect(tls, options),
    connect(nodeConn(socket), options),
    connect(await Deno.connect({ transport: "unix", path }), options),
  ];
  for (const client of clients) {
    for (const target of ["/a", "/b"]) {
      assertEquals(await textOf(client, { target }), target);
    }
    assertEquals(await (await client.fetch("/c")).text(), "/c");
    await within(client.close(), "the end");
  }
  for (const server of servers) await within(server.shutdown(), "the end");
  await untilAtRest(pools);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("an idle client does not keep a program running", async () => {
  const { port, end } = await ECHOES["this server"]!();
  const module = new URL("../../mod.ts", import.meta.url);
  const program = `
    import { connect } from "${module}";
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: ${port} });
    const client = connect(conn);
    using response = await client.request({ target: "/a" });
    console.log(await response.text());
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      "--no-config",
      `data:application/typescript,${encodeURIComponent(program)}`,
    ],
    stdout: "piped",
    stderr: "piped",
    // Less than the idle timeouts.
    signal: AbortSignal.timeout(50_000),
  });
  const { success, stdout, stderr } = await child.output();
  assertEquals(new TextDecoder().decode(stdout), "GET /a \n");
  assert(success, new TextDecoder().decode(stderr));
  await end();
});
