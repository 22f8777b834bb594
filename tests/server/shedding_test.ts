/**
 * `maxBuffered` on connections whose writes a test controls: what counts, who counts as
 * stalled, and what a drop sets off.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type AcceptSource,
  fetchHandler,
  type FetchInfo,
  type Handler,
  type HttpResponse,
  type HttpServer,
  serve,
  type ServerOptions,
} from "@pooled/http1";
import { MemoryConn } from "../support/memory_conn.ts";
import { get } from "../support/requests.ts";
import { answersIn } from "../support/response_reader.ts";
import { sweeps } from "../support/sweeps.ts";
import { test, until } from "../support/waiting.ts";

const MOST = 1_000_000;
/** The sweeps are 25 ms apart. */
const FAST_SWEEPS = { headTimeout: 100 };

function client(target: string, ...lines: string[]): MemoryConn {
  return new MemoryConn([get(target, ...lines)], { ends: "when told" });
}

/** A server whose connections a test opens one by one. */
class Opened implements AsyncDisposable {
  readonly errors: unknown[] = [];
  readonly server: HttpServer;
  readonly #clients: MemoryConn[] = [];
  #open!: ReadableStreamDefaultController<MemoryConn>;

  constructor(handler: Handler, options: ServerOptions = {}) {
    const source = new ReadableStream<MemoryConn>({
      start: (controller) => void (this.#open = controller),
    });
    this.server = serve(source as unknown as AcceptSource, handler, {
      maxBuffered: MOST,
      onError: (error) => void this.errors.push(error),
      ...options,
    });
  }

  open(conn: MemoryConn): void {
    this.#clients.push(conn);
    this.#open.enqueue(conn);
  }

  /** Closes the clients, and checks that nothing is held any longer. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const conn of this.#clients) conn.fail(new Error("gone"));
    for (const conn of this.#clients) conn.letGo();
    await this.server.shutdown();
    await until(() => this.server.stats().connections === 0, "the end");
    await until(() => this.server.stats().buffered === 0, "the release");
  }
}

test("text counts as the bytes that it is sent as", async () => {
  const target = (count: number) => `/${count}`;
  await using opened = new Opened((req, res) => {
    res.send("\u0800".repeat(Number(req.path.slice(1))));
  });
  const { server, errors } = opened;
  // 180,000 bytes each, so five fit.
  const clients = Array.from({ length: 8 }, () => client(target(60_000)));
  for (const conn of clients) {
    conn.hold();
    opened.open(conn);
  }
  await until(() => server.stats().requests === 8, "the requests");
  assertEquals(server.stats().buffered, 900_000);
  assertEquals(server.stats().shed, 3);
  assertEquals(errors, []);
  const large = client(target(400_000));
  opened.open(large);
  await until(() => large.wire.includes("\r\n\r\n"), "the answer");
  assert(large.wire.startsWith("HTTP/1.1 500"));
  assert(errors[0] instanceof RangeError);
});

test("bytes that were transferred before their write count no longer", async () => {
  await using opened = new Opened((_req, res) => {
    const bytes = new Uint8Array(500_000);
    res.send(bytes);
    structuredClone(null, { transfer: [bytes.buffer] });
  });
  opened.open(client("/"));
  await until(() => opened.errors.length === 1, "the error");
  assert(opened.errors[0] instanceof TypeError);
});

for (const writeTimeout of [30_000, Infinity]) {
  test(`a client that reads slowly has not stopped reading, writeTimeout ${writeTimeout}`, async () => {
    await using opened = new Opened(
      (_req, res) => res.send(new Uint8Array(600_000)),
      { ...FAST_SWEEPS, writeTimeout },
    );
    const { server } = opened;
    const slow = new MemoryConn([get("/")], {
      ends: "when told",
      largestWrite: 1,
    });
    opened.open(slow);
    await until(() => slow.writes.length > 0, "the first bytes");
    // The writes go on between all of these sweeps.
    await sweeps(FAST_SWEEPS.headTimeout, 12);
    const other = client("/");
    opened.open(other);
    await until(() => other.wire.includes("\r\n\r\n"), "the answer");
    assert(other.wire.startsWith("HTTP/1.1 503"));
    assertEquals(slow.closes, 0);
    assertEquals(server.stats().connections, 2);
  });
}

test("a connection that was handed over does not count as stalled", async () => {
  let raw!: ReturnType<HttpResponse["upgrade"]>;
  await using opened = new Opened((req, res) => {
    if (req.upgrade !== null) raw = res.upgrade();
    else res.send(new Uint8Array(req.path === "/small" ? 9 : 700_000));
  }, FAST_SWEEPS);
  const upgraded = client("/small");
  upgraded.hold();
  opened.open(upgraded);
  await until(() => upgraded.writesBegun === 1, "the first write");
  await sweeps(FAST_SWEEPS.headTimeout, 12);
  upgraded.give(get("/", "Upgrade: x", "Connection: upgrade"));
  await until(() => raw !== undefined, "the upgrade");
  const writer = raw.writable.getWriter();
  const written = writer.write(new Uint8Array(500_000));
  written.catch(() => {});
  await until(() => opened.server.stats().buffered > 0, "the chunk");
  const other = client("/large");
  opened.open(other);
  await until(() => other.wire.includes("\r\n\r\n"), "the answer");
  assert(other.wire.startsWith("HTTP/1.1 503"));
  assertEquals(upgraded.closes, 0);
  upgraded.letGo();
  await written;
  await writer.abort(new Error("the end"));
  await assertRejects(() => writer.closed);
});

test("an abort listener of a dropped connection answers a request once", async () => {
  let waiting: HttpResponse | null = null;
  await using opened = new Opened((req, res) => {
    if (req.path === "/waiting") {
      waiting = res;
      return res.send(new Uint8Array(700_000));
    }
    req.signal.addEventListener("abort", () => waiting?.send("listener"));
    res.send(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(500_000)),
      }),
    );
  }, FAST_SWEEPS);
  const stalled = client("/stalled");
  stalled.hold();
  opened.open(stalled);
  await until(() => opened.server.stats().buffered > 0, "the chunk");
  await sweeps(FAST_SWEEPS.headTimeout, 12);
  const other = client("/waiting");
  opened.open(other);
  await until(() => opened.errors.length > 0, "the error");
  await until(() => other.wire.includes("listener"), "the answer");
  assertEquals(answersIn(other.wire).map(({ body }) => body), ["listener"]);
});

test("info.completed of a response that gave way rejects, whenever it was asked for", async () => {
  const outcomes: string[] = [];
  const infos: FetchInfo[] = [];
  const note = (info: FetchInfo) =>
    info.completed.then(
      () => void outcomes.push("sent"),
      (error) => void outcomes.push(error.name),
    );
  const app = fetchHandler((_request, info) => {
    infos.push(info);
    if (infos.length === 2) note(info);
    return new Response(new Uint8Array(600_000));
  });
  await using opened = new Opened(app);
  const held = client("/");
  held.hold();
  opened.open(held);
  await until(() => infos.length === 1, "the first request");
  const second = client("/");
  opened.open(second);
  await until(() => second.wire.includes("\r\n\r\n"), "the answer");
  assert(second.wire.startsWith("HTTP/1.1 503"), second.wire.slice(0, 20));
  note(infos[1]!);
  await until(() => outcomes.length === 2, "both outcomes");
  assertEquals(outcomes, ["QuotaExceededError", "QuotaExceededError"]);
});
