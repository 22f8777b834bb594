/**
 * Ten million bytes over a loopback socket, gathered into one array by the server: a
 * client that knows no more HTTP than it needs sends the same bytes to each server,
 * over a connection that stays.
 *
 * @module
 */

import { POST_10_MB } from "../lib/cases.ts";
import type { Work } from "../lib/work.ts";
import { Running } from "./drive.ts";
import { UPLOADS } from "./servers.ts";

/** A server with a client; `run` uploads once and waits for the answer. */
export interface Upload extends Work {
  subject: string;
  close(): void;
}

async function open(subject: string): Promise<Upload> {
  const server = await Running.start(subject, "upload");
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const buffer = new Uint8Array(4096);
  const decoder = new TextDecoder();
  const run = async () => {
    for (let at = 0; at < POST_10_MB.length;) {
      at += await conn.write(POST_10_MB.subarray(at));
    }
    let answer = "";
    while (!answer.endsWith("10000000")) {
      const count = await conn.read(buffer);
      if (count === null) throw new Error(`${subject} answered ${answer}`);
      answer += decoder.decode(buffer.subarray(0, count));
    }
  };
  const close = () => {
    conn.close();
    server.kill();
  };
  return { subject, promises: true, run, close };
}

/** One for each server, ours first. */
export async function openUploads(): Promise<Upload[]> {
  const all: Upload[] = [];
  for (const subject of Object.keys(UPLOADS)) all.push(await open(subject));
  return all;
}
