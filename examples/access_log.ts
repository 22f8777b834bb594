/**
 * An access log around any handler: one line of JSON for each response, with the remote
 * address, method, target, status, and the handler's time in milliseconds. JSON escaping
 * prevents a client from forging log lines.
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

/** A response that records its status. */
class Recorded implements HttpResponse {
  /** The status of the final response, once sent. */
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
    // A 1xx status is interim: the final response follows.
    if (status >= 200) this.status = status;
  }
}

/** The remote address as `host:port`, or else its transport. */
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
 * Wraps a handler and logs its responses. Messages refused before they become a
 * request are not logged; `stats().refusals` counts those.
 */
function logged(handler: Handler): Handler {
  return async (req, res, info) => {
    const started = performance.now();
    const { method, target } = req;
    const recorded = new Recorded(res);
    // What the server sends if the handler sends nothing.
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
