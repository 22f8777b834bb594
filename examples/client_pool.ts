/**
 * A pool of connections to one server, made of clients: keep-alive, a limit, and a
 * second attempt where HTTP allows it. Run, it sends a hundred requests over four.
 *
 * `deno run -N examples/client_pool.ts`
 *
 * @module
 */

import {
  connect,
  type HttpClient,
  type HttpRequestInit,
  type ReceivedResponse,
  RequestError,
  serve,
  type UpgradeRequestInit,
  type UpgradeResult,
} from "@pooled/http1";

/** Opens a connection; aborted with the request that needs it. */
export type Opener = (signal?: AbortSignal) => Promise<HttpClient>;

/** Too many requests wait already, or one has waited too long. */
export class PoolFull extends Error {}

/** At most `limit` requests at a time, each on a connection of its own. */
export class Pool {
  readonly #idle: HttpClient[] = [];
  readonly #waiting = new Set<() => void>();
  #free: number;
  /** Whether connections are kept. */
  #keeps = true;

  /**
   * @param maxWaiting Requests beyond these do not wait, and are rejected.
   * @param waitMs Milliseconds that a request waits for its turn.
   */
  constructor(
    readonly open: Opener,
    limit: number,
    readonly maxWaiting = 1000,
    readonly waitMs = 30_000,
  ) {
    this.#free = limit;
  }

  /** Sends a request; the response is released when `use` is done with it. */
  async request<T>(
    init: HttpRequestInit,
    use: (response: ReceivedResponse) => Promise<T>,
  ): Promise<T> {
    await this.#acquire(init.signal);
    let client: HttpClient | undefined;
    try {
      client = this.#takeIdle() ?? await this.open(init.signal);
      let response: ReceivedResponse;
      try {
        // A stream can be sent once only, whatever the method.
        response = await client.request(
          init.body instanceof ReadableStream
            ? { ...init, idempotent: false }
            : init,
        );
      } catch (error) {
        // Usually a server that closed an idle connection (RFC 9112 §9.3.1). The second
        // attempt is the last, because it gets a fresh connection.
        if (!(error instanceof RequestError && error.retryable)) throw error;
        client.close();
        client = await this.open(init.signal);
        response = await client.request(init);
      }
      using held = response;
      return await use(held);
    } finally {
      // One that is not idle has closed, or will once the rest of the body is discarded.
      if (this.#keeps && client?.state === "idle") this.#idle.push(client);
      else client?.close();
      this.#release();
    }
  }

  /**
   * Asks for an upgrade, on a connection of its own, which leaves the pool if the server
   * agrees. The result is disposed of when `use` is done with it.
   */
  async upgrade<T>(
    init: UpgradeRequestInit,
    use: (result: UpgradeResult) => Promise<T>,
  ): Promise<T> {
    await this.#acquire(init.signal);
    let client: HttpClient | undefined;
    try {
      client = await this.open(init.signal);
      using result = await client.upgrade(init);
      return await use(result);
    } finally {
      client?.close();
      this.#release();
    }
  }

  /** The connection used last; those that the server has closed meanwhile are dropped. */
  #takeIdle(): HttpClient | undefined {
    for (let client; (client = this.#idle.pop()) !== undefined;) {
      if (client.state === "idle") return client;
    }
    return undefined;
  }

  async #acquire(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#free > 0) return void this.#free--;
    if (this.#waiting.size >= this.maxWaiting) {
      throw new PoolFull("too many requests wait for a connection");
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = (reason: unknown) =>
      this.#waiting.delete(resolve) && reject(reason);
    const aborted = () => leave(signal!.reason);
    const timer = setTimeout(() => {
      leave(new PoolFull("the request waited too long for a connection"));
    }, this.waitMs);
    this.#waiting.add(resolve);
    signal?.addEventListener("abort", aborted);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
    }
  }

  #release(): void {
    const [next] = this.#waiting;
    if (next === undefined) return void this.#free++;
    this.#waiting.delete(next);
    next();
  }

  /** Closes the idle connections, and the others once their requests are answered. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#keeps = false;
    await Promise.all(this.#idle.splice(0).map((client) => client.close()));
  }
}

if (import.meta.main) {
  await using server = serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (req, res) => res.send(`${req.target}\n`),
  );
  await using pool = new Pool(async () => {
    const { hostname, port } = server.addr;
    return connect(await Deno.connect({ hostname, port }));
  }, 4);
  const answers = await Promise.all(
    Array.from(
      { length: 100 },
      (_, i) =>
        pool.request({ target: `/${i}` }, (response) => response.text()),
    ),
  );
  const right = answers.filter((text, i) => text === `/${i}\n`).length;
  const { connections } = server.stats();
  console.log(`${right} requests over ${connections} connections`);
}
