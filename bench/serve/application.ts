/**
 * The Fetch application that is served under load, by both servers alike.
 * `deno run -A bench/serve/application.ts SERVER` prints its port and serves.
 *
 * @module
 */

import { Hono } from "hono";
import { fetchHandler, serve } from "../../mod.ts";
import { OURS } from "../lib/results.ts";

/** 2 kB. */
const PAGE = "<p>The quick brown fox jumps.</p>".repeat(62);

const app = new Hono();
app.get("/text", (c) => c.text("Hello, World!"));
app.get("/users/:id", (c) =>
  c.json({
    id: c.req.param("id"),
    page: c.req.query("page"),
    client: c.req.header("x-client"),
  }));
app.post("/echo", async (c) => c.json(await c.req.json()));
app.get(
  "/page",
  () =>
    new Response(PAGE, {
      headers: { "content-type": "text/html", "cache-control": "no-store" },
    }),
);

/** `/bare` is answered without a framework. */
function fetchApp(request: Request): Response | Promise<Response> {
  return request.url.endsWith("/bare")
    ? new Response("hi")
    : app.fetch(request);
}

const options = {
  hostname: "127.0.0.1",
  port: 0,
  onListen: ({ port }: Deno.NetAddr) => console.log(`port ${port}`),
};

if (import.meta.main) {
  if (Deno.args[0] === OURS) serve(options, fetchHandler(fetchApp));
  else Deno.serve(options, fetchApp);
}
