/**
 * `request`: a handler that is asked without a socket, and what arrives either way. Each
 * test checks that the pools are at rest as soon as its response was read, and the
 * sanitizers that no timer is left.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "@std/assert";
import {
  fetchHandler,
  type Handler,
  Pools,
  prepareResponse,
  request,
} from "@pooled/http1";
import { untilAtRest } from "../support/at_rest.ts";
import { digestOf, patterned } from "../support/bytes.ts";
import { asker, echo, laterStream } from "../support/in_memory.ts";
import { sanitized as test, settle, within } from "../support/waiting.ts";

test("a path is asked on localhost", async () => {
  const { ask, atRest } = asker({ context: "a test" });
  const response = await ask(echo, "/a/b?c=d#e");
  assertEquals([response.status, response.statusText], [200, "OK"]);
  assertEquals(await response.json(), {
    method: "GET",
    target: "/a/b?c=d",
    version: "1.1",
    fields: [["Host", "localhost"]],
    length: null,
    chunked: false,
    text: "",
    remoteAddr: null,
    localAddr: null,
    secure: false,
    context: "a test",
  });
  atRest();
});

test("a handler that needs an address is given one", async () => {
  const remoteAddr: Deno.NetAddr = {
    transport: "tcp",
    hostname: "192.0.2.1",
    port: 5,
  };
  const app = (_: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>) =>
    new Response(info.remoteAddr.hostname);
  const pools = new Pools();
  const options = { remoteAddr, pools };
  const response = await request(fetchHandler(app), "/", {}, options);
  assertEquals(await response.text(), "192.0.2.1");
  const native: Handler<Deno.NetAddr> = (_req, res, info) =>
    res.json(info.remoteAddr);
  const told = await request(native, "/", undefined, options);
  assertEquals(await told.json(), remoteAddr);
  // @ts-expect-error -- this handler cannot do without
  const missing = request(native, "/");
  assertEquals(await (await missing).json(), null);
  await untilAtRest(pools);
});

test("a URL names the host, https makes the connection secure", async () => {
  const { ask, atRest } = asker();
  const url = new URL("https://example.com:8443/x");
  const told = await (await ask(echo, url)).json();
  assertEquals(told.fields, [["Host", "example.com:8443"]]);
  assertEquals([told.target, told.secure], ["/x", true]);
  const app = fetchHandler((request) => new Response(request.url));
  assertEquals(await (await ask(app, url)).text(), url.href);
  atRest();
});

test("every kind of body arrives, with its length where that is known", async () => {
  const { ask, atRest } = asker();
  const form = new FormData();
  form.set("a", "b");
  const whole: [BodyInit, string | RegExp][] = [
    ["text €", "text €"],
    [new TextEncoder().encode("bytes"), "bytes"],
    [new TextEncoder().encode("buffer").buffer, "buffer"],
    [new Blob(["blob"]), "blob"],
    [new URLSearchParams({ q: "a b" }), "q=a+b"],
    [form, /name="a"\r\n\r\nb\r\n/],
    ["", ""],
  ];
  for (const [body, text] of whole) {
    const told = await (await ask(echo, "/", { method: "POST", body })).json();
    if (typeof text === "string") assertEquals(told.text, text);
    else assert(text.test(told.text), told.text);
    const { length } = new TextEncoder().encode(told.text);
    assertEquals([told.length, told.chunked], [length, false]);
    atRest();
  }
  const body = laterStream(["one ", "", "two ", "three"]);
  const told = await (await ask(echo, "/", { method: "PUT", body })).json();
  assertEquals([told.text, told.chunked], ["one two three", true]);
  const empty = await (await ask(echo, "/", { method: "POST" })).json();
  assertEquals([empty.text, empty.length], ["", 0]);
  const none = await (await ask(echo, "/", { method: "DELETE" })).json();
  assertEquals([none.text, none.length], ["", null]);
  atRest();
});

test("a Request gives its body away", async () => {
  const { ask, atRest } = asker();
  const sent = new Request("http://a.test/x", { method: "POST", body: "hi" });
  const told = await (await ask(echo, sent)).json();
  assertEquals([told.text, told.length], ["hi", 2]);
  assert(sent.bodyUsed);
  await assertRejects(() => ask(echo, sent), TypeError);
  const init = { method: "PUT", headers: { "X-A": "1", host: "b.test" } };
  const other = await (await ask(echo, new Request("http://a.test/"), init))
    .json();
  assertEquals(other.method, "PUT");
  assertEquals(other.fields.slice(0, 2), [["host", "b.test"], ["x-a", "1"]]);
  atRest();
});

test("fields that frame the body are sent if they fit it, or refused", async () => {
  const { ask, atRest } = asker();
  const post = (body: BodyInit, name: string, value: string) =>
    ask(echo, "/", { method: "POST", headers: { [name]: value }, body });
  const length = "content-length";
  const fitting: [BodyInit, string, string, number | null][] = [
    ["four", length, "4", 4],
    [laterStream(["fo", "ur"]), length, "4", 4],
    ["four", "transfer-encoding", "chunked", null],
  ];
  for (const [body, name, value, length] of fitting) {
    const told = await (await post(body, name, value)).json();
    assertEquals([told.text, told.length], ["four", length]);
    assertEquals(told.chunked, length === null);
  }
  await assertRejects(() => post("four", length, "99"), TypeError, "4 bytes");
  await assertRejects(
    () => post(laterStream(["four"]), length, "5"),
    TypeError,
    "4 of the 5 bytes",
  );
  await assertRejects(
    () => post("four", "transfer-encoding", "gzip"),
    TypeError,
  );
  atRest();
});

test("large bodies pass both ways under backpressure", async () => {
  const { ask, atRest } = asker();
  const chunks = Array.from({ length: 40 }, (_, i) => patterned(50_000 + i));
  let taken = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = chunks[taken++];
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
  }, { highWaterMark: 0 });
  const response = await ask((req, res) => res.send(req.body), "/", {
    method: "POST",
    body,
  });
  await settle();
  assert(taken < 20, `${taken} chunks were taken before anything was read`);
  const received = await response.bytes();
  const whole = new Uint8Array(
    await new Blob(chunks.map((chunk) => chunk.slice())).arrayBuffer(),
  );
  assertEquals(digestOf(received), digestOf(whole));
  atRest();
});

test("a body is streamed as the handler sends it", async () => {
  const { ask, atRest } = asker();
  const { readable, writable } = new TransformStream<Uint8Array>();
  const writer = writable.getWriter();
  const response = await ask((_req, res) => res.send(readable));
  const reader = response.body!.pipeThrough(new TextDecoderStream())
    .getReader();
  for (const text of ["one", "two"]) {
    await writer.write(new TextEncoder().encode(text));
    assertEquals(await within(reader.read(), text), {
      done: false,
      value: text,
    });
  }
  await writer.close();
  assertEquals((await reader.read()).done, true);
  atRest();
});

test("a body can be read into memory of the reader", async () => {
  const { ask, atRest } = asker();
  const response = await ask((_req, res) => res.send("hello"));
  const reader = response.body!.getReader({ mode: "byob" });
  const { value } = await reader.read(new Uint8Array(100));
  assertEquals(new TextDecoder().decode(value), "hello");
  assertEquals((await reader.read(new Uint8Array(100))).done, true);
  atRest();
});

test("HEAD, 204, 205 and 304 have no body and leave nothing", async () => {
  const { ask, atRest } = asker();
  const head = await ask((_req, res) => res.send("hello"), "/", {
    method: "HEAD",
  });
  atRest();
  assertEquals(head.body, null);
  assertEquals(head.headers.get("content-length"), "5");
  for (const status of [204, 205, 304]) {
    const { body, status: got } = await ask((_req, res) =>
      res.send(null, { status })
    );
    atRest();
    assertEquals([body, got], [null, status]);
  }
  const empty = await ask((_req, res) => res.send(null));
  atRest();
  assertEquals(await empty.text(), "");
});

test("a short body that nobody reads leaves nothing", async () => {
  const { ask, pools } = asker();
  const { status } = await ask((_req, res) => res.send("x".repeat(60_000)));
  assertEquals(status, 200);
  await untilAtRest(pools);
});

test("status, reason, repeated and Latin-1 fields are told", async () => {
  const { ask, atRest } = asker();
  const response = await ask((_req, res) =>
    res.send("no", {
      status: 418,
      statusText: "I am a tea pot",
      headers: [["set-cookie", "a=1"], ["Set-Cookie", "b=2"], ["x-e", "é"]],
    })
  );
  const { status, statusText, headers, redirected, ok } = response;
  assertEquals([status, statusText], [418, "I am a tea pot"]);
  assertEquals([redirected, ok], [false, false]);
  assertEquals(headers.getSetCookie(), ["a=1", "b=2"]);
  assertEquals(headers.get("x-e"), "é");
  await response.body!.cancel();
  atRest();
});

test("redirects are not followed, codings not decoded", async () => {
  const { ask, atRest } = asker();
  const moved = await ask((_req, res) =>
    res.send(null, { status: 302, headers: { location: "/b" } })
  );
  assertEquals([moved.status, moved.headers.get("location")], [302, "/b"]);
  const bytes = Uint8Array.of(31, 139, 8, 0);
  const coded = await ask((_req, res) =>
    res.send(bytes, { headers: { "content-encoding": "gzip" } })
  );
  assertEquals(await coded.bytes(), bytes);
  atRest();
});

test("interim responses are skipped", async () => {
  const { ask, atRest } = asker();
  const hinting: Handler = async (req, res) => {
    res.send(null, { status: 103, headers: { link: "</a.css>" } });
    res.send(await req.text());
  };
  const response = await ask(hinting, "/", {
    method: "POST",
    headers: { expect: "100-continue" },
    body: "sent at once",
  });
  assertEquals([response.status, await response.text()], [200, "sent at once"]);
  assertEquals(response.headers.has("link"), false);
  atRest();
});

test("a body that expects a 100 (Continue) is sent when it is asked for", async () => {
  const { ask, atRest } = asker();
  let pulled = 0;
  let cancelled = 0;
  const init = () => ({
    method: "POST",
    headers: { expect: "100-continue" },
    body: new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(new TextEncoder().encode("hi"));
        controller.close();
      },
      cancel: () => void cancelled++,
    }, { highWaterMark: 0 }),
  });
  const refusing: Handler = (_req, res) => res.send("no", { status: 417 });
  const refused = await ask(refusing, "/", init());
  assertEquals([refused.status, await refused.text()], [417, "no"]);
  assertEquals([pulled, cancelled], [0, 1]);
  atRest();
  const taken = await ask(echo, "/", init());
  assertEquals([(await taken.json()).text, pulled], ["hi", 1]);
  atRest();
});

test("a request for another protocol may be declined", async () => {
  const { ask, atRest } = asker();
  const declining: Handler = (req, res) =>
    res.send(req.upgrade, { status: 426 });
  const response = await ask(declining, "/", { headers: { upgrade: "chat" } });
  assertEquals([response.status, await response.text()], [426, "chat"]);
  atRest();
});

test("trailers are told once the body was read", async () => {
  const { ask, atRest } = asker();
  const response = await ask((_req, res) =>
    res.send(laterStream(["body"]), { trailers: () => ({ "x-sum": "7" }) })
  );
  assertEquals(response.trailers, null);
  assertEquals(await response.text(), "body");
  assertEquals([...response.trailers!], [["x-sum", "7"]]);
  const last = await ask((_req, res) =>
    res.send(laterStream(["body"]), {
      headers: { connection: "close" },
      trailers: () => ({ "x-sum": "8" }),
    })
  );
  assertEquals(await last.text(), "body");
  assertEquals([...last.trailers!], [["x-sum", "8"]]);
  const without = await ask((_req, res) => res.send("body"));
  assertEquals(await without.text(), "body");
  assertEquals(without.trailers, null);
  atRest();
});

test("a prepared response, and applications of Fetch", async () => {
  const { ask, atRest } = asker();
  const prepared = prepareResponse({ body: "prepared" });
  const first = await ask((_req, res) => res.send(prepared));
  assertEquals(await first.text(), "prepared");
  atRest();
  const app = fetchHandler(async (request) =>
    new Response(laterStream([await request.text(), "!"]), { status: 201 })
  );
  const second = await ask(app, "/", { method: "POST", body: "hi" });
  assertEquals([second.status, await second.text()], [201, "hi!"]);
  atRest();
});

test("a handler that throws is a 500, and onError is told", async () => {
  const { ask, atRest, errors } = asker();
  const wrong = new Error("wrong");
  for (
    const handler of [
      () => {
        throw wrong;
      },
      () => Promise.reject(wrong),
      fetchHandler(() => Promise.reject(wrong)),
    ] satisfies Handler[]
  ) {
    const response = await ask(handler);
    assertEquals(response.status, 500);
    await response.text();
    atRest();
  }
  assertEquals(errors, [wrong, wrong, wrong]);
  const silent = await ask(() => {});
  assertEquals(silent.status, 500);
  assertInstanceOf(errors[3], TypeError);
  await silent.text();
  atRest();
});

test("what the server refuses is a response", async () => {
  const { ask, atRest } = asker({ maxHeaderBytes: 100, maxBodySize: 3 });
  const unasked: Handler = () => assert(false, "the handler was called");
  const large = await ask(unasked, "/", { headers: { a: "x".repeat(100) } });
  assertEquals(large.status, 431);
  await large.text();
  atRest();
  const method = await ask(
    fetchHandler(() => new Response("hi")),
    "/",
    { method: "get2" },
  );
  assertEquals(await method.text(), "hi");
  const long = await ask(echo, "/", { method: "POST", body: "four" });
  assertEquals(long.status, 413);
  await long.text();
  atRest();
});

test("arguments that make no request are refused", async () => {
  const { ask, atRest } = asker();
  for (
    const [input, init] of [
      ["http://a:b", undefined],
      ["/", { method: "CONNECT" }],
      ["/", { method: "GET", body: "x" }],
      ["/", { method: "a b" }],
      ["/", { headers: { a: "b\r\nc" } }],
      ["/", { headers: { host: "a b" } }],
      ["ftp://a/", undefined],
    ] satisfies [string, RequestInit | undefined][]
  ) await assertRejects(() => ask(echo, input, init), TypeError);
  await assertRejects(
    () => request(echo, "/", {}, { headTimeout: -1 }),
    RangeError,
  );
  atRest();
});

test("many requests at once do not meet", async () => {
  const { ask, atRest } = asker();
  const handler: Handler = async (req, res) => {
    await settle();
    res.send(`${req.path} ${await req.text()}`);
  };
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const init = { method: "POST", body: `body ${i}` };
      return (await ask(handler, `/${i}`, init)).text();
    }),
  );
  assertEquals(answers, answers.map((_, i) => `/${i} body ${i}`));
  atRest();
});
