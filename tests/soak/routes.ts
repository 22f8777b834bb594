/**
 * The application that the soak serves. Every response carries the id of its request
 * in the field X-Id and all over its body, so that a client notices a response, or a
 * piece of one, that belongs to another request.
 *
 * @module
 */

import {
  fetchHandler,
  type Handler,
  type HttpResponse,
  prepareResponse,
} from "../../mod.ts";
import { bodyOf } from "./bodies.ts";

/** An error that a handler throws on purpose. Its message is the id of its request. */
export class ExpectedError extends Error {}

/** What is open in the application. */
export const open = { streams: 0, upgrades: 0 };

const encoder = new TextEncoder();

const sleep = (milliseconds: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** A stream that is counted until it has ended, failed or was cancelled. */
function counted(
  chunks: () => AsyncGenerator<Uint8Array>,
): ReadableStream<Uint8Array> {
  open.streams++;
  const iterator = chunks();
  let ended = false;
  const end = () => {
    if (!ended) open.streams--;
    ended = true;
  };
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await iterator.next();
        if (!done) return controller.enqueue(value);
        end();
        controller.close();
      } catch (error) {
        end();
        throw error;
      }
    },
    cancel: end,
  }, { highWaterMark: 0 });
}

/** The least bytes of a piece of a streamed body, but for the last piece. */
const PIECE = 3000;

/**
 * The body in pieces, with a pause before every eighth. No piece is made before it is
 * asked for: what is held for slow clients would hide a leak.
 */
async function* pieces(id: string, size: number) {
  const unit = id.length + 1;
  const length = unit * Math.ceil(PIECE / unit);
  for (let at = 0, i = 1; at < size; at += length, i++) {
    if (i % 8 === 0) await sleep(1);
    yield encoder.encode(bodyOf(id, Math.min(length, size - at)));
  }
}

/** Half of the body, then a failure. */
async function* broken(id: string, size: number) {
  yield encoder.encode(bodyOf(id, size).slice(0, size / 2));
  await sleep(1);
  throw new ExpectedError(id);
}

/** Events without end. */
async function* events(id: string) {
  for (let i = 0;; i++) {
    yield encoder.encode(`id: ${i}\ndata: ${id}\n\n`);
    await sleep(10);
  }
}

const app = fetchHandler(async (request) => {
  const { pathname } = new URL(request.url);
  const [, , route, id = "", size = "0"] = pathname.split("/");
  const headers = { "x-id": id };
  switch (route) {
    case "text":
      return new Response(bodyOf(id, Number(size)), { headers });
    case "stream":
      return new Response(
        counted(() => pieces(id, Number(size))),
        { headers },
      );
    case "echo":
      return new Response(await request.text(), { headers });
    case "pipe":
      return new Response(request.body, { headers });
    case "fail":
      await null;
      throw new ExpectedError(id);
  }
  return new Response("not found", { status: 404, headers });
});

async function upgrade(id: string, res: HttpResponse): Promise<void> {
  open.upgrades++;
  const { readable, writable } = res.upgrade({ headers: { "x-id": id } });
  try {
    await readable.pipeTo(writable);
  } catch {
    // The client has aborted or reset the connection.
  } finally {
    open.upgrades--;
  }
}

const prepared = prepareResponse({ body: "Hello, World!" });

/** `/route/id/size`, or `/fetch/route/id/size` for the Fetch application. */
export const application: Handler = async (req, res, info) => {
  if (req.path === "/") return res.send(prepared);
  const [, route, id = "", size = "0"] = req.path.split("/");
  const headers = { "x-id": id };
  switch (route) {
    case "text":
      return res.send(bodyOf(id, Number(size)), { headers });
    case "bytes":
      return res.send(encoder.encode(bodyOf(id, Number(size))), { headers });
    case "later":
      await sleep(Number(size) % 8);
      return res.send(bodyOf(id, Number(size)), { headers });
    case "json":
      return res.json(bodyOf(id, Number(size)), { headers });
    case "stream":
      return res.send(
        counted(() => pieces(id, Number(size))),
        { headers },
      );
    case "trailers":
      return res.send(bodyOf(id, Number(size)), {
        headers,
        trailers: () => headers,
      });
    case "echo":
      return res.send(await req.text(), { headers });
    case "pipe":
      return res.send(req.body!, { headers });
    case "ignore":
      return res.send(bodyOf(id, Number(size)), { headers });
    case "hints":
      for (let i = 0; i < Number(size); i++) {
        res.send(null, { status: 103, headers });
      }
      return res.send(bodyOf(id, Number(size)), { headers });
    case "events":
      return res.send(counted(() => events(id)), {
        headers: { ...headers, "content-type": "text/event-stream" },
      });
    case "break":
      return res.send(counted(() => broken(id, Number(size))), { headers });
    case "fail":
      throw new ExpectedError(id);
    case "upgrade":
      return await upgrade(id, res);
    case "fetch":
      return await app(req, res, info);
  }
  res.send("not found", { status: 404, headers });
};
