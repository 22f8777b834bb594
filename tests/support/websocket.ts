/**
 * A WebSocket server on an upgraded connection.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { Duplex } from "node:stream";
import { assertEquals } from "@std/assert";
import type { HttpRequest, HttpResponse } from "@pooled/http1";
import { Receiver, Sender } from "ws";

/** Accepts a WebSocket handshake (RFC 6455 §4.2.2) and echoes each message. */
export function echoSocket(req: HttpRequest, res: HttpResponse): void {
  const key = req.headers.get("sec-websocket-key");
  assertEquals(req.upgrade?.toLowerCase(), "websocket");
  const accept = createHash("sha1")
    .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  const pair = res.upgrade({ headers: { "sec-websocket-accept": accept } });
  const stream = Duplex.fromWeb(pair as Parameters<typeof Duplex.fromWeb>[0]);
  const sender = new Sender(stream);
  const receiver = new Receiver({ isServer: true });
  receiver.on("message", (data: Buffer, binary: boolean) => {
    sender.send(data, { binary, fin: true, mask: false, compress: false });
  });
  receiver.on("conclude", (code: number) => {
    sender.close(code, "", false, () => stream.end());
  });
  stream.on("error", () => {});
  stream.pipe(receiver);
}
