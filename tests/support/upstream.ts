/**
 * The server behind a proxy, played by the test: raw connections, and bodies of any size.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { Example } from "./example.ts";
import { textOf } from "./bytes.ts";
import { within } from "./waiting.ts";

export function listen(): Deno.TcpListener {
  return Deno.listen({ hostname: "127.0.0.1", port: 0 });
}

/** An address on which nothing listens. */
export function free(): Deno.NetAddr {
  using listener = listen();
  return listener.addr;
}

/**
 * Fills the backlog of a listener, so that the kernel completes no further handshakes.
 * Disposal closes the connections in it.
 */
export async function fillBacklog({ addr }: Deno.TcpListener) {
  const waiting = new DisposableStack();
  for (;;) {
    const { hostname, port } = addr;
    const signal = AbortSignal.timeout(300);
    const conn = await Deno.connect({ hostname, port, signal })
      .catch(() => null);
    if (conn === null) return waiting;
    waiting.use(conn);
  }
}

/** Accepts one connection and reads a head. */
export async function head(listener: Deno.Listener) {
  const conn = await within(listener.accept(), "the proxy");
  const buffer = new Uint8Array(4096);
  let text = "";
  while (!text.includes("\r\n\r\n")) {
    const count = await within(conn.read(buffer), "a head");
    assert(count !== null, text);
    text += textOf(buffer.subarray(0, count));
  }
  return { conn, text };
}

/** Resident memory of a process in bytes, now and at its highest. */
export function resident({ process }: Example): { now: number; most: number } {
  const status = Deno.readTextFileSync(`/proc/${process.pid}/status`);
  const bytes = (name: string) =>
    Number(status.match(RegExp(`${name}:\\s+(\\d+)`))![1]) * 1024;
  return { now: bytes("VmRSS"), most: bytes("VmHWM") };
}

/** `size` bytes, a chunk at each pull. */
export function zeros(size: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunk = new Uint8Array(65536);
  let left = size;
  return new ReadableStream({
    pull(controller) {
      if (left === 0) return controller.close();
      const part = chunk.subarray(0, Math.min(left, chunk.length));
      left -= part.length;
      controller.enqueue(part);
    },
  });
}

/** The number of bytes in a stream. */
export async function count(
  stream: ReadableStream<Uint8Array>,
): Promise<number> {
  let sum = 0;
  for await (const chunk of stream) sum += chunk.length;
  return sum;
}
