/**
 * HTTP/1.1 over any connection: a strict, streaming parser that allocates nothing per
 * request, and a server built on it.
 *
 * - {@linkcode serve} serves any listener, like `Deno.serve`;
 * - {@linkcode serveConnection} serves one connection, or any pair of streams;
 * - {@linkcode fetchHandler} runs any `Deno.serve` application on this server;
 * - {@linkcode request} asks a handler without a socket, in tests;
 * - {@linkcode readRequests} reads the requests of any byte stream, such as the
 *   `readable` of a connection that you accepted yourself;
 * - {@linkcode RequestStream} does the same as a transform stream, for `pipeThrough`;
 * - {@linkcode RequestParser} is the synchronous parser behind them, without I/O;
 * - {@linkcode readResponses}, {@linkcode ResponseStream} and {@linkcode ResponseParser} do
 *   the same for responses;
 * - {@linkcode connect} makes a client of any connection, or any pair of streams.
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

export { RequestParser, ResponseParser } from "./src/parser.ts";
export * from "./src/stream.ts";
export * from "./src/serve.ts";
export * from "./src/client.ts";
