/**
 * What a program is told of its responses where writes take a part, and then break:
 * `onRequestEnd`, and `info.completed` of Fetch applications.
 */

import { assertEquals } from "@std/assert";
import { fetchHandler, type RequestEnd, serveConnection } from "@pooled/http1";
import { echoTarget } from "../support/handlers.ts";
import { MemoryConn, serveMemory } from "../support/memory_conn.ts";
import { get } from "../support/requests.ts";
import { settle, test, until } from "../support/waiting.ts";

/** A connection that takes some bytes at a time, and breaks after `most`. */
class Breaking extends MemoryConn {
  taken = 0;
  readonly #most: number;

  constructor(wire: string, most: number, atATime: number) {
    super([wire], { ends: "when told", largestWrite: atATime });
    this.#most = most;
  }

  override async write(bytes: Uint8Array): Promise<number> {
    const left = this.#most - this.taken;
    if (left === 0) throw new Error("broken");
    const count = await super.write(bytes.subarray(0, left));
    this.taken += count;
    return count;
  }
}

test("a connection that breaks has taken some responses, and a part of one", async () => {
  const wire = ["/a", "/b", "/c"].map((target) => get(target)).join("");
  const whole = await serveMemory(new MemoryConn([wire]), echoTarget);
  const each = whole.length / 3;
  for (const atATime of [1, 50, Infinity]) {
    for (let most = 0; most < whole.length; most += 7) {
      const ends: RequestEnd[] = [];
      await serveConnection(new Breaking(wire, most, atATime), echoTarget, {
        onRequestEnd: (end) => void ends.push(end),
      });
      assertEquals(
        ends.map(({ target, bytesSent, complete, error }) => [
          ...[target, bytesSent, complete, (error as Error | null)?.message],
        ]),
        ["/a", "/b", "/c"].map((target, i) => {
          const sent = Math.min(each, Math.max(0, most - i * each));
          const complete = sent === each;
          return [target, sent, complete, complete ? undefined : "broken"];
        }),
        `${most} bytes, ${atATime} at a time`,
      );
    }
  }
});

test("an upgrade has sent its head, however much of the rest was taken", async () => {
  const first = await serveMemory(new MemoryConn([get("/a")]), echoTarget);
  const head = "HTTP/1.1 101 Switching Protocols\r\n" +
    "Connection: Upgrade\r\nUpgrade: x\r\n\r\n";
  for (const more of [0, 10]) {
    const ends: RequestEnd[] = [];
    const wire = get("/a") + get("/", "Connection: Upgrade", "Upgrade: x");
    const most = first.length + head.length + more;
    const conn = new Breaking(wire, most, head.length + 3);
    // What follows gathers behind the first response, and is one write.
    conn.hold();
    const over = Promise.withResolvers<void>();
    serveConnection(conn, async (req, res) => {
      if (req.target === "/a") return res.send(req.target);
      await until(() => conn.writesBegun > 0, "the first write");
      const writer = res.upgrade().writable.getWriter();
      writer.closed.catch(() => over.resolve());
      writer.write(new Uint8Array(50)).catch(() => {});
      await settle();
      conn.letGo();
    }, { onRequestEnd: (end) => void ends.push(end) });
    await over.promise;
    await settle();
    assertEquals(
      ends.map(({ status, bytesSent, complete, error }) => [
        ...[status, bytesSent, complete, error],
      ]),
      [[200, first.length, true, null], [101, head.length, true, null]],
    );
  }
});

test("a refused message has a duration of 0, also behind a slow reader", async () => {
  const conn = new MemoryConn([`${get("/")}BAD\r\n\r\n`]);
  conn.hold();
  const ends: RequestEnd[] = [];
  const served = serveConnection(conn, echoTarget, {
    onRequestEnd: (end) => void ends.push(end),
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  conn.letGo();
  await served;
  assertEquals(ends.map(({ status }) => status), [200, 400]);
  assertEquals(ends[1]!.duration, 0);
});

test("info.completed of a response that was taken resolves, though the next one broke", async () => {
  const wire = get("/a") + get("/b");
  const app = fetchHandler(() => new Response("hello"));
  const each = (await serveMemory(new MemoryConn([get("/a")]), app)).length;
  for (const atATime of [1, 50, Infinity]) {
    for (const most of [each - 1, each, each + 1, 2 * each - 1]) {
      const told: string[] = [];
      await serveConnection(
        new Breaking(wire, most, atATime),
        fetchHandler((request, { completed }) => {
          const { pathname } = new URL(request.url);
          completed.then(
            () => told.push(`${pathname} was sent`),
            () => told.push(`${pathname} broke`),
          );
          return new Response("hello");
        }),
      );
      await settle();
      assertEquals(told.toSorted(), [
        most < each ? "/a broke" : "/a was sent",
        "/b broke",
      ], `${most} bytes, ${atATime} at a time`);
    }
  }
});
