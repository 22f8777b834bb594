/**
 * An origin that serves compressed content, for tests of applications that proxy it.
 *
 * @module
 */

import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";

/** The URL of the origin that was started last. */
let encodedOrigin = "";

/** A text that compresses well. */
export const ENCODED_TEXT = "an encoded text, ".repeat(50);

/** Values of Content-Encoding and a function that applies each coding. */
export const ENCODERS: Record<string, (text: string) => Uint8Array> = {
  gzip: gzipSync,
  GZIP: gzipSync,
  "x-gzip": gzipSync,
  br: brotliCompressSync,
  deflate: deflateSync,
  "gzip, br": (text) => brotliCompressSync(gzipSync(text)),
};

/** Serves compressed content: under `/stream` chunked, otherwise with a Content-Length. */
export function serveEncoded(): Deno.HttpServer<Deno.NetAddr> {
  const listen = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const server = Deno.serve(listen, (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const coding = searchParams.get("coding")!;
    const headers = { "content-encoding": coding, "x-origin": "yes" };
    const bytes = new Uint8Array(ENCODERS[coding]!(ENCODED_TEXT));
    if (pathname === "/304") {
      return new Response(null, { status: 304, headers });
    }
    return new Response(
      pathname === "/stream"
        ? ReadableStream.from([bytes.slice(0, 7), bytes.slice(7)])
        : bytes,
      { headers },
    );
  });
  encodedOrigin = `http://127.0.0.1:${server.addr.port}`;
  return server;
}

/** Forwards a request to the origin. */
export function forward(
  request: Request,
  init: RequestInit = {},
): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const { method } = request;
  return fetch(encodedOrigin + pathname + search, { method, ...init });
}
