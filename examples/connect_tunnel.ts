/**
 * HTTPS through a proxy: a CONNECT tunnel with TLS inside. The proxy may be
 * `examples/forward_proxy.ts`. A fourth argument names a file of CA certificates.
 *
 * `deno run -N -R examples/connect_tunnel.ts localhost 8000 https://example.com/`
 *
 * `Deno.startTls` takes a `Deno.TcpConn` that nobody reads. The client reads ahead, and
 * its `upgrade()` gives streams, so this reads the answer to CONNECT with the parser.
 *
 * @module
 */

import { connect, ResponseParser } from "@pooled/http1";
import { deadline, firstBytes, writeAll } from "./shared/first_bytes.ts";

/** Milliseconds for everything. */
const TOTAL_MS = 30_000;
/** The longest answer to CONNECT in bytes. */
const MAX_ANSWER = 16_384;
/** The longest body in bytes. */
const MAX_BODY = 16 * 1024 * 1024;

/** Asks the proxy for a tunnel to `authority`, and gives the connection inside. */
async function tunnel(
  proxy: Deno.TcpConn,
  authority: string,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  const head = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
  await writeAll(proxy, new TextEncoder().encode(head));
  using parser = new ResponseParser();
  let pushed = 0;
  const { found: status, received } = await firstBytes(
    proxy,
    (bytes) => {
      parser.push(bytes.subarray(pushed));
      pushed = bytes.length;
      for (;;) {
        using response = parser.next("CONNECT");
        if (response === null || response.status >= 200) {
          return response?.status ?? null;
        }
      }
    },
    { most: MAX_ANSWER, milliseconds: TOTAL_MS, closing: signal },
  );
  if (status >= 300) throw new Error(`the proxy answered ${status}`);
  // A TLS server says nothing before its client. More bytes would be lost here.
  if (!new TextDecoder("latin1").decode(received).endsWith("\r\n\r\n")) {
    throw new Error("something speaks before TLS has begun");
  }
  return proxy;
}

const [hostname = "localhost", port = "8000", url, ca] = Deno.args;
const { host, hostname: name, pathname, search } = new URL(
  url ?? "https://example.com/",
);
const authority = /:\d+$/.test(host) ? host : `${host}:443`;
const signal = AbortSignal.timeout(TOTAL_MS);

console.log(`asking ${hostname}:${port} for a tunnel to ${authority}`);
const proxy = await Deno.connect({ hostname, port: Number(port), signal });
const tls = await Deno.startTls(await tunnel(proxy, authority, signal), {
  hostname: name.replace(/^\[|\]$/g, ""),
  alpnProtocols: ["http/1.1"],
  caCerts: ca === undefined ? [] : [await Deno.readTextFile(ca)],
});
{
  using _ = deadline(tls, TOTAL_MS, signal);
  await tls.handshake();
}
await using client = connect(tls, {
  ...{ authority: host, maxBodySize: MAX_BODY, signal },
});
using response = await client.request({ target: pathname + search });
console.log(response.status, response.statusText);
console.log(await response.text());
