/**
 * Turns Fetch requests into requests of a client.
 *
 * @module
 */

import { FirstReads } from "../io/first_reads.ts";
import { isFetchable, takesBody } from "../message/request_to_fetch.ts";
import type { HttpRequestBody, HttpRequestInit } from "./options.ts";
import { checkAuthority } from "./request_plan.ts";

/** The names are in lower case. */
type FetchRequestInit = HttpRequestInit & { headers: [string, string][] };

/** A request of `fetch`, ready to be sent. */
export interface FetchCall {
  readonly url: URL;
  readonly request: FetchRequestInit;
  /** Whether the body came from a `Request`, which nobody else can send or cancel now. */
  readonly ownsBody: boolean;
}

/**
 * What `fetch` was given, as a request of a client: at once, unless its body has to be read
 * first.
 *
 * @param authority The base of a relative URL.
 * @throws {TypeError} Fetch refuses it.
 * @throws The signal has aborted, or the body has failed.
 */
export function fromFetch(
  input: Request | URL | string,
  init: RequestInit | undefined,
  authority: string | null,
): FetchCall | Promise<FetchCall> {
  // Each is read once: it may be a getter, on the prototype as well.
  const { method, headers, body, signal } = init ?? {};
  const parts = { method, headers, body, signal } as RequestInit;
  const url = input instanceof Request
    ? new URL(input.url)
    : toUrl(input, authority);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`${url.protocol} is no scheme of HTTP`);
  }
  // Some runtimes would send them, others refuse the URL.
  if (url.username !== "" || url.password !== "") {
    throw new TypeError(
      "the URL has credentials, which are not sent: give the field Authorization",
    );
  }
  if (!(input instanceof Request)) {
    const request = fromParts(url, parts);
    if (request !== null) return { url, request, ownsBody: false };
  }
  // A stream needs `duplex` in some runtimes.
  const options = { ...parts, duplex: "half" } as RequestInit;
  const asked = new Request(input instanceof Request ? input : url, options);
  const source = body ?? input;
  const request: FetchRequestInit = {
    method: asked.method,
    target: url.pathname + url.search,
    headers: [...asked.headers],
    signal: asked.signal,
  };
  const ownsBody = source instanceof Request;
  if (asked.body === null) return { url, request, ownsBody };
  return bodyOf(asked, source)
    .then((body) => ({ url, request: { ...request, body }, ownsBody }));
}

/** The value of a Host that the program did not give. */
export function hostOf({ url, request }: FetchCall): string {
  const isGiven = request.headers.some(([name]) => name === "host");
  return isGiven ? url.host : checkAuthority(url.host);
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
 * The request by its parts, which spares the cost of a `Request`; `null` if Fetch has to
 * refuse, rewrite or convert one of them.
 */
function fromParts(url: URL, parts: RequestInit): FetchRequestInit | null {
  const { method = "GET", headers, body = null, signal = null } = parts;
  if (
    typeof method !== "string" || !isFetchable(method) ||
    !(body === null || (typeof body === "string" && takesBody(method))) ||
    !(signal === null || signal instanceof AbortSignal)
  ) return null;
  return {
    method,
    target: url.pathname + url.search,
    headers: headers === undefined ? [] : [...new Headers(headers)],
    body,
    ...(signal !== null && { signal }),
  };
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
