/**
 * A forward proxy: CONNECT opens a tunnel to any host, which `Deno.serve` cannot do.
 * It listens on loopback only, because its clients can reach everything that this
 * machine can.
 *
 * `deno run -N examples/connect_proxy.ts 8000`, then
 * `curl -x http://localhost:8000 https://example.com/`.
 *
 * @module
 */

import { type Duplex, serve } from "@pooled/http1";

/** Milliseconds for an upstream to accept the connection. */
const CONNECT_MS = 10_000;
/** A tunnel is closed after this many milliseconds without a byte in either direction. */
const IDLE_MS = 300_000;

/** Connects to the target of a CONNECT: `host:port`. */
async function connect(target: string): Promise<Deno.TcpConn> {
  const colon = target.lastIndexOf(":");
  const cut = new AbortController();
  const timer = setTimeout(() => cut.abort(), CONNECT_MS);
  try {
    return await Deno.connect({
      hostname: target.slice(0, colon).replace(/^\[|\]$/g, ""),
      port: Number(target.slice(colon + 1)),
      signal: cut.signal,
    });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Forwards bytes in both directions until both have ended: either side may half-close
 * first and still read. The streams of a `Deno.Conn` close the connection when one of
 * them ends, so this reads and writes the connection directly.
 */
async function join(tunnel: Duplex, upstream: Deno.TcpConn): Promise<void> {
  const writer = tunnel.writable.getWriter();
  let moved = true;
  const cut = () => {
    upstream[Symbol.dispose]();
    writer.abort().catch(() => {});
  };
  const watch = setInterval(() => {
    if (!moved) cut();
    moved = false;
  }, IDLE_MS);
  const up = async () => {
    for await (const chunk of tunnel.readable) {
      for (let at = 0; at < chunk.length;) {
        at += await upstream.write(chunk.subarray(at));
        moved = true;
      }
    }
    await upstream.closeWrite();
  };
  const down = async () => {
    const buffer = new Uint8Array(65536);
    for (let count; (count = await upstream.read(buffer)) !== null;) {
      await writer.write(buffer.subarray(0, count));
      moved = true;
    }
    await writer.close();
  };
  try {
    await Promise.all([up(), down()]);
  } catch {
    // One side was reset, or the tunnel timed out. `cut` closes the rest.
  } finally {
    clearInterval(watch);
    cut();
  }
}

const port = Number(Deno.args[0] ?? 8000);

serve({ hostname: "127.0.0.1", port }, async (req, res) => {
  if (req.method !== "CONNECT") {
    return res.send("this proxy knows CONNECT only\n", {
      status: 405,
      headers: { allow: "CONNECT" },
    });
  }
  const { target } = req;
  let upstream: Deno.TcpConn;
  try {
    upstream = await connect(target);
  } catch (error) {
    const late = error instanceof DOMException && error.name === "AbortError";
    return res.send(`${target} cannot be reached\n`, {
      status: late ? 504 : 502,
    });
  }
  join(res.upgrade(), upstream);
});
