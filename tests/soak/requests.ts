/**
 * The requests of the clients, each with the answer it has to get.
 *
 * @module
 */

import { bodyOf } from "./bodies.ts";
import { type Expected, jsonOf } from "./peer.ts";
import type { Random } from "./random.ts";

/** A request, and its answer. */
export interface Planned extends Expected {
  method: string;
  target: string;
  lines: [name: string, value: string][];
  /** The body of the request. */
  content: string | null;
}

const SIZES = [0, 1, 13, 200, 2000, 9000, 40_000, 150_000] as const;

/** A size of a body; most are small. */
export function sizeOf(random: Random): number {
  return random.pick(random.chance(0.8) ? SIZES.slice(0, 5) : SIZES);
}

/** A head with the fields of `lines`. */
export function head(
  method: string,
  target: string,
  ...lines: string[]
): string {
  return [`${method} ${target} HTTP/1.1`, "Host: soak", ...lines, "", ""]
    .join("\r\n");
}

/** A body in chunks. */
export function chunked(random: Random, body: string): string {
  const chunks = body === "" ? [] : random.pieces(body, 8);
  return chunks.map((c) => `${c.length.toString(16)}\r\n${c}\r\n`).join("") +
    "0\r\n\r\n";
}

const READS = ["text", "bytes", "later", "json", "stream", "trailers"];
const FETCH_READS = ["text", "stream"];
const UPLOADS = ["echo", "pipe", "ignore"];
const FETCH_UPLOADS = ["echo", "pipe"];

function routeOf(random: Random, own: string[], fetch: string[]): string {
  return random.chance(0.3)
    ? `/fetch/${random.pick(fetch)}`
    : `/${random.pick(own)}`;
}

/** A GET; a few have a handler that fails on purpose. */
function download(random: Random, id: string): Planned {
  const plan = { id, method: "GET", lines: [], content: null };
  if (random.chance(0.03)) {
    const prefix = random.chance(0.5) ? "/fetch" : "";
    return { ...plan, status: 500, body: id, target: `${prefix}/fail/${id}` };
  }
  const size = sizeOf(random);
  const route = routeOf(random, READS, FETCH_READS);
  const body = route === "/json" ? jsonOf(id, size) : bodyOf(id, size);
  // Field lines that differ from one request to the next miss the head cache.
  const lines: [string, string][] = random.chance(0.5)
    ? []
    : [["X-Filler", "f".repeat(random.integer(0, 300))]];
  const target = `${route}/${id}/${size}`;
  return { ...plan, status: 200, body, target, lines };
}

/** A POST. */
function upload(random: Random, id: string): Planned {
  const size = sizeOf(random);
  const route = routeOf(random, UPLOADS, FETCH_UPLOADS);
  const content = bodyOf(id, size);
  return {
    ...{ id, status: 200, body: content },
    ...{ method: "POST", target: `${route}/${id}/${size}`, lines: [], content },
  };
}

/** Any request that leaves the connection open. */
export function anyRequest(random: Random, id: string): Planned {
  return random.chance(0.3) ? upload(random, id) : download(random, id);
}

/** A request as it stands on the wire; a body has a length, or comes in chunks. */
export function wireOf(
  random: Random,
  { method, target, lines, content }: Planned,
): string {
  const fields = lines.map(([name, value]) => `${name}: ${value}`);
  if (content === null) return head(method, target, ...fields);
  // The server closes after a body in chunks that its handler left unread.
  return random.chance(0.5) || target.startsWith("/ignore")
    ? head(method, target, ...fields, `Content-Length: ${content.length}`) +
      content
    : head(method, target, ...fields, "Transfer-Encoding: chunked") +
      chunked(random, content);
}
