/**
 * TCP clients that send exactly the given bytes.
 *
 * @module
 */

import { connect, type Socket } from "node:net";
import { assert } from "@std/assert";
import { bytesOf, textOf } from "./bytes.ts";
import { within } from "./waiting.ts";

/** A client that sends raw bytes and collects the response bytes. */
export class RawClient implements Disposable {
  readonly conn: Deno.Conn;
  /** Everything received so far, as Latin-1. */
  received = "";
  ended = false;
  readonly #buffer = new Uint8Array(65536);

  private constructor(conn: Deno.Conn) {
    this.conn = conn;
  }

  static async connect(port: number): Promise<RawClient> {
    return new RawClient(
      await Deno.connect({ hostname: "127.0.0.1", port }),
    );
  }

  async send(text: string): Promise<void> {
    const bytes = bytesOf(text);
    for (let at = 0; at < bytes.length;) {
      at += await this.conn.write(bytes.subarray(at));
    }
  }

  /** Reads until `part` has arrived and returns everything received so far. */
  async until(part: string): Promise<string> {
    while (!this.received.includes(part)) {
      if (!await this.read()) {
        throw new Error(
          `${JSON.stringify(part)} did not come, but ${
            JSON.stringify(this.received)
          }`,
        );
      }
    }
    return this.received;
  }

  /** Reads until the server ends its output and returns everything received. */
  async rest(): Promise<string> {
    while (await this.read());
    return this.received;
  }

  /** Reads once. Returns false at the end of the input. */
  async read(): Promise<boolean> {
    const count = await within(
      this.conn.read(this.#buffer),
      "bytes from the server",
    );
    if (count === null) {
      this.ended = true;
      return false;
    }
    this.received += textOf(this.#buffer.subarray(0, count));
    return true;
  }

  [Symbol.dispose](): void {
    try {
      this.conn.close();
    } catch {
      // Already closed by the test.
    }
  }
}

/** Sends `text` on a new connection and returns the answer up to its end. */
export async function answerTo(port: number, text: string): Promise<string> {
  using client = await RawClient.connect(port);
  await client.send(text);
  return await within(client.rest(), "the end of the connection");
}

/** A client that can reset its connection (TCP RST). */
export class ResettingClient {
  received = "";
  readonly #socket;
  #wake = () => {};

  constructor(port: number, request: string) {
    this.#socket = connect(port, "127.0.0.1", () => {
      this.#socket.write(request, "latin1");
    });
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (text: string) => {
      this.received += text;
      this.#wake();
    });
    this.#socket.on("error", () => {});
  }

  /** Resolves when `part` has arrived. */
  async until(part: string): Promise<void> {
    while (!this.received.includes(part)) {
      const more = new Promise<void>((resolve) => void (this.#wake = resolve));
      await within(more, JSON.stringify(part));
    }
  }

  reset(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.on("close", () => resolve());
      this.#socket.resetAndDestroy();
    });
  }
}

/** Connects, sends `text`, awaits `wait`, and resets the connection. */
export async function reset(
  port: number,
  text = "",
  wait?: (socket: Socket) => Promise<unknown>,
): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  if (text !== "") {
    await new Promise<void>((done) => socket.write(text, () => done()));
  }
  await wait?.(socket);
  socket.resetAndDestroy();
  await new Promise((resolve) => socket.once("close", resolve));
}

/** Reads a connection to the end of its input, without closing it. */
export async function readAll(conn: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(4096);
  const decoder = new TextDecoder();
  let text = "";
  for (let count; (count = await conn.read(buffer)) !== null;) {
    text += decoder.decode(buffer.subarray(0, count));
  }
  return text;
}

/** Reads until the connection ends, in order or by a reset. */
export async function assertEnds(conn: Deno.Conn): Promise<void> {
  try {
    await readAll(conn);
  } catch (error) {
    assert(error instanceof Deno.errors.ConnectionReset, String(error));
  }
}
