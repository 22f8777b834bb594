/**
 * A client connection that knows which answers it waits for, and in which order.
 *
 * @module
 */

import { bodyOf } from "./bodies.ts";

/** A response that was lost, swapped, cut or doubled. */
export class Violation extends Error {}

/** The answer that a request has to get. */
export interface Expected {
  id: string;
  status: number;
  body: string;
}

/** A response, taken apart. */
export interface Answer {
  status: number;
  fields: Map<string, string>;
  body: string;
}

/** How long a client waits for bytes. */
const PATIENCE = 30_000;

const encoder = new TextEncoder();

/** One connection to the server. */
export class Peer implements Disposable {
  /** Answers that were checked, on all connections. */
  static checked = 0;
  readonly #conn: Deno.Conn;
  readonly #waiting: Expected[] = [];
  readonly #into = new Uint8Array(65536);
  // A byte is a character, as Content-Length counts.
  readonly #decoder = new TextDecoder("latin1");
  #text = "";

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  static async connect(port: number): Promise<Peer> {
    return new Peer(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  async send(text: string): Promise<void> {
    const bytes = encoder.encode(text);
    for (let at = 0; at < bytes.length;) {
      at += await this.#conn.write(bytes.subarray(at));
    }
  }

  /** Notes that the request that is about to be sent gets this answer. */
  expect(id: string, body: string, status = 200): void {
    this.#waiting.push({ id, body, status });
  }

  /** Reads once. Gives false at the end of the connection. */
  async read(): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Violation(`nothing came; ${this.#state()}`)),
        PATIENCE,
      );
    });
    const read = this.#conn.read(this.#into);
    read.catch(() => {});
    try {
      const count = await Promise.race([read, late]);
      if (count === null) return false;
      this.#text += this.#decoder.decode(this.#into.subarray(0, count), {
        stream: true,
      });
      return true;
    } finally {
      clearTimeout(timer);
    }
  }

  /** What came and was not taken yet. */
  get text(): string {
    return this.#text;
  }

  /** The next `count` characters. */
  async take(count: number): Promise<string> {
    const parts: string[] = [];
    while (this.#text.length < count) {
      count -= this.#text.length;
      parts.push(this.#text);
      this.#text = "";
      await this.#readOn();
    }
    parts.push(this.#text.slice(0, count));
    this.#text = this.#text.slice(count);
    return parts.join("");
  }

  /** The text up to `end`, which is taken as well. */
  async takeUntil(end: string): Promise<string> {
    let at: number;
    while ((at = this.#text.indexOf(end)) < 0) await this.#readOn();
    const text = this.#text.slice(0, at);
    this.#text = this.#text.slice(at + end.length);
    return text;
  }

  async #readOn(): Promise<void> {
    let came: boolean;
    try {
      came = await this.read();
    } catch (error) {
      if (error instanceof Violation) throw error;
      throw new Violation(`the connection failed: ${error}; ${this.#state()}`);
    }
    if (!came) throw new Violation(`the connection ended; ${this.#state()}`);
  }

  #state(): string {
    const ids = this.#waiting.map(({ id }) => id).join(", ");
    return `waiting for [${ids}], got ${
      JSON.stringify(this.#text.slice(0, 300))
    }`;
  }

  /** The head of the next response. */
  async head(): Promise<Answer> {
    const [line, ...lines] = (await this.takeUntil("\r\n\r\n")).split("\r\n");
    const status = Number(line!.match(/^HTTP\/1\.1 (\d{3}) /)?.[1]);
    if (!(status >= 100)) throw new Violation(`${line} is no status line`);
    const fields = new Map<string, string>();
    for (const text of lines) {
      const at = text.indexOf(": ");
      const name = text.slice(0, at).toLowerCase();
      if (at < 1 || fields.has(name)) throw new Violation(`field line ${text}`);
      fields.set(name, text.slice(at + 2));
    }
    return { status, fields, body: "" };
  }

  /** The next final response. */
  async answer(): Promise<Answer> {
    let answer = await this.head();
    while (answer.status === 100) answer = await this.head();
    const length = answer.fields.get("content-length");
    if (length !== undefined) answer.body = await this.take(Number(length));
    else if (answer.fields.get("transfer-encoding") === "chunked") {
      answer.body = await this.#chunks(answer);
    } else throw new Violation(`no framing of a ${answer.status}`);
    return answer;
  }

  async #chunks(answer: Answer): Promise<string> {
    const chunks: string[] = [];
    for (;;) {
      const line = await this.takeUntil("\r\n");
      if (!/^[0-9a-f]+$/.test(line)) throw new Violation(`chunk size ${line}`);
      const size = parseInt(line, 16);
      if (size === 0) break;
      chunks.push(await this.take(size));
      if (await this.take(2) !== "\r\n") throw new Violation("end of a chunk");
    }
    for (let line; (line = await this.takeUntil("\r\n")) !== "";) {
      if (line !== `x-id: ${answer.fields.get("x-id")}`) {
        throw new Violation(`trailer ${line}`);
      }
    }
    return chunks.join("");
  }

  /** Reads the answer to the oldest request that waits for one, and checks it. */
  async check(): Promise<void> {
    const { id, status, body } = this.#waiting[0]!;
    const answer = await this.answer();
    const wrong = answer.status !== status
      ? `status ${answer.status}`
      : answer.fields.get("x-id") !== id
      ? `X-Id ${answer.fields.get("x-id")}`
      : answer.body !== body
      ? differenceOf(answer.body, body)
      : null;
    if (wrong !== null) throw new Violation(`${id} got ${wrong}`);
    this.#waiting.shift();
    Peer.checked++;
  }

  /** Checks the answers to all requests so far. */
  async checkAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.check();
    if (this.#text !== "") {
      throw new Violation(`more than asked for: ${this.#state()}`);
    }
  }

  /** Reads to the end of the connection, where nothing more may come. */
  async checkEnd(): Promise<void> {
    if (await this.read() || this.#text !== "") {
      throw new Violation(`more than the last response: ${this.#state()}`);
    }
  }

  /** Reads to the end of the connection, which may be a reset. */
  async untilGone(): Promise<void> {
    try {
      while (await this.read()) this.#text = "";
    } catch (error) {
      if (error instanceof Violation) throw error;
    }
  }

  /** Ends the output: the server sees the end of its input. */
  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  /** Closes the connection: with bytes unread, the system resets it. */
  [Symbol.dispose](): void {
    this.#conn.close();
  }
}

/** Where a body differs from the expected one. */
function differenceOf(body: string, expected: string): string {
  let at = 0;
  while (at < body.length && body[at] === expected[at]) at++;
  return `a body of ${body.length} bytes instead of ${expected.length}, ` +
    `which differs from byte ${at} on: ${
      JSON.stringify(body.slice(at, at + 60))
    }`;
}

/** The body that `id` asks for, as JSON text. */
export function jsonOf(id: string, size: number): string {
  return JSON.stringify(bodyOf(id, size));
}
