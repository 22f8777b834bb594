/**
 * A Hono application on this server: `fetchHandler` takes any handler of `Deno.serve`.
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
// Fetch reads the body as a stream, which `maxBodySize` does not bound.
app.post("/upload", bodyLimit({ maxSize: 1024 * 1024 }), async (c) => {
  // A body that is not a form is the client's error, not a 500.
  const { file } = await c.req.parseBody().catch(() => ({ file: null }));
  if (!(file instanceof File)) return c.text("no file\n", 400);
  return c.json({ name: file.name, size: file.size });
});

serve({ port: Number(Deno.args[0] ?? 8000) }, fetchHandler(app.fetch));
