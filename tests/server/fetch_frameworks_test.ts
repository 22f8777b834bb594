/**
 * Applications of frameworks from npm under `fetchHandler` and under `Deno.serve`: both
 * give the same answers. Hono has a test of its own.
 */

import { Application, Router } from "@oakserver/oak";
import { assertEquals } from "@std/assert";
import { Elysia } from "elysia";
import { getQuery, H3, readBody, readFormData } from "h3";
import { AutoRouter, error } from "itty-router";
import type { FetchApp } from "@pooled/http1";
import { withApp } from "../support/fetch_app.ts";
import { slowly } from "../support/streams.ts";
import { within } from "../support/waiting.ts";

/** What a form holds, as JSON. */
const entriesOf = (form: FormData) => [...form].map(([k, v]) => [k, String(v)]);

function oak(): FetchApp {
  const router = new Router();
  router.get("/users/:id", ({ params, request, response }) => {
    response.body = {
      id: params.id,
      q: request.url.searchParams.get("q"),
      accept: request.headers.get("x-accept"),
      secure: request.secure,
      method: request.method,
      accepts: request.accepts("application/json"),
    };
  });
  router.post("/json", async ({ request, response }) => {
    response.status = 201;
    response.body = await request.body.json();
  });
  router.post("/text", async ({ request, response }) => {
    response.body = await request.body.text();
  });
  router.post("/form", async ({ request, response }) => {
    response.body = [...await request.body.formData()];
  });
  router.get("/cookies", async ({ cookies, response }) => {
    await cookies.set("seen", await cookies.get("old") ?? "none");
    response.body = "set";
  });
  router.get("/stream", ({ response }) => {
    response.body = slowly("one", "two");
  });
  router.get("/redirect", ({ response }) => response.redirect("/users/1"));
  router.get("/fail", ({ throw: fail }) => fail(418, "of the application"));
  const app = new Application({ logErrors: false });
  app.use(router.routes(), router.allowedMethods());
  // The package on npm is built for Node.js and gives a `Response` of undici, which
  // neither server takes.
  const handle = app.handle as unknown as FetchApp;
  return async (request) => {
    const answer = await Reflect.apply(handle, app, [request]);
    if (answer === undefined) return new Response("nobody", { status: 404 });
    const { body, status, headers } = answer;
    return new Response(body, { status, headers: [...headers] });
  };
}

function itty(): FetchApp {
  const router = AutoRouter({ finally: [] });
  router
    .get(
      "/users/:id",
      ({ params, query, headers }) =>
        Response.json({ ...params, ...query, accept: headers.get("x-accept") }),
    )
    .post(
      "/json",
      async (request) => Response.json(await request.json(), { status: 201 }),
    )
    .post("/text", async (request) => new Response(await request.text()))
    .post(
      "/form",
      async (request) => Response.json(entriesOf(await request.formData())),
    )
    .get("/stream", () => new Response(slowly("one", "two")))
    .get("/fail", () => error(418, "of the application"))
    .all("*", () => error(404));
  return router.fetch;
}

function h3(): FetchApp {
  const app = new H3();
  app.get("/users/:id", (event) => ({
    ...event.context.params,
    query: getQuery(event),
    accept: event.req.headers.get("x-accept"),
    path: event.url.pathname,
  }));
  app.post("/json", async (event) => {
    event.res.status = 201;
    return await readBody(event);
  });
  app.post("/text", (event) => event.req.text());
  app.post("/form", async (event) => entriesOf(await readFormData(event)));
  app.get("/cookies", (event) => {
    event.res.headers.append("set-cookie", "a=1");
    event.res.headers.append("set-cookie", "b=2");
    return event.req.headers.get("cookie");
  });
  app.get("/stream", () => slowly("one", "two"));
  return (request) => app.fetch(request);
}

function elysia(): FetchApp {
  const app = new Elysia({ precompile: true })
    .get("/users/:id", ({ params, query, headers, request }) => ({
      ...params,
      ...query,
      accept: headers["x-accept"],
      method: request.method,
    }))
    .post("/json", ({ body, set }) => {
      set.status = 201;
      return body;
    })
    .post("/text", ({ body }) => body)
    .post("/form", ({ body }) => body)
    .get("/cookies", ({ cookie, set }) => {
      set.headers["x-old"] = String(cookie["old"]?.value);
      return "set";
    })
    .get("/stream", () => new Response(slowly("one", "two")))
    .get("/fail", ({ status }) => status(418, "of the application"))
    // Compiled before the tests, since that starts a timer.
    .compile();
  return (request) => app.fetch(request);
}

const post = (type: string, body: string): RequestInit => ({
  method: "POST",
  headers: { "content-type": type },
  body,
});
const REQUESTS: [path: string, init?: RequestInit][] = [
  ["/users/j%C3%B6rg?q=a+b", { headers: { "x-accept": "yes" } }],
  ["/users/1", { method: "HEAD" }],
  ["/users/1", { method: "DELETE" }],
  ["/json", post("application/json", '{"a":["ü"]}')],
  ["/json", post("application/json", "no JSON")],
  ["/text", post("text/plain", "grüße")],
  ["/form", post("application/x-www-form-urlencoded", "a=b&c=%C3%BC")],
  ["/cookies", { headers: { cookie: "other=1; old=value" } }],
  ["/stream"],
  ["/redirect"],
  ["/fail"],
  ["/missing"],
];

/** What a client sees of an answer, without what depends on the port or the time. */
async function seen(origin: string, path: string, init: RequestInit) {
  const answer = await fetch(origin + path, { ...init, redirect: "manual" });
  const ignored = ["date", "vary", "content-length", "transfer-encoding"];
  return {
    status: answer.status,
    headers: [...answer.headers].filter(([name]) => !ignored.includes(name)),
    body: (await answer.text()).replaceAll(/\d+\.\d+\.\d+\.\d+:\d+/g, ""),
  };
}

const APPS = { oak: oak(), itty: itty(), h3: h3(), elysia: elysia() };

for (const [name, app] of Object.entries(APPS)) {
  Deno.test(`${name} answers as under Deno.serve`, async () => {
    await using theirs = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => app(request, null!),
    );
    const other = `http://127.0.0.1:${theirs.addr.port}`;
    const statuses = new Set<number>();
    await withApp(app, async ({ url, client, errors }) => {
      for (const [path, init] of REQUESTS) {
        const all = { ...init, client };
        const ours = await within(seen(url, path, all), path);
        assertEquals(ours, await within(seen(other, path, all), path), path);
        statuses.add(ours.status);
      }
      // Routes were found, and a missing one was not.
      for (const status of [200, 201, 404]) {
        assertEquals(statuses.has(status), true, `${status}`);
      }
      assertEquals(errors, []);
    });
  });
}
