/**
 * A forward proxy: CONNECT opens a tunnel to any host, which `Deno.serve` cannot do.
 *
 * `deno run -N examples/connect_proxy.ts 8000`, then
 * `curl -x http://localhost:8000 https://example.com/`.
 *
 * @module
 */

import { serve } from "@pooled/http1";

serve({ port: Number(Deno.args[0] ?? 8000) }, async (req, res) => {
  if (req.method !== "CONNECT") {
    return res.send("this proxy knows CONNECT only\n", { status: 405 });
  }
  const target = new URL(`http://${req.target}`);
  const hostname = target.hostname.replace(/^\[|\]$/g, "");
  let upstream: Deno.Conn;
  try {
    upstream = await Deno.connect({
      hostname,
      port: Number(target.port || 80),
    });
  } catch {
    return res.send(`${req.target} cannot be reached\n`, { status: 502 });
  }
  const tunnel = res.upgrade();
  // Either end may stop sending first; what is cut short closes both.
  Promise.all([
    tunnel.readable.pipeTo(upstream.writable),
    upstream.readable.pipeTo(tunnel.writable),
  ]).catch(() => {});
});
