/**
 * A client over a Unix socket, such as that of a local daemon. Without an argument it
 * asks a server of its own.
 *
 * `deno run -N -R -W examples/unix_client.ts`, or with
 * `examples/unix_client.ts /var/run/docker.sock /version`.
 *
 * @module
 */

import { connect, serve } from "@pooled/http1";

/** The longest body in bytes. */
const MAX_BODY = 16 * 1024 * 1024;
/** Milliseconds for the connection and the whole answer. */
const TOTAL_MS = 30_000;

/** Asks the server on the socket, and prints status, fields and body. */
async function ask(path: string, target: string): Promise<void> {
  const conn = await Deno.connect({ transport: "unix", path });
  const signal = AbortSignal.timeout(TOTAL_MS);
  // A Unix socket has no host name for Host.
  await using client = connect(conn, {
    ...{ authority: "localhost", maxBodySize: MAX_BODY, signal },
  });
  using response = await client.request({ target });
  console.log(response.status, response.statusText);
  for (const [name, value] of response.headers) {
    console.log(`${name}: ${value}`);
  }
  console.log(`\n${await response.text()}`);
}

const [path, target = "/"] = Deno.args;
if (path !== undefined) {
  await ask(path, target);
} else {
  const folder = await Deno.makeTempDir();
  try {
    await using _server = serve(
      { path: `${folder}/hello.sock` },
      (req, res) => res.send(`${req.target} through a Unix socket`),
    );
    await ask(`${folder}/hello.sock`, target);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
