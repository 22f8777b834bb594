/**
 * Passes requests and responses on, as an intermediary does (RFC 9110 §7.6). Header names
 * keep their case and order, bodies stream both ways with backpressure.
 *
 * @module
 */

import type {
  HttpMessage,
  HttpRequest,
  HttpRequestInit,
  HttpResponse,
  ReceivedResponse,
} from "@pooled/http1";
import type { Pool } from "../client_pool.ts";
import { Refusal } from "./refusal.ts";
import { join } from "./tunnel.ts";

/** The fields of one connection, beside those that Connection lists (RFC 9110 §7.6.1). */
const HOP_BY_HOP = [
  ...["connection", "keep-alive", "proxy-connection", "te"],
  ...["transfer-encoding", "upgrade", "http2-settings"],
  // For the next proxy only (RFC 9110 §11.7); these examples ask for no password.
  ...["proxy-authorization", "proxy-authenticate", "proxy-authentication-info"],
];
/** They frame, route and bound a message, whatever Connection says. */
const NEVER_DROPPED = ["content-length", "host", "max-forwards", "via"];
/** Fields on the format of the content, which come too late in a trailer section. */
const FORMAT = ["content-type", "content-encoding", "content-range"];
/** Protocols that carry HTTP, whose requests would pass through a tunnel unseen. */
const CARRIES_HTTP = /(^|[\s,])(h2c?|http|tls)($|[\s,/])/i;
/** What a TRACE does not send back (RFC 9110 §9.3.8). */
const SECRET = /^(proxy-authorization|authorization|cookie)$/i;
/** The most that Max-Forwards goes on with. */
const MAX_FORWARDS = 255;

/** This proxy in Via. Random, so that two in a row do not take each other for a loop. */
const PSEUDONYM = `pooled-${crypto.randomUUID().slice(0, 8)}`;

export type Fields = [name: string, value: string][];

/** Where a request goes. */
export interface Hop {
  /** The request target there. */
  target: string;
  /** Replaces Host, which otherwise stays. */
  host?: string | undefined;
  /** Fields to add. */
  fields?: Fields;
  /** The connections to the server. */
  pool: Pool;
  /** Milliseconds without a byte in either direction that end an upgraded connection. */
  idle: number;
}

/** A target in absolute-form, up to its path. */
const ABSOLUTE_FORM = /^(https?):\/\/([^/?]*)/i;

/** The parts of a target in absolute-form, whose authority replaces Host. */
export interface AbsoluteTarget {
  /** In lower case. */
  scheme: string;
  authority: string;
  /** The request target for the server itself. */
  origin: string;
}

/** Splits a target; `null` if it is in another form (RFC 9112 §3.2). */
export function splitTarget(
  { method, target }: HttpRequest,
): AbsoluteTarget | null {
  const [start, scheme, authority] = target.match(ABSOLUTE_FORM) ?? [];
  if (authority === undefined) return null;
  const path = target.slice(start!.length);
  const origin = path === "" && method === "OPTIONS"
    ? "*"
    : path.startsWith("/")
    ? path
    : `/${path}`;
  return { scheme: scheme!.toLowerCase(), authority, origin };
}

/** Sends a request on, and its response back. */
export async function forward(
  req: HttpRequest,
  res: HttpResponse,
  hop: Hop,
): Promise<void> {
  if (req.headers.getAll("via").some((via) => via.includes(PSEUDONYM))) {
    throw new Refusal(508, "this request has come through here before");
  }
  if (req.method === "TRACE" && req.body !== null) {
    throw new Refusal(400, "a TRACE has no body");
  }
  let headers = endToEnd(req);
  const forwards = maxForwards(req);
  if (forwards === 0) return answerAsLast(req, res);
  if (forwards !== null) set(headers, "Max-Forwards", `${forwards - 1}`);
  if (hop.host !== undefined) set(headers, "Host", hop.host);
  if (req.body === null) {
    // Without a body there is no 100 (Continue) to wait for.
    headers = headers.filter(([name]) => name.toLowerCase() !== "expect");
  }
  headers.push(...hop.fields ?? []);
  // HTTP has no way to upgrade after a body that the server may not read.
  if (
    req.upgrade !== null && req.body === null && !CARRIES_HTTP.test(req.upgrade)
  ) {
    return await upgrade(req, res, headers, hop);
  }
  // A client that half-closes counts as one that left, and frees the server.
  const { method, body, signal } = req;
  const { target, pool } = hop;
  const init: HttpRequestInit = { method, target, headers, body, signal };
  init.onInterim = interim(res);
  if (req.chunked) init.trailers = () => trailersOf(req);
  await pool.request(init, (response) => answer(res, response));
}

/** The fields that go on to the other side, as they were spelled. */
function endToEnd({ headers, httpVersion, contentLength }: HttpMessage) {
  const dropped = new Set(HOP_BY_HOP);
  for (const value of headers.getAll("connection")) {
    for (const name of value.split(",")) dropped.add(name.trim().toLowerCase());
  }
  for (const name of NEVER_DROPPED) dropped.delete(name);
  const fields: Fields = [];
  for (const [name, value] of headers) {
    if (!dropped.has(name.toLowerCase())) fields.push([name, value]);
  }
  fields.push(["Via", `${httpVersion} ${PSEUDONYM}`]);
  // Without leading zeros, so that the next one reads the same number.
  if (contentLength !== null) set(fields, "Content-Length", `${contentLength}`);
  return fields;
}

/** The trailers that go on (RFC 9110 §6.5.1). */
function trailersOf({ trailers }: HttpMessage): Fields {
  return [...trailers ?? []].filter(([name]) =>
    ![...HOP_BY_HOP, ...FORMAT].includes(name.toLowerCase())
  );
}

/** Replaces the value of a field that occurs at most once, or adds it in front. */
function set(fields: Fields, name: string, value: string): void {
  const field = fields.find(([other]) =>
    other.toLowerCase() === name.toLowerCase()
  );
  if (field === undefined) fields.unshift([name, value]);
  else field[1] = value;
}

/** How often a TRACE or OPTIONS may go on; `null` if it does not say (RFC 9110 §7.6.2). */
function maxForwards({ method, headers }: HttpRequest): number | null {
  if (method !== "TRACE" && method !== "OPTIONS") return null;
  const values = headers.getAll("max-forwards");
  if (values.length === 0) return null;
  if (values.length > 1 || !/^\d+$/.test(values[0]!)) {
    throw new Refusal(400, "Max-Forwards is not one number");
  }
  return Math.min(Number(values[0]), MAX_FORWARDS + 1);
}

/** Answers a TRACE or OPTIONS that goes no further. */
function answerAsLast(req: HttpRequest, res: HttpResponse): void {
  if (req.method === "OPTIONS") return res.send();
  let text = `TRACE ${req.target} HTTP/${req.httpVersion}\r\n`;
  for (const [name, value] of req.headers) {
    if (!SECRET.test(name)) text += `${name}: ${value}\r\n`;
  }
  res.send(`${text}\r\n`, { headers: { "Content-Type": "message/http" } });
}

/**
 * Sends a server's response. Resolves when its body has ended, or the client has left:
 * the response may be released then.
 */
async function answer(res: HttpResponse, from: ReceivedResponse) {
  const { body, status, statusText } = from;
  const headers = endToEnd(from);
  if (body === null) return res.send(null, { status, statusText, headers });
  const reader = body.getReader();
  const { promise, resolve } = Promise.withResolvers<void>();
  let trailers: Fields = [];
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        trailers = trailersOf(from);
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      resolve();
    },
    // The connection closes if much of the body is left.
    cancel(reason) {
      resolve();
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
  res.send(stream, {
    ...{ status, statusText, headers },
    ...(from.chunked && { trailers: () => trailers }),
  });
  await promise;
}

/** Sends interim responses on, but for 100 (Continue), which is our server's own. */
function interim(res: HttpResponse) {
  return (from: ReceivedResponse) => {
    const { status } = from;
    if (status < 102 || status > 104) return;
    res.send(null, { status, headers: endToEnd(from) });
  };
}

/** Passes an upgrade on, and bytes both ways if the server agrees. */
function upgrade(
  req: HttpRequest,
  res: HttpResponse,
  headers: Fields,
  { target, pool, idle }: Hop,
): Promise<void> {
  const { method, signal } = req;
  headers.push(["Connection", "Upgrade"], ["Upgrade", req.upgrade!]);
  const init = { method, target, headers, signal, onInterim: interim(res) };
  return pool.upgrade(init, async ({ response, duplex }) => {
    if (duplex === null) return await answer(res, response);
    const fields = endToEnd(response);
    fields.push(["Upgrade", response.upgrade ?? req.upgrade!]);
    try {
      join(res.upgrade({ headers: fields }), duplex, idle);
    } catch (error) {
      // The connection is nobody else's any more.
      duplex.writable.abort(error).catch(() => {});
      throw error;
    }
  });
}
