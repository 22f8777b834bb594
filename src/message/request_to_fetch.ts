/**
 * Conversion of a parsed request to a Fetch `Request`.
 *
 * @module
 */

import type { HttpHeaders } from "./headers.ts";
import { usedError } from "./misuse.ts";
import type { Framing } from "../wire/framing.ts";
import { CONNECT } from "../wire/names.ts";
import type { RequestLine } from "../wire/request_line.ts";

/** The parts of a request that the conversion uses. */
export interface FetchSource {
  readonly line: RequestLine;
  readonly framing: Framing;
  readonly method: string;
  readonly target: string;
  readonly headers: HttpHeaders;
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
  readonly bodyUsed: boolean;
  readonly signal: AbortSignal;
  /** Hands the body stream to the Fetch request, which may outlive this one. */
  giveBody(): void;
}

/** The methods that Fetch forbids, in any case. */
const FORBIDDEN: ReadonlySet<string> = new Set(["CONNECT", "TRACE", "TRACK"]);
/** Fetch rewrites methods that differ from one of these only in case. */
const NORMALIZED: ReadonlySet<string> = new Set(
  ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"],
);

/** Whether a Fetch `Request` can carry this method unchanged. */
export function isFetchable(method: string): boolean {
  const upper = method.toUpperCase();
  return !FORBIDDEN.has(upper) && (method === upper || !NORMALIZED.has(upper));
}

/** Whether a Fetch `Request` of this method may have a body. */
export function takesBody(method: string): boolean {
  return method !== "GET" && method !== "HEAD";
}

/** The error for a method that a Fetch `Request` cannot have. */
export function unfetchableError(method: string): TypeError {
  return new TypeError(`a Fetch Request cannot have the method ${method}`);
}

/** Creates a Fetch `Request` from `source`, with its body if `hasBody`. */
export function requestToFetch(
  source: FetchSource,
  secure: boolean,
  hasBody: boolean,
  signal?: AbortSignal,
): Request {
  const init: RequestInit & { duplex?: "half" } = {
    method: source.method,
    headers: fetchHeaders(source.headers),
  };
  if (signal !== undefined) init.signal = signal;
  if (hasBody) {
    if (source.bodyUsed) throw usedError();
    init.body = source.body!;
    init.duplex = "half";
  }
  const request = new Request(targetUri(source, secure), init);
  if (hasBody) source.giveBody();
  return request;
}

/**
 * Creates the request for a Fetch application: with the signal, and without the body of
 * a GET or HEAD. If Fetch cannot represent it, returns the response status instead: 501
 * for a method that Fetch forbids or rewrites, 421 for a scheme other than the
 * connection's (RFC 9110 §7.4), 400 for a target that is not a URL.
 */
export function requestForApp(
  source: FetchSource,
  secure: boolean,
): Request | 400 | 421 | 501 {
  const { method, line } = source;
  if (!isFetchable(method)) return 501;
  if (line.absolute && namesHttps(source.target) !== secure) return 421;
  const hasBody = source.framing.hasBody && takesBody(method);
  try {
    return requestToFetch(source, secure, hasBody, source.signal);
  } catch (error) {
    if (URL.canParse(targetUri(source, secure))) throw error;
    return 400;
  }
}

/** All field lines, with several Cookie lines merged into one (RFC 6265 §4.2.1). */
function fetchHeaders(headers: HttpHeaders): [string, string][] {
  const lines = [...headers];
  const cookies = headers.getAll("cookie");
  if (cookies.length < 2) return lines;
  const others = lines.filter(([name]) => name.toLowerCase() !== "cookie");
  return [...others, ["cookie", cookies.join("; ")]];
}

/** The target URI (RFC 9112 §3.3). Without Host, the authority is `localhost`. */
function targetUri(source: FetchSource, secure: boolean): string {
  const { line, target } = source;
  if (line.absolute) return target;
  const authority = line.method === CONNECT
    ? target
    : source.headers.get("host") ?? "localhost";
  const origin = `${secure ? "https" : "http"}://${authority}`;
  return target.startsWith("/") ? origin + target : origin;
}

/** Whether the scheme of an absolute-form target is `https`; the only other is `http`. */
function namesHttps(target: string): boolean {
  return target.charAt(4) !== ":";
}
