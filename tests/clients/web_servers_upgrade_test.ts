/**
 * The client against nginx and Apache httpd: upgrades, tunnels, TLS and a Unix socket.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect, RequestError } from "@pooled/http1";
import { digestOf, patterned, textOf as latin1 } from "../support/bytes.ts";
import { within } from "../support/waiting.ts";
import { INDEX, LARGE } from "../support/web_servers.ts";
import {
  APACHE,
  get,
  NGINX,
  type Site,
  siteTest,
  siteTests,
  textOf,
} from "../support/web_site.ts";
import { talk } from "../support/websocket.ts";

const CHAT = { headers: { upgrade: "chat" } };

siteTests("an upgrade leads to the server behind", async (site) => {
  const client = await site.open();
  assertEquals(await textOf(await get(client, "/index.html")), INDEX);
  using result = await within(
    client.upgrade({ target: "/up/chat", ...CHAT }),
    "the response",
  );
  assertEquals(result.response.status, 101);
  assertEquals(result.response.upgrade, "chat");
  assertEquals(client.state, "closed");
  const reader = result.duplex!.readable.getReader();
  const writer = result.duplex!.writable.getWriter();
  for (const text of ["hello", "\0\x01\x7f", "HTTP/1.1 200 OK\r\n\r\n"]) {
    await within(writer.write(new TextEncoder().encode(text)), text);
    let received = "";
    while (received.length < text.length) {
      const { value } = await within(reader.read(), text);
      received += latin1(value!);
    }
    assertEquals(received, text);
  }
  await within(writer.close(), "our end");
  assertEquals((await within(reader.read(), "the end")).done, true);
});

siteTests("a WebSocket through the proxy", async (site) => {
  const bytes = patterned(300_000);
  for (let i = 0; i < 2; i++) {
    const client = await site.open();
    using result = await within(
      client.upgrade({
        target: "/up/socket",
        headers: {
          "Upgrade": "websocket",
          "Connection": "Upgrade",
          "Sec-WebSocket-Version": "13",
          "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        },
      }),
      "the response",
    );
    assertEquals(
      result.response.headers.get("sec-websocket-accept"),
      "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    );
    const { got, code } = await within(
      talk(result.duplex!, ["hello", bytes, "a \u00e9"]),
      "the messages",
    );
    assertEquals([got[0], got[2], code], ["hello", "a \u00e9", 1000]);
    assertEquals(digestOf(got[1] as Uint8Array), digestOf(bytes));
  }
});

siteTests("an upgrade that is declined leaves the connection", async (site) => {
  const client = await site.open();
  const declined: [target: string, status: number, text: RegExp][] = [
    ["/index.html", 200, /A page/],
    ["/up/told", 200, /"method":"GET"/],
    ["/up/chat", 404, /nothing here/],
    ["/missing", 404, /not found/i],
  ];
  for (let i = 0; i < 3; i++) {
    for (const [target, status, text] of declined) {
      const { response, duplex } = await within(
        client.upgrade({ target, headers: { upgrade: "other" } }),
        target,
      );
      assertEquals([response.status, duplex], [status, null]);
      assert(text.test(await textOf(response)), target);
    }
  }
  assertEquals(await textOf(await get(client, "/index.html")), INDEX);
  assertEquals(client.state, "idle");
});

siteTest(APACHE, "a tunnel, and requests through it", async (site) => {
  const { brief } = site.server.ports;
  const proxy = await site.open({}, brief);
  const target = `127.0.0.1:${site.application}`;
  const { response, duplex } = await within(
    proxy.upgrade({ method: "CONNECT", target }),
    "the tunnel",
  );
  assertEquals(response.status, 200);
  response.release();
  const client = connect(duplex!, { authority: target, pools: site.pools });
  for (let i = 0; i < 5; i++) {
    const echo = await get(client, "/echo", { method: "POST", body: `${i}` });
    assertEquals(await textOf(echo), `${i}`);
  }
  await within(client.close(), "the end");
});

siteTests("a tunnel that is declined", async (site, { program }) => {
  const { brief } = site.server.ports;
  const client = await site.open({}, brief);
  const { response, duplex } = await within(
    client.upgrade({ method: "CONNECT", target: "127.0.0.1:1" }),
    "the response",
  );
  // A server that is no proxy has an answer of its own.
  const statuses = program === "apache2" ? [403] : [400, 405];
  assert(statuses.includes(response.status), `${response.status}`);
  assertEquals(duplex, null);
  assert((await textOf(response)).length > 0);
});

siteTest(APACHE, "requests in absolute-form through a proxy", async (site) => {
  const client = await site.open({}, site.server.ports.brief);
  const host = `127.0.0.1:${site.application}`;
  const told = await get(client, `http://${host}/told?a`);
  const { target, fields } = JSON.parse(await textOf(told));
  assertEquals(target, "/told?a");
  assertEquals(new Headers(fields).get("host"), host);
  const echo = await get(client, `http://${host}/echo`, {
    method: "POST",
    body: "through",
  });
  assertEquals(await textOf(echo), "through");
});

function dialTls({ server, certificate }: Site): Promise<Deno.TlsConn> {
  return Deno.connectTls({
    hostname: "localhost",
    port: server.ports.secure,
    caCerts: [certificate!.cert],
    alpnProtocols: ["http/1.1"],
  });
}

siteTests("over TLS", async (site) => {
  const client = site.client(await dialTls(site), { pipeline: 4 });
  for (let i = 0; i < 5; i++) {
    const texts = await Promise.all(
      Array.from(
        { length: 4 },
        async () => textOf(await get(client, "/index.html")),
      ),
    );
    assertEquals(texts, Array(4).fill(INDEX));
    const body = patterned(200_000);
    const counted = await get(client, "/up/count", { method: "PUT", body });
    assertEquals(JSON.parse(await textOf(counted)).digest, digestOf(body));
  }
  const response = await client.fetch("/large.bin");
  assertEquals((await response.bytes()).length, LARGE);
  assertEquals(client.state, "idle");
  const chat = site.client(await dialTls(site));
  using result = await within(
    chat.upgrade({ target: "/up/chat", ...CHAT }),
    "the response",
  );
  const writer = result.duplex!.writable.getWriter();
  await writer.write(new TextEncoder().encode("hello"));
  const reader = result.duplex!.readable.getReader();
  assertEquals(latin1((await within(reader.read(), "bytes")).value!), "hello");
  await within(writer.close(), "our end");
  // Both servers break the connection off here, without a close_notify.
  const end = await within(reader.read().catch((error) => error), "the end");
  assert(end.done || end instanceof Deno.errors.UnexpectedEof, `${end}`);
}, { tls: true });

siteTests("over TLS: the ends of connections", async (site) => {
  const last = site.client(await dialTls(site));
  const page = await get(last, "/index.html", {
    headers: { connection: "close" },
  });
  assertEquals(await textOf(page), INDEX);
  await within(last.closed, "the end");
  const old = site.client(await dialTls(site));
  assertEquals(
    await textOf(await get(old, "/old/endless")),
    "one two three",
  );
  await within(old.closed, "the end");
  const large = site.client(await dialTls(site));
  // Its writes never wait. The response is noticed all the same.
  let pulled = 0;
  const refused = await get(large, "/small", {
    method: "POST",
    body: new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(60_000));
        if (++pulled === 10_000) controller.close();
      },
    }),
  });
  assert(pulled < 10_000, "the whole body was sent");
  assertEquals(refused.status, 413);
  await textOf(refused);
  await within(large.closed, "the end");
}, { tls: true });

// Without TLS, such an end cannot be told from the end of the body.
siteTests("over TLS: a body without length that is cut", async (site) => {
  const client = site.client(await dialTls(site));
  const response = await get(client, "/old/open");
  const reader = response.body!.getReader();
  assertEquals(latin1((await within(reader.read(), "bytes")).value!), "one ");
  for (const pid of site.server.workers()) Deno.kill(pid, "SIGKILL");
  const error = await assertRejects(
    () => within(reader.read(), "the end"),
    RequestError,
  );
  assert(error.cause instanceof Deno.errors.UnexpectedEof, `${error.cause}`);
  response.release();
  await within(client.closed, "the end");
}, { tls: true });

siteTest(NGINX, "over a Unix socket", async (site) => {
  const path = `${site.server.dir}/socket`;
  const conn = await Deno.connect({ transport: "unix", path });
  const client = site.client(conn, { authority: "localhost" });
  for (let i = 0; i < 3; i++) {
    assertEquals(await textOf(await get(client, "/index.html")), INDEX);
    const echo = await get(client, "/up/echo", { method: "POST", body: "hi" });
    assertEquals(await textOf(echo), "hi");
  }
  assertEquals(await (await client.fetch("/index.html")).text(), INDEX);
  const nameless = await Deno.connect({ transport: "unix", path });
  await assertRejects(
    () => site.client(nameless).request({ target: "/" }),
    TypeError,
    "Host",
  );
});
