/**
 * Servers as targets: each input is sent over a connection of its own, and the server's
 * application takes down what it was given there.
 *
 * @module
 */

import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { serve } from "@pooled/http1";
import { textOf } from "../../support/bytes.ts";
import type { Message, Peer } from "../verdict.ts";

/** Milliseconds without a byte from the server after which it is left. */
const SILENCE = 60;

/** A message that an application was given; `body` once it has read it. */
interface Note {
  method: string;
  target: string;
  body: Uint8Array | null;
}

/** What an application took down, in the order of the requests, by the port of the client. */
class Notes {
  readonly #notes = new Map<number, Note[]>();

  /** Takes a request down before its body: a server may begin several at once. */
  begin(port: number, method: string, target: string): Note {
    const note: Note = { method, target, body: null };
    const all = this.#notes.get(port);
    if (all === undefined) this.#notes.set(port, [note]);
    else all.push(note);
    return note;
  }

  /** The messages up to the first whose body was not read. */
  take(port: number): Message[] {
    const notes = this.#notes.get(port) ?? [];
    this.#notes.delete(port);
    const messages: Message[] = [];
    for (const { method, target, body } of notes) {
      if (body === null) break;
      messages.push({
        ...{ method, target, body: textOf(body) },
        ...{ keepAlive: null, switched: false },
      });
    }
    return messages;
  }
}

/** A server that runs until it is disposed of. */
export interface ServerPeer extends Peer, AsyncDisposable {
  run(wire: Uint8Array<ArrayBuffer>): ReturnType<typeof talk>;
}

function peerOf(
  name: string,
  port: number,
  notes: Notes,
  close: () => Promise<void>,
): ServerPeer {
  return {
    name,
    run: (wire) => talk(port, wire, notes),
    [Symbol.asyncDispose]: close,
  };
}

/** This project's server, `Deno.serve` and `node:http`. */
export async function servers(): Promise<ServerPeer[]> {
  return [ours(), denoServe(), await nodeHttp()];
}

function ours(): ServerPeer {
  const notes = new Notes();
  const server = serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {}, onError: () => {} },
    async (req, res, { remoteAddr }) => {
      const { port } = remoteAddr;
      const note = notes.begin(port, req.method, req.target);
      note.body = await req.bytes();
      res.send("taken");
    },
  );
  const { port } = server.addr;
  return peerOf("this server", port, notes, () => server.shutdown());
}

function denoServe(): ServerPeer {
  const notes = new Notes();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request, { remoteAddr }) => {
      const target = request.url.replace(/^[a-z]+:\/\/[^/?]*/i, "");
      const note = notes.begin(remoteAddr.port, request.method, target);
      note.body = await request.bytes();
      return new Response("taken");
    },
  );
  return peerOf("Deno.serve", server.addr.port, notes, () => server.shutdown());
}

async function nodeHttp(): Promise<ServerPeer> {
  const notes = new Notes();
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { method, url, socket } = request;
    const port = (socket as Socket).remotePort ?? 0;
    const note = notes.begin(port, method!, url!);
    const chunks: Uint8Array[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return;
    }
    note.body = await new Blob(chunks as BlobPart[]).bytes();
    response.end("taken");
  };
  const server: Server = createServer(answer);
  // Else it answers such requests itself.
  server.on("checkExpectation", answer);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve());
  });
  const { port } = server.address() as AddressInfo;
  return peerOf("node:http", port, notes, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
}

/** Sends an input and reads until the server closes or falls silent. */
async function talk(port: number, wire: Uint8Array, notes: Notes) {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const { port: client } = conn.localAddr as Deno.NetAddr;
  let text = "";
  try {
    const buffer = new Uint8Array(65_536);
    const writing = (async () => {
      for (let at = 0; at < wire.length;) {
        at += await conn.write(wire.subarray(at));
      }
    })();
    writing.catch(() => {});
    for (;;) {
      const silence = Promise.withResolvers<null>();
      const timer = setTimeout(() => silence.resolve(null), SILENCE);
      const reading = conn.read(buffer);
      reading.catch(() => {});
      const count = await Promise.race([reading, silence.promise])
        .finally(() => clearTimeout(timer));
      if (count === null) break;
      text += textOf(buffer.subarray(0, count));
    }
  } catch {
    // A reset is an end as well.
  } finally {
    conn.close();
  }
  const isRefused = /HTTP\/1\.1 (?:4|5)\d\d /.test(text);
  return {
    messages: notes.take(client),
    end: isRefused ? "refused" as const : "waiting" as const,
    code: text.match(/HTTP\/1\.1 ([45]\d\d)/)?.[1] ?? "",
    at: -1,
  };
}
