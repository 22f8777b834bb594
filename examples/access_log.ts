/**
 * An access log around any handler: a line of JSON for each response, with the method,
 * the target, the status, the milliseconds that the handler took, and whom it was for.
 * JSON escapes what a client could forge a line with.
 *
 * `deno run -N examples/access_log.ts 8000`, then `curl localhost:8000/`.
 *
 * @module
 */

import {
  type ConnectionInfo,
  type Duplex,
  type Handler,
  HttpError,
  type HttpResponse,
  type HttpResponseBody,
  type HttpResponseInit,
  serve,
} from "@pooled/http1";

/** A response that remembers its status. */
class Recorded implements HttpResponse {
  /** The status of the final response, once it was sent. */
  status: number | null = null;
  readonly #response: HttpResponse;

  constructor(response: HttpResponse) {
    this.#response = response;
  }

  get sent(): boolean {
    return this.#response.sent;
  }

  send(body?: HttpResponseBody, init?: HttpResponseInit): void {
    this.#response.send(body, init);
    const prepared = body !== null && typeof body === "object" &&
      "prepared" in body;
    this.#record(prepared ? body.status : init?.status ?? 200);
  }

  json(value: unknown, init?: HttpResponseInit): void {
    this.#response.json(value, init);
    this.#record(init?.status ?? 200);
  }

  upgrade(init?: Omit<HttpResponseInit, "trailers">): Duplex {
    const duplex = this.#response.upgrade(init);
    this.status = init?.status ?? 101;
    return duplex;
  }

  #record(status: number): void {
    // Another response follows one of these.
    if (status >= 200) this.status = status;
  }
}

/** `host:port`, or what else there is to tell of the other end. */
function nameOf({ remoteAddr }: ConnectionInfo): string | null {
  if (remoteAddr === null) return null;
  if ("hostname" in remoteAddr) {
    const { hostname, port } = remoteAddr;
    return hostname.includes(":")
      ? `[${hostname}]:${port}`
      : `${hostname}:${port}`;
  }
  return remoteAddr.transport;
}

/**
 * A handler whose responses are logged. What is refused before it becomes a request
 * has no line; `stats().refusals` counts those.
 */
function logged(handler: Handler): Handler {
  return async (req, res, info) => {
    const started = performance.now();
    const { method, target } = req;
    const recorded = new Recorded(res);
    // What the server answers where the handler does not.
    let status = 500;
    try {
      await handler(req, recorded, info);
    } catch (error) {
      if (error instanceof HttpError) status = error.status;
      throw error;
    } finally {
      console.log(JSON.stringify({
        time: new Date().toISOString(),
        remote: nameOf(info),
        method,
        target,
        status: recorded.status ?? status,
        ms: Math.round((performance.now() - started) * 1000) / 1000,
      }));
    }
  };
}

serve(
  { port: Number(Deno.args[0] ?? 8000) },
  logged(async (req, res) => {
    if (req.path === "/") return res.send("hello\n");
    if (req.path === "/echo") return res.send(await req.text());
    if (req.path === "/fails") throw new Error("as it was told to");
    res.send("nothing here\n", { status: 404 });
  }),
);
