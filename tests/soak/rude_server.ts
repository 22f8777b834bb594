/**
 * The rude server of the soak: a raw TCP server whose requests name the way in which it
 * answers: `/way/id/size`.
 *
 * @module
 */

import { Random } from "./random.ts";
import type { RudeSample } from "./report.ts";
import { report, tellStarted, waitFor } from "./reporting.ts";
import { ANSWERS, type Turn } from "./rude_answers.ts";

/** How long the server waits at the end for its clients to leave. */
const REST_MS = 10_000;

/** Ways in which the body of the request stays unread. */
const UNREAD = new Set([
  ...["reset", "resetInHead", "resetInBody", "early", "notReading"],
]);

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");
let openConnections = 0;

/** One connection: its text so far, and what it reads. */
class RudeConn {
  readonly conn: Deno.Conn;
  readonly #random: Random;
  readonly #into = new Uint8Array(16_384);
  #text = "";

  constructor(conn: Deno.Conn, random: Random) {
    this.conn = conn;
    this.#random = random;
  }

  async #read(): Promise<boolean> {
    const count = await this.conn.read(this.#into);
    if (count === null) return false;
    this.#text += decoder.decode(this.#into.subarray(0, count));
    return true;
  }

  async #send(text: string, pieces = 1): Promise<void> {
    for (const piece of this.#random.pieces(text, pieces)) {
      const bytes = encoder.encode(piece);
      for (let at = 0; at < bytes.length;) {
        at += await this.conn.write(bytes.subarray(at));
      }
      if (pieces > 1 && this.#random.chance(0.5)) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  }

  /** The next request, with its body unless it stays unread; `null` at the end. */
  async next(): Promise<{ way: string; turn: Turn } | null> {
    let end: number;
    while ((end = this.#text.indexOf("\r\n\r\n")) < 0) {
      if (!await this.#read()) return null;
    }
    const head = this.#text.slice(0, end);
    const [, way = "", id = "", size = "0"] = head.split(" ")[1]!.split("/");
    this.#text = this.#text.slice(end + 4);
    const length = Number(head.match(/content-length: (\d+)/i)?.[1] ?? 0);
    if (!UNREAD.has(way)) {
      while (this.#text.length < length) if (!await this.#read()) return null;
      this.#text = this.#text.slice(length);
    }
    const turn = {
      ...{ conn: this.conn, random: this.#random, id, size: Number(size) },
      send: (text: string, pieces?: number) => this.#send(text, pieces),
      untilGone: async () => {
        while (await this.#read()) this.#text = "";
      },
    };
    return { way, turn };
  }
}

async function serve(conn: Deno.Conn, random: Random): Promise<void> {
  openConnections++;
  try {
    const rude = new RudeConn(conn, random);
    for (let next; (next = await rude.next()) !== null;) {
      const { way, turn } = next;
      if (await ANSWERS[way]!(turn) === "stay") continue;
      if (UNREAD.has(way)) break;
      // Requests that lie unread would turn the close into a reset.
      await conn.closeWrite();
      await turn.untilGone();
      break;
    }
  } catch (error) {
    // The client has reset the connection, or closed it while this one wrote.
    if (!isGone(error)) throw error;
  } finally {
    conn.close();
    openConnections--;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionAborted;
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
tellStarted((listener.addr as Deno.NetAddr).port);

async function accept(): Promise<void> {
  const seed = Number(Deno.args[0]);
  let number = 0;
  for await (const conn of listener) serve(conn, new Random(seed + number++));
}
accept();

await report<RudeSample>(
  () => ({ openConnections }),
  () => waitFor(() => openConnections === 0, REST_MS),
);
