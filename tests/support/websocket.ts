/**
 * A WebSocket on an upgraded connection: the server's end, and the client's.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { Duplex } from "node:stream";
import { assertEquals } from "@std/assert";
import type {
  Duplex as Streams,
  HttpRequest,
  HttpResponse,
} from "@pooled/http1";
import { Receiver, Sender } from "ws";

/** Accepts a WebSocket handshake (RFC 6455 §4.2.2) and echoes each message. */
export function echoSocket(req: HttpRequest, res: HttpResponse): void {
  const key = req.headers.get("sec-websocket-key");
  assertEquals(req.upgrade?.toLowerCase(), "websocket");
  const accept = createHash("sha1")
    .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  const pair = res.upgrade({ headers: { "sec-websocket-accept": accept } });
  const stream = nodeStream(pair);
  const sender = new Sender(stream);
  const receiver = new Receiver({ isServer: true });
  receiver.on("message", (data: Buffer, binary: boolean) => {
    sender.send(data, { binary, fin: true, mask: false, compress: false });
  });
  receiver.on("conclude", (code: number) => {
    sender.close(code, "", false, () => stream.end());
    readOn(stream, receiver);
  });
  stream.on("error", () => {});
  stream.pipe(receiver);
}

/**
 * Sends messages, waits for as many, and closes in order (RFC 6455 §7.1.2). Resolves to
 * what came, and the code of the close.
 */
export function talk(
  pair: Streams,
  messages: readonly (string | Uint8Array)[],
): Promise<{ got: (string | Uint8Array)[]; code: number }> {
  const stream = nodeStream(pair);
  const sender = new Sender(stream);
  const receiver = new Receiver({ isServer: false });
  const got: (string | Uint8Array)[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<
    { got: typeof got; code: number }
  >();
  let code = 0;
  receiver.on("message", (data: Buffer, binary: boolean) => {
    got.push(binary ? new Uint8Array(data) : data.toString());
    if (got.length === messages.length) sender.close(1000, "", true);
  });
  receiver.on("conclude", (given: number) => {
    code = given;
    stream.end();
    readOn(stream, receiver);
  });
  stream.on("end", () => resolve({ got, code }));
  stream.on("error", reject);
  stream.pipe(receiver);
  for (const message of messages) {
    const binary = typeof message !== "string";
    sender.send(message, { binary, fin: true, mask: true, compress: false });
  }
  return promise;
}

/** Reads to the end, although the receiver takes nothing after a close. */
function readOn(stream: Duplex, receiver: Receiver): void {
  stream.unpipe(receiver);
  stream.resume();
}

function nodeStream(pair: Streams): Duplex {
  return Duplex.fromWeb(pair as Parameters<typeof Duplex.fromWeb>[0]);
}
