/**
 * The ways in which the rude server of the soak answers: whole but slowly, wrong, cut,
 * late, or not at all.
 *
 * @module
 */

import { bodyOf } from "./bodies.ts";
import type { Random } from "./random.ts";

/** One request of a client, and its connection. */
export interface Turn {
  conn: Deno.Conn;
  random: Random;
  id: string;
  size: number;
  /** Sends text, in pieces where `pieces` is more than 1. */
  send(text: string, pieces?: number): Promise<void>;
  /** Reads and drops what the client sends, up to its end. */
  untilGone(): Promise<void>;
}

/** What becomes of the connection after an answer. */
type Next = "stay" | "close";

const pause = (milliseconds: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** The head of a response with the id of its request. */
function head({ id }: Turn, ...lines: string[]): string {
  return ["HTTP/1.1 200 OK", `X-Id: ${id}`, ...lines, "", ""].join("\r\n");
}

function whole(turn: Turn, ...lines: string[]): string {
  const { id, size } = turn;
  return head(turn, ...lines, `Content-Length: ${size}`) + bodyOf(id, size);
}

function inChunks({ id, size, random }: Turn): string {
  const body = bodyOf(id, size);
  const chunks = size === 0 ? [] : random.pieces(body, 6);
  return chunks.map((c) => `${c.length.toString(16)}\r\n${c}\r\n`).join("");
}

const CHUNKED = "Transfer-Encoding: chunked";

const GARBAGE = [
  "HTTP/1.1 OK\r\n\r\n",
  "HTTP/1.1 0200 OK\r\n\r\n",
  "HTTP/1.1 200 OK\nX: y\n\n",
  "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
  "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
  "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
  "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "<html>no HTTP at all</html>\r\n\r\n",
  "\0\0\0\0\0\0\0\0",
];

/** What may follow a whole response although nothing was asked. */
const SURPLUS = [
  "surplus",
  "\r\n",
  "HTTP/1.1 200 OK\r\nX-Id: unasked\r\nContent-Length: 7\r\n\r\nunasked",
  "HTTP/1.1 408 Request Timeout\r\nX-Id: unasked\r\nContent-Length: 0\r\n\r\n",
];

/** Sends a head without its end. */
async function sendPartOfHead(turn: Turn): Promise<void> {
  const text = head(turn, "Content-Length: 3");
  await turn.send(text.slice(0, turn.random.integer(1, text.length - 1)));
}

/** Each answer by the name that a client asks for. */
export const ANSWERS: Record<string, (turn: Turn) => Promise<Next>> = {
  async trickle(turn) {
    await turn.send(whole(turn), 12);
    return "stay";
  },
  async chunks(turn) {
    const end = "0\r\nX-End: yes\r\n\r\n";
    await turn.send(head(turn, CHUNKED) + inChunks(turn) + end, 12);
    return "stay";
  },
  async interims(turn) {
    const hints = `HTTP/1.1 103 Early Hints\r\nX-Id: ${turn.id}\r\n\r\n`
      .repeat(turn.random.integer(0, 32));
    await turn.send(hints + whole(turn), 4);
    return "stay";
  },
  async last(turn) {
    await turn.send(whole(turn, "Connection: close"), 3);
    return "close";
  },
  async untilClose(turn) {
    await turn.send(head(turn) + bodyOf(turn.id, turn.size), 3);
    return "close";
  },
  /** Closes while the connection is idle, without notice. */
  async idleClose(turn) {
    await turn.send(whole(turn));
    return "close";
  },
  async surplus(turn) {
    await turn.send(whole(turn) + turn.random.pick(SURPLUS));
    await turn.untilGone();
    return "close";
  },
  /** Closes with bytes of the client unread, which resets the connection. */
  async reset({ random }) {
    await pause(random.integer(0, 5));
    return "close";
  },
  async resetInHead(turn) {
    await sendPartOfHead(turn);
    return "close";
  },
  async resetInBody(turn) {
    const text = whole(turn);
    await turn.send(text.slice(0, text.length - 1 - (turn.size >> 1)));
    return "close";
  },
  async silent(turn) {
    await turn.untilGone();
    return "close";
  },
  async halfHead(turn) {
    await sendPartOfHead(turn);
    return "close";
  },
  async stallInHead(turn) {
    await sendPartOfHead(turn);
    await turn.untilGone();
    return "close";
  },
  async cut(turn) {
    await turn.send(whole(turn).slice(0, -1 - (turn.size >> 1)));
    return "close";
  },
  async cutInChunks(turn) {
    await turn.send(head(turn, CHUNKED) + inChunks(turn));
    return "close";
  },
  async stallInBody(turn) {
    await turn.send(whole(turn).slice(0, -1 - (turn.size >> 1)));
    await turn.untilGone();
    return "close";
  },
  async badChunk(turn) {
    const bad = turn.random.pick([
      "x\r\n",
      "3\r\nabcd\r\n",
      "0\r\n : \r\n\r\n",
    ]);
    await turn.send(head(turn, CHUNKED) + inChunks(turn) + bad);
    await turn.untilGone();
    return "close";
  },
  async garbage(turn) {
    await turn.send(turn.random.pick(GARBAGE));
    await turn.untilGone();
    return "close";
  },
  async unaskedUpgrade(turn) {
    await turn.send(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" +
        "Upgrade: x\r\n\r\nbytes",
    );
    await turn.untilGone();
    return "close";
  },
  async interimFlood(turn) {
    const hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    for (;;) await turn.send(hint.repeat(100));
  },
  async headFlood(turn) {
    await turn.send("HTTP/1.1 200 OK\r\n");
    for (let i = 0;; i++) await turn.send(`X-${i}: ${"v".repeat(200)}\r\n`);
  },
  async bodyFlood(turn) {
    await turn.send(head(turn));
    for (;;) await turn.send(bodyOf(turn.id, 20_000));
  },
  /** Answers, and goes on to read the body of the request, or leaves it. */
  async early(turn) {
    await turn.send(whole(turn), 3);
    if (turn.random.chance(0.5)) await turn.untilGone();
    return "close";
  },
  /** Reads nothing of a long body. */
  async notReading() {
    await pause(6000);
    return "close";
  },
  /** Agrees to an upgrade, sends the body, and leaves in one of the ways. */
  async upgrade(turn) {
    await turn.send(
      `HTTP/1.1 101 Switching Protocols\r\nX-Id: ${turn.id}\r\n` +
        "Connection: Upgrade\r\nUpgrade: rude\r\n\r\n" +
        bodyOf(turn.id, turn.size),
      3,
    );
    if (turn.random.chance(0.3)) await turn.untilGone();
    return "close";
  },
};
