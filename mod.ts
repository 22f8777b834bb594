/**
 * HTTP/1.1 on any connection: a strict, streaming parser that allocates nothing per
 * request, and a server on top of it.
 *
 * - {@linkcode serve} serves any listener in the manner of `Deno.serve`, and
 *   {@linkcode serveConnection} one connection, or any pair of streams;
 * - {@linkcode fetchHandler} lets any `Deno.serve` application run on it;
 * - {@linkcode readRequests} reads the requests of any byte stream, such as the
 *   `readable` of a connection that you accepted yourself;
 * - {@linkcode RequestStream} is the same as a transform stream, for `pipeThrough`;
 * - {@linkcode RequestParser} is the synchronous parser below them, without I/O.
 *
 * @example
 * ```ts ignore
 * import { readRequests, serve } from "@pooled/http1";
 *
 * serve({ port: 8000 }, (req, res) => res.send(`hello ${req.path}`));
 *
 * for await (const conn of Deno.listen({ port: 8001 })) {
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
export * from "./src/serve.ts";
