/**
 * A server like `Deno.serve`: text, JSON, a buffered body, and a page that is encoded
 * once.
 *
 * `deno run -N examples/hello.ts 8000`, then `curl localhost:8000/hello/you`.
 *
 * @module
 */

import { prepareResponse, serve } from "@pooled/http1";

const page = prepareResponse({
  headers: { "content-type": "text/html;charset=UTF-8" },
  body: "<!doctype html><title>hello</title><h1>hello</h1>",
});

/** Decodes percent-encoded text; `null` if it is malformed. */
function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

serve({ port: Number(Deno.args[0] ?? 8000) }, async (req, res) => {
  if (req.path === "/") return res.send(page);
  if (req.path === "/echo" && req.method === "POST") {
    return res.json({ length: (await req.bytes()).length });
  }
  if (req.path.startsWith("/hello/")) {
    const name = decode(req.path.slice(7));
    return name === null
      ? res.send("the name is malformed\n", { status: 400 })
      : res.send(`hello, ${name}\n`);
  }
  res.send("nothing here\n", { status: 404 });
});
