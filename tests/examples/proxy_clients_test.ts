/**
 * The forward proxy example with clients that others wrote.
 */

import { assertEquals } from "@std/assert";
import type { Handler } from "@pooled/http1";
import { ProxyAgent, request as undiciRequest } from "undici";
import { digestOf, patterned } from "../support/bytes.ts";
import { makeCertificate } from "../support/certificate.ts";
import { whileBrowsing } from "../support/chromium.ts";
import { Example } from "../support/example.ts";
import { needs } from "../support/needs.ts";
import {
  curl,
  curlWith,
  ended,
  TemporaryDirectory,
} from "../support/programs.ts";
import { untilUndiciRests } from "../support/undici.ts";
import { within } from "../support/waiting.ts";
import { echoSocket } from "../support/websocket.ts";
import { withServer } from "../support/with_server.ts";

/** Where everything is. */
interface Places {
  proxy: string;
  http: string;
  https: string;
  certFile: string;
}

/** Runs a test with a proxy that may reach two servers, one of them with TLS. */
async function withProxy(
  handler: Handler,
  run: (places: Places) => Promise<void>,
): Promise<void> {
  using folder = new TemporaryDirectory();
  const { cert, key, certFile } = await makeCertificate(folder.path);
  const limits = { maxBodySize: 1e8 };
  await withServer(handler, (plain) =>
    withServer(handler, async (tls) => {
      await using proxy = Example.start("forward_proxy.ts", [
        "0",
        ...[`localhost:${plain.port}`, `localhost:${tls.port}`],
      ]);
      const ran = run({
        proxy: `http://127.0.0.1:${await proxy.port()}`,
        http: `http://localhost:${plain.port}`,
        https: `https://localhost:${tls.port}`,
        certFile,
      });
      await within(ran, "the clients");
      proxy.process.kill("SIGTERM");
      assertEquals((await proxy.end()).errors, "");
    }, { ...limits, cert, key }), limits);
}

/** Tells what has arrived, and whether a proxy has read it. */
const tell: Handler = async (req, res, { secure }) => {
  const { method, target, headers } = req;
  const secret = headers.has("proxy-authorization");
  const via = headers.get("via")?.replace(/-.*/, "") ?? "nothing";
  const body = digestOf(await req.bytes());
  res.json({
    method,
    target,
    host: headers.get("host"),
    secure,
    via,
    secret,
    body,
  });
};

Deno.test(
  "proxy clients: curl",
  needs("curl"),
  () =>
    withProxy(tell, async ({ proxy, http, https, certFile }) => {
      const through = ["-x", proxy, "--proxy-user", "name:secret"];
      const sent = patterned(3_000_000);
      for (
        const [url, via, args] of [
          [http, "1.1 pooled", []],
          [http, "1.0 pooled", ["--http1.0", "-H", "Expect:"]],
          [http, "nothing", ["--proxytunnel"]],
          [https, "nothing", ["--cacert", certFile]],
        ] as const
      ) {
        const all = [...through, ...args];
        const told = JSON.parse(await curl(...all, `${url}/a?b`));
        const expected = {
          ...{ method: "GET", target: "/a?b", host: url.split("//")[1] },
          ...{
            secure: url === https,
            via,
            secret: false,
            body: digestOf(new Uint8Array()),
          },
        };
        assertEquals(told, expected);
        // curl expects a 100 (Continue) for a body of this size.
        const put = await curlWith(sent, ...all, ...[
          "-X",
          "PUT",
          "--data-binary",
          "@-",
        ], `${url}/put`);
        assertEquals(JSON.parse(put.stdout), {
          ...expected,
          ...{ method: "PUT", target: "/put", body: digestOf(sent) },
        });
        const status = [
          "-o",
          "/dev/null",
          "-w",
          "%{http_code} %{num_connects} ",
        ];
        assertEquals(await curl(...all, ...status, "-I", url), "200 1 ");
      }
      // One connection to the proxy for both, and one to each server behind it.
      const connects = ["-w", "%{num_connects}\n", "-o", "/dev/null"];
      assertEquals(
        await curl(
          ...through,
          ...connects,
          `${http}/1`,
          ...connects.slice(2),
          `${http}/2`,
        ),
        "1\n0\n",
      );
      // Neither the name nor the address of another server.
      for (const other of ["http://127.0.0.1:9/", "http://localhost:9/"]) {
        const refused = await curl(...through, "-w", "%{http_code}", other);
        assertEquals(refused, "this proxy does not reach port 9\n403");
      }
      const tunnel = await ended("curl", [
        ...["-qs", ...through, "-w", "%{http_connect}", "https://localhost:9/"],
      ]);
      assertEquals([tunnel.code, tunnel.stdout], [56, "403"]);
    }),
);

Deno.test("proxy clients: undici's ProxyAgent", async () => {
  await withProxy(tell, async ({ proxy, http, https, certFile }) => {
    const ca = await Deno.readTextFile(certFile);
    for (const proxyTunnel of [false, true]) {
      const dispatcher = new ProxyAgent({
        ...{ uri: proxy, token: "Basic c2VjcmV0", proxyTunnel },
        requestTls: { ca },
      });
      const body = patterned(400_000);
      for (const url of [http, https]) {
        const told = await Promise.all(
          Array.from({ length: 20 }, async (_, i) => {
            const answer = await undiciRequest(`${url}/${i}?q`, {
              ...{ dispatcher, method: "POST", body },
            });
            assertEquals(answer.statusCode, 200);
            return await answer.body.json();
          }),
        );
        const absolute = url === http && !proxyTunnel;
        assertEquals(
          told,
          told.map((_, i) => ({
            ...{ method: "POST", target: `/${i}?q`, host: url.split("//")[1] },
            ...{ secure: url === https, secret: false, body: digestOf(body) },
            via: absolute ? "1.1 pooled" : "nothing",
          })),
        );
      }
      await dispatcher.close();
    }
  });
  await untilUndiciRests();
});

Deno.test(
  "proxy clients: fetch of this runtime, and Python",
  needs("python3"),
  () =>
    withProxy(tell, async ({ proxy, http, https, certFile }) => {
      using client = Deno.createHttpClient({
        proxy: { url: proxy },
        caCerts: [await Deno.readTextFile(certFile)],
      });
      for (const [url, via] of [[http, "1.1 pooled"], [https, "nothing"]]) {
        const answer = await fetch(`${url}/a`, {
          client,
          method: "POST",
          body: "b",
        });
        const told = await answer.json();
        assertEquals(
          [told.via, told.secret, told.body],
          [via, false, digestOf(new TextEncoder().encode("b"))],
        );
        const program = "import sys, ssl, urllib.request as u\n" +
          "c = ssl.create_default_context(cafile=sys.argv[3])\n" +
          "p = u.ProxyHandler({'http': sys.argv[1], 'https': sys.argv[1]})\n" +
          "o = u.build_opener(p, u.HTTPSHandler(context=c))\n" +
          "print(o.open(sys.argv[2], b'b', timeout=10).read().decode())\n";
        const { code, stdout, stderr } = await ended("python3", [
          ...["-c", program, proxy.replace("//", "//name:secret@"), `${url}/a`],
          certFile,
        ]);
        assertEquals(code, 0, stderr);
        assertEquals(JSON.parse(stdout), told);
      }
    }),
);

const PAGE = `<!doctype html><title>test</title><script>
const results = {};
const note = async (name, make) => {
  try { results[name] = await make(); } catch (error) { results[name] = String(error); }
};
const json = async (path, init) => (await fetch(path, init)).json();
onload = async () => {
  const secure = location.hash.slice(1);
  await note("get", () => json("/get?a=b"));
  await note("put", () => json("/put", { method: "PUT", body: new Blob([new Uint8Array(1500000)]) }));
  await note("secure", () => json(secure + "/secure", { method: "POST", body: "text" }));
  await note("many", async () => {
    const all = await Promise.all(Array.from({ length: 100 }, (_, i) => json("/" + i)));
    return all.every(({ target }, i) => target === "/" + i);
  });
  await note("stream", async () => (await (await fetch("/stream")).arrayBuffer()).byteLength);
  for (const base of [location.origin, secure]) {
    await note(base === secure ? "wss" : "ws", () => new Promise((resolve, reject) => {
      const socket = new WebSocket(base.replace("http", "ws") + "/socket");
      const seen = [];
      socket.onerror = () => reject("socket error");
      socket.onopen = () => { socket.send("hello"); socket.send("x".repeat(100000)); };
      socket.onmessage = ({ data }) => {
        if (seen.push(data.length) === 2) socket.close(1000);
      };
      socket.onclose = ({ code }) => resolve([...seen, code]);
    }));
  }
  await fetch("/done", { method: "POST", body: JSON.stringify(results) });
};
</script>`;

Deno.test("proxy clients: Chromium", needs("chromium"), async () => {
  const done = Promise.withResolvers<unknown>();
  const handler: Handler = async (req, res, info) => {
    switch (req.path) {
      case "/":
        return res.send(PAGE, { headers: { "content-type": "text/html" } });
      case "/socket":
        return echoSocket(req, res);
      case "/stream":
        return res.send(new Blob([new Uint8Array(2_000_000)]).stream());
      case "/done":
        done.resolve(await req.json());
        return res.send();
      case "/secure": {
        const text = await req.text();
        return res.send(JSON.stringify({ text, via: req.headers.get("via") }), {
          headers: { "access-control-allow-origin": "*" },
        });
      }
    }
    await tell(req, res, info);
  };
  await withProxy(handler, async ({ proxy, http, https }) => {
    const results = await whileBrowsing(`${http}/#${https}`, [
      `--proxy-server=${proxy}`,
      "--proxy-bypass-list=<-loopback>",
      "--ignore-certificate-errors",
    ], done.promise);
    const common = {
      host: http.slice(7),
      secure: false,
      via: "1.1 pooled",
      secret: false,
    };
    assertEquals(results, {
      get: {
        ...common,
        ...{
          method: "GET",
          target: "/get?a=b",
          body: digestOf(new Uint8Array()),
        },
      },
      put: {
        ...common,
        ...{
          method: "PUT",
          target: "/put",
          body: digestOf(new Uint8Array(1_500_000)),
        },
      },
      secure: { text: "text", via: null },
      many: true,
      stream: 2_000_000,
      ws: [5, 100000, 1000],
      wss: [5, 100000, 1000],
    });
  });
});
