/**
 * A Hono application under `fetchHandler`.
 */

import { assert, assertEquals } from "@std/assert";
import type { FetchApp } from "@pooled/http1";
import { Hono } from "hono";
// The import map maps only the package root, not its subpaths.
// deno-lint-ignore no-import-prefix
import { getCookie, setCookie } from "npm:hono@4.13.19/cookie";
// deno-lint-ignore no-import-prefix
import { streamSSE, streamText } from "npm:hono@4.13.19/streaming";
import { digestOf, patterned } from "../support/bytes.ts";
import { withApp } from "../support/fetch_app.ts";
import { answerTo } from "../support/raw_client.ts";
import { until, within } from "../support/waiting.ts";

/** An application that uses Hono's routing, middleware, forms, cookies and streams. */
function honoApp(aborted: () => void): Hono {
  const app = new Hono();
  app.use("*", async (c, next) => {
    await next();
    c.header("x-middleware", `${c.req.method} ${c.res.status}`);
  });
  app.get("/", (c) => c.text("home"));
  app.get("/users/:id/posts/:post{[0-9]+}", (c) => {
    const { id, post } = c.req.param();
    return c.text(`${id} ${post}`);
  });
  app.get("/search", (c) => c.json([c.req.query("q"), c.req.queries("tag")]));
  app.post("/json", async (c) => c.json({ got: await c.req.json() }, 201));
  app.post("/upload", async (c) => {
    const { title, file } = await c.req.parseBody();
    if (!(file instanceof File)) return c.text("no file", 400);
    return c.json({
      title,
      name: file.name,
      type: file.type,
      digest: digestOf(await file.bytes()),
    });
  });
  app.get("/cookies", (c) => {
    setCookie(c, "first", getCookie(c, "old") ?? "none", { httpOnly: true });
    setCookie(c, "second", "2", { path: "/a" });
    return c.body(null, 204);
  });
  app.get("/redirect", (c) => c.redirect("/", 303));
  app.get("/text", (c) =>
    streamText(c, async (stream) => {
      for (const word of ["one", "two", "three"]) {
        await stream.writeln(word);
        await stream.sleep(1);
      }
    }));
  app.get("/events", (c) =>
    streamSSE(c, async (stream) => {
      let told = false;
      stream.onAbort(() => void (told = true));
      for (let id = 0; !stream.aborted; id++) {
        await stream.writeSSE({ data: `event ${id}`, id: String(id) });
        await stream.sleep(1);
      }
      // Resolves only after the timer of the last pause has fired.
      if (told) aborted();
    }));
  app.get("/fail", () => {
    throw new Error("of the application");
  });
  app.onError((error, c) => c.text(`caught ${error.message}`, 500));
  app.notFound((c) => c.text("nobody home", 404));
  const inner = new Hono().basePath("/inner");
  inner.all("/*", (c) => c.text(`${c.req.method} ${c.req.path}`));
  app.route("/", inner);
  return app;
}

Deno.test("Hono: routes, parameters, JSON, middleware, errors", async () => {
  const app = honoApp(() => {});
  await withApp(app.fetch, async ({ url, client, errors }) => {
    const ask = async (path: string, init: RequestInit = {}) => {
      const answer = await fetch(url + path, {
        client,
        redirect: "manual",
        ...init,
      });
      const { status, headers } = answer;
      return [status, headers.get("x-middleware"), await answer.text()];
    };
    assertEquals(await ask("/"), [200, "GET 200", "home"]);
    assertEquals(await ask("/users/j%C3%B6rg/posts/7"), [
      200,
      "GET 200",
      "jörg 7",
    ]);
    assertEquals(await ask("/users/a/posts/b"), [
      404,
      "GET 404",
      "nobody home",
    ]);
    assertEquals(await ask("/search?q=a+b&tag=1&tag=2"), [
      200,
      "GET 200",
      '["a b",["1","2"]]',
    ]);
    assertEquals(
      await ask("/json", { method: "POST", body: '{"a":["ü"]}' }),
      [201, "POST 201", '{"got":{"a":["ü"]}}'],
    );
    assertEquals(
      await ask("/json", { method: "POST", body: "no JSON" }),
      [500, "POST 500", `caught ${jsonComplaint()}`],
    );
    assertEquals(await ask("/fail"), [
      500,
      "GET 500",
      "caught of the application",
    ]);
    assertEquals(await ask("/redirect"), [303, "GET 303", ""]);
    assertEquals(await ask("/inner/a/b", { method: "DELETE" }), [
      200,
      "DELETE 200",
      "DELETE /inner/a/b",
    ]);
    assertEquals(await ask("/", { method: "HEAD" }), [200, "HEAD 200", ""]);
    // The application handles its own errors.
    assertEquals(errors, []);
  });
});

function jsonComplaint(): string {
  try {
    return JSON.parse("no JSON");
  } catch (error) {
    return (error as Error).message;
  }
}

Deno.test("Hono: a file upload, with a length and chunked", async () => {
  const file = patterned(400_000);
  const form = new FormData();
  form.append("title", "a title");
  form.append("file", new Blob([file], { type: "image/x-test" }), "a b.bin");
  const app = honoApp(() => {});
  await withApp(app.fetch, async ({ url, client }) => {
    const expected = {
      title: "a title",
      name: "a b.bin",
      type: "image/x-test",
      digest: digestOf(file),
    };
    const whole = await fetch(`${url}/upload`, {
      client,
      method: "POST",
      body: form,
    });
    assertEquals(await whole.json(), expected);
    const { headers, body } = new Response(form);
    const chunked = await fetch(`${url}/upload`, {
      client,
      method: "POST",
      headers,
      body,
    });
    assertEquals(await chunked.json(), expected);
  });
});

Deno.test("Hono: each Set-Cookie has its own line", async () => {
  await withApp(honoApp(() => {}).fetch, async ({ url, client, port }) => {
    const answer = await fetch(`${url}/cookies`, {
      client,
      headers: { cookie: "other=1; old=value" },
    });
    assertEquals(answer.status, 204);
    assertEquals(answer.headers.getSetCookie(), [
      "first=value; Path=/; HttpOnly",
      "second=2; Path=/a",
    ]);
    const wire = await answerTo(
      port,
      "GET /cookies HTTP/1.1\r\nHost: a\r\nCookie: x=2; old=1\r\n" +
        "Connection: close\r\n\r\n",
    );
    assertEquals(wire.match(/^set-cookie: [^;]+/gim), [
      "set-cookie: first=1",
      "set-cookie: second=2",
    ]);
  });
});

Deno.test("several Cookie lines are joined with a semicolon", async () => {
  // Like Deno.serve. With a comma, the later cookies would become part of the first value.
  const app: FetchApp = ({ headers }) => new Response(headers.get("cookie"));
  await withApp(app, async ({ port }) => {
    const answer = await answerTo(
      port,
      "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2; c=3\r\n" +
        "Connection: close\r\n\r\n",
    );
    assert(answer.endsWith("\r\n\r\na=1; b=2; c=3"), answer);
  });
});

Deno.test("Hono: streamed text, and events until the client disconnects", async () => {
  const aborted = Promise.withResolvers<void>();
  const app = honoApp(aborted.resolve);
  await withApp(app.fetch, async ({ url, client, server }) => {
    const text = await fetch(`${url}/text`, { client });
    assertEquals(await text.text(), "one\ntwo\nthree\n");
    const events = await fetch(`${url}/events`, { client });
    assertEquals(events.headers.get("content-type"), "text/event-stream");
    let got = "";
    const decoder = new TextDecoderStream();
    for await (const piece of events.body!.pipeThrough(decoder)) {
      got += piece;
      if (got.includes("data: event 5\n")) break;
    }
    assert(got.startsWith("data: event 0\nid: 0\n\ndata: event 1\n"), got);
    await within(aborted.promise, "onAbort");
    await until(() => server.stats().connections <= 1, "the end");
  });
});
