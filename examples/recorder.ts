/**
 * Prints both directions of a conversation: relays bytes to an upstream, unchanged, and
 * prints the heads that pass, with cookies and passwords.
 *
 * `deno run -N examples/recorder.ts 8000 127.0.0.1:9000`, then
 * `curl http://localhost:8000/`.
 *
 * @module
 */

import {
  HttpError,
  type HttpHeaders,
  RequestParser,
  ResponseParser,
} from "@pooled/http1";
import { eachConnection } from "./shared/accept.ts";
import { deadline, writeAll } from "./shared/first_bytes.ts";

/** Milliseconds for the upstream to accept, and for either side to send or take more. */
const IDLE_MS = 300_000;
/** Connections at a time. */
const MOST_OPEN = 1000;
/** Requests of a connection that wait for their response. */
const MOST_PENDING = 1000;

/** Prints a head. A terminal would act on some of the bytes that a field may have. */
function print(mark: string, line: string, headers: HttpHeaders): void {
  const lines = [line];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  const text = lines.map((line) => `${mark} ${line}`).join("\n");
  console.log(
    text.replace(
      /[^\n -~]/g,
      (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
    ) + "\n",
  );
}

/** The parsers of one connection, which see its bytes but never hold them up. */
class Recorder implements Disposable {
  readonly #requests = new RequestParser({ maxBodySize: Infinity });
  readonly #responses = new ResponseParser({ maxBodySize: Infinity });
  /** The methods of requests without response. */
  readonly #methods: string[] = [];
  #done = false;

  constructor(readonly id: number) {}

  /** Prints the requests that end in these bytes; their bodies are discarded. */
  up(bytes: Uint8Array): void {
    this.#record(`${this.id} >`, () => {
      this.#requests.push(bytes);
      for (;;) {
        using request = this.#requests.next();
        if (request === null) return;
        const { method, target, httpVersion, headers } = request;
        print(
          `${this.id} >`,
          `${method} ${target} HTTP/${httpVersion}`,
          headers,
        );
        if (this.#methods.push(method) > MOST_PENDING) {
          throw new Error("too many requests wait for a response");
        }
        // What follows is another protocol, if the server agrees.
        if (method === "CONNECT") return;
      }
    });
  }

  /** Prints the responses. */
  down(bytes: Uint8Array): void {
    this.#record(`${this.id} <`, () => {
      this.#responses.push(bytes);
      for (;;) {
        using response = this.#responses.next(this.#methods[0] ?? "GET");
        if (response === null) return;
        const { status, statusText, httpVersion, headers } = response;
        const line = `HTTP/${httpVersion} ${status} ${statusText}`;
        print(`${this.id} <`, line, headers);
        const method = status >= 200 ? this.#methods.shift() : undefined;
        if (status === 101 || (method === "CONNECT" && status < 300)) {
          this.#stop(`${this.id} <`, "another protocol follows");
        }
        if (this.#done) return;
      }
    });
  }

  #record(mark: string, parse: () => void): void {
    if (this.#done) return;
    try {
      parse();
    } catch (error) {
      const { message } = error as Error;
      this.#stop(mark, error instanceof HttpError ? `${error.code}` : message);
    }
  }

  /** The relay goes on, but nothing is printed any more. */
  #stop(mark: string, why: string): void {
    this.#done = true;
    console.log(`${mark} not recorded from here: ${why}\n`);
  }

  [Symbol.dispose](): void {
    // The other direction may have bytes yet.
    this.#done = true;
    this.#requests[Symbol.dispose]();
    this.#responses[Symbol.dispose]();
  }
}

/** Relays one direction to its end, which it passes on. */
async function pump(
  from: Deno.Conn,
  to: Deno.Conn,
  record: (bytes: Uint8Array) => void,
  alive: () => void,
): Promise<void> {
  const buffer = new Uint8Array(16_384);
  for (let count; (count = await from.read(buffer)) !== null;) {
    const bytes = buffer.subarray(0, count);
    record(bytes);
    using _ = deadline(to, IDLE_MS);
    await writeAll(to, bytes);
    alive();
  }
  await to.closeWrite();
}

const port = Number(Deno.args[0] ?? 8000);
const upstream = new URL(`http://${Deno.args[1] ?? "127.0.0.1:9000"}`);
let connections = 0;

const listener = Deno.listen({ hostname: "127.0.0.1", port });
console.log(`Listening on http://127.0.0.1:${listener.addr.port}/`);

await eachConnection(listener, MOST_OPEN, async (client) => {
  const id = ++connections;
  // Dropped when nothing moves in either direction.
  let idle = deadline(client, IDLE_MS);
  const alive = () => {
    idle[Symbol.dispose]();
    idle = deadline(client, IDLE_MS);
  };
  try {
    using server = await Deno.connect({
      hostname: upstream.hostname.replace(/^\[|\]$/g, ""),
      port: Number(upstream.port || 80),
      signal: AbortSignal.timeout(IDLE_MS),
    });
    using recorder = new Recorder(id);
    await Promise.all([
      pump(client, server, (bytes) => recorder.up(bytes), alive),
      pump(server, client, (bytes) => recorder.down(bytes), alive),
    ]);
  } catch (error) {
    console.log(`${id} broke off: ${(error as Error).message}\n`);
  } finally {
    idle[Symbol.dispose]();
  }
});
