/**
 * A server on a Unix socket.
 *
 * `deno run -N -R -W examples/unix.ts /tmp/hello.sock`, then
 * `curl --unix-socket /tmp/hello.sock http://localhost/`.
 *
 * @module
 */

import { serve } from "@pooled/http1";

const path = Deno.args[0] ?? "hello.sock";

const server = serve({ path }, (req, res) => {
  res.send(`${req.method} ${req.target} through a Unix socket\n`);
});

/** Answers the requests that have arrived; the process exits after that. */
function stop(): void {
  // A second SIGINT kills the process.
  Deno.removeSignalListener("SIGINT", stop);
  // The runtime removes the socket file when it closes the listener.
  server.shutdown();
}

Deno.addSignalListener("SIGINT", stop);
