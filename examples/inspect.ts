/**
 * Prints every request as the parser sees it.
 *
 * `deno run -N examples/inspect.ts --port 8000`, then point `curl -v` at it.
 *
 * @module
 */

import { HttpError, readRequests } from "@pooled/http1";
import { connectionsOf } from "./shared/accept.ts";

const flag = Deno.args.indexOf("--port");
const port = flag < 0 ? 8000 : Number(Deno.args[flag + 1]);
const encoder = new TextEncoder();
const MAX_SHOWN = 1000;
/** Milliseconds for a request to arrive and be answered. */
const REQUEST_MS = 60_000;

/** Replaces control characters: no escape sequence of a client reaches the terminal. */
function visible(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\u2028\u2029]/gu,
    (character) => character === "\n" ? character : "\ufffd",
  );
}

/** Writes a whole message; a single `write` may accept less. */
async function send(conn: Deno.Conn, text: string): Promise<void> {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length;) {
    at += await conn.write(bytes.subarray(at));
  }
}

async function inspect(conn: Deno.Conn): Promise<void> {
  using _ = conn;
  const letGo = () => conn[Symbol.dispose]();
  let timer = setTimeout(letGo, REQUEST_MS);
  try {
    for await (using request of readRequests(conn.readable)) {
      if (request.expectContinue) {
        await send(conn, "HTTP/1.1 100 Continue\r\n\r\n");
      }
      console.log(
        `\n${request.method} ${request.target} HTTP/${request.httpVersion}`,
      );
      for (const [name, value] of request.headers) {
        console.log(`  ${name}: ${visible(value)}`);
      }
      let size = 0;
      if (request.body !== null) {
        let shown = "";
        const decoder = new TextDecoder();
        for await (const chunk of request.body) {
          size += chunk.length;
          if (shown.length < MAX_SHOWN) {
            shown += decoder.decode(chunk, { stream: true });
          }
        }
        const framing = request.chunked ? "chunked" : "Content-Length";
        console.log(`  (${size} bytes of body, ${framing})`);
        const text = visible(shown.slice(0, MAX_SHOWN));
        console.log(text.replaceAll(/^/gm, "  | "));
      }
      for (const [name, value] of request.trailers ?? []) {
        console.log(`  trailer ${name}: ${visible(value)}`);
      }
      const answer =
        `${request.method} ${request.path}: ${request.headers.size} ` +
        `fields, ${size} bytes of body\n`;
      const close = request.keepAlive ? "" : "Connection: close\r\n";
      const length = request.method === "HEAD" ? "" : answer;
      await send(
        conn,
        `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n` +
          `Content-Length: ${answer.length}\r\n${close}\r\n${length}`,
      );
      if (!request.keepAlive) break;
      clearTimeout(timer);
      timer = setTimeout(letGo, REQUEST_MS);
    }
  } catch (error) {
    if (!(error instanceof HttpError)) {
      console.log(`\nconnection lost: ${error}`);
      return;
    }
    console.log(`\nrefused with ${error.status}: ${error.message}`);
    if (error.code === "unexpected-eof") return;
    await send(
      conn,
      `HTTP/1.1 ${error.status} Refused\r\nContent-Type: text/plain\r\n` +
        `Connection: close\r\n\r\n${error.message}\n`,
    ).catch(() => {});
  } finally {
    clearTimeout(timer);
  }
}

const listener = Deno.listen({ hostname: "127.0.0.1", port });
console.log(
  `listening on http://127.0.0.1:${listener.addr.port}`,
);
for await (const conn of connectionsOf(listener)) inspect(conn);
