/**
 * Fetch responses that cannot be sent, and the server's answer to them.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
} from "@std/assert";
import type { FetchApp } from "@pooled/http1";
import { withApp } from "../support/fetch_app.ts";
import { answerTo } from "../support/raw_client.ts";
import { controlled, slowly } from "../support/streams.ts";
import { until, within } from "../support/waiting.ts";

Deno.test("the stream of a response that cannot be sent is cancelled", async () => {
  let cancelled = 0;
  const app: FetchApp = ({ url }) => {
    const { stream, put } = controlled(() => cancelled++);
    if (url.endsWith("/begun")) put("first");
    const headers = { "transfer-encoding": "gzip" };
    return new Response(stream, { headers });
  };
  await withApp(app, async ({ url, client, errors }) => {
    for (const path of ["/begun", "/empty"]) {
      const answer = await fetch(url + path, { client });
      assertEquals(answer.status, 500);
      await answer.text();
    }
    assertEquals(errors.length, 2);
    await until(() => cancelled === 2, "both to be cancelled");
  });
});

const encoder = new TextEncoder();

Deno.test("an invalid response is answered with 500 and reported", async () => {
  const used = new Response("used");
  await used.text();
  const locked = new Response("locked");
  locked.body!.getReader();
  const apps: Record<string, FetchApp> = {
    "/error": () => Response.error(),
    "/used": () => used,
    "/locked": () => locked,
    // A Response cannot switch protocols.
    "/switch": () => new Response(null, { status: 101 }),
    "/text": () => "text" as unknown as Response,
    "/null": () => null as unknown as Response,
    "/length": () =>
      new Response(slowly("hello"), { headers: { "content-length": "many" } }),
    "/coding": () =>
      new Response("hello", { headers: { "transfer-encoding": "gzip" } }),
    "/throws": () => {
      throw new TypeError("thrown");
    },
    "/rejects": () => Promise.reject(new TypeError("rejected")),
  };
  const app: FetchApp = (request, info) =>
    apps[new URL(request.url).pathname]!(request, info);
  await withApp(app, async ({ url, client, errors, server }) => {
    for (const path of Object.keys(apps)) {
      const before = errors.length;
      const answer = await fetch(url + path, { client });
      assertEquals(
        [answer.status, await answer.text()],
        [500, "Internal Server Error"],
        path,
      );
      assertEquals(errors.length, before + 1, path);
      assert(errors.at(-1) instanceof Error, path);
    }
    // The connection stays open.
    assertEquals(server.stats().accepted, 1);
  });
});

Deno.test("a Response with a body can be sent once, one without a body repeatedly", async () => {
  const whole = new Response("hello");
  const { stream, put, close } = controlled();
  const streamed = new Response(stream);
  const redirect = Response.redirect("http://a/there");
  const app: FetchApp = ({ url }) =>
    url.endsWith("/whole")
      ? whole
      : url.endsWith("/stream")
      ? streamed
      : redirect;
  await withApp(app, async ({ url, client, errors }) => {
    const get = (path: string) =>
      within(fetch(url + path, { client, redirect: "manual" }), path);
    const statuses = [];
    for (const path of ["/whole", "/whole", "/whole", "/none", "/none"]) {
      const answer = await get(path);
      statuses.push(answer.status);
      await answer.body?.cancel();
    }
    assertEquals(statuses, [200, 500, 500, 302, 302]);
    // Also while another client is receiving it.
    const first = await get("/stream");
    const second = await get("/stream");
    assertEquals([first.status, second.status], [200, 500]);
    await second.body?.cancel();
    put("hello");
    close();
    assertEquals(await within(first.text(), "the body"), "hello");
    assertEquals(errors.length, 3);
  });
});

Deno.test("onError can answer instead of the 500", async () => {
  const told: unknown[] = [];
  await withApp(() => Response.error(), async ({ url, client }) => {
    const answer = await fetch(url, { client });
    assertEquals([answer.status, await answer.text()], [503, "later"]);
    assertEquals(told.length, 1);
  }, {
    onError: (error, res) => {
      told.push(error);
      res?.send("later", { status: 503 });
    },
  });
});

const lengthOf = (length: number | string) => ({
  "content-length": `${length}`,
});

Deno.test("a body that is sent whole gets its own length, not the declared one", async () => {
  const whole = (text: string) => {
    const { stream, put, close } = controlled();
    if (text !== "") put(text);
    close();
    return stream;
  };
  const bodies: Record<string, (() => BodyInit | null)[]> = {
    "hello": [
      () => "hello",
      () => encoder.encode("hello"),
      () => whole("hello"),
    ],
    "": [() => "", () => null, () => new Uint8Array(0), () => whole("")],
  };
  let response = () => new Response();
  await withApp(() => response(), async ({ port, errors }) => {
    for (const [text, made] of Object.entries(bodies)) {
      for (const body of made) {
        for (const length of [3, 9, 0, "many"]) {
          response = () => new Response(body(), { headers: lengthOf(length) });
          const answer = await answerTo(
            port,
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
          );
          const [head, content] = answer.split("\r\n\r\n");
          assert(head!.startsWith("HTTP/1.1 200 "), answer);
          const lengths = head!.match(/content-length: \S+/gi);
          assertEquals(lengths, [`Content-Length: ${text.length}`]);
          assertEquals(content, text);
        }
      }
    }
    assertEquals(errors, []);
  });
});

Deno.test("a response of fetch() with a body of its own gets the length of that", async () => {
  await withApp(
    () => new Response("grüße"),
    async (origin) => {
      await withApp(async () => {
        const fetched = await fetch(origin.url, { client: origin.client });
        const text = await fetched.text();
        return new Response(`${text}!`, fetched);
      }, async ({ url, client }) => {
        const answer = await fetch(url, { client });
        assertEquals(answer.headers.get("content-length"), "8");
        assertEquals(await answer.text(), "grüße!");
      });
    },
  );
});

Deno.test("a stream under way that exceeds its declared length is answered with 500", async () => {
  let cancelled = 0;
  const apps: Record<string, () => Response> = {
    // The first chunk already exceeds the declared length.
    "/begun": () => {
      const { stream, put } = controlled(() => cancelled++);
      put("hello");
      return new Response(stream, { headers: lengthOf(3) });
    },
    "/two": () => {
      const { stream, put } = controlled(() => cancelled++);
      put("hello");
      put("world");
      return new Response(stream, { headers: lengthOf(9) });
    },
  };
  const app: FetchApp = ({ url }) => apps[new URL(url).pathname]!();
  await withApp(app, async ({ url, client, errors, server }) => {
    for (const path of Object.keys(apps)) {
      errors.length = 0;
      const answer = await within(fetch(url + path, { client }), path);
      assertEquals(
        [answer.status, await within(answer.text(), path)],
        [500, "Internal Server Error"],
        path,
      );
      assertEquals(errors.length, 1, path);
      assertInstanceOf(errors[0], TypeError);
    }
    assertEquals(cancelled, 2);
    assertEquals(server.stats().accepted, 1);
  });
});

Deno.test("a stream that violates its declared length closes the connection", async () => {
  const app: FetchApp = ({ url }) =>
    new Response(slowly("hel", "lo"), {
      headers: { "content-length": url.endsWith("/more") ? "3" : "9" },
    });
  await withApp(app, async ({ port, errors }) => {
    for (const path of ["/more", "/less"]) {
      const answer = await answerTo(
        port,
        `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`,
      );
      const [head, body] = answer.split("\r\n\r\n");
      assert(head!.startsWith("HTTP/1.1 200 "), answer);
      // A byte beyond the declared length would be parsed as another response.
      assertEquals(body, path === "/more" ? "hel" : "hello");
    }
    assertEquals(errors.length, 2);
  });
});

Deno.test("HEAD and 304 keep a declared length, which describes GET", async () => {
  let cancelled = 0;
  const app: FetchApp = ({ url }) => {
    const { pathname } = new URL(url);
    const headers = { "content-length": "9" };
    if (pathname === "/304") {
      return new Response(null, { status: 304, headers });
    }
    const body: BodyInit | null = pathname === "/stream"
      ? controlled(() => cancelled++).stream
      : pathname === "/text"
      ? ""
      : null;
    return new Response(body, { headers });
  };
  await withApp(app, async ({ port, errors }) => {
    for (const path of ["/null", "/text", "/stream", "/304"]) {
      const method = path === "/304" ? "GET" : "HEAD";
      const answer = await answerTo(
        port,
        `${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      );
      assertStringIncludes(answer, "\r\nContent-Length: 9\r\n");
      assert(answer.endsWith("\r\n\r\n"), answer);
    }
    assertEquals(cancelled, 1);
    assertEquals(errors, []);
  });
});

Deno.test("CONNECT and TRACE, which Fetch does not support, are answered with 501", async () => {
  let called = false;
  await withApp(() => {
    called = true;
    return new Response();
  }, async ({ port, errors }) => {
    for (const method of ["TRACE", "TRACK", "trace"]) {
      const answer = await answerTo(
        port,
        `${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      );
      assert(answer.startsWith("HTTP/1.1 501 Not Implemented\r\n"), answer);
    }
    const answer = await answerTo(
      port,
      "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    );
    assert(answer.startsWith("HTTP/1.1 501 Not Implemented\r\n"), answer);
    assertStringIncludes(answer, "Connection: close\r\n");
    assert(!called, "the application was asked");
    assertEquals(errors, []);
  });
});

Deno.test("the application sees the exact method, or does not see the request", async () => {
  const seen: string[] = [];
  await withApp(async (request) => {
    seen.push(request.method);
    return new Response(await request.text());
  }, async ({ port, errors }) => {
    const answer = async (method: string, rest: string) =>
      await within(
        answerTo(
          port,
          `${method} / HTTP/1.1\r\nHost: a\r\n${rest}GET /next HTTP/1.1\r\n` +
            "Host: a\r\nConnection: close\r\n\r\n",
        ),
        method,
      );
    const body = "Content-Length: 4\r\n\r\nbody";
    const names = "GET HEAD POST PUT DELETE OPTIONS PATCH QUERY PROPFIND";
    for (const name of names.split(" ")) {
      const lower = name.toLowerCase();
      for (const method of [name, lower, name[0] + lower.slice(1)]) {
        for (const rest of ["\r\n", body]) {
          seen.length = 0;
          const text = await answer(method, rest);
          // Fetch would normalize six methods to upper case, which changes the method.
          const normalized = new Request("http://a", { method }).method;
          const [status, methods] = normalized === method
            ? ["200 OK", [method, "GET"]]
            : ["501 Not Implemented", ["GET"]];
          assert(text.startsWith(`HTTP/1.1 ${status}\r\n`), text);
          assertEquals(seen, methods);
          assertEquals(text.match(/HTTP\/1.1 /g)?.length, 2, text);
        }
      }
    }
    assertEquals(errors, []);
  });
});

Deno.test("Deno.upgradeWebSocket is told to use upgrade()", async () => {
  await withApp(
    (request) => Deno.upgradeWebSocket(request).response,
    async ({ port, errors }) => {
      const text = await answerTo(
        port,
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
          "\r\nGET / HTTP/1.0\r\n\r\n",
      );
      assertStringIncludes(text, "HTTP/1.1 500 ");
      assertStringIncludes(String(errors[0]), "res.upgrade()");
    },
  );
});
