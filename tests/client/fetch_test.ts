/**
 * `client.fetch()`: what is sent for a Fetch request, and responses that outlive theirs.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect, HttpError, RequestError } from "@pooled/http1";
import { bytesOf } from "../support/bytes.ts";
import { ok, scripted } from "../support/clients.ts";
import { cancellable, pendingBlob, slowly } from "../support/streams.ts";
import { settle, test, until, within } from "../support/waiting.ts";

type Input = [Request | URL | string, RequestInit?];

test("a Fetch request on the wire", () =>
  scripted(async ({ client, conn, sent }) => {
    const params = new URLSearchParams({ a: "b" });
    const cases: [Input, wire: RegExp][] = [
      [["/x?y#z"], /^GET \/x\?y HTTP\/1\.1\r\nHost: a\r\n\r\n$/],
      [[new URL("http://b:8/c")], /^GET \/c HTTP\/1\.1\r\nHost: b:8\r\n\r\n$/],
      [["https://b/"], /^GET \/ HTTP\/1\.1\r\nHost: b\r\n\r\n$/],
      [
        [new Request("http://b/", { headers: { "x-a": "1" } })],
        /^GET \/ HTTP\/1\.1\r\nHost: b\r\nx-a: 1\r\n\r\n$/,
      ],
      [
        ["/", { method: "POST", body: "hi" }],
        /^POST \/ .*\r\ncontent-type: text\/plain.*content-length: 2\r\n\r\nhi$/is,
      ],
      [
        ["/", { method: "PUT", body: params }],
        /^PUT \/ .*urlencoded.*content-length: 3\r\n\r\na=b$/is,
      ],
      [
        ["/", { method: "PUT", body: bytesOf("hi") }],
        /^PUT \/ HTTP\/1\.1\r\nHost: a\r\ncontent-length: 2\r\n\r\nhi$/i,
      ],
      [
        ["/", { method: "PUT", body: slowly("a", "b") }],
        /^PUT \/ .*transfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n$/is,
      ],
      [
        [new Request("http://a/", { method: "PUT", body: "hi" })],
        /^PUT \/ .*content-length: 2\r\n\r\nhi$/is,
      ],
      [
        [
          new Request("http://a/", {
            method: "PUT",
            body: slowly("hi"),
            duplex: "half",
          } as RequestInit),
        ],
        /^PUT \/ .*transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n$/is,
      ],
    ];
    for (const [input, wire] of cases) {
      const before = conn.wire.length;
      const asked = client.fetch(...input);
      await until(() => wire.test(conn.wire.slice(before)), `${wire}`);
      conn.give(ok("x"));
      const response = await within(asked, "the response");
      assertEquals(await response.text(), "x");
    }
    await sent("");
    await assertRejects(() => client.fetch("ftp://a/"), TypeError, "scheme");
    await assertRejects(
      () => client.fetch("/", { headers: { upgrade: "x" } }),
      TypeError,
    );
  }));

test("a Fetch response streams, clones, and frees the connection at its end", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = client.fetch("/1");
    const next = client.fetch("/2");
    await sent("/1 ");
    conn.give("HTTP/1.1 203 Sure\r\nContent-Length: 4\r\nX-A: b\r\n\r\nab");
    const response = await asked;
    assertEquals(response.status, 203);
    assertEquals(response.statusText, "Sure");
    assertEquals(response.headers.get("x-a"), "b");
    const copy = response.clone();
    await settle();
    assert(!conn.wire.includes("/2"));
    const both = Promise.all([response.text(), copy.text()]);
    conn.give("cd");
    assertEquals(await both, ["abcd", "abcd"]);
    await sent("/2 ");
    conn.give("HTTP/1.1 204 No Content\r\n\r\n");
    assertEquals((await next).body, null);
    await until(() => client.state === "idle", "the client to be idle");
  }));

test("a short Fetch response frees the connection before it is read", async () => {
  const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const wires: [string, text: string][] = [
    [ok("one"), "one"],
    [`${chunked}2\r\non\r\n1\r\ne\r\n0\r\n\r\n`, "one"],
    [`${chunked}0\r\nx: y\r\n\r\n`, ""],
    [ok("x".repeat(50_000)), "x".repeat(50_000)],
  ];
  for (const [wire, text] of wires) {
    await scripted(async ({ client, conn, sent }) => {
      const first = client.fetch("/1");
      await sent("/1 ");
      conn.give(wire);
      const unread = await first;
      const second = client.fetch("/2");
      await sent("/2 ");
      conn.give(ok("two"));
      assertEquals(await (await second).text(), "two");
      assertEquals(await unread.text(), text);
    });
  }
});

test("a Fetch response that goes on holds the connection, or fails", async () => {
  const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const long = "x".repeat(200_000);
  const goingOn: [begin: string, rest: string, text: string][] = [
    [`${head}2\r\non\r\n`, "1\r\ne\r\n0\r\n\r\n", "one"],
    [ok(long), "", long],
  ];
  for (const [begin, rest, text] of goingOn) {
    await scripted(async ({ client, conn, sent }) => {
      const first = client.fetch("/1");
      await sent("/1 ");
      conn.give(begin);
      const unread = await first;
      const second = client.fetch("/2");
      await settle();
      assertEquals([conn.wire.includes("/2 "), client.state], [false, "busy"]);
      if (rest !== "") conn.give(rest);
      assertEquals(await unread.text(), text);
      await sent("/2 ");
      conn.give(ok("two"));
      assertEquals(await (await second).text(), "two");
    });
  }
  const failing: [wire: string, code: string, closes: boolean][] = [
    [`${head}2\r\non\r\nzz\r\n`, "invalid-chunk-size", true],
    [ok("12345"), "body-too-large", false],
  ];
  for (const [wire, code, closes] of failing) {
    await scripted(async ({ client, conn, sent }) => {
      const first = client.fetch("/1");
      await sent("/1 ");
      conn.give(wire);
      const error = await assertRejects(
        async () => await (await first).text(),
        HttpError,
      );
      assertEquals(error.code, code);
      if (closes) await within(client.closed, "the end");
    }, { maxFetchBodySize: code === "body-too-large" ? 4 : 1_000_000 });
  }
});

test("a cancelled Fetch body frees the connection, or closes it", async () => {
  for (const length of [6, 1_000_000]) {
    await scripted(async ({ client, conn, sent }) => {
      const asked = client.fetch("/1");
      await sent("/1 ");
      conn.give(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\nabc`);
      const response = await asked;
      await response.body!.cancel();
      if (length === 6) {
        conn.give("def");
        await until(() => client.state === "idle", "the client to be idle");
      } else await within(client.closed, "the end");
    });
  }
});

test("redirects are not followed, and Set-Cookie lines stay apart", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = client.fetch("/");
    await sent("/ ");
    conn.give(
      "HTTP/1.1 302 Found\r\nLocation: /b\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n" +
        "Content-Length: 0\r\n\r\n",
    );
    const response = await asked;
    assertEquals(response.status, 302);
    assertEquals(response.headers.getSetCookie(), ["a", "b"]);
  }));

test("Fetch responses that fail", async () => {
  const run = (
    wire: string,
    check: (response: Promise<Response>) => Promise<unknown>,
    options = {},
  ) =>
    scripted(async ({ client, conn, sent }) => {
      const asked = client.fetch("/");
      asked.catch(() => {});
      await sent("/ ");
      conn.give(wire);
      conn.end();
      await check(asked);
    }, options);
  await run(
    "HTTP/1.1 700 X\r\nContent-Length: 0\r\n\r\n",
    (asked) => assertRejects(() => within(asked, "it"), TypeError),
  );
  await run(
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
    async (asked) => {
      const response = await asked;
      const error = await assertRejects(() => response.text(), HttpError);
      assertEquals(error.code, "unexpected-eof");
    },
  );
  await run(ok("x".repeat(20)), async (asked) => {
    const response = await asked;
    const error = await assertRejects(() => response.text(), HttpError);
    assertEquals(error.code, "body-too-large");
  }, { maxFetchBodySize: 10 });
});

test("an iterable as the body is streamed, and its request can be aborted", () =>
  scripted(async ({ client, conn, sent }) => {
    const chunks = async function* () {
      yield bytesOf("x");
      await new Promise(() => {});
    };
    const controller = new AbortController();
    const asked = client.fetch("/", {
      method: "POST",
      body: chunks() as unknown as BodyInit,
      signal: controller.signal,
    });
    asked.catch(() => {});
    await sent("1\r\nx\r\n");
    const reason = new Error("enough");
    controller.abort(reason);
    assertEquals(
      await assertRejects(() => within(asked, "the abort")),
      reason,
    );
    assertEquals(conn.wire.includes("0\r\n\r\n"), false);
  }));

test("the signal cancels a body that waits to be sent", () =>
  scripted(async ({ client, conn, sent }) => {
    const first = client.fetch("/1");
    await sent("/1 ");
    for (const wrap of [true, false]) {
      const { stream, cancelled } = cancellable("x");
      const controller = new AbortController();
      const init = { method: "PUT", body: stream, signal: controller.signal };
      const asked = wrap
        ? client.fetch(new Request("http://a/2", init))
        : client.fetch("/2", init);
      const failed = asked.catch((error) => error);
      await settle();
      controller.abort("enough");
      assertEquals(await within(failed, "the abort"), "enough");
      assertEquals(await within(cancelled, "the cancel"), "enough");
    }
    conn.give(ok());
    await first;
    assertEquals(conn.wire.includes("/2"), false);
  }));

test("a request that is not sent leaves its stream alone, and ends that of a Request", () =>
  scripted(async ({ client, conn }) => {
    conn.end();
    await within(client.closed, "the end");
    for (const wrap of [true, false]) {
      const { stream, cancelled } = cancellable("x");
      const init = { method: "PUT", body: stream };
      const error = await assertRejects(
        () =>
          wrap
            ? client.fetch(new Request("http://a/2", init))
            : client.fetch("/2", init),
        RequestError,
      );
      assert(error.retryable);
      // A Request gives its body away once: nobody else can read or end it.
      if (wrap) assertEquals(await within(cancelled, "the cancel"), error);
      else assertEquals(stream.locked, false);
    }
  }));

test("the signal ends a body of known length that does not come", () =>
  scripted(async ({ client, conn }) => {
    const { blob, cancelled } = pendingBlob();
    const controller = new AbortController();
    const { signal } = controller;
    const asked = client.fetch("/", { method: "POST", body: blob, signal });
    const failed = asked.catch((error) => error);
    await settle();
    controller.abort("enough");
    assertEquals(await within(failed, "the abort"), "enough");
    assertEquals(await within(cancelled, "the cancel"), "enough");
    assertEquals([conn.wire, client.state], ["", "idle"]);
  }));

test("the signal of a Fetch request ends it before and after the head", async () => {
  for (const late of [false, true]) {
    await scripted(async ({ client, conn, sent }) => {
      const controller = new AbortController();
      const { signal } = controller;
      const asked = client.fetch(
        late ? new Request("http://a/", { signal }) : "/",
        {
          signal,
        },
      );
      asked.catch(() => {});
      await sent("/ ");
      const reason = new Error("enough");
      if (!late) controller.abort(reason);
      else {
        conn.give("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
        const response = await asked;
        controller.abort(reason);
        assertEquals(await assertRejects(() => response.text()), reason);
      }
      if (!late) assertEquals(await assertRejects(() => asked), reason);
      await within(client.closed, "the end");
      await assertRejects(() => client.fetch("/"), RequestError);
    });
  }
});

/** What a URL and an init look like on the wire, or the name of their error. */
async function sentFor(...input: Input): Promise<string[]> {
  let lines: string[] = [];
  await scripted(async ({ client, conn }) => {
    const asked = client.fetch(...input);
    const failed = asked.then(() => null, (error) => error);
    await settle();
    if (conn.wire === "") {
      const error = await within(failed, "the refusal");
      lines = [error?.name ?? String(error)];
      return;
    }
    lines = conn.wire.toLowerCase().split("\r\n").sort();
    conn.give(ok());
    await (await asked).text();
  });
  return lines;
}

test("a URL with its init is sent as the Request made of both", async () => {
  const signal = new AbortController().signal;
  const cases: [string, RequestInit?][] = [
    ["http://a/"],
    ["http://a/%41 b?c=d e#f", {}],
    ["http://a:80/?", { headers: { "X-B": "1", "x-a": " 2 " } }],
    ["https://a:444/^`|", { headers: [["x-a", "1"], ["X-A", "2"]] }],
    ["http://[::1]:8/", { headers: new Headers({ host: "other" }) }],
    // The host of this URL cannot be in Host.
    ['http://a"b/'],
    ['http://a"b/', { headers: { host: "b" } }],
    ["http://a/", null as unknown as RequestInit],
    ["http://a/", { method: "get", signal }],
    ["http://a/", { method: "patch", body: "x" }],
    ["http://a/", { method: "pOsT", body: "é" }],
    ["http://a/", { method: "POST", body: "" }],
    ["http://a/", {
      method: "PUT",
      body: "{}",
      headers: { "content-type": "a/b" },
    }],
    ["http://a/", {
      method: "PUT",
      body: "xy",
      headers: { "content-length": "2" },
    }],
    ["http://a/", { method: "PUT", body: null }],
    ["http://a/", { method: "DELETE", body: 5 as unknown as string }],
    // Refused.
    ["http://a/", { body: "x" }],
    ["http://a/", { method: "HEAD", body: "" }],
    ["http://u:p@a/"],
    ["http://u@a/"],
    ["ftp://a/"],
    ["data:text/plain,x"],
    ["http://a/", { method: "CONNECT" }],
    ["http://a/", { method: "trace" }],
    ["http://a/", { method: "A B" }],
    ["http://a/", { method: "" }],
    ["http://a/", { headers: { "x y": "1" } }],
    ["http://a/", { headers: { x: "a\nb" } }],
    ["http://a/", { headers: { x: "\u0100" } }],
    ["http://a/", { signal: {} as AbortSignal }],
    ["http://a/", { signal: AbortSignal.abort() }],
    ["http://a/", { signal: AbortSignal.abort(new RangeError("early")) }],
  ];
  for (const [url, init] of cases) {
    const plain = await sentFor(url, init);
    let request: string[];
    try {
      request = await sentFor(new Request(url, init));
    } catch (error) {
      request = [(error as Error).name];
    }
    assertEquals(plain, request, `${url} ${JSON.stringify(init)}`);
  }
});

test("an init may be a Request, or anything with getters, each asked once", async () => {
  for (const body of ["xy", bytesOf("xy")]) {
    const from = new Request("http://b/", {
      method: "PUT",
      headers: { "x-a": "1", "content-type": "a/b" },
      body,
    });
    const lines = await sentFor("http://a/", from);
    assert(lines.includes("put / http/1.1"), `${lines}`);
    assert(lines.includes("x-a: 1"), `${lines}`);
    assert(lines.includes("xy"), `${lines}`);

    const asked: string[] = [];
    const getters = new Proxy<RequestInit>({ method: "PUT", body }, {
      get(init, name) {
        asked.push(String(name));
        return Reflect.get(init, name);
      },
    });
    assert((await sentFor("http://a/", getters)).includes("xy"));
    assertEquals(asked.sort(), ["body", "headers", "method", "signal"]);
  }
});

test("requests whose body is at hand are sent in the order of their calls", () =>
  scripted(async ({ client, conn, sent }) => {
    const asked = [
      client.fetch(new Request("http://a/1")),
      client.fetch("/2", { method: "DELETE", body: "x" }),
      client.fetch("/3", { method: "get" }),
      client.request({ target: "/4" }).then((response) => {
        const copy = response.toResponse();
        response.release();
        return copy;
      }),
      client.fetch("/5"),
    ];
    for (const [at, response] of asked.entries()) {
      await sent(`/${at + 1} `);
      conn.give(ok("x"));
      assertEquals(await (await response).text(), "x");
    }
  }));

test("a URL with credentials is refused", () =>
  scripted(async ({ client, conn }) => {
    for (const url of ["http://u:p@a/", "http://u@a/", "http://:p@a/"]) {
      for (const wrap of [false, true]) {
        await assertRejects(
          async () => {
            await client.fetch(wrap ? new Request(url) : url);
          },
          TypeError,
          "credentials",
        );
      }
    }
    assertEquals(conn.wire, "");
  }));

test("a relative URL needs an authority", async () => {
  const { readable } = new TransformStream<Uint8Array, Uint8Array>();
  await using client = connect({ readable, writable: new WritableStream() });
  const error = await assertRejects(() => client.fetch("/a"), TypeError);
  assertEquals(
    error.message,
    '"/a" is a relative URL, and the client has no authority: give it the option, or an ' +
      "absolute URL",
  );
  await assertRejects(() => client.fetch("http://"), TypeError, "Invalid URL");
});
