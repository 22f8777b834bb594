/**
 * Chromium as a client of the server.
 */

import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import type { Handler } from "@pooled/http1";
import { whileBrowsing } from "../support/chromium.ts";
import { needs } from "../support/needs.ts";
import { streamOf } from "../support/streams.ts";
import { echoSocket } from "../support/websocket.ts";
import { untilNoConnections, withServer } from "../support/with_server.ts";

const PAGE = `<!doctype html><title>test</title><script>
const results = {};
const note = async (name, make) => {
  try { results[name] = await make(); } catch (error) { results[name] = String(error); }
};
const text = async (path, init) => (await fetch(path, init)).text();
onload = async () => {
  await note("get", () => text("/get?a=b"));
  await note("post", () => text("/post", { method: "POST", body: "some text" }));
  await note("large", () => text("/large", {
    method: "PUT", body: new Blob([new Uint8Array(1500000).fill(7)]),
  }));
  await note("form", () => {
    const body = new FormData();
    body.append("file", new Blob(["content"]), "name.txt");
    return text("/form", { method: "POST", body });
  });
  await note("empty", async () => (await fetch("/empty")).status);
  await note("redirect", async () => {
    const { redirected, url } = await fetch("/redirect");
    return [redirected, new URL(url).pathname];
  });
  await note("head", async () => {
    const { headers } = await fetch("/get", { method: "HEAD" });
    return headers.get("content-length");
  });
  await note("stream", async () => {
    // The server sends the second piece only after the page has read the first.
    const reader = (await fetch("/stream")).body.getReader();
    const pieces = [];
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return pieces;
      pieces.push(decoder.decode(value));
      if (pieces.length === 1) await text("/more", { method: "POST" });
    }
  });
  await note("events", () => new Promise((resolve, reject) => {
    const source = new EventSource("/events");
    const seen = [];
    source.onerror = reject;
    source.onmessage = ({ data }) => {
      if (seen.push(data) < 3) return;
      source.close();
      resolve(seen);
    };
  }));
  await note("many", async () => {
    const all = await Promise.all(
      Array.from({ length: 100 }, (_, i) => text("/get?" + i)),
    );
    return all.every((answer, i) => answer === "GET /get?" + i);
  });
  await note("socket", () => new Promise((resolve, reject) => {
    const socket = new WebSocket("ws://" + location.host + "/socket");
    socket.binaryType = "arraybuffer";
    const seen = [];
    socket.onerror = () => reject("socket error");
    socket.onopen = () => { socket.send("hello"); socket.send(new Uint8Array(100000)); };
    socket.onmessage = ({ data }) => {
      if (seen.push(data.byteLength ?? data) === 2) socket.close(1000);
    };
    socket.onclose = ({ code }) => resolve([...seen, code]);
  }));
  await fetch("/done", { method: "POST", body: JSON.stringify(results) });
};
</script>`;

Deno.test(
  "Chromium: a page with uploads, downloads, a form, events and a WebSocket",
  needs("chromium"),
  async () => {
    const done = Promise.withResolvers<unknown>();
    const more = Promise.withResolvers<void>();
    const handler: Handler = async (req, res) => {
      switch (req.path) {
        case "/":
          return res.send(PAGE, { headers: { "content-type": "text/html" } });
        case "/get":
          return res.send(`${req.method} ${req.target}`);
        case "/post":
          return res.send(`${req.method} ${await req.text()}`);
        case "/large": {
          let sum = 0;
          for await (const chunk of req.body!) {
            for (const byte of chunk) sum += byte;
          }
          return res.send(`${req.contentLength} ${sum}`);
        }
        case "/form": {
          const type = req.headers.get("content-type")!;
          const form = await new Response(await req.bytes(), {
            headers: { "content-type": type },
          }).formData();
          const file = form.get("file") as File;
          return res.send(`${file.name} ${await file.text()}`);
        }
        case "/empty":
          return res.send(null, { status: 204 });
        case "/redirect":
          return res.send(null, { status: 302, headers: { location: "/get" } });
        case "/stream":
          return res.send(twoPieces("first", more.promise, "second"));
        case "/more":
          more.resolve();
          return res.send();
        case "/events":
          return res.send(
            streamOf([1, 2, 3].map((i) => Buffer.from(`data: ${i}\n\n`))),
            { headers: { "content-type": "text/event-stream" } },
          );
        case "/socket":
          return echoSocket(req, res);
        case "/done":
          done.resolve(await req.json());
          return res.send();
      }
      res.send("not found", { status: 404 });
    };
    await withServer(handler, async ({ url, server, errors }) => {
      const results = await whileBrowsing(
        url,
        ["--no-proxy-server"],
        done.promise,
      );
      assertEquals(results, {
        get: "GET /get?a=b",
        post: "POST some text",
        large: "1500000 10500000",
        form: "name.txt content",
        empty: 204,
        redirect: [true, "/get"],
        head: "9",
        stream: ["first", "second"],
        events: ["1", "2", "3"],
        many: true,
        socket: ["hello", 100000, 1000],
      });
      await untilNoConnections(server);
      assertEquals(errors, []);
    });
  },
);

/** A stream of two texts, the second sent when `between` resolves. */
function twoPieces(
  first: string,
  between: Promise<void>,
  second: string,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from((async function* () {
    yield Buffer.from(first);
    await between;
    yield Buffer.from(second);
  })());
}
