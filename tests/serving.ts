/**
 * What the tests of the server share: a server on a free port with pools of its own,
 * which have to be at rest at the end, and a client that speaks in raw bytes.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  type Handler,
  type HttpServer,
  Pools,
  serve,
  type ServeOptions,
} from "@pooled/http1";
import { bytesOf, textOf } from "./support.ts";

/** Nothing of the pools is in use. */
export function assertPoolsAtRest(pools: Pools): void {
  const { requests, tables, slabs } = pools.stats();
  assertEquals(
    [requests.inUse, tables.inUse, ...slabs.map((tier) => tier.inUse)],
    [0, 0, 0, 0, 0, 0],
    "something of the pools is still in use",
  );
}

/** A running server, as a test sees it. */
export interface Running {
  server: HttpServer;
  port: number;
  url: string;
  pools: Pools;
  /** What `onError` was told. */
  errors: unknown[];
}

/** Runs a test against a server, shuts it down, and looks that nothing is left. */
export async function withServer(
  handler: Handler,
  test: (running: Running) => Promise<void>,
  options: ServeOptions = {},
): Promise<void> {
  const pools = new Pools();
  const errors: unknown[] = [];
  const server = serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    onError: (error) => {
      errors.push(error);
    },
    pools,
    ...options,
  }, handler);
  const { port } = server.addr as Deno.NetAddr;
  try {
    await test({
      server,
      port,
      url: `http://127.0.0.1:${port}`,
      pools,
      errors,
    });
  } finally {
    await server.shutdown();
  }
  assertPoolsAtRest(pools);
}

/** A client that sends bytes as they are given, and shows those that come back. */
export class RawClient implements Disposable {
  readonly conn: Deno.Conn;
  /** What came so far, one character a byte. */
  received = "";
  ended = false;
  readonly #buffer = new Uint8Array(65536);

  private constructor(conn: Deno.Conn) {
    this.conn = conn;
  }

  static async connect(port: number): Promise<RawClient> {
    return new RawClient(
      await Deno.connect({ hostname: "127.0.0.1", port }),
    );
  }

  async send(text: string): Promise<void> {
    const bytes = bytesOf(text);
    for (let at = 0; at < bytes.length;) {
      at += await this.conn.write(bytes.subarray(at));
    }
  }

  /** Reads until `part` has come; gives all that came so far. */
  async until(part: string): Promise<string> {
    while (!this.received.includes(part)) {
      if (!await this.read()) {
        throw new Error(
          `${JSON.stringify(part)} did not come, but ${
            JSON.stringify(this.received)
          }`,
        );
      }
    }
    return this.received;
  }

  /** Reads until the server ends the connection; gives all that came. */
  async rest(): Promise<string> {
    while (await this.read());
    return this.received;
  }

  /** Reads once. Gives false at the end. */
  async read(): Promise<boolean> {
    const count = await this.conn.read(this.#buffer);
    if (count === null) {
      this.ended = true;
      return false;
    }
    this.received += textOf(this.#buffer.subarray(0, count));
    return true;
  }

  [Symbol.dispose](): void {
    try {
      this.conn.close();
    } catch {
      // The test has closed it.
    }
  }
}

/** What a server answers to `text`, until it ends the connection. */
export async function answerTo(port: number, text: string): Promise<string> {
  using client = await RawClient.connect(port);
  await client.send(text);
  return await client.rest();
}

/** Turns a hang into a failure that says what did not come. */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  milliseconds = 15_000,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`waited too long for ${what}`)),
      milliseconds,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A test that fails, instead of hanging, when what it waits for does not come. */
export function test(name: string, run: () => Promise<void>): void {
  Deno.test(name, () => within(run(), "the test"));
}

/**
 * The same, with the runtime's sanitizers: every operation that the test began has
 * ended, and every resource it opened is closed.
 */
export function sanitized(name: string, run: () => Promise<void>): void {
  Deno.test({
    name,
    fn: () => within(run(), "the test"),
    sanitizeOps: true,
    sanitizeResources: true,
  });
}

/** Waits for something that tells nobody when it happens. */
export async function until(
  condition: () => boolean,
  what: string,
): Promise<void> {
  // Bounded by itself: a loop that nobody waits for any more would go on for ever.
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited too long for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A turn of the event loop, in which what is ready is done. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Bytes that show when one of them is lost, moved or doubled. */
export function patterned(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0, state = length | 1; i < length; i++) {
    state = Math.imul(state, 1103515245) + 12345;
    bytes[i] = state >> 16;
  }
  return bytes;
}

/** A certificate of a server on this machine, and its key. */
export interface Certificate {
  /** In PEM format. */
  cert: string;
  key: string;
  /** Where they lie, as long as the folder does that was given for them. */
  certFile: string;
  keyFile: string;
}

/** Makes a certificate, in `folder` or in one of its own that it removes. */
export async function makeCertificate(folder?: string): Promise<Certificate> {
  const directory = folder ?? await Deno.makeTempDir();
  const [certFile, keyFile] = [`${directory}/cert.pem`, `${directory}/key.pem`];
  const { success, stderr } = await new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt"],
      ...["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
      ...["-subj", "/CN=localhost", "-keyout", keyFile, "-out", certFile],
      ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
      ...["-addext", "basicConstraints=critical,CA:FALSE"],
    ],
  }).output().catch((error) => {
    throw new Error("openssl is missing: apt-get install openssl", {
      cause: error,
    });
  });
  assert(success, textOf(stderr));
  const cert = await Deno.readTextFile(certFile);
  const key = await Deno.readTextFile(keyFile);
  if (folder === undefined) await Deno.remove(directory, { recursive: true });
  return { cert, key, certFile, keyFile };
}
