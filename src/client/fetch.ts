/**
 * Turns Fetch requests into requests of a client.
 *
 * @module
 */

import { FirstReads } from "../io/first_reads.ts";
import type { HttpRequestBody, HttpRequestInit } from "./options.ts";

/** What `fetch` takes as a URL is resolved against `http://authority`. */
export function toRequest(
  input: Request | URL | string,
  init: RequestInit | undefined,
  authority: string | null,
): Request {
  // A stream needs `duplex` in some runtimes.
  const options = { duplex: "half", ...init } as RequestInit;
  if (input instanceof Request) return new Request(input, options);
  const url = toUrl(input, authority);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`${url.protocol} is no scheme of HTTP`);
  }
  url.hash = "";
  return new Request(url, options);
}

function toUrl(input: URL | string, authority: string | null): URL {
  if (authority !== null) return new URL(input, `http://${authority}/`);
  if (!URL.canParse(input) && URL.canParse(input, "http://a/")) {
    throw new TypeError(
      `"${input}" is a relative URL, and the client has no authority: give it the ` +
        "option, or an absolute URL",
    );
  }
  return new URL(input);
}

/**
 * The request to send.
 *
 * @param source What its body was made of: a body, or another request.
 * @throws The signal has aborted, or the body has failed.
 */
export async function fromFetch(
  request: Request,
  source: unknown,
): Promise<HttpRequestInit> {
  const { method, url, signal } = request;
  const { host, pathname, search } = new URL(url);
  const headers: [string, string][] = [...request.headers];
  if (!request.headers.has("host")) headers.unshift(["Host", host]);
  const body = request.body === null ? null : await bodyOf(request, source);
  return { method, target: pathname + search, headers, body, signal };
}

/** A body at hand, or whose length Fetch knows, is sent whole; a stream in chunks. */
async function bodyOf(
  request: Request,
  source: unknown,
): Promise<HttpRequestBody> {
  const { signal } = request;
  const body = request.body!;
  if (source instanceof Request) {
    const reads = new FirstReads(body);
    try {
      return await reads.whole() ?? reads.stream();
    } catch (error) {
      reads.cancel(error);
      throw error;
    }
  }
  // Streams are async iterables; others may be endless as well.
  if (
    source instanceof ReadableStream || Symbol.asyncIterator in Object(source)
  ) return body;
  // Their bytes may come from elsewhere, and late.
  const waits = source instanceof Blob || source instanceof FormData;
  const whole = waits
    ? new Response(body.pipeThrough(new TransformStream(), { signal }))
    : request;
  return new Uint8Array(await whole.arrayBuffer());
}

/** Cancels the body of a request that is given up, unless that was done by its sender. */
export function cancelBody({ body }: HttpRequestInit, reason: unknown): void {
  if (body instanceof ReadableStream) body.cancel(reason).catch(() => {});
}
