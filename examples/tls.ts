/**
 * HTTPS on a listener of your own.
 *
 * `openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost
 * -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem`, then
 * `deno run -N -R examples/tls.ts cert.pem key.pem 8443`, and
 * `curl --cacert cert.pem https://localhost:8443/`.
 *
 * @module
 */

import { serve } from "@pooled/http1";

const [cert = "cert.pem", key = "key.pem", port = "8443"] = Deno.args;

const listener = Deno.listenTls({
  port: Number(port),
  cert: Deno.readTextFileSync(cert),
  key: Deno.readTextFileSync(key),
  alpnProtocols: ["http/1.1"],
});

serve(listener, (_req, res, info) => {
  res.json({ secure: info.secure });
}, {
  onListen: ({ port }) => {
    console.log(`Listening on https://localhost:${port}/`);
  },
});
