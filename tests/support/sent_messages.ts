/**
 * Messages of the model-based tests: what was sent, where each part of it lies in the
 * input, and what has to be read from it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { HttpMessage, HttpRequest, ReceivedResponse } from "@pooled/http1";
import fc from "fast-check";

/** How the body of a message is framed, or where the message is at fault. */
const FRAMINGS = [
  "none",
  "length",
  "chunks",
  "trailers",
  "bad head",
  "bad chunk",
] as const;

/** A message before it has its place in an input. */
export interface Draft {
  framing: typeof FRAMINGS[number];
  method: "GET" | "POST" | "PURGE";
  /** Field lines besides those that every message has. */
  more: number;
  size: number;
  /** Whether the head is the same as that of all others like it. */
  repeats: boolean;
}

/** A message with its place in the input of one parser. */
export interface Sent extends Draft {
  target: string;
  fields: [string, string][];
  body: string;
  wire: string;
  /** Offsets in the input: of the head, of the body, and of what follows. */
  start: number;
  headEnd: number;
  end: number;
}

/** Messages of all framings; faults are rare, as nothing follows them. */
export const draft: fc.Arbitrary<Draft> = fc.record({
  framing: fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...FRAMINGS.slice(0, 4)) },
    { weight: 1, arbitrary: fc.constantFrom(...FRAMINGS.slice(4)) },
  ),
  method: fc.constantFrom("GET", "POST", "PURGE"),
  // Forty do not fit the table that a request has of its own.
  more: fc.constantFrom(0, 0, 0, 1, 5, 40),
  // Bodies for each size of slab, and for reads past the window.
  size: fc.constantFrom(0, 1, 30, 700, 3000, 20_000, 80_000),
  repeats: fc.boolean(),
});

/** Sends a draft: the `id`th message, at offset `start` of its input. */
export function send(
  draft: Draft,
  id: number,
  start: number,
  extra: [string, string][] = [],
): Sent {
  const { framing, method, more, size } = draft;
  const name = draft.repeats ? "same" : `${id}`;
  const fields: [string, string][] = [["Host", name], ["X-Id", name]];
  fields.push(...extra);
  for (let i = 0; i < more; i++) fields.push([`X-Field-${i}`, `${name} ${i}`]);
  const body = framing === "none" ? "" : `<${id}>`.repeat(size).slice(0, size);
  if (framing === "length") fields.push(["Content-Length", `${size}`]);
  else if (framing !== "none" && framing !== "bad head") {
    fields.push(["Transfer-Encoding", "chunked"]);
  }
  const target = `/${name}?q=${name}`;
  const gap = framing === "bad head" ? "  " : " ";
  const line = `${method}${gap}${target} HTTP/1.1`;
  return place({ ...draft, target, fields, body }, line, id, start);
}

/** Sends a draft as a response, whose reason is what the target is of a request. */
export function sendResponse(draft: Draft, id: number, start: number): Sent {
  const { framing, target, fields, body } = send(draft, id, start);
  const gap = framing === "bad head" ? "  " : " ";
  const status = framing === "none" ? 204 : 200;
  const line = `HTTP/1.1${gap}${status} ${target}`;
  return place({ ...draft, target, fields, body }, line, id, start);
}

function place(
  message: Omit<Sent, "wire" | "start" | "headEnd" | "end">,
  line: string,
  id: number,
  start: number,
): Sent {
  const head = `${line}\r\n${
    message.fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")
  }\r\n`;
  const wire = head + framed(message, message.body, id);
  return {
    ...message,
    wire,
    start,
    headEnd: start + head.length,
    end: start + wire.length,
  };
}

function framed({ framing }: Draft, body: string, id: number): string {
  if (framing === "length") return body;
  if (framing === "none" || framing === "bad head") return "";
  let wire = "";
  // Small chunks are moved together, large ones are not.
  for (let at = 0, size = 1; at < body.length; at += size, size *= 7) {
    const chunk = body.slice(at, at + size);
    wire += `${chunk.length.toString(16)}\r\n${chunk}\r\n`;
  }
  if (framing === "bad chunk") return `${wire}no size\r\n`;
  const trailers = framing === "trailers" ? `X-Trailer: ${id}\r\n` : "";
  return `${wire}0\r\n${trailers}\r\n`;
}

/** Asserts that a request reads exactly as it was sent. */
export function assertReads(request: HttpRequest, sent: Sent): void {
  assertEquals(request.released, false);
  assertEquals(request.method, sent.method);
  assertEquals(request.target, sent.target);
  assertEquals(request.path, sent.target.split("?")[0]);
  assertEquals(request.query, sent.target.split("?")[1]);
  assertFields(request, sent);
}

/** Asserts the same of a response. */
export function assertResponseReads(
  response: ReceivedResponse,
  sent: Sent,
): void {
  assertEquals(response.released, false);
  assertEquals(response.status, sent.framing === "none" ? 204 : 200);
  assertEquals(response.statusText, sent.target);
  assertFields(response, sent);
}

function assertFields(message: HttpMessage, sent: Sent): void {
  assertEquals([...message.headers], sent.fields);
  assertEquals(
    message.contentLength,
    sent.framing === "length" ? sent.size : null,
  );
}

/** Asserts the same of the bytes behind the message: nothing of it is kept as a string. */
export function assertBytes(message: HttpMessage, sent: Sent): void {
  for (const [name, value] of sent.fields) {
    assert(message.headers.equals(name, value), `${name} of ${sent.target}`);
  }
}
