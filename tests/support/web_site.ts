/**
 * Tests of the client against nginx and Apache httpd, with servers behind them.
 *
 * @module
 */

import {
  connect,
  type ConnectOptions,
  type Handler,
  type HttpClient,
  type HttpRequestInit,
  Pools,
  type ReceivedResponse,
} from "@pooled/http1";
import { untilAtRest } from "./at_rest.ts";
import { digestOf } from "./bytes.ts";
import { type Certificate, makeCertificate } from "./certificate.ts";
import { needs, type Program } from "./needs.ts";
import { HOLD, RESET, type Script, ScriptedOrigin } from "./scripted_origin.ts";
import { withoutUnhandled } from "./unhandled.ts";
import { settle, WHOLE_TEST, within } from "./waiting.ts";
import { startApache, startNginx, type WebServer } from "./web_servers.ts";
import { echoSocket } from "./websocket.ts";
import { withServer } from "./with_server.ts";

/** What stands behind `/up/`. */
const application: Handler = async (req, res) => {
  switch (req.path) {
    case "/echo":
      return res.send(await req.text());
    case "/back":
      return res.send(req.body);
    case "/count": {
      const bytes = await new Response(req.body).bytes();
      return res.json({ length: bytes.length, digest: digestOf(bytes) });
    }
    case "/form": {
      const form = await req.toRequest().formData();
      const parts = Array.from(form, async ([name, value]) => [
        name,
        typeof value === "string" ? value : await value.text(),
      ]);
      return res.json(await Promise.all(parts));
    }
    case "/told":
      return res.json({
        method: req.method,
        target: req.target,
        fields: [...req.headers],
      });
    case "/refused":
      return res.send("not for you", { status: 403 });
    case "/chat": {
      if (req.upgrade !== "chat") break;
      const { readable, writable } = res.upgrade();
      return readable.pipeTo(writable);
    }
    case "/socket":
      return echoSocket(req, res);
    case "/stream":
      return res.send(chunks(["one ", "two ", "three"]));
    case "/broken":
      return res.send(chunks(["one ", null]));
    case "/short":
      return res.send(chunks(["one ", null]), {
        headers: { "content-length": "100" },
      });
  }
  res.send("nothing here", { status: 404 });
};

/** A stream of texts that come apart; it fails at `null`. */
export function chunks(texts: (string | null)[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await settle();
      const text = texts.shift();
      if (text === undefined) controller.close();
      else if (text === null) controller.error(new Error("as arranged"));
      else controller.enqueue(new TextEncoder().encode(text));
    },
  }, { highWaterMark: 0 });
}

/** What stands behind `/raw/` and `/old/`. */
const SCRIPTS: Record<string, Script> = {
  "/endless": [
    "HTTP/1.0 200 OK\r\nX-Kind: old\r\n\r\n",
    "one ",
    "two ",
    "three",
  ],
  "/hints": [
    "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
  ],
  "/reset": ["HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", "one ", RESET],
  "/reset-chunks": [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "4\r\none \r\n",
    RESET,
  ],
  "/held": ["HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", "one ", HOLD],
  "/open": ["HTTP/1.0 200 OK\r\n\r\n", "one ", HOLD],
  "/mute": [RESET],
};

/** A web server of this kind, and how to start it. */
export interface Kind {
  program: Program;
  start: typeof startNginx;
}

export const NGINX: Kind = { program: "nginx", start: startNginx };
export const APACHE: Kind = { program: "apache2", start: startApache };

/** A running web server, and clients of it. */
export class Site {
  readonly server: WebServer;
  readonly certificate: Certificate | undefined;
  /** The port of the application. */
  readonly application: number;
  readonly pools: Pools = new Pools();
  readonly #clients: HttpClient[] = [];
  readonly #ends: AbortController = new AbortController();

  constructor(
    server: WebServer,
    application: number,
    certificate?: Certificate,
  ) {
    this.server = server;
    this.application = application;
    this.certificate = certificate;
  }

  /** Makes a client of a new connection, by default to the main port. */
  async open(
    options: ConnectOptions = {},
    port = this.server.port,
  ): Promise<HttpClient> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    return this.client(conn, options);
  }

  client(conn: Deno.Conn, options: ConnectOptions = {}): HttpClient {
    const client = connect(conn, {
      pools: this.pools,
      signal: this.#ends.signal,
      ...options,
    });
    this.#clients.push(client);
    return client;
  }

  /** Closes the clients, which gave everything back. */
  async end(): Promise<void> {
    for (const client of this.#clients) {
      await within(client.close(), "the end of a client");
    }
    await untilAtRest(this.pools);
  }

  /** Ends the clients of a test that has failed. */
  abandon(): void {
    this.#ends.abort();
  }
}

/** A test with a server of this kind. */
export function siteTest(
  { program, start }: Kind,
  name: string,
  run: (site: Site) => Promise<void>,
  { tls = false } = {},
): void {
  Deno.test(
    `${program}: ${name}`,
    needs(program),
    () =>
      withServer(application, async ({ port }) => {
        const certificate = tls ? await makeCertificate() : undefined;
        await using origin = await ScriptedOrigin.start(SCRIPTS);
        await using server = await start(port, {
          scripted: origin.port,
          ...certificate !== undefined && { certificate },
        });
        const site = new Site(server, port, certificate);
        try {
          await withoutUnhandled(async () => {
            await within(run(site), "the test", WHOLE_TEST);
            await site.end();
          });
        } finally {
          site.abandon();
        }
      }),
  );
}

/** Registers a test with each of the two servers. */
export function siteTests(
  name: string,
  run: (site: Site, kind: Kind) => Promise<void>,
  options: { tls?: boolean } = {},
): void {
  for (const kind of [NGINX, APACHE]) {
    siteTest(kind, name, (site) => run(site, kind), options);
  }
}

/** The text of a response, which is released. */
export async function textOf(response: ReceivedResponse): Promise<string> {
  using released = response;
  return await within(released.text(), "a body");
}

/** The status of a response, whose body is read. */
export async function statusOf(response: ReceivedResponse): Promise<number> {
  const { status } = response;
  await textOf(response);
  return status;
}

/** Asks for a target, and waits for the response. */
export function get(
  client: HttpClient,
  target: string,
  init: Omit<HttpRequestInit, "target"> = {},
): Promise<ReceivedResponse> {
  return within(client.request({ target, ...init }), `${target}`);
}
