/**
 * Two protocols on one port: the first bytes decide between HTTP and a line protocol,
 * which echoes. A TLS client gets an alert, because this port does not speak TLS.
 *
 * `deno run -N examples/sniff.ts 8000`, then `curl localhost:8000`, and
 * `echo hello | nc -N localhost 8000`.
 *
 * @module
 */

import { serveConnection } from "@pooled/http1";
import { connectionsOf } from "./shared/accept.ts";

/** Milliseconds for a client to show which protocol it speaks. */
const SNIFF_MS = 5_000;
/** Milliseconds for a line to arrive, and for its echo to be written. */
const LINE_MS = 60_000;
/** The longest line in bytes. */
const LONGEST_LINE = 4096;

const METHODS = [
  ...["GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "PATCH "],
  ...["OPTIONS ", "TRACE ", "CONNECT "],
];
/** The first byte of a TLS handshake (RFC 8446 §5.1). */
const TLS = 0x16;
/** The fatal alert `protocol_version` (RFC 8446 §6.2). */
const TLS_ALERT = new Uint8Array([0x15, 3, 1, 0, 2, 2, 70]);
const LF = 0x0a;

type Protocol = "http" | "tls" | "lines";

/** The protocol of the first bytes; `null` while they are ambiguous. */
function protocolOf(bytes: Uint8Array): Protocol | null {
  if (bytes.length === 0) return null;
  if (bytes[0] === TLS) return "tls";
  const text = String.fromCharCode(...bytes.subarray(0, 8));
  if (METHODS.some((method) => text.startsWith(method))) return "http";
  return METHODS.some((method) => method.startsWith(text)) ? null : "lines";
}

/** Runs `work`, and closes the connection if it takes too long. */
async function within<T>(
  milliseconds: number,
  conn: Deno.TcpConn,
  work: () => Promise<T>,
): Promise<T> {
  const timer = setTimeout(() => conn[Symbol.dispose](), milliseconds);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}

async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await conn.write(bytes.subarray(at));
  }
}

/** Reads until the protocol is clear; returns it with all the bytes read. */
async function sniff(
  conn: Deno.TcpConn,
): Promise<{ protocol: Protocol; received: Uint8Array }> {
  const buffer = new Uint8Array(LONGEST_LINE);
  let end = 0;
  // Every method is shorter than the buffer, so there is room for another read.
  for (;;) {
    const count = await conn.read(buffer.subarray(end));
    end += count ?? 0;
    const received = buffer.subarray(0, end);
    const protocol = protocolOf(received) ?? (count === null ? "lines" : null);
    if (protocol !== null) return { protocol, received };
  }
}

/** Echoes each line, and a last one without its LF. */
async function echo(conn: Deno.TcpConn, received: Uint8Array): Promise<void> {
  const buffer = new Uint8Array(LONGEST_LINE);
  buffer.set(received);
  let end = received.length;
  for (let open = true; open;) {
    await within(LINE_MS, conn, async () => {
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
    });
  }
  await conn.closeWrite();
}

async function serveEither(conn: Deno.TcpConn): Promise<void> {
  // Closes the connection on every path; harmless if it is closed already.
  using _ = conn;
  try {
    const { protocol, received } = await within(
      SNIFF_MS,
      conn,
      () => sniff(conn),
    );
    if (protocol === "lines") return await echo(conn, received);
    if (protocol === "tls") return await writeAll(conn, TLS_ALERT);
    await serveConnection(
      conn,
      (req, res) => res.send(`${req.method} ${req.target} over HTTP\n`),
      { received },
    );
  } catch {
    // The client left, or timed out.
  }
}

const listener = Deno.listen({ port: Number(Deno.args[0] ?? 8000) });
console.log(`Listening on port ${listener.addr.port}`);
for await (const conn of connectionsOf(listener)) serveEither(conn);
