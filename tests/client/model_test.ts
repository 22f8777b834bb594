/**
 * Random requests, answers, aborts and ends on one connection: a response always carries
 * the id of its request, everything settles, and `retryable` is true for a request that is
 * not idempotent only if the server has seen nothing of it.
 *
 * A failure prints its seed and the shortest steps that show it.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type Conn,
  connect,
  type HttpClient,
  HttpError,
  Pools,
  RequestError,
  RequestParser,
} from "@pooled/http1";
import { untilAtRest } from "../support/at_rest.ts";
import { bytesOf } from "../support/bytes.ts";
import { streamOf } from "../support/streams.ts";
import { withoutUnhandled } from "../support/unhandled.ts";
import { settle, turn, within } from "../support/waiting.ts";

/** A server that answers when it is told to. */
class TestServer implements Conn {
  /** Ids of the requests that have come, and of those without an answer. */
  readonly seen: number[] = [];
  readonly owed: { id: number; method: string }[] = [];
  /** Requests that came although they may not be pipelined. */
  readonly wrong: number[] = [];
  readonly bodies = new Map<number, string>();
  closed = false;
  readonly #parser = new RequestParser({ pools: new Pools() });
  readonly #pieces: Uint8Array[] = [];
  #ended = false;
  #failure: unknown = null;
  #wake = () => {};

  write(bytes: Uint8Array): Promise<number> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    this.#parser.push(bytes);
    for (let request; (request = this.#parser.next()) !== null;) {
      const id = Number(request.path.slice(1));
      const { method } = request;
      this.seen.push(id);
      const pipelines = (name: string) => name !== "POST";
      const ahead = this.owed.filter(({ method }) => !pipelines(method));
      if (this.owed.length > 0 && (!pipelines(method) || ahead.length > 0)) {
        this.wrong.push(id);
      }
      this.owed.push({ id, method });
      request.release();
    }
    return turn().then(() => bytes.length);
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#pieces.length === 0) {
      if (this.#failure !== null) throw this.#failure;
      if (this.#ended || this.closed) return null;
      await new Promise<void>((resolve) => void (this.#wake = resolve));
    }
    await turn();
    const piece = this.#pieces.shift()!;
    const count = Math.min(piece.length, into.length);
    into.set(piece.subarray(0, count));
    if (count < piece.length) this.#pieces.unshift(piece.subarray(count));
    return count;
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.closed = true;
    this.#parser[Symbol.dispose]();
    this.#wake();
  }

  give(text: string, cut: number): void {
    for (const part of [text.slice(0, cut), text.slice(cut)]) {
      if (part !== "") this.#pieces.push(bytesOf(part));
    }
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  fail(error: unknown): void {
    this.#failure = error;
    this.#wake();
  }

  /** Answers the oldest request. */
  answer(framing: Framing, size: number, cut: number): void {
    const next = this.owed.shift();
    if (next === undefined || this.#ended || this.closed) return;
    const { id, method } = next;
    const body = framing === "none" ? "" : `${id}:${"x".repeat(size)}`;
    this.bodies.set(id, method === "HEAD" ? "" : body);
    const head = `HTTP/1.1 200 OK\r\nX-Id: ${id}\r\n`;
    const content = method === "HEAD" ? "" : body;
    switch (framing) {
      case "chunked": {
        const [a, b] = [body.slice(0, 1), body.slice(1)];
        const chunks = [a, b].map((part) =>
          `${part.length.toString(16)}\r\n${part}\r\n`
        ).join("");
        const coded = method === "HEAD" ? "" : `${chunks}0\r\n\r\n`;
        return this.give(
          `${head}Transfer-Encoding: chunked\r\n\r\n${coded}`,
          cut,
        );
      }
      case "interim":
        this.give("HTTP/1.1 103 Early Hints\r\nX-Id: 0\r\n\r\n", cut);
        break;
      case "last":
        this.give(
          `${head}Connection: close\r\nContent-Length: ${body.length}\r\n\r\n${content}`,
          cut,
        );
        return this.end();
    }
    this.give(`${head}Content-Length: ${body.length}\r\n\r\n${content}`, cut);
  }
}

const FRAMINGS = ["length", "chunked", "none", "interim", "last"] as const;
type Framing = typeof FRAMINGS[number];
const WAYS = ["text", "release", "cancel", "hold", "fetch", "half"] as const;
const BODIES = ["none", "text", "stream"] as const;

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("request" as const),
      method: fc.constantFrom("GET", "HEAD", "PUT", "POST"),
      body: fc.constantFrom(...BODIES),
      way: fc.constantFrom(...WAYS),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("answer" as const),
      framing: fc.constantFrom(...FRAMINGS.slice(0, 4), "length", "length"),
      size: fc.constantFrom(0, 1, 100, 5000, 70_000),
      cut: fc.constantFrom(0, 1, 20, 60, 1000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("settle" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("abort" as const, "go" as const),
      // Counted from the last one.
      which: fc.nat(4),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom("last", "end", "fail", "extra", "close"),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Made {
  id: number;
  method: string;
  controller: AbortController;
  go: () => void;
  result: Promise<void>;
}

/** Makes a request, reads its response in some way, and checks what it gets. */
function make(
  client: HttpClient,
  server: TestServer,
  id: number,
  { method, body, way }: Step & { do: "request" },
): Made {
  const controller = new AbortController();
  const { signal } = controller;
  const held = Promise.withResolvers<void>();
  const hasBody = body !== "none" && (method === "PUT" || method === "POST");
  const content = !hasBody
    ? null
    : body === "text"
    ? "b".repeat(10)
    : streamOf(["b", "b"]);
  const target = `/${id}`;
  const checkText = (text: string) =>
    assertEquals(text, server.bodies.get(id), `the body of ${id}`);
  const run = async () => {
    if (way === "fetch") {
      const response = await client.fetch(target, {
        method,
        signal,
        ...content !== null && { body: content },
      });
      assertEquals(response.headers.get("x-id"), `${id}`);
      return checkText(await response.text());
    }
    using response = await client.request({
      method,
      target,
      signal,
      body: content,
    });
    assertEquals(response.headers.get("x-id"), `${id}`);
    if (way === "hold") await held.promise;
    if (way === "text" || way === "hold") {
      return checkText(await response.text());
    }
    if (way === "cancel") await response.body?.cancel();
    if (way !== "half" || response.body === null) return;
    const reader = response.body.getReader();
    const { value } = await reader.read();
    const text = new TextDecoder().decode(value);
    assert(server.bodies.get(id)!.startsWith(text), `${text} of ${id}`);
  };
  const result = run().catch((error) => {
    if (error === signal.reason || error instanceof HttpError) return;
    if (!(error instanceof RequestError)) throw error;
    if (method === "POST" && error.retryable) {
      assert(!server.seen.includes(id), `${id} was sent, and is retryable`);
    }
  });
  // Awaited in the end.
  result.catch(() => {});
  return { id, method, controller, go: held.resolve, result };
}

async function run(pipeline: number, steps: Step[]): Promise<void> {
  const pools = new Pools();
  const server = new TestServer();
  const client = connect(server, { authority: "a", pools, pipeline });
  const made: Made[] = [];
  for (const step of steps) {
    switch (step.do) {
      case "request":
        made.push(make(client, server, made.length + 1, step as never));
        break;
      case "answer": {
        const { framing, size, cut } = step as Step & { do: "answer" };
        server.answer(framing, size, cut);
        break;
      }
      case "settle":
        await settle();
        break;
      case "abort":
        made.at(-1 - (step as { which: number }).which)?.controller.abort(
          new Error("aborted"),
        );
        break;
      case "go":
        made.at(-1 - (step as { which: number }).which)?.go();
        break;
      case "last":
        server.answer("last", 10, 30);
        break;
      case "end":
        server.end();
        break;
      case "fail":
        server.fail(new Error("failed"));
        break;
      case "extra":
        if (client.state !== "idle") break;
        await settle();
        if (client.state !== "idle" || server.owed.length > 0) break;
        server.give("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad", 0);
        await settle();
        await settle();
        assertEquals(client.state, "closed", "unasked bytes");
        break;
      case "close":
        client.close();
        break;
    }
  }
  for (const { go } of made) go();
  let ended = false;
  client.close().then(() => ended = true);
  const bound = performance.now() + 30_000;
  while (!ended && performance.now() < bound) {
    server.answer("length", 3, 5);
    await turn();
  }
  assert(ended, "the client did not end");
  await within(Promise.all(made.map(({ result }) => result)), "the results");
  assertEquals(server.wrong, [], "pipelined");
  assertEquals(new Set(server.seen).size, server.seen.length, "sent twice");
  assert(server.closed);
  await untilAtRest(pools);
}

Deno.test("responses find their requests under random pipelining, aborts and ends", async () => {
  await withoutUnhandled(() =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 2, 5),
        fc.array(step, { maxLength: 30, size: "max" }),
        (pipeline, steps) => run(pipeline, steps as Step[]),
      ),
      { numRuns: 200 },
    )
  );
});
