/**
 * Clients against scripted servers, in memory and over loopback sockets.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import {
  connect,
  type ConnectOptions,
  type HttpClient,
  Pools,
} from "@pooled/http1";
import { assertAtRest, untilAtRest } from "./at_rest.ts";
import { bytesOf, textOf } from "./bytes.ts";
import { MemoryConn, type MemoryConnOptions } from "./memory_conn.ts";
import { withoutUnhandled } from "./unhandled.ts";
import { until, within } from "./waiting.ts";

/** A client over a connection whose other end is the test. */
export interface Scripted {
  client: HttpClient;
  /** `give` sends bytes of the server, `wire` holds those of the client. */
  conn: MemoryConn;
  /** Waits until the client has sent this, after what was awaited before. */
  sent: (part: string) => Promise<void>;
  pools: Pools;
}

/** Runs a test on a client in memory; everything has to be at rest in the end. */
export function scripted(
  test: (scripted: Scripted) => Promise<void>,
  options: ConnectOptions = {},
  connOptions: MemoryConnOptions = { ends: "when told" },
): Promise<void> {
  return withoutUnhandled(async () => {
    const pools = new Pools();
    const conn = new MemoryConn([], connOptions);
    const client = connect(conn, { authority: "a", pools, ...options });
    let seen = 0;
    const sent = async (part: string) => {
      await until(
        () => conn.wire.indexOf(part, seen) >= 0,
        `${JSON.stringify(part)} in ${JSON.stringify(conn.wire.slice(seen))}`,
      );
      seen = conn.wire.indexOf(part, seen) + part.length;
    };
    await test({ client, conn, sent, pools });
    await within(client.close(), "the end of the client");
    await within(client.closed, "closed");
    await until(() => conn.closed, "the connection to close");
    assertEquals(client.state, "closed");
    conn.letGo();
    await untilAtRest(pools, assertAtRest);
  });
}

/** The server's end of a loopback connection. */
export class Peer {
  received = "";
  ended = false;
  readonly conn: Deno.Conn;
  readonly #buffer = new Uint8Array(65536);
  #seen = 0;

  constructor(conn: Deno.Conn) {
    this.conn = conn;
  }

  async send(text: string): Promise<void> {
    const bytes = bytesOf(text);
    for (let at = 0; at < bytes.length;) {
      at += await this.conn.write(bytes.subarray(at));
    }
  }

  /** Reads until `part` has come, behind the part before; returns what is before it. */
  async until(part: string): Promise<string> {
    for (;;) {
      const at = this.received.indexOf(part, this.#seen);
      if (at >= 0) {
        const before = this.received.slice(this.#seen, at);
        this.#seen = at + part.length;
        return before;
      }
      if (!await this.read()) {
        throw new Error(`${JSON.stringify(part)} did not come`);
      }
    }
  }

  async read(): Promise<boolean> {
    const count = await within(this.conn.read(this.#buffer), "client bytes");
    if (count === null) {
      this.ended = true;
      return false;
    }
    this.received += textOf(this.#buffer.subarray(0, count));
    return true;
  }

  /** Reads to the end of the input, in order or by a reset. */
  async rest(): Promise<void> {
    try {
      while (await this.read());
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    }
  }

  close(): void {
    try {
      this.conn.close();
    } catch {
      // Already closed by the test.
    }
  }
}

/** Runs a test on a client over a loopback socket; the test plays the server. */
export function withPeer(
  test: (client: HttpClient, peer: Peer) => Promise<void>,
  options: ConnectOptions = {},
): Promise<void> {
  return withoutUnhandled(async () => {
    const pools = new Pools();
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const [conn, served] = await Promise.all([
      Deno.connect({ hostname: "127.0.0.1", port }),
      listener.accept(),
    ]);
    const client = connect(conn, { pools, ...options });
    const peer = new Peer(served);
    try {
      await test(client, peer);
    } finally {
      peer.close();
    }
    await within(client.close(), "the end of the client");
    await untilAtRest(pools, assertAtRest);
  });
}

/** A client of a server on this port, closed and at rest after the test. */
export async function withClient(
  port: number,
  test: (client: HttpClient) => Promise<void>,
  options: ConnectOptions = {},
): Promise<void> {
  await withoutUnhandled(async () => {
    const pools = new Pools();
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const client = connect(conn, { pools, ...options });
    await test(client);
    await within(client.close(), "the end of the client");
    await untilAtRest(pools, assertAtRest);
  });
}

/** A response with a Content-Length. */
export function ok(body = "", fields = ""): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`;
}
