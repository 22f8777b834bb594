/**
 * Which servers the forward proxy example connects to, by its default and its arguments.
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { connectToAny } from "../../examples/shared/dial.ts";
import { isPublic } from "../../examples/shared/public_address.ts";
import { assertSockets, Example, sockets } from "../support/example.ts";
import { answerTo } from "../support/raw_client.ts";
import { fillBacklog, listen } from "../support/upstream.ts";
import { test } from "../support/waiting.ts";

/** Sends a request line, and returns the whole answer. */
function ask(port: number, line: string): Promise<string> {
  const fields = "Host: ignored\r\nConnection: close\r\n\r\n";
  return answerTo(port, `${line} HTTP/1.1\r\n${fields}`);
}

test("forward proxy: by default it reaches neither private addresses nor odd ports", async () => {
  using listener = listen();
  await using proxy = Example.start("forward_proxy.ts", ["0", "127.0.0.1:9"]);
  const port = await proxy.port();
  const before = sockets(proxy);
  for (
    const authority of [
      ...["127.0.0.1", "localhost", "LOCALHOST.", "[::1]", "0.0.0.0", "[::]"],
      ...["0x7f.1", "2130706433", "0177.0.0.01", "127.1", "%3127.0.0.1"],
      ...["[::ffff:127.0.0.1]", "10.0.0.1", "172.16.0.1", "192.168.0.1"],
      ...["169.254.169.254", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]"],
    ]
  ) {
    for (const number of [80, 443]) {
      const server = `${authority}:${number}`;
      for (const line of [`GET http://${server}/`, `CONNECT ${server}`]) {
        const answer = await ask(port, line);
        // A name may not resolve here.
        const status = authority === "LOCALHOST." ? "(403|502)" : "403";
        assert(RegExp(`^HTTP/1.1 ${status} `).test(answer), line + answer);
      }
    }
  }
  for (const server of ["example.com:25", "192.0.2.1:22", "example.com:0"]) {
    for (const line of [`GET http://${server}/`, `CONNECT ${server}`]) {
      assertStringIncludes(await ask(port, line), "HTTP/1.1 403 ");
    }
  }
  // An argument with a port names that port alone.
  const other = `http://127.0.0.1:${listener.addr.port}/`;
  assertStringIncludes(await ask(port, `GET ${other}`), "does not reach port");
  assert(!/ 403 /.test(await ask(port, "GET http://127.0.0.1:9/")));
  await assertSockets(proxy, before);
});

test("forward proxy: public addresses", () => {
  for (
    const address of [
      ...["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0"],
      ...["172.15.255.255", "172.32.0.0", "192.167.1.1", "223.255.255.255"],
      ...["2001:4860:4860::8888", "2606:4700::1111", "2a00::1", "2003::1"],
    ]
  ) assert(isPublic(address), address);
  for (
    const address of [
      ...["0.0.0.0", "0.1.2.3", "10.255.0.1", "100.64.0.1", "100.127.255.255"],
      ...["127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1"],
      ...["172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1"],
      ...["192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1"],
      ...["203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1"],
      ...["255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8"],
      ...["::127.0.0.1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "100::1"],
      ...["2001::1", "2001:1ff::1", "2001:db8::1", "2002:7f00:1::1"],
      ...["3fff::1", "4000::1", "fc00::1", "fd12::1", "fe80::1", "fec0::1"],
      ...["fe80::1%eth0", "2a00::1%eth0", "ff02::1", "example.com", ""],
    ]
  ) assert(!isPublic(address), address);
  return Promise.resolve();
});

test("forward proxy: an address that does not accept leaves time for the next", async () => {
  using stuck = Deno.listen({
    hostname: "127.0.0.2",
    port: 0,
    tcpBacklog: 1,
  });
  const { port } = stuck.addr;
  using listener = Deno.listen({ hostname: "127.0.0.1", port });
  using _ = await fillBacklog(stuck);
  const cut = new AbortController();
  const addresses = ["127.0.0.3", "127.0.0.2", "127.0.0.1"];
  using conn = await connectToAny(addresses, port, 1500, cut.signal);
  assertEquals(conn.remoteAddr.hostname, "127.0.0.1");
  const none = connectToAny(["127.0.0.2", "127.0.0.2"], port, 1e9, cut.signal);
  cut.abort(new Error("enough"));
  await assertRejects(() => none, Error, "enough");
  (await listener.accept()).close();
});
