/**
 * A strict, streaming HTTP/1.1 request parser that allocates nothing per request.
 *
 * Bytes go in; pooled request objects come out. Three ways to use it:
 *
 * - {@linkcode readRequests} reads the requests of any byte stream, such as the
 *   `readable` of a connection that you accepted yourself;
 * - {@linkcode RequestStream} is the same as a transform stream, for `pipeThrough`;
 * - {@linkcode RequestParser} is the synchronous parser below both, without I/O.
 *
 * @example
 * ```ts ignore
 * import { readRequests } from "@pooled/http1";
 *
 * for await (const conn of Deno.listen({ port: 8000 })) {
 *   for await (using request of readRequests(conn.readable)) {
 *     console.log(request.method, request.target, request.headers.get("host"));
 *   }
 * }
 * ```
 *
 * @module
 */

export { RequestParser } from "./src/parser.ts";
export * from "./src/stream.ts";
export * from "./src/server/serve.ts";
