/**
 * A client of one TCP connection: writes requests as text, and reads the responses by
 * `readResponses`.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Pools, readResponses, type ReceivedResponse } from "@pooled/http1";
import { assertAtRest } from "./at_rest.ts";
import { bytesOf } from "./bytes.ts";
import { within } from "./waiting.ts";

/** What a request has beside its target. */
export interface Asked {
  method?: string;
  /** Field lines beside Host, and Content-Length where there is a body. */
  headers?: Record<string, string>;
  body?: string;
}

/** The text of a request. */
export function requestText(
  target: string,
  { method = "GET", headers = {}, body }: Asked = {},
): string {
  const fields = { host: "localhost", ...headers };
  const lines = Object.entries(fields).map(([name, value]) =>
    `${name}: ${value}\r\n`
  );
  if (body !== undefined) lines.push(`content-length: ${body.length}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n${body ?? ""}`;
}

/** A client of one connection. Disposal closes it and checks its pools. */
export class SocketClient implements AsyncDisposable {
  readonly conn: Deno.TcpConn;
  readonly pools: Pools;
  /** The interim responses so far. */
  readonly interim: number[] = [];
  readonly #methods: string[] = [];
  readonly #responses: AsyncIterator<ReceivedResponse>;

  private constructor(conn: Deno.TcpConn) {
    this.conn = conn;
    this.pools = new Pools();
    this.#responses = readResponses(conn.readable, {
      method: () => this.#methods.shift()!,
      pools: this.pools,
    })[Symbol.asyncIterator]();
  }

  static async connect(port: number): Promise<SocketClient> {
    return new SocketClient(
      await Deno.connect({ hostname: "127.0.0.1", port }),
    );
  }

  /** Sends text as it is. */
  async send(text: string): Promise<void> {
    const bytes = bytesOf(text);
    for (let at = 0; at < bytes.length;) {
      at += await this.conn.write(bytes.subarray(at));
    }
  }

  /** The next response to a request of this method, interim ones included. */
  async any(method = "GET"): Promise<ReceivedResponse> {
    this.#methods.push(method);
    const read = this.#responses.next();
    const { done, value } = await within(read, "a response");
    if (done) throw new Error("the connection ended without a response");
    if (value.status < 200 && value.status !== 101) this.#methods.length = 0;
    return value;
  }

  /** The next final response to a request of this method. */
  async response(method = "GET"): Promise<ReceivedResponse> {
    for (;;) {
      const response = await this.any(method);
      if (response.status >= 200 || response.status === 101) return response;
      this.interim.push(response.status);
      response.release();
    }
  }

  /** Sends a request and waits for its final response. */
  async request(target: string, asked: Asked = {}): Promise<ReceivedResponse> {
    await this.send(requestText(target, asked));
    return await this.response(asked.method);
  }

  /** Half-closes, unless the server has closed the connection already. */
  async endInput(): Promise<void> {
    try {
      await this.conn.closeWrite();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  /** Waits for the end of the responses. */
  async end(): Promise<void> {
    const { done } = await within(this.#responses.next(), "the end");
    assertEquals(done, true, "another response came");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#responses.return?.();
    try {
      this.conn.close();
    } catch {
      // The end of the responses has closed it.
    }
    assertAtRest(this.pools);
  }
}
