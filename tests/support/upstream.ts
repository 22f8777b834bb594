/**
 * The server behind a proxy, played by the test: raw connections, and bodies of any size.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { Example } from "./example.ts";
import { textOf } from "./bytes.ts";
import { until, within } from "./waiting.ts";

export function listen(): Deno.TcpListener {
  return Deno.listen({ hostname: "127.0.0.1", port: 0 });
}

/** An address on which nothing listens, and for now nothing else of this machine. */
export function free(): Deno.NetAddr {
  using listener = listen();
  return listener.addr;
}

/** A port that refuses connections until disposal. */
export interface RefusingPort extends Disposable {
  port: number;
}

/** Takes a port that nobody can listen on, since a connection comes from it. */
export async function refusingPort(): Promise<RefusingPort> {
  using listener = listen();
  const { hostname, port } = listener.addr;
  const conn = await Deno.connect({ hostname, port });
  return {
    port: conn.localAddr.port,
    [Symbol.dispose]: () => conn.close(),
  };
}

/**
 * Fills a backlog of 1, so that the kernel completes no further handshakes. Disposal
 * closes the connections in it.
 */
export async function fillBacklog({ addr }: Deno.TcpListener) {
  const { hostname, port } = addr;
  const waiting = new DisposableStack();
  // Linux holds one more than the backlog.
  for (const count of [1, 2]) {
    waiting.use(await Deno.connect({ hostname, port }));
    await until(() => unaccepted(addr) === count, "the connection to wait");
  }
  return waiting;
}

/** The number of connections that a listener has yet to accept; Linux. */
function unaccepted({ hostname, port }: Deno.NetAddr): number {
  const hex = (number: number, digits: number) =>
    number.toString(16).toUpperCase().padStart(digits, "0");
  const address = hostname.split(".").map((byte) => hex(Number(byte), 2))
    .reverse().join("") + `:${hex(port, 4)}`;
  const row = Deno.readTextFileSync("/proc/net/tcp").split("\n")
    .map((line) => line.trim().split(/\s+/))
    .find((cells) => cells[1] === address && cells[3] === "0A");
  return Number.parseInt(row![4]!.split(":")[1]!, 16);
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
