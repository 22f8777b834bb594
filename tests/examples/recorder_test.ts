/**
 * The recorder prints the heads of both directions and relays bytes as they are.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { serve } from "../../mod.ts";
import {
  assertSockets,
  Example,
  type ExampleOptions,
  sockets,
} from "../support/example.ts";
import { answerTo, assertEnds, RawClient } from "../support/raw_client.ts";
import { refusingPort } from "../support/upstream.ts";
import { sleep, test, within } from "../support/waiting.ts";

function start(upstream: number, options?: ExampleOptions): Example {
  const args = ["0", `127.0.0.1:${upstream}`];
  return Example.start("recorder.ts", args, options);
}

/** A recorded connection; the test acts as the upstream. */
class Recorded implements Disposable {
  constructor(readonly client: RawClient, readonly upstream: Deno.TcpConn) {}

  static async open(port: number, listener: Deno.TcpListener) {
    const client = await RawClient.connect(port);
    const upstream = await within(listener.accept(), "the recorder");
    return new Recorded(client, upstream);
  }

  /** Sends to the upstream, which must receive the same. */
  async up(text: string): Promise<void> {
    const buffer = new Uint8Array(65536);
    await this.client.send(text);
    for (let got = ""; got.length < text.length;) {
      const count = await within(this.upstream.read(buffer), "the bytes");
      got += String.fromCharCode(...buffer.subarray(0, count!));
      assertEquals(text.startsWith(got), true, got);
    }
  }

  /** Sends to the client, which must receive the same. */
  async down(text: string): Promise<void> {
    this.client.received = "";
    await this.upstream.write(Uint8Array.from(text, (c) => c.charCodeAt(0)));
    await this.client.until(text);
    assertEquals(this.client.received, text);
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
    this.upstream[Symbol.dispose]();
  }
}

test("recorder: prints the heads of both directions", async () => {
  await using server = serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (req, res) => res.send((await req.text()).toUpperCase()),
  );
  await using recorder = start(server.addr.port);
  const answer = await answerTo(
    await recorder.port(),
    "HEAD /0 HTTP/1.1\r\nHost: a\r\n\r\n" +
      "POST /1 HTTP/1.1\r\nhOST: a\r\nContent-Length: 2\r\n\r\nhi" +
      "GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  );
  assertStringIncludes(answer, "\r\n\r\nHI");
  await recorder.line(/1 > (HEAD) \/0 HTTP\/1.1\n1 > Host: a\n\n/);
  await recorder.line(
    /1 > (POST) \/1 HTTP\/1.1\n1 > hOST: a\n1 > Content-Length: 2\n\n/,
  );
  await recorder.line(/(GET) \/2 HTTP\/1.1\n1 > Host: a\n1 > Connection/);
  await recorder.line(/(?:1 < HTTP\/1.1 200 OK\n[^]*){3}1 < (Connection)/);
});

test("recorder: what cannot be read is relayed all the same", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using recorder = start(listener.addr.port);
  const port = await recorder.port();
  const before = sockets(recorder);
  {
    using pair = await Recorded.open(port, listener);
    await pair.up("GET / HTTP/1.1\r\nHost: a\r\nX: \x9b31m\r\n\r\n");
    await recorder.line(/1 > X: (\\x9b)31m\n/);
    await pair.up("nonsense\n\n");
    await recorder.line(/1 > not recorded from here: ([a-z-]+)\n/);
    await pair.down("HTTP/1.1 200 OK\n\n");
    await pair.up("GET / HTTP/1.1\r\nHost: b\r\n\r\n");
  }
  {
    using pair = await Recorded.open(port, listener);
    await pair.up(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    );
    await pair.down(
      "HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nearly",
    );
    await recorder.line(/2 < not recorded from here: (another) protocol/);
    await pair.up("\0\x01");
    await pair.down("\x02\xff");
  }
  await assertSockets(recorder, before);
  assert(!recorder.text.includes("Host: b"), recorder.text);
});

test("recorder: the requests that wait for a response are bounded", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using recorder = start(listener.addr.port, {
    constants: { MOST_PENDING: 2 },
  });
  using pair = await Recorded.open(await recorder.port(), listener);
  await pair.up("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(5));
  await recorder.line(/not recorded from here: (too many)/);
  await pair.down("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
});

test("recorder: an idle connection is closed, an active one is not", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using recorder = start(listener.addr.port, {
    constants: { IDLE_MS: 2000 },
  });
  const port = await recorder.port();
  using idle = await Recorded.open(port, listener);
  using active = await Recorded.open(port, listener);
  const ends = async ({ upstream, client }: Recorded) => {
    await within(assertEnds(upstream), "the upstream's end");
    await within(assertEnds(client.conn), "the client's end");
  };
  let isIdle = false;
  const ended = ends(idle).finally(() => isIdle = true);
  // Active for longer than the other is idle.
  for (let i = 0, last = false; !last; i++) {
    last = isIdle;
    await active.up(`GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await sleep(50);
  }
  await ended;
  await recorder.line(/(1) broke off/);
  await ends(active);
  await recorder.line(/(2) broke off/);
});

test("recorder: an upstream that is down closes the connection", async () => {
  using closed = await refusingPort();
  await using recorder = start(closed.port);
  using client = await RawClient.connect(await recorder.port());
  await within(assertEnds(client.conn), "the end");
  await recorder.line(/(1) broke off/);
});
