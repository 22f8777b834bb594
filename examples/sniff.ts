/**
 * Three protocols on one port: the first bytes decide between HTTP, HTTP over TLS, and
 * a line protocol, which echoes.
 *
 * With a certificate as for `tls.ts`,
 * `deno run -N -R examples/sniff.ts 8000 cert.pem key.pem`, then
 * `curl localhost:8000`, `curl --cacert cert.pem https://localhost:8000`, and
 * `echo hello | nc -N localhost 8000`.
 *
 * @module
 */

import { type Duplex, serve } from "@pooled/http1";
import { eachConnection } from "./shared/accept.ts";
import { deadline, firstBytes, writeAll } from "./shared/first_bytes.ts";
import { LoopbackTls } from "./shared/loopback_tls.ts";

/** Milliseconds for a client to show which protocol it speaks. */
const SNIFF_MS = 5_000;
/** Milliseconds for a handshake of TLS. */
const HANDSHAKE_MS = 10_000;
/** Milliseconds in which a client must read some of a response. */
const WRITE_MS = 30_000;
/** Milliseconds for a line to arrive, and for its echo to be written. */
const LINE_MS = 60_000;
/** The longest line in bytes. */
const LONGEST_LINE = 4096;
/** Connections at a time. */
const MOST_OPEN = 10_000;

const METHODS = [
  ...["GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "PATCH "],
  ...["OPTIONS ", "TRACE ", "CONNECT "],
];
/** The first byte of a TLS handshake (RFC 8446 §5.1). */
const TLS = 0x16;
const LF = 0x0a;

type Protocol = "http" | "tls" | "lines";

/** The protocol of the first bytes; `null` while they are ambiguous. */
function protocolOf(bytes: Uint8Array, ended: boolean): Protocol | null {
  if (bytes[0] === TLS) return "tls";
  const text = String.fromCharCode(...bytes.subarray(0, 8));
  if (METHODS.some((method) => text.startsWith(method))) return "http";
  const mayBeHttp = METHODS.some((method) => method.startsWith(text));
  return mayBeHttp && !ended ? null : "lines";
}

/** Echoes each line, and a last one without its LF. */
async function echo(conn: Deno.TcpConn, received: Uint8Array): Promise<void> {
  const buffer = new Uint8Array(LONGEST_LINE);
  buffer.set(received);
  let end = received.length;
  for (let open = true; open;) {
    using _ = deadline(conn, LINE_MS, closing.signal);
    let lines: number;
    while ((lines = buffer.lastIndexOf(LF, end - 1) + 1) === 0 || end === 0) {
      if (end === LONGEST_LINE) throw new Error("too long a line");
      const count = await conn.read(buffer.subarray(end));
      if (count === null) {
        lines = end;
        open = false;
        break;
      }
      end += count;
    }
    await writeAll(conn, buffer.subarray(0, lines));
    buffer.copyWithin(0, lines, end);
    end -= lines;
  }
  await conn.closeWrite();
}

const [port = "8000", cert = "cert.pem", key = "key.pem"] = Deno.args;
const closing = new AbortController();
const listener = Deno.listen({ port: Number(port) });

// The stream gives no connection: all come through `server.serve`.
const server = serve(new ReadableStream<Duplex>(), (req, res, info) => {
  const { secure, context, remoteAddr } = info;
  res.json({ target: req.target, secure, context, remoteAddr });
}, { writeTimeout: WRITE_MS });

const tls = new LoopbackTls(
  {
    cert: Deno.readTextFileSync(cert),
    key: Deno.readTextFileSync(key),
    handshakeMs: HANDSHAKE_MS,
    writeMs: WRITE_MS,
    closing: closing.signal,
  },
  (conn, remoteAddr) => server.serve(conn, { remoteAddr, context: "relayed" }),
);

async function serveAny(conn: Deno.TcpConn): Promise<void> {
  const { found, received } = await firstBytes(conn, protocolOf, {
    most: LONGEST_LINE,
    milliseconds: SNIFF_MS,
    closing: closing.signal,
  });
  if (found === "lines") return await echo(conn, received);
  if (found === "tls") return await tls.relay(conn, received);
  await server.serve(conn, { received });
}

Deno.addSignalListener("SIGINT", function stop() {
  // A second SIGINT kills the process.
  Deno.removeSignalListener("SIGINT", stop);
  listener.close();
  closing.abort();
  server.shutdown();
});

console.log(`Listening on port ${listener.addr.port}`);
await eachConnection(listener, MOST_OPEN, serveAny);
