/**
 * A Hono application behind this server: `fetchHandler` takes whatever `Deno.serve`
 * would take.
 *
 * `deno run -N examples/hono.ts 8000`, then `curl localhost:8000/users/7`.
 *
 * @module
 */

import { Hono } from "hono";
import { fetchHandler, serve } from "@pooled/http1";

const app = new Hono();

app.get("/", (c) => c.text("hello from Hono\n"));
app.get("/users/:id", (c) => c.json({ id: c.req.param("id") }));
app.post("/upload", async (c) => {
  const { file } = await c.req.parseBody();
  if (!(file instanceof File)) return c.text("no file\n", 400);
  return c.json({ name: file.name, size: file.size });
});

serve({ port: Number(Deno.args[0] ?? 8000) }, fetchHandler(app.fetch));
