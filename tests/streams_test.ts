/**
 * `readRequests` and `RequestStream`: backpressure, cancellation, errors, and that
 * whatever happens, all memory comes back.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { toText } from "@std/streams";
import {
  HttpError,
  type HttpRequest,
  Pools,
  readRequests,
  RequestStream,
} from "@pooled/http1";

const encoder = new TextEncoder();
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

function post(body: string): string {
  return `POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

function chunked(...chunks: string[]): string {
  const wire = chunks.map((chunk) =>
    `${chunk.length.toString(16)}\r\n${chunk}\r\n`
  );
  return `POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${
    wire.join("")
  }0\r\n\r\n`;
}

/** A source of these chunks, as a byte stream or as one without BYOB readers. */
function source(
  chunks: string[],
  options: { byob: boolean; onCancel?: (reason: unknown) => void },
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const queue = chunks.map((chunk) => encoder.encode(chunk));
  const pull = (
    controller:
      | ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>
      | ReadableByteStreamController,
  ) => {
    const chunk = queue.shift();
    if (chunk !== undefined) return controller.enqueue(chunk);
    controller.close();
    if ("byobRequest" in controller) controller.byobRequest?.respond(0);
  };
  const cancel = options.onCancel ?? (() => {});
  return options.byob
    ? new ReadableStream({ type: "bytes", pull, cancel })
    : new ReadableStream({ pull, cancel }, { highWaterMark: 0 });
}

/** Both ways from bytes to requests, on both kinds of source. */
const WAYS: [
  string,
  (chunks: string[], pools: Pools) => ReadableStream<HttpRequest>,
][] = [
  [
    "readRequests, BYOB",
    (chunks, pools) => readRequests(source(chunks, { byob: true }), { pools }),
  ],
  [
    "readRequests, default",
    (chunks, pools) => readRequests(source(chunks, { byob: false }), { pools }),
  ],
  [
    "RequestStream",
    (chunks, pools) =>
      source(chunks, { byob: false }).pipeThrough(new RequestStream({ pools })),
  ],
];

/** A source of either kind that gives what its controller is told to, when it is told. */
function lateSource(type: "bytes" | undefined): {
  late: ReadableStream<Uint8Array<ArrayBuffer>>;
  controller: ReadableByteStreamController;
} {
  let controller!: ReadableByteStreamController;
  const late = new ReadableStream({
    type: type as "bytes",
    start: (given) => void (controller = given),
  });
  return { late, controller };
}

function assertAllReturned(pools: Pools): void {
  const { requests, tables, slabs } = pools.stats();
  assertEquals(
    [requests.inUse, tables.inUse, ...slabs.map((tier) => tier.inUse)],
    [0, 0, 0, 0, 0, 0],
  );
}

/** Lets everything that is due happen. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

for (const [way, open] of WAYS) {
  Deno.test(`${way}: requests come out in order, whatever the chunks`, async () => {
    const wire = GET + post("hello") + GET +
      chunked("a", "bc", "d".repeat(600)) +
      post("") + GET;
    const expected = ["", "hello", "", "abc" + "d".repeat(600), "", ""];
    for (const size of [1, 2, 7, 30, 1000, wire.length]) {
      const pools = new Pools();
      const chunks: string[] = [];
      for (let i = 0; i < wire.length; i += size) {
        chunks.push(wire.slice(i, i + size));
      }
      const bodies: string[] = [];
      for await (using request of open(chunks, pools)) {
        bodies.push(await request.text());
      }
      assertEquals(bodies, expected);
      assertAllReturned(pools);
    }
  });

  Deno.test(`${way}: an unread or half-read body is discarded by the next request`, async () => {
    const pools = new Pools();
    const big = "x".repeat(200_000);
    const wire = post(big) + chunked(big, big) + post(big) + GET;
    const seen: string[] = [];
    for await (using request of open([wire], pools)) {
      seen.push(request.path);
      if (seen.length === 3) {
        const reader = request.body!.getReader();
        const { value } = await reader.read();
        assert(value!.length > 0 && value!.length < big.length);
        assertEquals(request.bodyUsed, true);
      }
    }
    assertEquals(seen, ["/post", "/chunked", "/post", "/"]);
    assertAllReturned(pools);
  });

  Deno.test(`${way}: a refusal comes after the good requests, and ends all`, async () => {
    const pools = new Pools();
    const seen: string[] = [];
    const error = await assertRejects(async () => {
      const wire = [
        GET + post("x") + GET + "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
      ];
      for await (using request of open(wire, pools)) seen.push(request.path);
    }, HttpError);
    assertEquals(seen, ["/", "/post", "/"]);
    assertEquals(error.code, "space-before-colon");
    assertAllReturned(pools);
  });

  Deno.test(`${way}: the end of the input inside a message is an error`, async () => {
    for (
      const cut of [
        "GET / HT",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "\r",
        post("hello").slice(0, -1),
        chunked("hello").slice(0, -1),
        chunked("hello").slice(0, -5),
      ]
    ) {
      const pools = new Pools();
      const error = await assertRejects(async () => {
        for await (using request of open([GET, cut], pools)) request.method;
      }, HttpError);
      assertEquals(error.code, "unexpected-eof", cut);
      assertAllReturned(pools);
    }
  });

  Deno.test(`${way}: a body that is cut off fails whoever reads it`, async () => {
    for (
      const wire of [post("hello").slice(0, -1), chunked("hello").slice(0, -5)]
    ) {
      const pools = new Pools();
      const requests = open([wire], pools).getReader();
      const request = (await requests.read()).value!;
      const error = await assertRejects(() => request.bytes(), HttpError);
      assertEquals(error.code, "unexpected-eof");
      request.release();
      await assertRejects(() => requests.read(), HttpError);
      assertAllReturned(pools);
    }
  });

  Deno.test(`${way}: breaking out returns everything`, async () => {
    const pools = new Pools();
    for await (using request of open([GET, GET.slice(0, 20)], pools)) {
      assertEquals(request.method, "GET");
      break;
    }
    assertAllReturned(pools);
  });

  Deno.test(`${way}: cancel while waiting returns everything`, async () => {
    const pools = new Pools();
    const requests = open([post("hello").slice(0, -3)], pools);
    const reader = requests.getReader();
    const request = (await reader.read()).value!;
    const body = request.body!.getReader();
    await body.read();
    const cancelled = reader.cancel("enough");
    await assertRejects(async () => {
      for (;;) if ((await body.read()).done) break;
    }).catch(() => {});
    await cancelled;
    request.release();
    await settle();
    assertAllReturned(pools);
  });

  Deno.test(`${way}: toRequest() outlives the request, with its body`, async () => {
    const pools = new Pools();
    const reader = open([post("hello") + GET], pools).getReader();
    const request = (await reader.read()).value!;
    const fetched = request.toRequest();
    assertEquals(request.bodyUsed, true);
    request.release();
    assertEquals(fetched.method, "POST");
    assertEquals(fetched.url, "http://a/post");
    assertEquals(fetched.headers.get("content-length"), "5");
    assertEquals(await fetched.text(), "hello");
    const next = (await reader.read()).value!;
    assertEquals(next.method, "GET");
    next.release();
    assertEquals((await reader.read()).done, true);
    assertAllReturned(pools);
  });
}

Deno.test("a buffered read under way is finished before the next request comes", async () => {
  const pools = new Pools();
  const wire = post("hello") + GET;
  const reader = readRequests(
    source([wire.slice(0, 60), wire.slice(60)], { byob: true }),
    { pools },
  ).getReader();
  const first = (await reader.read()).value!;
  const [text, second] = await Promise.all([first.text(), reader.read()]);
  assertEquals(text, "hello");
  assertEquals(second.value!.method, "GET");
  first.release();
  second.value!.release();
  assertEquals((await reader.read()).done, true);
  assertAllReturned(pools);
});

Deno.test("two reads at once are answered in order", async () => {
  const pools = new Pools();
  const reader = readRequests(
    source([GET, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"], { byob: true }),
    {
      pools,
    },
  ).getReader();
  const [first, second] = await Promise.all([reader.read(), reader.read()]);
  assertEquals([first.value!.target, second.value!.target], ["/", "/2"]);
  first.value!.release();
  second.value!.release();
  await reader.cancel();
  assertAllReturned(pools);
});

Deno.test("cancel reaches the source, with its reason", async () => {
  for (const byob of [true, false]) {
    const pools = new Pools();
    let reached: unknown;
    const endless = source([GET], {
      byob,
      onCancel: (reason) => void (reached = reason),
    });
    const reader = readRequests(endless, { pools }).getReader();
    (await reader.read()).value!.release();
    await reader.cancel("enough");
    assertEquals(reached, "enough");
    assertAllReturned(pools);
  }
});

Deno.test("a source of anything but Uint8Array is an error, and is cancelled", async () => {
  for (const chunk of ["GET / HTTP/1.1", new ArrayBuffer(9), null, 7]) {
    const pools = new Pools();
    let reached: unknown;
    const odd = new ReadableStream({
      pull: (controller) => controller.enqueue(chunk as never),
      cancel: (reason) => void (reached = reason),
    }, { highWaterMark: 0 });
    const reader = readRequests(odd, { pools }).getReader();
    await assertRejects(() => reader.read(), TypeError, "no Uint8Array");
    await settle();
    assertInstanceOf(reached, TypeError);
    assertAllReturned(pools);
  }
});

Deno.test("cancel in the tick in which bytes arrive", async () => {
  for (const type of ["bytes", undefined] as const) {
    const pools = new Pools();
    const { late, controller } = lateSource(type);
    const reader = readRequests(late, { pools }).getReader();
    const asked = reader.read();
    await settle();
    controller.enqueue(encoder.encode(GET));
    await reader.cancel();
    assertEquals((await asked).done, true);
    await settle();
    assertAllReturned(pools);
  }
});

Deno.test("a reader that left while it waited is not handed a request", async () => {
  for (const type of ["bytes", undefined] as const) {
    const pools = new Pools();
    const { late, controller } = lateSource(type);
    const requests = readRequests(late, { pools });
    const first = requests.getReader();
    const asked = first.read();
    asked.catch(() => {});
    await settle();
    first.releaseLock();
    const second = requests.getReader();
    controller.enqueue(encoder.encode(GET + GET));
    await settle();
    assertEquals(pools.stats().requests.inUse, 0);
    (await second.read()).value!.release();
    await second.cancel();
    assertAllReturned(pools);
  }
});

Deno.test("an error of the source reaches the reader and the body", async () => {
  for (const type of ["bytes", undefined] as const) {
    const pools = new Pools();
    let sent = false;
    const broken = new ReadableStream({
      type: type as "bytes",
      pull(controller) {
        if (sent) throw new Error("the cable is out");
        sent = true;
        controller.enqueue(encoder.encode(post("hello").slice(0, -2)));
      },
    });
    const reader = readRequests(broken, { pools }).getReader();
    const request = (await reader.read()).value!;
    await assertRejects(() => request.text(), Error, "the cable is out");
    request.release();
    await assertRejects(() => reader.read(), Error, "the cable is out");
    assertAllReturned(pools);
  }
});

Deno.test("a source that is locked already is refused at once", () => {
  const locked = source([GET], { byob: true });
  locked.getReader();
  assertThrows(() => readRequests(locked), TypeError);
});

Deno.test("a source's own buffers stay its own", async () => {
  // The writer uses one buffer again and again, as a socket's reader would.
  const pools = new Pools();
  const { readable, writable } = new RequestStream({ pools });
  const buffer = new Uint8Array(64);
  const writer = writable.getWriter();
  const seen: HttpRequest[] = [];
  const reading = (async () => {
    for await (const request of readable) seen.push(request);
  })();
  for (const path of ["/a", "/b", "/c"]) {
    const { written } = encoder.encodeInto(
      `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`,
      buffer,
    );
    await writer.write(buffer.subarray(0, written));
  }
  buffer.fill(0);
  await writer.close();
  await reading;
  assertEquals(seen.map((request) => request.target), ["/a", "/b", "/c"]);
  for (const request of seen) request.release();
  assertAllReturned(pools);
});

Deno.test("an unread body holds the writer back", async () => {
  const pools = new Pools();
  const { readable, writable } = new RequestStream({ pools });
  const writer = writable.getWriter();
  const reader = readable.getReader();
  let written = false;
  writer.write(encoder.encode(post("x".repeat(1000)) + GET))
    .then(() => written = true);
  const request = (await reader.read()).value!;
  await settle();
  assertEquals(written, false);
  assertEquals((await request.bytes()).length, 1000);
  await settle();
  assertEquals(written, false, "the next request is still in the chunk");
  request.release();
  (await reader.read()).value!.release();
  const end = reader.read();
  await settle();
  assertEquals(written, true);
  await writer.close();
  assertEquals((await end).done, true);
  assertAllReturned(pools);
});

Deno.test("nothing is read from a source before somebody asks", async () => {
  let pulls = 0;
  const lazy = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulls++;
      controller.enqueue(encoder.encode(GET));
    },
  }, { highWaterMark: 0 });
  const pools = new Pools();
  const reader = readRequests(lazy, { pools }).getReader();
  await settle();
  assertEquals(pulls, 0);
  (await reader.read()).value!.release();
  await settle();
  assertEquals(pulls, 1);
  await reader.cancel();
  assertAllReturned(pools);
});

Deno.test("RequestStream: abort fails the readable side, also in the middle of a write", async () => {
  for (const wire of [GET.slice(0, 9), post("x".repeat(100)) + GET]) {
    const pools = new Pools();
    const { readable, writable } = new RequestStream({ pools });
    const writer = writable.getWriter();
    const reader = readable.getReader();
    const asked = reader.read();
    const write = writer.write(encoder.encode(wire));
    write.catch(() => {});
    await settle();
    const reason = new Error("gone");
    await writer.abort(reason);
    const request = await asked.then(({ value }) => value, () => undefined);
    if (request !== undefined) {
      await assertRejects(() => request.text(), Error, "gone");
      request.release();
    }
    await assertRejects(() => reader.read(), Error, "gone");
    await assertRejects(() => writer.closed, Error, "gone");
    assertAllReturned(pools);
  }
});

Deno.test("RequestStream: cancel fails the writable side", async () => {
  const pools = new Pools();
  const { readable, writable } = new RequestStream({ pools });
  const writer = writable.getWriter();
  const write = writer.write(encoder.encode(GET + GET));
  const reader = readable.getReader();
  (await reader.read()).value!.release();
  await reader.cancel(new Error("enough"));
  await assertRejects(() => write, Error, "enough");
  await assertRejects(() => writer.closed, Error, "enough");
  assertAllReturned(pools);
});

Deno.test("RequestStream: a refusal fails the writer, whose source is cancelled", async () => {
  const pools = new Pools();
  let reached: unknown;
  const bad = source([GET + "BAD\r\n\r\n"], {
    byob: false,
    onCancel: (reason) => void (reached = reason),
  });
  const reader = bad.pipeThrough(new RequestStream({ pools })).getReader();
  (await reader.read()).value!.release();
  await assertRejects(() => reader.read(), HttpError);
  await settle();
  assertInstanceOf(reached, HttpError);
  assertAllReturned(pools);
});

Deno.test("RequestStream: closing in the middle of a message rejects the close", async () => {
  const pools = new Pools();
  const { readable, writable } = new RequestStream({ pools });
  const writer = writable.getWriter();
  const asked = readable.getReader().read();
  asked.catch(() => {});
  await writer.write(encoder.encode(GET.slice(0, 10)));
  const error = await assertRejects(() => writer.close(), HttpError);
  assertEquals(error.code, "unexpected-eof");
  await assertRejects(() => asked, HttpError);
  assertAllReturned(pools);
});

Deno.test("RequestStream: what is no Uint8Array is refused", async () => {
  const { readable, writable } = new RequestStream();
  const writer = writable.getWriter();
  await assertRejects(() => writer.write("GET /" as never), TypeError);
  await assertRejects(() => readable.getReader().read(), TypeError);
});

Deno.test("a body can be read by a BYOB reader", async () => {
  const pools = new Pools();
  const reader = readRequests(
    source([post("hello world"), chunked("ab", "cd")], { byob: true }),
    { pools },
  ).getReader();
  for (const expected of ["hello world", "abcd"]) {
    const request = (await reader.read()).value!;
    const body = request.body!.getReader({ mode: "byob" });
    let text = "";
    for (let buffer = new ArrayBuffer(4);;) {
      const { done, value } = await body.read(new Uint8Array(buffer));
      if (done) break;
      assert(value.length <= 4);
      text += new TextDecoder().decode(value);
      buffer = value.buffer;
    }
    assertEquals(text, expected);
    request.release();
  }
  assertEquals((await reader.read()).done, true);
  assertAllReturned(pools);
});

Deno.test("several reads of a body at once are answered in order", async () => {
  for (const byob of [true, false]) {
    for (const wire of [chunked("ab", "cd", "ef"), post("abcdef")]) {
      const pools = new Pools();
      const cut = wire.indexOf("\r\n\r\n") + 4;
      let given = 0;
      const slow = new ReadableStream({
        type: (byob ? "bytes" : undefined) as "bytes",
        async pull(controller) {
          await settle();
          const end = given === 0 ? cut : given + 1;
          const piece = wire.slice(given, end);
          given = end;
          if (piece !== "") return controller.enqueue(encoder.encode(piece));
          controller.close();
          controller.byobRequest?.respond(0);
        },
      });
      const requests = readRequests(slow, { pools }).getReader();
      const request = (await requests.read()).value!;
      const body = request.body!.getReader();
      const first = [body.read(), body.read()];
      await settle();
      const later = Array.from({ length: 6 }, () => body.read());
      const reads = await Promise.all([...first, ...later]);
      const text = reads.map(({ value }) => new TextDecoder().decode(value));
      assertEquals(text.join(""), "abcdef");
      request.release();
      assertEquals((await requests.read()).done, true);
      assertAllReturned(pools);
    }
  }
});

Deno.test("a large body is gathered and streamed in full", async () => {
  const big = "0123456789abcdef".repeat(60_000); // 960,000 bytes
  for (const byob of [true, false]) {
    const pools = new Pools();
    const wire = post(big) +
      chunked(big.slice(0, 100_000), big.slice(100_000)) +
      post(big) + chunked(big);
    const chunks: string[] = [];
    for (let i = 0; i < wire.length; i += 70_000) {
      chunks.push(wire.slice(i, i + 70_000));
    }
    let count = 0;
    for await (
      using request of readRequests(source(chunks, { byob }), { pools })
    ) {
      const text = ++count <= 2
        ? await request.text()
        : await toText(request.body!);
      assert(text === big, `body ${count}`);
    }
    assertEquals(count, 4);
    assertAllReturned(pools);
  }
});

Deno.test("a stream of pipelined requests is served from few slabs", async () => {
  const pools = new Pools();
  const burst = GET.repeat(2000);
  const chunks = Array.from({ length: 20 }, () => burst);
  let count = 0;
  for (const byob of [true, false]) {
    for await (
      using request of readRequests(source(chunks, { byob }), { pools })
    ) {
      if (request.method === "GET") count++;
    }
  }
  assertEquals(count, 80_000);
  const { requests, slabs } = pools.stats();
  const made = slabs.reduce((sum, tier) => sum + tier.created, 0);
  assert(requests.created <= 2, `${requests.created} request objects`);
  assert(made <= 8, `${made} slabs`);
  assertAllReturned(pools);
});

Deno.test("real TCP: requests of a connection, and an answer to a refusal", async () => {
  const pools = new Pools();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using conn = await listener.accept();
    try {
      for await (using request of readRequests(conn.readable, { pools })) {
        const body = await request.text();
        const answer = `${request.method} ${request.target} ${body}`;
        await conn.write(encoder.encode(
          `HTTP/1.1 200 OK\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`,
        ));
      }
    } catch (error) {
      assertInstanceOf(error, HttpError);
      // The connection is still ours to answer on.
      await conn.write(
        encoder.encode(`HTTP/1.1 ${error.status} Refused\r\n\r\n`),
      );
    }
  })();
  const { port } = listener.addr as Deno.NetAddr;
  using client = await Deno.connect({ hostname: "127.0.0.1", port });
  await client.write(encoder.encode(post("one") + chunked("t", "wo")));
  await client.write(encoder.encode("GET / HTTP/2.0\r\n\r\n"));
  const answers = await toText(client.readable);
  assertEquals(
    answers,
    "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nPOST /post one" +
      "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nPOST /chunked two" +
      "HTTP/1.1 505 Refused\r\n\r\n",
  );
  await serving;
  assertAllReturned(pools);
});

Deno.test("real TCP: any refusal can be answered by who catches it outside the loop", async () => {
  const head = "POST / HTTP/1.1\r\nHost: a\r\n";
  const chunkedHead = `${head}Transfer-Encoding: chunked\r\n\r\n`;
  const cases: [status: number, packets: string[]][] = [
    [400, ["GET / HTTP/1.1\n"]],
    [400, [chunkedHead + "zz\r\n"]],
    [400, [chunkedHead, "zz\r\n"]],
    [413, [`${head}Content-Length: 100\r\n\r\nx`]],
    [413, [chunkedHead + "10\r\n0123456789abcdef\r\n"]],
    [413, [chunkedHead, "10\r\n0123456789abcdef\r\n"]],
  ];
  for (const [status, packets] of cases) {
    const pools = new Pools();
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const serving = (async () => {
      using conn = await listener.accept();
      const options = { pools, maxBodySize: 10 };
      try {
        for await (using request of readRequests(conn.readable, options)) {
          await request.text();
        }
      } catch (error) {
        assertInstanceOf(error, HttpError);
        await conn.write(encoder.encode(`HTTP/1.1 ${error.status} No\r\n\r\n`));
      }
    })();
    using client = await Deno.connect({ hostname: "127.0.0.1", port });
    for (const packet of packets) {
      await client.write(encoder.encode(packet));
      await settle();
    }
    const answer = new Uint8Array(100);
    const length = await client.read(answer);
    assertEquals(
      new TextDecoder().decode(answer.subarray(0, length ?? 0)),
      `HTTP/1.1 ${status} No\r\n\r\n`,
      packets.join("|"),
    );
    await serving;
    assertAllReturned(pools);
  }
});

Deno.test("leaving the loop after a body was refused throws nothing of its own", async () => {
  for (const wire of [chunked("hello").slice(0, -5) + "zz\r\n"]) {
    const pools = new Pools();
    let caught: unknown;
    for await (
      using request of readRequests(source([wire], { byob: true }), { pools })
    ) {
      caught = await request.text().catch((error) => error);
      break;
    }
    assertInstanceOf(caught, HttpError);
    assertAllReturned(pools);
  }
});

Deno.test("real TCP: leaving the loop closes the connection", async () => {
  const pools = new Pools();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  using client = await Deno.connect({ hostname: "127.0.0.1", port });
  const conn = await listener.accept();
  await client.write(encoder.encode(GET + GET));
  for await (using request of readRequests(conn.readable, { pools })) {
    assertEquals(request.method, "GET");
    break;
  }
  assertEquals(await client.read(new Uint8Array(1)).catch(() => null), null);
  assertAllReturned(pools);
});
