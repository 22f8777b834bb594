/**
 * A Hono application behind this server: `fetchHandler` takes whatever `Deno.serve`
 * would take.
 *
 * `deno run -N examples/hono.ts 8000`, then `curl localhost:8000/users/7`.
 *
 * @module
 */

import { Hono } from "npm:hono@4.13.19";
import { bodyLimit } from "npm:hono@4.13.19/body-limit";
import { fetchHandler, serve } from "@pooled/http1";

const app = new Hono();

app.get("/", (c) => c.text("hello from Hono\n"));
app.get("/users/:id", (c) => c.json({ id: c.req.param("id") }));
// A body that is read as a stream, as Fetch does, has no bound of its own.
app.post("/upload", bodyLimit({ maxSize: 1024 * 1024 }), async (c) => {
  // What is no form is the client's fault.
  const { file } = await c.req.parseBody().catch(() => ({ file: null }));
  if (!(file instanceof File)) return c.text("no file\n", 400);
  return c.json({ name: file.name, size: file.size });
});

serve({ port: Number(Deno.args[0] ?? 8000) }, fetchHandler(app.fetch));
