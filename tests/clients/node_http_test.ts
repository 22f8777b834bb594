/**
 * The `node:http` client and the server.
 */

import http from "node:http";
import { assertEquals } from "@std/assert";
import { within } from "../support/waiting.ts";
import { clientPortOf, withServer } from "../support/with_server.ts";

/** Sends one request with `node:http` and writes its body in these pieces. */
function nodeRequest(
  url: string,
  options: http.RequestOptions,
  pieces: string[] = [],
): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => text += chunk);
      response.on("end", () => resolve({ status: response.statusCode, text }));
      response.on("error", reject);
    });
    request.on("error", reject);
    for (const piece of pieces) request.write(piece);
    request.end();
  });
}

Deno.test("node:http: a keep-alive agent reuses its connection", async () => {
  await withServer(async (req, res, info) => {
    res.json({
      port: clientPortOf(info),
      chunked: req.chunked,
      text: await req.text(),
    });
  }, async ({ url, server }) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    let port: number | undefined;
    for (let i = 0; i < 200; i++) {
      const posts = i % 3 === 0;
      const { status, text } = await within(
        nodeRequest(
          url,
          { agent, method: posts ? "POST" : "GET" },
          posts ? [`${i}`, ` and `, `${-i}`] : [],
        ),
        "an answer",
      );
      assertEquals(status, 200);
      const seen = JSON.parse(text);
      port ??= seen.port;
      assertEquals(seen, {
        port,
        chunked: posts,
        text: posts ? `${i} and ${-i}` : "",
      });
    }
    assertEquals(server.stats().accepted, 1);
    agent.destroy();
  });
});
