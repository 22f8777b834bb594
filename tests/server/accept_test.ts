/**
 * Sources of connections: listeners and async iterables, including failing ones.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
} from "@std/assert";
import { type Conn, type Duplex, Pools, serve } from "@pooled/http1";
import { assertAtRest } from "../support/at_rest.ts";
import { hello } from "../support/handlers.ts";
import { portOf, untilRefused } from "../support/listeners.ts";
import { answerTo } from "../support/raw_client.ts";
import { GET, LAST_GET } from "../support/requests.ts";
import { askPipe, pipe } from "../support/streams.ts";
import { turn, until, within } from "../support/waiting.ts";

/** An async iterable of connections that the test supplies one by one. */
class Source<T> implements AsyncIterable<T> {
  readonly stream: ReadableStream<T>;
  controller!: ReadableStreamDefaultController<T>;

  constructor() {
    this.stream = new ReadableStream({
      start: (controller) => {
        this.controller = controller;
      },
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this.stream[Symbol.asyncIterator]();
  }
}

Deno.test("stream pairs from an async iterable are served", async () => {
  const pools = new Pools();
  const source = new Source<Duplex>();
  const seen: unknown[] = [];
  const server = serve(source, (req, res, info) => {
    seen.push([info.remoteAddr, info.localAddr, info.secure]);
    res.send(req.path);
  }, { pools });
  assertEquals(server.addr, null);
  const answers = ["/a", "/b"].map((path) => {
    const [ours, theirs] = pipe();
    source.controller.enqueue(ours);
    return askPipe(theirs, `GET ${path} HTTP/1.0\r\n\r\n`);
  });
  const [first, second] = await Promise.all(answers);
  assert(first!.endsWith("\r\n\r\n/a"), first);
  assert(second!.endsWith("\r\n\r\n/b"), second);
  assertEquals(seen, [[null, null, false], [null, null, false]]);
  source.controller.close();
  await within(server.finished, "the end of the server");
  assertEquals(server.stats().accepted, 2);
  assertAtRest(pools);
});

Deno.test("the last connection of an iterable is served like any other", async () => {
  const pools = new Pools();
  const source = new Source<Duplex>();
  const server = serve(source, hello, { pools });
  const [ours, theirs] = pipe();
  source.controller.enqueue(ours);
  source.controller.close();
  await until(() => server.stats().accepted === 1, "the connection");
  // Long enough for the server to see the end of the iterable.
  for (let i = 0; i < 5; i++) await turn();
  const answer = await askPipe(theirs, GET.replace("1.1", "1.0"));
  assert(answer.endsWith("hello"), `the answer was ${JSON.stringify(answer)}`);
  await within(server.finished, "the end of the server");
  assertAtRest(pools);
});

Deno.test("an iterable that throws is reported and shuts the server down", async () => {
  const pools = new Pools();
  const source = new Source<Duplex>();
  const errors: unknown[] = [];
  const release = Promise.withResolvers<void>();
  const server = serve(source, async (_req, res) => {
    await release.promise;
    res.send("late");
  }, { pools, onError: (error) => void errors.push(error) });
  const [ours, theirs] = pipe();
  source.controller.enqueue(ours);
  const answer = askPipe(theirs, GET);
  await until(() => server.stats().requests === 1, "the request");
  const broken = new Error("no more");
  source.controller.error(broken);
  await until(() => errors.length > 0, "the report");
  // A partly received request is still answered.
  release.resolve();
  assertStringIncludes(await answer, "Connection: close\r\n\r\nlate");
  await within(server.finished, "the end of the server");
  assertEquals(errors, [broken]);
  assertAtRest(pools);
});

Deno.test("shutdown does not wait for an idle iterable", async () => {
  const pools = new Pools();
  let returned = false;
  const server = serve(
    {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => {}),
        return: () => {
          returned = true;
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    },
    hello,
    { pools },
  );
  await turn();
  await within(server.shutdown(), "the end of the server");
  assert(returned, "the iterator was not told");
  assertAtRest(pools);
});

Deno.test("a pair with a locked stream is reported, and other pairs are served", async () => {
  const pools = new Pools();
  const source = new Source<Duplex>();
  const errors: unknown[] = [];
  const server = serve(source, hello, {
    pools,
    onError: (error) => void errors.push(error),
  });
  const [locked] = pipe();
  locked.readable.getReader();
  source.controller.enqueue(locked);
  const [ours, theirs] = pipe();
  source.controller.enqueue(ours);
  assertStringIncludes(await askPipe(theirs, LAST_GET), "hello");
  assertEquals(errors.length, 1);
  assertInstanceOf(errors[0], TypeError);
  source.controller.close();
  await within(server.finished, "the end of the server");
  assertAtRest(pools);
});

/** A listener whose `accept` fails on demand. */
function failingListener(
  listener: Deno.Listener,
  failure: () => Error | undefined,
): AsyncIterable<Conn> {
  const failing = {
    addr: listener.addr,
    async accept(): Promise<Deno.Conn> {
      const error = failure();
      if (error !== undefined) throw error;
      return await listener.accept();
    },
    close: () => listener.close(),
    // Never called: the server calls `accept`.
    [Symbol.asyncIterator]: () => listener[Symbol.asyncIterator](),
  };
  return failing;
}

Deno.test("a failing accept is reported and retried", async () => {
  const pools = new Pools();
  const errors: unknown[] = [];
  const failures = [1, 2, 3].map((i) => new Error(`too many open files ${i}`));
  const expected = [...failures];
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const server = serve(
    failingListener(listener, () => failures.shift()),
    hello,
    {
      pools,
      onError: (error) => void errors.push(error),
    },
  );
  const answer = await answerTo(portOf(server.addr), LAST_GET);
  assertStringIncludes(answer, "hello");
  assertEquals(errors, expected);
  await within(server.shutdown(), "the end of the server");
  assertAtRest(pools);
});

Deno.test("shutdown ends a server whose accept keeps failing", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let errors = 0;
  const never = failingListener(listener, () => new Error("never"));
  const pools = new Pools();
  const server = serve(never, hello, { pools, onError: () => void errors++ });
  await until(() => errors === 2, "two failures");
  await within(server.shutdown(), "the end of the server");
  await untilRefused(portOf(listener.addr));
  assertAtRest(pools);
});
