/**
 * Which request failed, as `onError` of the server and of `fetchHandler` is told.
 */

import { assert, assertEquals } from "@std/assert";
import { fetchHandler, type Handler, type ServeOptions } from "@pooled/http1";
import { answerTo } from "../support/raw_client.ts";
import { get, last } from "../support/requests.ts";
import { streamOf } from "../support/streams.ts";
import { settle, test } from "../support/waiting.ts";
import { clientPortOf, withServer } from "../support/with_server.ts";

/** Sends `wire` on one connection, and returns all answers. */
async function askAll(
  wire: string,
  handler: Handler,
  options: ServeOptions = {},
): Promise<string> {
  let answer = "";
  await withServer(handler, async ({ port }) => {
    answer = await answerTo(port, wire);
  }, options);
  return answer;
}

test("onError is told which request failed, even one that its handler released", async () => {
  const told: unknown[] = [];
  let remote = 0;
  const wire = get("/a?b") + `PURGE /c HTTP/1.1\r\nHost: a\r\n\r\n` +
    last("/stream");
  await askAll(wire, async (req, res, info) => {
    const { path } = req;
    remote = clientPortOf(info);
    if (path === "/stream") {
      return res.send(
        streamOf(["x"]).pipeThrough(
          new TransformStream({
            transform: () => {
              throw new Error("/stream");
            },
          }),
        ),
      );
    }
    req.release();
    await settle();
    throw new Error(path);
  }, {
    onError: (error, _res, request) =>
      void told.push([
        (error as Error).message,
        request?.method,
        request?.target,
        (request?.remoteAddr as Deno.NetAddr | undefined)?.port,
      ]),
  });
  assertEquals(told, [
    ["/a", "GET", "/a?b", remote],
    ["/c", "PURGE", "/c", remote],
    ["/stream", "GET", "/stream", remote],
  ]);
});

test("the onError of fetchHandler is given the request", async () => {
  const answer = await askAll(
    last("/a?b"),
    fetchHandler(() => {
      throw new Error("mine");
    }, {
      onError: (error, request) =>
        new Response(
          `${request.method} ${new URL(request.url).search} ${error}`,
        ),
    }),
  );
  assert(answer.endsWith("GET ?b Error: mine"), answer);
});
