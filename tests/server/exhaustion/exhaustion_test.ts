/**
 * Clients that want the server's memory or time. It runs in a process of its own, which
 * tells what it holds: for each connection no more than SECURITY.md states.
 */

import { assert, assertEquals } from "@std/assert";
import { RawClient } from "../../support/raw_client.ts";
import { get, last } from "../../support/requests.ts";
import { answersIn } from "../../support/response_reader.ts";
import { sleep, test, within } from "../../support/waiting.ts";

/** Bytes of memory for a connection, whatever its client does. */
const MOST_PER_CONNECTION = 300 * 1024;
const CLIENTS = 30;

interface Report {
  memory: number;
  connections: number;
  dropped: number;
  shed: number;
  buffered: number;
  requests: number;
  refusals: Record<string, number>;
}

/** The server's process. */
class Measured implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #asking: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: ReadableStreamDefaultReader<string>;
  port = 0;

  private constructor() {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--allow-net=127.0.0.1",
        "--v8-flags=--expose-gc",
        new URL("server.ts", import.meta.url).pathname,
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#asking = this.#process.stdin.getWriter();
    this.#answers = this.#process.stdout
      .pipeThrough(new TextDecoderStream()).getReader();
  }

  static async start(): Promise<Measured> {
    const measured = new Measured();
    measured.port = Number(await measured.#line());
    return measured;
  }

  async #line(): Promise<string> {
    let text = "";
    while (!text.endsWith("\n")) {
      const { value } = await within(this.#answers.read(), "the server");
      text += value ?? "\n";
    }
    return text;
  }

  async report(): Promise<Report> {
    await this.#asking.write(new Uint8Array([10]));
    return JSON.parse(await this.#line());
  }

  /** Waits until the server has no connection. */
  async atRest(): Promise<Report> {
    for (let i = 0; i < 300; i++) {
      const report = await this.report();
      if (report.connections === 0) return report;
      await sleep(50);
    }
    throw new Error("connections are left");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#asking.close();
    this.#process.kill();
    await this.#answers.cancel();
    await this.#process.status;
  }
}

/** Sends `piece` again and again until the server takes no more, or `most` bytes. */
async function flood(
  client: RawClient,
  piece: string,
  most: number,
  patience: number,
): Promise<number> {
  const bytes = new TextEncoder().encode(
    piece.repeat(Math.ceil(65_536 / piece.length)),
  );
  let sent = 0;
  try {
    while (sent < most) {
      // A write that was cut goes on within its piece.
      const write = client.conn.write(bytes.subarray(sent % bytes.length));
      write.catch(() => {});
      sent += await within(write, "a write", patience);
    }
  } catch {
    // The server reads no more, or has closed the connection.
  }
  return sent;
}

interface Attack {
  name: string;
  /** What each client sends first, and then for ever. */
  start: string;
  piece: string;
  /** The code that refuses it; without one, the server stops to read. */
  code?: string;
}

const HEAD = "GET / HTTP/1.1\r\nHost: a\r\n";
const CHUNKED =
  "POST /text HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const POST = (path: string) =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000000\r\n\r\n`;

const ATTACKS: Attack[] = [
  {
    name: "a request line without end",
    start: "GET /",
    piece: "a",
    code: "request-line-too-long",
  },
  {
    name: "field lines without end",
    start: HEAD,
    piece: "X: y\r\n",
    code: "too-many-headers",
  },
  {
    name: "a field value without end",
    start: `${HEAD}X: `,
    piece: "a",
    code: "headers-too-large",
  },
  {
    name: "empty lines without end",
    start: "",
    piece: "\r\n",
    code: "invalid-request-line",
  },
  {
    name: "a chunk extension without end",
    start: `${CHUNKED}1;a=`,
    piece: "b",
    code: "chunk-line-too-long",
  },
  {
    name: "leading zeros of a chunk size without end",
    start: CHUNKED,
    piece: "0",
    code: "chunk-size-too-large",
  },
  {
    name: "trailers without end",
    start: `${CHUNKED}0\r\n`,
    piece: "X: y\r\n",
    code: "trailers-too-large",
  },
  {
    name: "one-byte chunks without end",
    start: CHUNKED,
    piece: "1\r\nx\r\n",
    code: "body-too-large",
  },
  {
    name: "pipelined requests, none of whose answers is read",
    start: "",
    piece: get("/"),
  },
  {
    name: "pipelined requests behind a handler that hangs",
    start: get("/hang"),
    piece: get("/"),
  },
  { name: "a body that nobody reads", start: POST("/hang"), piece: "x" },
  {
    name: "a body whose stream is left alone",
    start: POST("/opened"),
    piece: "x",
  },
];

for (const { name, start, piece, code } of ATTACKS) {
  test(`${name}: memory for each connection is bounded`, async () => {
    await using server = await Measured.start();
    // Code that is compiled, and slabs that stay in the pools, are no connection's.
    for (let i = 0; i < CLIENTS; i++) {
      using warm = await RawClient.connect(server.port);
      await warm.send(get("/"));
      await warm.until("hello");
    }
    const before = await server.atRest();
    const clients: RawClient[] = [];
    for (let i = 0; i < CLIENTS; i++) {
      clients.push(await RawClient.connect(server.port));
    }
    // Where the server is to stop reading, a stalled write is the end.
    const patience = code === undefined ? 500 : 10_000;
    const sent = await Promise.all(clients.map(async (client) => {
      await client.send(start);
      return await flood(client, piece, 20_000_000, patience);
    }));
    const during = await server.report();
    const each = (during.memory - before.memory) / CLIENTS;
    assert(each < MOST_PER_CONNECTION, `${each} bytes for each connection`);
    if (code !== undefined) assertEquals(during.refusals, { [code]: CLIENTS });
    else {
      // The server stopped to read, long before it had all of it.
      for (const bytes of sent) assert(bytes < 20_000_000, `${bytes} sent`);
    }
    await server.atRest();
    for (const client of clients) client.conn.close();
  });
}

test("a million one-byte chunks are one body", async () => {
  await using server = await Measured.start();
  using client = await RawClient.connect(server.port);
  await client.send(CHUNKED);
  for (let i = 0; i < 100; i++) await client.send("1\r\nx\r\n".repeat(10_000));
  await client.send("0\r\n\r\n" + last("/"));
  const [answer] = answersIn(await client.rest());
  assertEquals(answer!.body, "1000000");
  const { memory } = await server.report();
  assert(memory < 60_000_000, `${memory} bytes`);
});

test("responses of 100 MB that nobody reads stay within maxBuffered", async () => {
  await using server = await Measured.start();
  const clients: RawClient[] = [];
  for (let i = 0; i < CLIENTS; i++) {
    const client = await RawClient.connect(server.port);
    clients.push(client);
    await client.send(get("/large"));
    await client.until("\r\n\r\n");
  }
  const { memory, buffered, shed } = await server.report();
  assert(buffered <= 150_000_000, `${buffered} bytes buffered`);
  assert(memory < 200_000_000, `${memory} bytes`);
  assert(shed >= CLIENTS - 1, `${shed} shed`);
  const { dropped } = await server.atRest();
  assert(dropped <= 1, `${dropped} dropped`);
  for (const client of clients) client.conn.close();
});

test("a head that trickles is over in time", async () => {
  await using server = await Measured.start();
  using client = await RawClient.connect(server.port);
  await client.send(`${HEAD}X: `);
  const rest = client.rest();
  let over = false;
  rest.finally(() => over = true).catch(() => {});
  while (!over) {
    await client.send("a").catch(() => {});
    await sleep(100);
  }
  const [answer] = answersIn(await rest);
  assertEquals(answer!.status, 408);
  assertEquals((await server.atRest()).refusals, { "head-timeout": 1 });
});
