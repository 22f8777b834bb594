/**
 * What a connection is in the middle of when it breaks.
 *
 * @module
 */

import { fetchHandler, type Handler } from "@pooled/http1";
import { streamOf } from "./streams.ts";
import { chunked, get, post, UPGRADE } from "./requests.ts";
import { turn } from "./waiting.ts";

/** A Date of the program's own, so that each run writes the same bytes. */
const headers = { date: "Thu, 01 Jan 2026 00:00:00 GMT" };

/** The input of a connection, and the handler that answers it. */
export interface Scenario {
  name: string;
  /** What each read gives. */
  pieces: string[];
  /** Requests in the input. */
  requests: number;
  handler: Handler;
  /** Whether the handler sends back what it is sent, in chunks as they come. */
  echoes?: boolean;
}

const LONG = "0123456789abcdef".repeat(4000);

/** More than waits in the output. */
function* chunks(): Generator<string> {
  for (let i = 0; i < 10; i++) yield `${i},`.repeat(3500);
}

const answer: Handler = async (req, res) => {
  switch (req.path) {
    case "/text":
      return res.send(await req.text(), { headers });
    case "/body":
      return res.send(req.body!, { headers });
    case "/stream":
      return res.send(streamOf(["first,", "second,", "third"]), {
        headers,
        trailers: async () => {
          await turn();
          return { "x-end": "yes" };
        },
      });
    case "/long":
      return res.send(streamOf(chunks()), { headers });
    case "/large":
      return res.send(LONG, { headers });
    case "/later":
      await turn();
      return res.send("later", { headers });
    case "/interim":
      res.send(null, { status: 103 });
      await turn();
      return res.send("at last", { headers });
    case "/up": {
      const { readable, writable } = res.upgrade();
      return await readable.pipeTo(writable);
    }
  }
  res.send(`hello ${req.path}`, { headers });
};

const app = fetchHandler(async (request) => {
  const { pathname } = new URL(request.url);
  if (pathname === "/text") {
    return new Response(await request.text(), { headers });
  }
  if (pathname === "/body") return new Response(request.body, { headers });
  if (pathname === "/long") {
    return new Response(streamOf(chunks()), { headers });
  }
  return new Response(`hello ${pathname}`, { headers });
});

const own = (
  name: string,
  requests: number,
  ...pieces: string[]
): Scenario => ({
  name,
  requests,
  pieces,
  handler: answer,
  echoes: name.includes("sent back"),
});

const fetched = (
  name: string,
  requests: number,
  ...pieces: string[]
): Scenario => ({
  name: `fetchHandler, ${name}`,
  requests,
  pieces,
  handler: app,
  echoes: name.includes("sent back"),
});

const body = "The body of a request, ".repeat(300);
const EXPECTING = post("/text", "", "Expect: 100-continue")
  .replace("Content-Length: 0", "Content-Length: 4");

/** All of them. */
export const SCENARIOS: readonly Scenario[] = [
  own("GET", 1, get("/a")),
  own("GET, in two reads", 1, "GET /a HT", "TP/1.1\r\nHost: a\r\n\r\n"),
  own("GET that is answered later", 1, get("/later")),
  own("GET with an interim response", 1, get("/interim")),
  own("GET of a large text", 2, get("/large") + get("/a")),
  own(
    "pipelined GETs",
    4,
    ["/a", "/b", "/later", "/c"].map((p) => get(p)).join(""),
  ),
  own("POST with a length", 2, post("/text", body) + get("/a")),
  own(
    "POST in two reads",
    1,
    post("/text", body).slice(0, 3000),
    post("/text", body).slice(3000),
  ),
  own("POST that waits for 100", 1, EXPECTING, "body"),
  own("POST in chunks", 2, chunked("/text", "one", "two", body), get("/a")),
  own(
    "POST whose body is sent back",
    2,
    chunked("/body", "one", body),
    get("/a"),
  ),
  own("POST whose body is left", 2, post("/left", body), get("/a")),
  own("stream with trailers", 2, get("/stream") + get("/a")),
  own("long stream", 2, get("/long") + get("/a")),
  own("upgrade", 1, UPGRADE + "early", "late"),
  fetched("GET", 2, get("/a") + get("/b")),
  fetched("POST", 2, post("/text", body), get("/a")),
  fetched("body sent back", 2, chunked("/body", "one", body), get("/a")),
  fetched("long stream", 1, get("/long")),
];
