/**
 * A server on a Unix socket.
 *
 * `deno run -A examples/unix.ts /tmp/hello.sock`, then
 * `curl --unix-socket /tmp/hello.sock http://localhost/`.
 *
 * @module
 */

import { serve } from "@pooled/http1";

const path = Deno.args[0] ?? "hello.sock";

const server = serve({ path }, (req, res) => {
  res.send(`${req.method} ${req.target} through a Unix socket\n`);
});

Deno.addSignalListener("SIGINT", async () => {
  await server.shutdown();
  await Deno.remove(path);
  Deno.exit();
});
