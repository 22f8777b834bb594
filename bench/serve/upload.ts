/**
 * Ten million bytes over a loopback socket, gathered into one array by the server. A
 * minimal client sends the same bytes to each server over a persistent connection.
 *
 * @module
 */

import { lengthPost } from "../inputs.ts";
import type { Work } from "../lib/work.ts";
import { Running } from "./drive.ts";
import { UPLOADS } from "./servers.ts";

const POST_10_MB = lengthPost(10_000_000);

/** A server and its client; `run` uploads once and waits for the response. */
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

/** One upload for each server, ours first. */
export async function openUploads(): Promise<Upload[]> {
  const all: Upload[] = [];
  for (const subject of Object.keys(UPLOADS)) all.push(await open(subject));
  return all;
}
