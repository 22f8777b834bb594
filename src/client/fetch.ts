/**
 * Turns Fetch requests into requests of a client.
 *
 * @module
 */

import type { HttpRequestInit } from "./options.ts";

/** What `fetch` takes as a URL is resolved against `http://authority`. */
export function toRequest(
  input: Request | URL | string,
  init: RequestInit | undefined,
  authority: string | null,
): Request {
  if (input instanceof Request) return new Request(input, init);
  const base = authority === null ? undefined : `http://${authority}/`;
  const url = new URL(input, base);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`${url.protocol} is no scheme of HTTP`);
  }
  url.hash = "";
  return new Request(url, init);
}

/** The request to send. A body at hand is sent whole, a stream in chunks. */
export async function fromFetch(
  request: Request,
  isStream: boolean,
): Promise<HttpRequestInit> {
  const { method, url, signal } = request;
  const { host, pathname, search } = new URL(url);
  const headers: [string, string][] = [...request.headers];
  if (!request.headers.has("host")) headers.unshift(["Host", host]);
  const body = request.body === null
    ? null
    : isStream
    ? request.body
    : new Uint8Array(await request.arrayBuffer());
  return { method, target: pathname + search, headers, body, signal };
}
